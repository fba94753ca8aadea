//! Certificates: the root key's own, and a leaf signed by it for this process.
//!
//! Tills pin the root key, never a public authority. The leaf's key lives in memory only and is made anew at each
//! start, so nothing on disk can serve as this hub but the root key itself. Both certificates are valid for two
//! centuries: till clocks lie, and no credential may expire by time while a till is offline.

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use counterfoil_protocol::wire::sign::PublicKey;
use ed25519_dalek::SigningKey;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ED25519, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

// PKCS #8 (RFC 5958) of an Ed25519 key (RFC 8410) is this header and the seed.
const PKCS8_HEADER: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";

/// Certificates that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A name no certificate can carry.
    #[error("{0:?} is no host name or address: correct [server] names")]
    Name(String),
    /// The certificate could not be made from the key.
    #[error("cannot make a certificate")]
    Certificate(#[source] rcgen::Error),
    /// The TLS library refuses the certificate.
    #[error("the TLS library refuses this hub's certificate")]
    Refused(#[source] rustls::Error),
}

/// The root key as `root.key` keeps it: PKCS #8 in PEM.
pub fn root_key_pem(seed: &[u8; 32]) -> String {
    format!("{PEM_BEGIN}\n{}\n{PEM_END}\n", STANDARD.encode(pkcs8(seed)))
}

/// The seed in a `root.key`; `None` where the text is no Ed25519 key.
pub fn parse_root_key_pem(text: &str) -> Option<[u8; 32]> {
    let body: String = text.trim().strip_prefix(PEM_BEGIN)?.strip_suffix(PEM_END)?.split_whitespace().collect();
    let der = STANDARD.decode(body).ok()?;
    der.strip_prefix(PKCS8_HEADER.as_slice())?.try_into().ok()
}

fn pkcs8(seed: &[u8; 32]) -> Vec<u8> {
    [PKCS8_HEADER.as_slice(), seed].concat()
}

fn root_pair(seed: &[u8; 32]) -> Result<KeyPair, TlsError> {
    let der = PrivatePkcs8KeyDer::from(pkcs8(seed));
    KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ED25519).map_err(TlsError::Certificate)
}

fn root_params(seed: &[u8; 32]) -> CertificateParams {
    let fingerprint = PublicKey::of(&SigningKey::from_bytes(seed)).fingerprint();
    let name: String = fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, format!("Counterfoil head office {name}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid_for_long(&mut params);
    params
}

fn valid_for_long(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(2199, 12, 31);
}

/// The root certificate, PEM. The same key always gives the same subject; tills keep what enrolment gave them.
///
/// # Errors
/// When the key gives none.
pub fn root_certificate(seed: &[u8; 32]) -> Result<String, TlsError> {
    let certificate = root_params(seed).self_signed(&root_pair(seed)?).map_err(TlsError::Certificate)?;
    Ok(certificate.pem())
}

/// What a hub presents: a fresh leaf for `names`, then `root_pem`.
///
/// # Errors
/// When a name cannot stand in a certificate, or the root certificate is none.
pub fn server_config(seed: &[u8; 32], root_pem: &str, names: &[String]) -> Result<Arc<rustls::ServerConfig>, TlsError> {
    for name in names {
        let plain =
            name.parse::<std::net::IpAddr>().is_ok() || rustls::pki_types::DnsName::try_from(name.as_str()).is_ok();
        if !plain {
            return Err(TlsError::Name(name.clone()));
        }
    }
    let issuer = Issuer::new(root_params(seed), root_pair(seed)?);
    let leaf_pair = KeyPair::generate_for(&PKCS_ED25519).map_err(TlsError::Certificate)?;
    let mut params = CertificateParams::new(names.to_vec()).map_err(TlsError::Certificate)?;
    params.distinguished_name.push(DnType::CommonName, "Counterfoil hub");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    valid_for_long(&mut params);
    let leaf = params.signed_by(&leaf_pair, &issuer).map_err(TlsError::Certificate)?;
    let root = pem_certificate(root_pem).ok_or(TlsError::Certificate(rcgen::Error::CouldNotParseCertificate))?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_pair.serialize_der()));
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Refused)?
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone(), root], key)
        .map_err(TlsError::Refused)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn pem_certificate(text: &str) -> Option<CertificateDer<'static>> {
    use rustls::pki_types::pem::PemObject as _;
    CertificateDer::from_pem_slice(text.as_bytes()).ok()
}

/// The names a certificate is for: what was said, and what this machine is called in any case.
pub fn certificate_names(said: &[String], listen: SocketAddr) -> Vec<String> {
    let mut names: Vec<String> = said.to_vec();
    names.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
    if !listen.ip().is_unspecified() {
        names.push(listen.ip().to_string());
    }
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if rustls::pki_types::DnsName::try_from(host.as_str()).is_ok() {
        names.push(host);
    }
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_key_survives_its_file() {
        let seed = [9; 32];
        assert_eq!(parse_root_key_pem(&root_key_pem(&seed)), Some(seed));
        assert_eq!(parse_root_key_pem("root"), None);
    }

    #[test]
    fn a_leaf_is_made_for_names_and_refused_for_others() {
        let seed = [9; 32];
        let root = root_certificate(&seed).unwrap();
        let names = certificate_names(&["hub.example.org".into()], "0.0.0.0:1".parse().unwrap());
        assert!(names.contains(&"hub.example.org".into()) && !names.contains(&"0.0.0.0".into()));
        assert!(server_config(&seed, &root, &names).is_ok());
        assert!(matches!(server_config(&seed, &root, &["https://x".into()]), Err(TlsError::Name(_))));
        assert!(server_config(&seed, "no certificate", &names).is_err());
    }

    fn shakes_hands(root_pem: &str, name: &str) -> Result<(), rustls::Error> {
        let seed = [9; 32];
        let names = ["hub.example.org".to_owned(), "127.0.0.1".to_owned()];
        let config = server_config(&seed, &root_certificate(&seed).unwrap(), &names).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(pem_certificate(root_pem).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = rustls::pki_types::ServerName::try_from(name.to_owned()).unwrap();
        let mut client = rustls::ClientConnection::new(Arc::new(client), name)?;
        let mut server = rustls::ServerConnection::new(config)?;
        while client.is_handshaking() || server.is_handshaking() {
            let mut sent = Vec::new();
            client.write_tls(&mut sent).unwrap();
            server.read_tls(&mut sent.as_slice()).unwrap();
            server.process_new_packets()?;
            let mut answered = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut answered).unwrap();
            }
            let mut rest = answered.as_slice();
            while !rest.is_empty() {
                client.read_tls(&mut rest).unwrap();
            }
            client.process_new_packets()?;
        }
        Ok(())
    }

    #[test]
    fn who_pins_the_root_gets_through_and_nobody_else() {
        let root = root_certificate(&[9; 32]).unwrap();
        shakes_hands(&root, "hub.example.org").unwrap();
        shakes_hands(&root, "127.0.0.1").unwrap();
        assert!(shakes_hands(&root, "other.example.org").is_err());
        assert!(shakes_hands(&root_certificate(&[8; 32]).unwrap(), "hub.example.org").is_err());
    }
}

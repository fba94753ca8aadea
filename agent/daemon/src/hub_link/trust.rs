//! Whom a till believes over TLS: head office's own root, and nobody else.
//!
//! At the first contact only the fingerprint in the enrolment code is known: a chain is trusted when it holds a
//! certificate of the key with that fingerprint and leads to it. Afterwards the root's certificate is pinned.
//! Public certificate authorities never count. `ring` is the only provider.

use std::fmt;
use std::sync::Arc;

use counterfoil_protocol::wire::sign::PublicKey;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// A pinned root that is no certificate.
#[derive(Debug, thiserror::Error)]
#[error("the root certificate kept at enrolment cannot be used: enrol this till again")]
pub struct RootError;

/// Trusts the root certificate (PEM) kept at enrolment.
///
/// # Errors
/// When it is no certificate.
pub fn pinned(root_pem: &str) -> Result<ClientConfig, RootError> {
    let root = CertificateDer::from_pem_slice(root_pem.as_bytes()).map_err(|_| RootError)?;
    let mut store = RootCertStore::empty();
    store.add(root).map_err(|_| RootError)?;
    Ok(versions().with_root_certificates(store).with_no_client_auth())
}

/// Trusts whatever chain leads to the key with this fingerprint.
pub fn first_contact(root_fingerprint: [u8; 16]) -> ClientConfig {
    let verifier = FirstContact { root_fingerprint, provider: provider() };
    versions().dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn versions() -> rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring knows TLS 1.2 and 1.3")
}

struct FirstContact {
    root_fingerprint: [u8; 16],
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for FirstContact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FirstContact")
    }
}

impl ServerCertVerifier for FirstContact {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let root = intermediates
            .iter()
            .find_map(|certificate| {
                let mut store = RootCertStore::empty();
                store.add(certificate.clone().into_owned()).ok()?;
                let key = ed25519_key(store.roots.first()?)?;
                (key.fingerprint() == self.root_fingerprint).then_some(store)
            })
            .ok_or(Error::InvalidCertificate(CertificateError::UnknownIssuer))?;
        WebPkiServerVerifier::builder_with_provider(Arc::new(root), Arc::clone(&self.provider))
            .build()
            .map_err(|_| Error::InvalidCertificate(CertificateError::UnknownIssuer))?
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The key of an anchor, where it is Ed25519 (RFC 8410, section 4: algorithm 1.3.101.112, no parameters, and a
/// bit string of 32 bytes). The anchor holds the value of `subjectPublicKeyInfo` without its outer tag.
fn ed25519_key(anchor: &TrustAnchor<'_>) -> Option<PublicKey> {
    const PREFIX: [u8; 10] = [0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    let key = anchor.subject_public_key_info.as_ref().strip_prefix(&PREFIX)?;
    key.try_into().ok().map(PublicKey)
}

/// Trusts nobody: for clients that only use Unix sockets.
pub fn nobody() -> ClientConfig {
    versions().with_root_certificates(RootCertStore::empty()).with_no_client_auth()
}

//! Whom a till believes over TLS, against a real server of this process.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use counterfoil_agent::hub_link::address::HubUrl;
use counterfoil_agent::hub_link::client::{HubClient, NoAnswer};
use counterfoil_agent::hub_link::trust;
use counterfoil_protocol::id::IncarnationId;
use counterfoil_protocol::record::Head;
use counterfoil_protocol::wire::http::RequestHeaders;
use counterfoil_protocol::wire::sign::{PublicKey, Sig};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_ED25519};
use reqwest::Method;
use rustls::ClientConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

struct Root {
    issuer: CertifiedIssuer<'static, KeyPair>,
    key: PublicKey,
}

fn root() -> Root {
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let public = PublicKey(key.public_key_raw().try_into().unwrap());
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Root { issuer: CertifiedIssuer::self_signed(params, key).unwrap(), key: public }
}

/// Serves "hello" with a leaf of `root`, and the chain that `shown` leads.
async fn serve(root: &Root, shown: &Root) -> SocketAddr {
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &root.issuer).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone(), shown.issuer.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let config = axum_server::tls_rustls::RustlsConfig::from_config(Arc::new(config));
    let service = axum::Router::new().fallback(|| async { "hello" }).into_make_service();
    tokio::spawn(axum_server::from_tcp_rustls(listener, config).unwrap().serve(service));
    address
}

async fn ask(address: SocketAddr, trust: ClientConfig) -> Result<(), NoAnswer> {
    let client = HubClient::new(HubUrl::parse(&format!("https://{address}")).unwrap(), trust).unwrap();
    let incarnation = IncarnationId([0; 16]);
    let headers = RequestHeaders { incarnation, epoch: 0, head: Head::start(incarnation), signature: Sig([0; 64]) };
    let answer = client.exchange(Method::GET, "/", Vec::new(), &headers, Duration::from_secs(20)).await?;
    assert_eq!((answer.status, answer.body), (200, b"hello".to_vec()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_root_of_the_code_is_trusted_and_then_pinned() {
    let (ours, foreign) = (root(), root());
    let address = serve(&ours, &ours).await;
    ask(address, trust::first_contact(ours.key.fingerprint())).await.unwrap();
    ask(address, trust::pinned(&ours.issuer.pem()).unwrap()).await.unwrap();
    for stranger in [
        trust::first_contact(foreign.key.fingerprint()),
        trust::pinned(&foreign.issuer.pem()).unwrap(),
        trust::nobody(),
    ] {
        let refused = ask(address, stranger).await.unwrap_err();
        assert!(refused.0.contains("certificate"), "{refused}");
    }
}

/// Anybody can show our root's certificate; nobody else has a leaf that leads to it.
#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_who_shows_our_root_is_not_believed() {
    let (ours, foreign) = (root(), root());
    let address = serve(&foreign, &ours).await;
    ask(address, trust::first_contact(ours.key.fingerprint())).await.unwrap_err();
    ask(address, trust::pinned(&ours.issuer.pem()).unwrap()).await.unwrap_err();
}

#[test]
fn damaged_pins_are_named() {
    assert!(trust::pinned("").is_err());
    assert!(trust::pinned("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").is_err());
}

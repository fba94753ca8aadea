//! TLS: always beyond loopback, trusted through the root certificate alone.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod support;

use reqwest::{Certificate, Client};
use support::{Served, hub};

fn client(root_pem: Option<&str>) -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let roots = root_pem.map(|pem| Certificate::from_pem(pem.as_bytes()).unwrap());
    Client::builder().tls_certs_only(roots).build().unwrap()
}

fn root_pem(data_dir: &std::path::Path) -> String {
    let place = counterfoil_hub::data_dir::DataDir::resolve(Some(data_dir.to_owned()), None).unwrap();
    place.open().unwrap().root_certificate().to_owned()
}

#[tokio::test]
async fn beyond_loopback_there_is_no_plain_http() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("hub");
    let mut served = Served::start_on("0.0.0.0:0", &data, &[]);
    assert_eq!(served.ready["tls"], true);
    let url = served.url();
    assert!(url.starts_with("https://"), "{url}");
    let port = url.rsplit(':').next().unwrap();
    let pinned = client(Some(&root_pem(&data)));
    assert!(pinned.get(format!("http://127.0.0.1:{port}/healthz")).send().await.is_err(), "plain HTTP is refused");
    for host in ["127.0.0.1", "localhost"] {
        let answer = pinned.get(format!("https://{host}:{port}/healthz")).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "ok\n");
    }
    assert!(client(None).get(format!("{url}/healthz")).send().await.is_err(), "nobody else vouches for it");
    assert_eq!(served.stop(), Some(0));
}

#[tokio::test]
async fn the_root_outlives_a_restart_and_names_are_what_was_said() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("hub");
    let mut first = Served::start(&data, &["--tls", "--name", "hub.example.org"]);
    let root = root_pem(&data);
    first.kill();
    let mut second = Served::start(&data, &["--tls", "--name", "hub.example.org"]);
    let address = second.ready["address"].as_str().unwrap().parse().unwrap();
    let resolved = Client::builder()
        .tls_certs_only([Certificate::from_pem(root.as_bytes()).unwrap()])
        .resolve("hub.example.org", address)
        .resolve("other.example.org", address)
        .build()
        .unwrap();
    let get = |host: &str| resolved.get(format!("https://{host}:{}/readyz", address.port())).send();
    assert_eq!(get("hub.example.org").await.unwrap().text().await.unwrap(), "ready\n");
    assert!(get("other.example.org").await.is_err());
    assert_eq!(second.stop(), Some(0));
    let bad = hub(&data, &["serve", "--listen", "127.0.0.1:0", "--tls", "--name", "https://hub"]);
    assert_eq!(bad.status.code(), Some(1));
}

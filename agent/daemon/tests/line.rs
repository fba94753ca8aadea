//! The line to head office when it is cut, hangs or lies: every way is one failure with a reason, never half an
//! answer.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::net::SocketAddr;
use std::time::Duration;

use counterfoil_agent::hub_link::address::HubUrl;
use counterfoil_agent::hub_link::client::{Answer, HubClient, NoAnswer};
use counterfoil_agent::hub_link::trust;
use counterfoil_protocol::id::IncarnationId;
use counterfoil_protocol::record::Head;
use counterfoil_protocol::wire::http::RequestHeaders;
use counterfoil_protocol::wire::sign::Sig;
use reqwest::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// Answers every request with these bytes and then cuts, or, `hung`, never cuts.
async fn serve(bytes: &'static [u8], hung: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(connection.read_u8().await.unwrap());
            }
            connection.write_all(bytes).await.unwrap();
            if hung {
                kept.push(connection);
            }
        }
    });
    address
}

async fn ask(address: SocketAddr, timeout: Duration) -> Result<Answer, NoAnswer> {
    let url = HubUrl::parse(&format!("http://{address}")).unwrap();
    let client = HubClient::new(url, trust::nobody()).unwrap();
    let incarnation = IncarnationId([0; 16]);
    let headers = RequestHeaders { incarnation, epoch: 0, head: Head::start(incarnation), signature: Sig([0; 64]) };
    client.exchange(Method::GET, "/v1/sync/feed?after=&wait=0", Vec::new(), &headers, timeout).await
}

const PATIENT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn an_answer_cut_at_any_byte_is_no_answer() {
    for cut in 0..ANSWER.len() {
        let address = serve(&ANSWER[..cut], false).await;
        let error = ask(address, PATIENT).await.unwrap_err();
        assert!(error.0.contains(&address.to_string()), "cut at {cut}: {error}");
    }
    let whole = ask(serve(ANSWER, false).await, PATIENT).await.unwrap();
    assert_eq!((whole.status, whole.body, whole.signature), (200, b"hello".to_vec(), None));
}

#[tokio::test]
async fn a_connection_that_hangs_is_given_up() {
    for sent in [0, 10, ANSWER.len() - 1] {
        let address = serve(&ANSWER[..sent], true).await;
        let error = ask(address, Duration::from_millis(50)).await.unwrap_err();
        assert!(error.0.contains("in time"), "{error}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = b"HTTP/1.1 307 Elsewhere\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(ask(serve(elsewhere, false).await, PATIENT).await.unwrap().status, 307);
}

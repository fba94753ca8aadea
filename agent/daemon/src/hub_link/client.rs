//! One signed exchange with head office over HTTP.
//!
//! Bytes in, bytes out; every way in which an answer can fail to come is one kind of failure, with a reason in
//! words. Bounded in time (a connection that hangs is given up) and in size. Knows nothing of journals.

use std::io::ErrorKind;
use std::time::Duration;

use counterfoil_protocol::wire::http::{MEDIA_TYPE, RequestHeaders, SIGNATURE_HEADER, parse_signature};
use counterfoil_protocol::wire::sign::Sig;
use reqwest::Method;
use rustls::ClientConfig;

use crate::errors::ErrorChain;
use crate::hub_link::address::HubUrl;

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of an answer. A page of the feed is far below.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// No usable answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoAnswer(pub String);

/// An answer as it came: nothing in it is believed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// The signature, where one stands beside it.
    pub signature: Option<Sig>,
}

/// A client for one hub.
#[derive(Debug, Clone)]
pub struct HubClient {
    http: reqwest::Client,
    url: HubUrl,
}

impl HubClient {
    /// A client that trusts what `trust` trusts.
    ///
    /// # Errors
    /// When the TLS settings cannot be used.
    pub fn new(url: HubUrl, trust: ClientConfig) -> Result<Self, NoAnswer> {
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(trust)
            .user_agent(concat!("counterfoil/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_keepalive(Duration::from_secs(30))
            .build()
            .map_err(|error| NoAnswer(ErrorChain(&error).to_string()))?;
        Ok(Self { http, url })
    }

    /// Where the hub is.
    pub fn url(&self) -> &HubUrl {
        &self.url
    }

    /// Asks once. `timeout` covers everything from the first byte sent to the last one read.
    ///
    /// # Errors
    /// When no whole answer came in time.
    pub async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        headers: &RequestHeaders,
        timeout: Duration,
    ) -> Result<Answer, NoAnswer> {
        let mut request = self.http.request(method, self.url.endpoint(path)).timeout(timeout);
        for (name, value) in headers.to_pairs() {
            request = request.header(name, value);
        }
        if !body.is_empty() {
            request = request.header(reqwest::header::CONTENT_TYPE, MEDIA_TYPE).body(body);
        }
        let mut response = request.send().await.map_err(|error| self.no_answer(&error))?;
        let status = response.status().as_u16();
        let signature =
            response.headers().get(SIGNATURE_HEADER).and_then(|value| parse_signature(value.to_str().ok()?));
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.no_answer(&error))? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(NoAnswer(format!("{} answers with more than {ANSWER_BYTES_MAX} bytes", self.url.as_str())));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, body, signature })
    }

    fn no_answer(&self, error: &reqwest::Error) -> NoAnswer {
        let hub = self.url.as_str();
        if error.is_timeout() {
            return NoAnswer(format!("{hub} does not answer in time"));
        }
        // reqwest's own text names the whole address with its query: the last cause says what matters.
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        if let Some(io) = cause.downcast_ref::<std::io::Error>()
            && matches!(io.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset)
        {
            return NoAnswer(format!("{hub} cut the connection"));
        }
        NoAnswer(format!("{hub} cannot be reached: {cause}"))
    }
}

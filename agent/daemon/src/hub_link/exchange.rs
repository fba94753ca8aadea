//! The three exchanges with head office: push, pull, grants.
//!
//! Each builds a signed request from the engine, sends it, checks the answer's signature, and gives what it says
//! to the engine. A refusal is believed only when signed, too; then what it tells the engine (that this till is
//! behind, that head office has a new epoch) is noted before anybody tries again.

use std::time::Duration;

use counterfoil_protocol::session::terminal::Failure;
use counterfoil_protocol::wire::http::{FEED_PATH, GRANTS_PATH, PUSH_PATH};
use counterfoil_protocol::wire::sign::request_text;
use counterfoil_protocol::wire::v1::feed::Page;
use counterfoil_protocol::wire::v1::grant::{GrantAnswer, GrantRequest, PushAnswer, Refusal, RefusalKind};
use minicbor::Decode;
use reqwest::Method;

use crate::clock::Clock;
use crate::engine::{Engine, Stopped};
use crate::errors::ErrorChain;
use crate::hub_link::client::HubClient;
use crate::hub_link::state::Link;

/// A push moves at most a few megabytes.
const PUSH_TIMEOUT: Duration = Duration::from_secs(30);
/// Beyond the time the hub may hold the question.
const PULL_MARGIN: Duration = Duration::from_secs(10);
/// A late grant is still worth having, long after the cashier was answered.
const GRANT_TIMEOUT: Duration = Duration::from_secs(10);

/// Does exchanges; clones share the connection pool.
#[derive(Clone)]
pub struct Exchanges {
    engine: Engine,
    client: HubClient,
    clock: Clock,
    link: Link,
}

impl Exchanges {
    /// Over one client.
    pub fn new(engine: Engine, client: HubClient, clock: Clock, link: Link) -> Self {
        Self { engine, client, clock, link }
    }

    /// Head office's address.
    pub fn hub(&self) -> &str {
        self.client.url().as_str()
    }

    /// Pushes what follows `after`; the acknowledged position.
    ///
    /// # Errors
    /// How it failed.
    pub async fn push(&self, after: u64) -> Result<u64, Failure> {
        let segment = self.engine.call(move |till| till.segment_after(after)).await.map_err(stopped)?;
        let segment = segment
            .map_err(|error| Failure::Link(format!("the journal cannot be read: {}", ErrorChain(&error))))?
            .ok_or_else(|| Failure::Link(format!("the journal has nothing after {after}")))?;
        let answer: PushAnswer = self.ask(Method::POST, PUSH_PATH, segment.to_bytes(), PUSH_TIMEOUT).await?;
        self.clock.note_hub_time(answer.hub_time_ms);
        let (position, hub_time_ms) = (answer.acknowledged, answer.hub_time_ms);
        self.engine
            .call(move |till| till.acknowledge(position, hub_time_ms))
            .await
            .map_err(stopped)?
            .map_err(|error| Failure::Link(format!("the acknowledgement cannot be kept: {}", ErrorChain(&error))))?;
        Ok(position)
    }

    /// Pulls the next page; whether there is more at once.
    ///
    /// # Errors
    /// How it failed.
    pub async fn pull(&self, wait_ms: u64) -> Result<bool, Failure> {
        let cursor = self.engine.call(|till| till.cursor()).await.map_err(stopped)?;
        let path = format!("{FEED_PATH}?after={cursor}&wait={wait_ms}");
        let timeout = Duration::from_millis(wait_ms) + PULL_MARGIN;
        let page: Page = self.ask(Method::GET, &path, Vec::new(), timeout).await?;
        self.clock.note_hub_time(page.hub_time_ms);
        let more = page.more;
        self.engine
            .call(move |till| till.apply_page(&page))
            .await
            .map_err(stopped)?
            .map_err(|error| Failure::Link(format!("a page of the feed cannot be applied: {}", ErrorChain(&error))))?;
        Ok(more)
    }

    /// Asks for rights and keeps what comes.
    ///
    /// # Errors
    /// How it failed.
    pub async fn grants(&self, request: GrantRequest) -> Result<(), Failure> {
        let body = minicbor::to_vec(&request).expect("encoding into memory cannot fail");
        let answer: GrantAnswer = self.ask(Method::POST, GRANTS_PATH, body, GRANT_TIMEOUT).await?;
        if answer.request_id != request.request_id {
            return Err(Failure::Link("head office answers another question".to_owned()));
        }
        self.clock.note_hub_time(answer.hub_time_ms);
        self.engine
            .call(move |till| till.apply_grants(&answer))
            .await
            .map_err(stopped)?
            .map_err(|error| Failure::Link(format!("grants cannot be kept: {}", ErrorChain(&error))))?;
        Ok(())
    }

    /// One question, its answer verified and decoded.
    async fn ask<T: for<'b> Decode<'b, ()>>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        timeout: Duration,
    ) -> Result<T, Failure> {
        let (verb, target, content) = (method.clone(), path.to_owned(), body.clone());
        let headers =
            self.engine.call(move |till| till.sign_request(verb.as_str(), &target, &content)).await.map_err(stopped)?;
        let text = request_text(method.as_str(), path, &body, headers.epoch, headers.incarnation, &headers.head);
        let answer = self
            .client
            .exchange(method, path, body, &headers, timeout)
            .await
            .map_err(|error| Failure::Link(error.to_string()))?;
        let Some(signature) = answer.signature else {
            return Err(Failure::Link(format!(
                "an unsigned answer with status {} is not head office's",
                answer.status
            )));
        };
        let status = answer.status;
        let (genuine, content) = self
            .engine
            .call(move |till| (till.verify_answer(&text, status, &answer.body, &signature), answer.body))
            .await
            .map_err(stopped)?;
        genuine.map_err(|_| Failure::Link("an answer is not signed by head office's root key".to_owned()))?;
        if status == 200 {
            self.link.note_success(self.clock.now().wall_ms);
            return minicbor::decode(&content)
                .map_err(|error| Failure::Link(format!("head office's answer does not decode: {error}")));
        }
        let refusal: Refusal = minicbor::decode(&content)
            .map_err(|_| Failure::Link(format!("head office answers with status {status}")))?;
        self.note_refusal(&refusal).await?;
        Err(match refusal.kind {
            RefusalKind::Busy => Failure::Link(format!("head office is busy: {}", refusal.detail)),
            kind => Failure::Refused { kind, detail: refusal.detail, known_position: refusal.known_position },
        })
    }

    /// Tells the engine what a signed refusal says about this till.
    async fn note_refusal(&self, refusal: &Refusal) -> Result<(), Failure> {
        match (refusal.kind, refusal.known_position, refusal.epoch) {
            (RefusalKind::Behind, Some(known), _) => {
                self.engine
                    .call(move |till| till.note_hub_head(known))
                    .await
                    .map_err(stopped)?
                    .map_err(|error| Failure::Link(format!("the refusal cannot be kept: {}", ErrorChain(&error))))?;
            }
            (RefusalKind::Epoch, _, Some(epoch)) => {
                self.engine
                    .call(move |till| till.note_epoch(epoch))
                    .await
                    .map_err(stopped)?
                    .map_err(|error| Failure::Link(format!("the new epoch cannot be kept: {}", ErrorChain(&error))))?;
            }
            _ => {}
        }
        Ok(())
    }
}

fn stopped(stopped: Stopped) -> Failure {
    Failure::Link(stopped.to_string())
}

//! The exchanges with head office: push, pull, grants, succession, report.
//!
//! Each builds a signed request from the engine in one step, sends it, checks the answer's signature, and gives what
//! it says to the engine. A refusal is believed only when signed, too; then what it tells the engine (that this till
//! is behind or retired, that head office has a new epoch) is noted before anybody tries again. An answer to a life
//! of this till that is over changes nothing.

use std::time::Duration;

use counterfoil_protocol::id::IncarnationId;
use counterfoil_protocol::session::terminal::Failure;
use counterfoil_protocol::wire::http::{FEED_PATH, GRANTS_PATH, PUSH_PATH, REPORT_PATH, RequestHeaders, SUCCEED_PATH};
use counterfoil_protocol::wire::sign::request_text;
use counterfoil_protocol::wire::v1::epoch::EpochAnswer;
use counterfoil_protocol::wire::v1::feed::Page;
use counterfoil_protocol::wire::v1::grant::{GrantAnswer, GrantRequest, PushAnswer, Refusal, RefusalKind};
use counterfoil_protocol::wire::v1::succession::SuccessionAnswer;
use counterfoil_till::{SuccessionReport, Till};
use minicbor::Decode;
use reqwest::Method;

use crate::clock::Clock;
use crate::engine::{Engine, Stopped};
use crate::errors::ErrorChain;
use crate::hub_link::client::{Answer, HubClient};
use crate::hub_link::state::{Lane, Link};
use crate::orders;

/// A push moves at most a few megabytes, and so does a part of a report.
const PUSH_TIMEOUT: Duration = Duration::from_secs(30);
/// Beyond the time the hub may hold the question.
const PULL_MARGIN: Duration = Duration::from_secs(10);
/// A late grant is still worth having, long after the cashier was answered.
const GRANT_TIMEOUT: Duration = Duration::from_secs(10);
/// One short exchange.
const SUCCEED_TIMEOUT: Duration = Duration::from_secs(20);

/// A question as it is signed.
struct Question {
    method: Method,
    path: String,
    body: Vec<u8>,
}

impl Question {
    fn post(path: &str, body: Vec<u8>) -> Self {
        Self { method: Method::POST, path: path.to_owned(), body }
    }
}

/// An answer that is head office's, and the life of this till that asked.
struct Answered<T> {
    answer: T,
    asked_by: IncarnationId,
}

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
        let question = move |till: &mut Till| {
            let segment = till
                .segment_after(after)
                .map_err(|error| failed("the journal cannot be read", &error))?
                .ok_or_else(|| Failure::Link(format!("the journal has nothing after {after}")))?;
            Ok(Question::post(PUSH_PATH, segment.to_bytes()))
        };
        let answered: Answered<PushAnswer> = self.ask(Lane::Push, PUSH_TIMEOUT, question).await?;
        self.clock.note_hub_time(answered.answer.hub_time_ms);
        let (position, hub_time_ms) = (answered.answer.acknowledged, answered.answer.hub_time_ms);
        self.tell(answered.asked_by, move |till| {
            till.acknowledge(position, hub_time_ms)
                .map_err(|error| failed("the acknowledgement cannot be kept", &error))
        })
        .await?;
        Ok(position)
    }

    /// Pulls the next page and carries out what it orders; whether there is more at once.
    ///
    /// # Errors
    /// How it failed.
    pub async fn pull(&self, wait_ms: u64) -> Result<bool, Failure> {
        let timeout = Duration::from_millis(wait_ms) + PULL_MARGIN;
        let question = move |till: &mut Till| {
            let path = format!("{FEED_PATH}?after={}&wait={wait_ms}", till.cursor());
            Ok(Question { method: Method::GET, path, body: Vec::new() })
        };
        let answered: Answered<Page> = self.ask(Lane::Pull, timeout, question).await?;
        let page = answered.answer;
        self.clock.note_hub_time(page.hub_time_ms);
        let more = page.more;
        let now = self.clock.now();
        self.tell(answered.asked_by, move |till| {
            let report =
                till.apply_page(&page).map_err(|error| failed("a page of the feed cannot be applied", &error))?;
            for note in report.notes {
                tracing::warn!(%note, "head office sent what this till cannot use");
            }
            // What cannot be carried out now waits in the books; the page stands.
            orders::carry_out(till, now);
            Ok(())
        })
        .await?;
        Ok(more)
    }

    /// Asks for rights and keeps what comes.
    ///
    /// # Errors
    /// How it failed.
    pub async fn grants(&self, request: GrantRequest) -> Result<(), Failure> {
        let body = minicbor::to_vec(&request).expect("encoding into memory cannot fail");
        let question = move |_: &mut Till| Ok(Question::post(GRANTS_PATH, body));
        let answered: Answered<GrantAnswer> = self.ask(Lane::Grant, GRANT_TIMEOUT, question).await?;
        let answer = answered.answer;
        if answer.request_id != request.request_id {
            return Err(Failure::Link("head office answers another question".to_owned()));
        }
        self.clock.note_hub_time(answer.hub_time_ms);
        self.tell(answered.asked_by, move |till| {
            till.apply_grants(&answer).map_err(|error| failed("grants cannot be kept", &error)).map(drop)
        })
        .await
    }

    /// Asks for the next life of this till, and begins it. The key is made here and durable before it is sent; a key
    /// made before is asked for again.
    ///
    /// # Errors
    /// How it failed.
    pub async fn succeed(&self) -> Result<SuccessionReport, Failure> {
        let seed = crate::random::bytes();
        let question = move |till: &mut Till| {
            let request = till
                .succession_request(seed, env!("CARGO_PKG_VERSION"))
                .map_err(|error| failed("a new key cannot be kept", &error))?;
            let body = minicbor::to_vec(&request).expect("encoding into memory cannot fail");
            Ok(Question::post(SUCCEED_PATH, body))
        };
        let answered: Answered<SuccessionAnswer> = self.ask(Lane::Succession, SUCCEED_TIMEOUT, question).await?;
        let now = self.clock.now();
        let report = self
            .tell(answered.asked_by, move |till| {
                till.succeed(&answered.answer, now).map_err(|error| failed("the next life cannot begin", &error))
            })
            .await?;
        self.link.forget_refusals();
        Ok(report)
    }

    /// Tells a head office in a new epoch the next part of what this till knows; whether that was all.
    ///
    /// # Errors
    /// How it failed.
    pub async fn report(&self) -> Result<bool, Failure> {
        let question = |till: &mut Till| {
            let report = till.epoch_report().map_err(|error| failed("the report cannot be written", &error))?;
            let body = minicbor::to_vec(&report).expect("encoding into memory cannot fail");
            Ok(Question::post(REPORT_PATH, body))
        };
        let answered: Answered<EpochAnswer> = self.ask(Lane::Report, PUSH_TIMEOUT, question).await?;
        self.clock.note_hub_time(answered.answer.hub_time_ms);
        let complete = self
            .tell(answered.asked_by, move |till| {
                till.apply_epoch_answer(&answered.answer).map_err(|error| failed("its answer cannot be kept", &error))
            })
            .await?;
        if complete {
            self.link.forget_refusals();
        }
        Ok(complete)
    }

    /// Gives an answer to the engine, where the life that asked still is this till's.
    async fn tell<T: Send + 'static>(
        &self,
        asked_by: IncarnationId,
        act: impl FnOnce(&mut Till) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let act = move |till: &mut Till| {
            if till.incarnation() != asked_by {
                return Err(Failure::Link("the answer is to a life of this till that is over".to_owned()));
            }
            act(till)
        };
        self.engine.call(act).await.map_err(stopped)?
    }

    /// One question, its answer verified and decoded.
    async fn ask<T: for<'b> Decode<'b, ()>>(
        &self,
        lane: Lane,
        timeout: Duration,
        question: impl FnOnce(&mut Till) -> Result<Question, Failure> + Send + 'static,
    ) -> Result<Answered<T>, Failure> {
        let signed = move |till: &mut Till| {
            let question = question(till)?;
            let headers = till.sign_request(question.method.as_str(), &question.path, &question.body);
            Ok((question, headers))
        };
        let (Question { method, path, body }, headers) = self.engine.call(signed).await.map_err(stopped)??;
        let text = request_text(method.as_str(), &path, &body, headers.epoch, headers.incarnation, &headers.head);
        let answer = self
            .client
            .exchange(method, &path, body, &headers, timeout)
            .await
            .map_err(|error| Failure::Link(error.to_string()))?;
        let (status, content) = self.genuine(text, answer).await?;
        if status == 200 {
            let answer = minicbor::decode(&content)
                .map_err(|error| Failure::Link(format!("head office's answer does not decode: {error}")))?;
            self.link.note_success(lane, self.clock.now().wall_ms);
            return Ok(Answered { answer, asked_by: headers.incarnation });
        }
        let refusal: Refusal = minicbor::decode(&content)
            .map_err(|_| Failure::Link(format!("head office answers with status {status}")))?;
        Err(self.refused(lane, &headers, refusal).await?)
    }

    /// Status and body, where the answer is signed by head office.
    async fn genuine(&self, text: Vec<u8>, answer: Answer) -> Result<(u16, Vec<u8>), Failure> {
        let status = answer.status;
        let Some(signature) = answer.signature else {
            return Err(Failure::Link(format!("an unsigned answer with status {status} is not head office's")));
        };
        let (genuine, content) = self
            .engine
            .call(move |till| (till.verify_answer(&text, status, &answer.body, &signature), answer.body))
            .await
            .map_err(stopped)?;
        genuine.map_err(|_| Failure::Link("an answer is not signed by head office's root key".to_owned()))?;
        Ok((status, content))
    }

    /// Tells the engine what a signed refusal says about this till, and whoever asks that it stands.
    async fn refused(&self, lane: Lane, headers: &RequestHeaders, refusal: Refusal) -> Result<Failure, Failure> {
        let Refusal { kind, detail, known_position, epoch, .. } = refusal;
        if kind == RefusalKind::Busy {
            return Ok(Failure::Link(format!("head office is busy: {detail}")));
        }
        let why = detail.clone();
        self.tell(headers.incarnation, move |till| {
            match (kind, known_position, epoch) {
                (RefusalKind::Behind, Some(known), _) => till.note_hub_head(known),
                (RefusalKind::Epoch, _, Some(epoch)) => till.note_epoch(epoch),
                // While the next life is asked for, only the answer to that says whether there will be one.
                (RefusalKind::Retired | RefusalKind::Quarantined, ..)
                    if lane == Lane::Succession || !till.succession_due() =>
                {
                    till.note_retired(&why)
                }
                _ => Ok(()),
            }
            .map_err(|error| failed("the refusal cannot be kept", &error))
        })
        .await?;
        // A new epoch is put right without anybody's help.
        if kind != RefusalKind::Epoch {
            self.link.note_refused(lane, detail.clone());
        }
        Ok(Failure::Refused { kind, detail, known_position })
    }
}

fn failed(what: &str, error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::Link(format!("{what}: {}", ErrorChain(error)))
}

fn stopped(stopped: Stopped) -> Failure {
    Failure::Link(stopped.to_string())
}

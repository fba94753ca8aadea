//! Tills' requests: who asks, is it authentic, does it fit what is here; then push, feed or grants.
//!
//! Bytes in, bytes out, so that HTTP and the simulator run the same code. Every answer is signed, refusals too.
//! A push is durable before it is acknowledged; posting follows, and a push whose posting failed is acknowledged
//! all the same: the till's next contact, or [`Hub::post_pending`], posts it.

use counterfoil_ledger::{Exception, ExceptionKind};
use counterfoil_protocol::id::IncarnationId;
use counterfoil_protocol::limits::REQUEST_BYTES_MAX;
use counterfoil_protocol::record::chain_next;
use counterfoil_protocol::session::hub::{IntakeError, SignedRequest, intake, till_is_behind};
use counterfoil_protocol::wire::http::{FEED_PATH, GRANTS_PATH, PUSH_PATH, REPORT_PATH, SUCCEED_PATH};
use counterfoil_protocol::wire::sign::{Sig, sign};
use counterfoil_protocol::wire::v1::feed::Cursor;
use counterfoil_protocol::wire::v1::grant::{GrantRequest, PushAnswer, Refusal, RefusalKind};
use counterfoil_protocol::wire::v1::segment::{Segment, SegmentError, VerifiedRecord};

use super::act::{Act, Own, signed};
use super::error::{Doing as _, HubError};
use super::incarnations::{Incarnation, Journal, is_news};
use super::{Faults, Hub};

/// An answer to a till, as bytes. The same for HTTP and for the simulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncAnswer {
    /// HTTP status.
    pub status: u16,
    /// CBOR: the answer, or a [`Refusal`].
    pub body: Vec<u8>,
    /// The root key's, over `answer_text`.
    pub signature: Option<Sig>,
    /// A feed page without a change: the shell may hold the question and ask again.
    pub feed_empty: bool,
}

/// Why a request is not served.
pub(super) enum Refused {
    Because { kind: RefusalKind, detail: String, known_position: Option<u64> },
    Failed(HubError),
}

impl From<HubError> for Refused {
    fn from(error: HubError) -> Self {
        Self::Failed(error)
    }
}

impl Refused {
    pub(super) fn because(kind: RefusalKind, detail: impl Into<String>) -> Self {
        Self::Because { kind, detail: detail.into(), known_position: None }
    }

    fn known(kind: RefusalKind, detail: impl Into<String>, position: u64) -> Self {
        Self::Because { kind, detail: detail.into(), known_position: Some(position) }
    }

    fn into_wire(self, epoch: u64) -> (u16, Refusal) {
        let (kind, detail, known_position) = match self {
            Self::Because { kind, detail, known_position } => (kind, detail, known_position),
            Self::Failed(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a till's request failed; it will try again");
                (RefusalKind::Busy, "head office cannot answer now: try again".to_owned(), None)
            }
        };
        let status = match kind {
            RefusalKind::NotAuthentic => 401,
            RefusalKind::Malformed => 400,
            RefusalKind::Version => 426,
            RefusalKind::Gap | RefusalKind::Behind | RefusalKind::Epoch => 409,
            RefusalKind::Retired | RefusalKind::Quarantined => 403,
            RefusalKind::Busy => 503,
        };
        let epoch = (kind == RefusalKind::Epoch).then_some(epoch);
        (status, Refusal { kind, detail, known_position, epoch, signature: None })
    }
}

/// What a served request is answered.
pub(super) struct Served {
    pub body: Vec<u8>,
    pub feed_empty: bool,
}

impl Served {
    pub(super) fn of<T: minicbor::Encode<()>>(answer: &T) -> Self {
        Self { body: minicbor::to_vec(answer).expect("encoding into memory cannot fail"), feed_empty: false }
    }
}

/// Makes the answer and signs it.
pub(super) fn answer(own: &Own, request_text: &[u8], served: Result<Served, Refused>) -> SyncAnswer {
    let (status, body, feed_empty) = match served {
        Ok(served) => (200, served.body, served.feed_empty),
        Err(refused) => {
            let (status, refusal) = refused.into_wire(own.epoch());
            (status, minicbor::to_vec(&refusal).expect("encoding into memory cannot fail"), false)
        }
    };
    let text = counterfoil_protocol::wire::sign::answer_text(request_text, status, &body);
    SyncAnswer { status, signature: Some(sign(&own.root, &text)), body, feed_empty }
}

impl Hub {
    /// Answers a push, a feed question or a grant request.
    pub fn sync(&mut self, request: &SignedRequest<'_>, now_ms: i64) -> SyncAnswer {
        let served = self.serve(request, now_ms);
        answer(&self.own, &request.text(), served)
    }

    fn serve(&mut self, request: &SignedRequest<'_>, now_ms: i64) -> Result<Served, Refused> {
        let (path, query) = request.path.split_once('?').unwrap_or((request.path, ""));
        if request.body.len() > REQUEST_BYTES_MAX {
            return Err(Refused::because(
                RefusalKind::Malformed,
                format!("a request has at most {REQUEST_BYTES_MAX} bytes"),
            ));
        }
        if (request.method, path) == ("POST", REPORT_PATH) {
            return self.take_report(request, now_ms);
        }
        let faults = self.faults;
        let till = self.read(now_ms, |act| authenticate(act, request, faults))?;
        if (request.method, path) == ("POST", SUCCEED_PATH) {
            return self.next_life(request, &till, now_ms);
        }
        // A push notes in its own transaction who was heard.
        let is_push = (request.method, path) == ("POST", PUSH_PATH);
        self.hear(request, &till, !is_push, now_ms)?;
        // What could not be posted when it came (the disk was full, say) is posted at the till's next contact.
        if !is_push && till.posted < till.head.position {
            self.post_or_leave(till.id, now_ms);
        }
        match (request.method, path) {
            _ if is_push => self.push(request, &till, now_ms),
            _ if till.is_settled => Err(Refused::because(
                RefusalKind::Retired,
                "this till was retired or enrolled again: what it recorded is still taken, it gets no rights any more",
            )),
            ("GET", FEED_PATH) => self.feed(&till, query, now_ms),
            ("POST", GRANTS_PATH) => self.grants(&till, request.body, now_ms),
            _ => Err(Refused::because(RefusalKind::Malformed, format!("there is no {} {path}", request.method))),
        }
    }

    /// Notes who was heard, and refuses a till whose journal is another than the one here.
    fn hear(
        &mut self,
        request: &SignedRequest<'_>,
        till: &Incarnation,
        notes: bool,
        now_ms: i64,
    ) -> Result<(), Refused> {
        let behind = self.read(now_ms, |act| till_is_behind(&request.head, &Journal { act, incarnation: till }))?;
        if behind.is_some() || notes && is_news(till, request.head.position, now_ms) {
            self.change(now_ms, |act| {
                act.note_seen(till.id, request.head.position)?;
                if let Some(known) = behind {
                    act.note_behind(till, request.head.position, known)?;
                }
                Ok::<(), HubError>(())
            })?;
        }
        match behind {
            None => Ok(()),
            Some(known) => Err(Refused::known(
                RefusalKind::Behind,
                format!(
                    "this till's record {} is not the one that head office has, which goes up to {known}: its disk is \
                     older than what it sent, or there are two of it; it must not spend",
                    request.head.position
                ),
                known,
            )),
        }
    }

    fn push(&mut self, request: &SignedRequest<'_>, till: &Incarnation, now_ms: i64) -> Result<Served, Refused> {
        let segment = Segment::from_bytes(request.body).map_err(|error| refuse_segment(error, 0))?;
        if segment.incarnation != request.incarnation {
            return Err(Refused::because(RefusalKind::NotAuthentic, "the segment is of another till"));
        }
        let announced = request.head.position;
        let last = segment.first + segment.records.len() as u64 - 1;
        let taken = self.change(now_ms, |act| {
            act.note_seen(till.id, announced)?;
            append(act, segment)
        });
        let known = match taken {
            Err(Refused::Because { kind: RefusalKind::Gap, detail, known_position: Some(known) }) => {
                self.change(now_ms, |act| act.note_gap(till, last, known))?;
                return Err(Refused::known(RefusalKind::Gap, detail, known));
            }
            Err(Refused::Because { kind: RefusalKind::Behind, detail, known_position: Some(known) }) => {
                self.change(now_ms, |act| act.note_behind(till, announced, known))?;
                return Err(Refused::known(RefusalKind::Behind, detail, known));
            }
            other => other?,
        };
        self.post_or_leave(request.incarnation, now_ms);
        // Beyond the segment nothing was compared.
        let acknowledged = known.min(last);
        Ok(Served::of(&PushAnswer { acknowledged, hub_time_ms: now_ms, known: Some(known) }))
    }

    fn post_or_leave(&mut self, incarnation: IncarnationId, now_ms: i64) {
        if let Err(error) = self.post_journal(incarnation, now_ms) {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "records are kept and not posted yet; the till's next contact or the next start posts them"
            );
        }
    }

    fn feed(&mut self, till: &Incarnation, query: &str, now_ms: i64) -> Result<Served, Refused> {
        let after = query.split('&').find_map(|pair| pair.strip_prefix("after=")).unwrap_or("");
        let epoch = self.own.epoch();
        let cursor = read_cursor(after, epoch)?;
        let page = self.read(now_ms, |act| {
            // The position that the page speaks of must be of the page's own snapshot.
            let reader = act.incarnation(till.id)?.ok_or_else(|| HubError::not_found("incarnation", till.id))?;
            act.page(&reader, &cursor)
        })?;
        let feed_empty = page.changes.is_empty() && !page.more;
        Ok(Served { feed_empty, ..Served::of(&page) })
    }

    fn grants(&mut self, till: &Incarnation, body: &[u8], now_ms: i64) -> Result<Served, Refused> {
        let request: GrantRequest = minicbor::decode(body).map_err(|error| {
            Refused::because(RefusalKind::Malformed, format!("the question does not decode: {error}"))
        })?;
        let cursor = read_cursor(&request.cursor, self.own.epoch())?;
        let answer = self.change(now_ms, |act| act.answer_grants(till.id, &request, &cursor))?;
        Ok(Served::of(&answer))
    }
}

/// A cursor of another epoch begins again: its positions name nothing here.
fn read_cursor(text: &str, epoch: u64) -> Result<Cursor, Refused> {
    if text.is_empty() {
        return Ok(Cursor::start(epoch));
    }
    let cursor = Cursor::parse(text).map_err(|error| Refused::because(RefusalKind::Malformed, error.to_string()))?;
    Ok(if cursor.epoch == epoch { cursor } else { Cursor::start(epoch) })
}

fn authenticate(act: &Act<'_>, request: &SignedRequest<'_>, faults: Faults) -> Result<Incarnation, Refused> {
    let unknown =
        || Refused::because(RefusalKind::NotAuthentic, "this till is not enrolled here: enrol it with a code");
    let other_epoch = || {
        Refused::because(
            RefusalKind::Epoch,
            format!("head office is in epoch {}, the till believes in {}", act.own.epoch(), request.epoch),
        )
    };
    let till = match act.incarnation(request.incarnation)? {
        Some(till) => till,
        // It may have been taken in after the backup that was put back: its report says so.
        None if request.epoch < act.own.epoch() => return Err(other_epoch()),
        None => return Err(unknown()),
    };
    if !faults.skip_signature_check {
        request.verify(&till.key).map_err(|error| Refused::because(RefusalKind::NotAuthentic, error.to_string()))?;
    }
    if request.epoch != act.own.epoch() {
        return Err(other_epoch());
    }
    Ok(till)
}

/// Appends what is new in a segment and gives the position up to which everything is here.
fn append(act: &Act<'_>, segment: Segment) -> Result<u64, Refused> {
    let incarnation = act
        .incarnation(segment.incarnation)?
        .ok_or_else(|| Refused::because(RefusalKind::NotAuthentic, "this till is not enrolled here"))?;
    let header = segment.clone();
    let journal = Journal { act, incarnation: &incarnation };
    let fresh = if act.faults.skip_signature_check {
        take_unverified(segment, incarnation.head.position)
    } else {
        intake(segment, &incarnation.key, &journal).map_err(|error| match error {
            IntakeError::Segment(error) => refuse_segment(error, incarnation.head.position),
            IntakeError::Store(error) => Refused::Failed(error),
        })?
    };
    if fresh.is_empty() {
        return Ok(incarnation.head.position);
    }
    let head = act.append(&incarnation, &fresh)?;
    act.keep_segment(&incarnation, &header)?;
    Ok(head.position)
}

fn take_unverified(segment: Segment, known: u64) -> Vec<VerifiedRecord> {
    let mut chain = segment.chain_before;
    let mut taken = Vec::new();
    for (position, bytes) in (segment.first..).zip(segment.records) {
        let bytes = Vec::from(bytes);
        chain = chain_next(chain, &bytes);
        if position > known {
            taken.push(VerifiedRecord { position, bytes, chain });
        }
    }
    taken
}

fn refuse_segment(error: SegmentError, known: u64) -> Refused {
    let kind = match &error {
        SegmentError::Malformed(_) | SegmentError::Limit(_) => RefusalKind::Malformed,
        SegmentError::Version { .. } => RefusalKind::Version,
        SegmentError::Signature(_) | SegmentError::Chain => RefusalKind::NotAuthentic,
        SegmentError::Gap { .. } => RefusalKind::Gap,
        SegmentError::Fork { .. } => RefusalKind::Behind,
    };
    match kind {
        RefusalKind::Gap | RefusalKind::Behind => Refused::known(kind, error.to_string(), known),
        _ => Refused::because(kind, error.to_string()),
    }
}

impl Act<'_> {
    /// A till was acknowledged beyond what is here: tills never send what follows on records that they have not sent.
    fn note_gap(&self, till: &Incarnation, sent: u64, known: u64) -> Result<(), HubError> {
        let reason = format!(
            "terminal {} sends its records up to {sent}, as if head office had all before; here they go up to {known}. If \
             this database was put back from a backup, run `counterfoil-hub epoch begin`",
            till.terminal
        );
        let exception = Exception { kind: ExceptionKind::HubRestored, reason };
        let id = format!("{}.gap.{known}", till.id);
        self.write_exception(till.bucket(), &id, &exception, &till.terminal, Some(&till.store))
    }

    /// Keeps what proves where the records came from.
    pub(super) fn keep_segment(&self, incarnation: &Incarnation, segment: &Segment) -> Result<(), HubError> {
        self.tx
            .prepare_cached(
                "INSERT OR IGNORE INTO segment
                     (bucket, incarnation, first, count, version, chain_before, chain_after, signature)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )
            .and_then(|mut insert| {
                insert.execute((
                    incarnation.bucket(),
                    segment.incarnation.0,
                    signed(segment.first),
                    signed(segment.records.len() as u64),
                    segment.version,
                    segment.chain_before.0,
                    segment.chain_after.0,
                    segment.signature.0,
                ))
            })
            .doing("keeping a segment's signature")?;
        Ok(())
    }
}

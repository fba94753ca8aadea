//! Tills' requests: who asks, is it authentic, does it fit what is here; then push, feed or grants.

use counterfoil_protocol::session::hub::SignedRequest;
use counterfoil_protocol::wire::sign::Sig;

use super::{Hub, HubError, unfinished};

/// An answer to a till, as bytes. The same for HTTP and for the simulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncAnswer {
    /// HTTP status.
    pub status: u16,
    /// CBOR: the answer, or a `Refusal`.
    pub body: Vec<u8>,
    /// The root key's, over `answer_text`.
    pub signature: Option<Sig>,
    /// A feed page without a change: the shell may hold the question and ask again.
    pub feed_empty: bool,
}

impl Hub {
    /// Answers a push, a feed question or a grant request.
    pub fn sync(&mut self, request: &SignedRequest<'_>, now_ms: i64) -> SyncAnswer {
        let _ = (request, now_ms);
        SyncAnswer { status: 503, body: Vec::new(), signature: None, feed_empty: false }
    }

    /// Posts what was appended and not posted (after a crash between the two). A shell calls it at start; every
    /// push does it for its own journal.
    ///
    /// # Errors
    /// When the database fails.
    pub fn post_pending(&mut self, now_ms: i64) -> Result<u64, HubError> {
        let _ = now_ms;
        unfinished()
    }
}

//! What the sync needs of the engine besides pages and segments: signatures and acknowledgements.

use counterfoil_protocol::wire::http::RequestHeaders;
use counterfoil_protocol::wire::sign::{BadSignature, Sig, answer_text, request_text, sign};
use counterfoil_protocol::wire::v1::grant::PushAnswer;

use crate::error::CommandError;
use crate::till::Till;

impl Till {
    /// The headers of a request, signed with this incarnation's key; they announce the journal's head.
    pub fn sign_request(&self, method: &str, path: &str, body: &[u8]) -> RequestHeaders {
        let text = request_text(method, path, body, self.hub.epoch, self.incarnation, &self.head);
        RequestHeaders {
            incarnation: self.incarnation,
            epoch: self.hub.epoch,
            head: self.head,
            signature: sign(&self.key, &text),
        }
    }

    /// What a request signed by [`Till::sign_request`] says; the answer's signature refers to it.
    pub fn request_text(&self, method: &str, path: &str, body: &[u8], headers: &RequestHeaders) -> Vec<u8> {
        request_text(method, path, body, headers.epoch, headers.incarnation, &headers.head)
    }

    /// Whether an answer is the hub's, to this very request.
    ///
    /// # Errors
    /// When its signature by the pinned root key does not hold.
    pub fn verify_answer(
        &self,
        request_text: &[u8],
        status: u16,
        body: &[u8],
        signature: &Sig,
    ) -> Result<(), BadSignature> {
        self.enrolment.root_key.verify(&answer_text(request_text, status, body), signature)
    }

    /// Takes the answer to a push.
    ///
    /// # Errors
    /// As [`Till::acknowledge`].
    pub fn take_push_answer(&mut self, answer: &PushAnswer) -> Result<(), CommandError> {
        self.compare_with_hub(answer.known.unwrap_or(0))?;
        self.acknowledge(answer.acknowledged, answer.hub_time_ms)
    }

    /// Everything up to `position` is durable at head office. Kept in memory until the next commit takes it along: a
    /// till that forgets it sends again, and the hub says it again.
    ///
    /// # Errors
    /// When the engine must be opened anew.
    pub fn acknowledge(&mut self, position: u64, hub_time_ms: i64) -> Result<(), CommandError> {
        self.usable()?;
        self.compare_with_hub(position)?;
        self.hub.note_time(hub_time_ms);
        // A position beyond this journal is a witness against it, and says nothing about what is here.
        if position <= self.head.position && position > self.hub.acknowledged {
            self.hub.acknowledged = position;
            self.hub.unsaved = true;
        }
        Ok(())
    }
}

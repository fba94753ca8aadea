//! Enrolment: one-time codes, and terminals taken in with a key of their own.

use counterfoil_protocol::wire::http::RequestHeaders;
use counterfoil_protocol::wire::v1::enrol::EnrolmentCode;

use super::sync::SyncAnswer;
use super::{Hub, HubError, unfinished};

impl Hub {
    /// Invites a till to a lane. `secret` comes from the shell's entropy. With `create_store` a store that does
    /// not exist is made, with the program's time zone and currency.
    ///
    /// # Errors
    /// `NotFound` for a store that does not exist, `Invalid` names, `Conflict` for a secret used before.
    pub fn invite(
        &mut self,
        store: &str,
        lane: &str,
        secret: [u8; 10],
        now_ms: i64,
        ttl_ms: i64,
        create_store: bool,
    ) -> Result<EnrolmentCode, HubError> {
        let _ = (store, lane, secret, now_ms, ttl_ms, create_store);
        unfinished()
    }

    /// A till's request to be taken in: the code once, the same code and key again and again.
    pub fn enrol(&mut self, body: &[u8], headers: &RequestHeaders, now_ms: i64) -> SyncAnswer {
        let _ = (body, headers, now_ms);
        SyncAnswer { status: 503, body: Vec::new(), signature: None, feed_empty: false }
    }
}

//! Undoing a redemption.

use counterfoil_protocol::id::EventId;

use crate::answer::RedemptionAnswer;
use crate::command::{Call, Now, Reply};
use crate::error::CommandError;
use crate::till::Till;

impl Till {
    /// Gives redeemed units back; of another author's redemption, asks for it.
    ///
    /// # Errors
    /// When there is no such redemption, it was not spent, or nothing can be written.
    pub fn reverse_redemption(
        &mut self,
        _: EventId,
        _: Option<String>,
        _: Option<String>,
        _: Call,
        _: Now,
    ) -> Result<Reply<RedemptionAnswer>, CommandError> {
        Err(CommandError::Later { capability: "reversing a redemption" })
    }
}

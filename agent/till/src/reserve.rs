//! Reservations.

use counterfoil_protocol::id::EventId;

use crate::answer::RedemptionAnswer;
use crate::command::{Call, Now, Reply};
use crate::error::CommandError;
use crate::till::Till;

impl Till {
    /// Turns a reservation into a redemption.
    ///
    /// # Errors
    /// When there is no such reservation, it was cancelled or reversed, or nothing can be written.
    pub fn confirm_redemption(&mut self, _: EventId, _: Call, _: Now) -> Result<Reply<RedemptionAnswer>, CommandError> {
        Err(CommandError::Later { capability: "confirming a reservation" })
    }

    /// Frees a reservation.
    ///
    /// # Errors
    /// When there is no such reservation, it was spent, or nothing can be written.
    pub fn cancel_redemption(&mut self, _: EventId, _: Call, _: Now) -> Result<Reply<RedemptionAnswer>, CommandError> {
        Err(CommandError::Later { capability: "cancelling a reservation" })
    }

    /// Frees every reservation whose time is over; how many there were.
    ///
    /// # Errors
    /// When nothing can be written.
    pub fn expire_reservations(&mut self, _: Now) -> Result<usize, CommandError> {
        Ok(0)
    }
}

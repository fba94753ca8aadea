//! The offline floor.

use crate::answer::FloorState;
use crate::command::Now;
use crate::error::CommandError;
use crate::till::Till;

impl Till {
    /// How much of the floor of a purse is used up; `None` where the program has none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn floor_state(&self, _: &str, _: Now) -> Result<Option<FloorState>, CommandError> {
        Ok(None)
    }
}

//! From the devices to the engine: temporary.

pub mod convert;

use crate::config::Config;
use crate::places::Places;
use crate::shell::Shell;

/// Running devices.
pub struct Running;

impl Running {
    /// Stops.
    pub async fn stop(self) {}
}

/// Starts.
///
/// # Errors
/// Never.
pub fn start(_: &Places, _: &Config, _: &Shell) -> anyhow::Result<Running> {
    Ok(Running)
}

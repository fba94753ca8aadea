//! The log: to standard error, one line each: what happened and what to do.
//!
//! `COUNTERFOIL_LOG` chooses what is said (`info` by default). Under systemd the journal adds the time.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// Starts logging; a second call changes nothing.
pub fn start() {
    let filter = EnvFilter::try_from_env("COUNTERFOIL_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // Whoever read our standard error may be gone: a process that forwards receipts must not die of that.
        .log_internal_errors(false)
        .with_ansi(colour)
        .with_target(false);
    // Already started: fine.
    let _ = if std::env::var_os("JOURNAL_STREAM").is_some() { log.without_time().try_init() } else { log.try_init() };
}

//! What every request shares: the desk, the bell that long polls wait for, counters, keys for sessions.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::bell::Bell;
use crate::console::SessionKey;
use crate::desk::Desk;
use crate::metrics::Metrics;

/// Shared by all requests; cheap to clone.
#[derive(Debug, Clone)]
pub struct AppState {
    /// The core: changes, and what tills ask.
    pub desk: Desk,
    /// A second core on the same database for what people and programs read, so that a long list never makes a
    /// till wait.
    pub reads: Desk,
    /// Rings when the database has changed.
    pub bell: Bell,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Seals console sessions.
    pub session_key: SessionKey,
    /// Cookies travel over TLS only.
    pub secure_cookies: bool,
    /// Cancelled when the hub stops: long polls end at once.
    pub stopping: CancellationToken,
}

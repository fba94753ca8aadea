//! Frames: what crosses a line. `v1` is the first version; every released version stays compiled.
//!
//! Not here: HTTP, TLS, storage. `docs/protocol.md` describes these bytes, with vectors that a test checks.

pub mod http;
pub mod sign;
pub mod v1;

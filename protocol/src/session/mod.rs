//! Sync as state machines without I/O: the same code drives reqwest in a till and a simulated network in a test.
//!
//! A shell feeds events in (`handle_*`, with the time), takes what is to be done out (`poll_output`) and calls
//! `handle_timeout` when `poll_timeout` says so. States are named for what they expect.

pub mod hub;
pub mod terminal;

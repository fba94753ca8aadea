//! The till daemon's shell: HTTP, TLS, devices, files and the clock around the engine of `counterfoil-till`.
//!
//! Thin by design: what is earned, spent or kept is decided in the engine; what is said to head office in the
//! protocol. Here is I/O, and who may ask.

pub mod api;
pub mod books;
pub mod capture;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod daemon;
pub mod devices;
pub mod engine;
pub mod enrol;
pub mod errors;
pub mod events;
pub mod files;
pub mod housekeeping;
pub mod hub_link;
pub mod journal;
pub mod logging;
pub mod marker;
pub mod metrics;
pub mod orders;
pub mod page;
pub mod pairing;
pub mod places;
pub mod random;
pub mod shell;
pub mod simulate;
pub mod tap;
pub mod tokens;
pub mod watch;

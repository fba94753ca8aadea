//! Head office: the core (ledger, feed, members) and the shell around it.
//!
//! `core` is synchronous and deterministic; everything else here opens files, reads the clock, speaks HTTP and
//! TLS, and decides nothing about value.

pub mod api;
pub mod bell;
pub mod cli;
mod clock;
pub mod config;
mod console;
pub mod core;
pub mod data_dir;
pub mod desk;
mod entropy;
mod mark;
mod metrics;
pub mod server;
mod settle;
pub mod tls;
mod upkeep;

//! Head office: the core (ledger, feed, members) and the shell around it.

pub mod core;

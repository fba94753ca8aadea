//! The fleet simulator: tills and hub in one thread, virtual time, one seed.

pub mod disk;
pub mod rng;

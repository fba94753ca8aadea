//! The fleet simulator: tills and head office in one thread, virtual time, one seed.
//!
//! Real tills and a real hub on disks that lose power ([`disk`]), in a world that cuts, doubles and delays
//! ([`world`]), judged by oracles ([`oracles`]) that trust nothing
//! but a model of their own ([`model`]). Not here: printers, scanners, TLS, processes; they are
//! tested with real ones.

pub mod disk;
pub mod model;
pub mod oracles;
pub mod rig;
pub mod rng;
pub mod world;

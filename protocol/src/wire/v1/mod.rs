//! Version 1 of the wire.

pub mod enrol;
pub mod feed;
pub mod grant;
pub mod segment;

//! Version 1 of the wire.

pub mod enrol;
pub mod epoch;
pub mod feed;
pub mod grant;
pub mod segment;
pub mod succession;

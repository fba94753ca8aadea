//! `cargo demo`: a whole shop on pseudo-terminals, and the story of a day in it.
//!
//! A library, so that the end-to-end tests play in the same shop. Real programs only: nothing of them is linked.

pub mod shop;
pub mod story;
pub mod voice;

//! Tests of the core as a whole, with a till made of nothing but a key and a list of records.

mod days;
mod enrol;
mod epoch;
mod feed;
mod grants;
mod laws;
mod members;
mod push;
mod retire;
mod returns;
mod rights;
mod succession;
mod support;

//! Recorded printer lines, both directions, through the tap: every byte, in order, unchanged.
//!
//! The recordings are not in the repository: `COUNTERFOIL_SAMPLES` names the directory that has them.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::fs;
use std::path::PathBuf;

use counterfoil_drivers::tap::{Side, TapEvent};
use serde_json::Value;
use support::*;

fn recordings() -> Vec<PathBuf> {
    let Some(samples) = std::env::var_os("COUNTERFOIL_SAMPLES") else {
        eprintln!("COUNTERFOIL_SAMPLES is not set: no recordings to play");
        return Vec::new();
    };
    let dir = PathBuf::from(samples).join("transcripts");
    let mut found: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    found.sort();
    assert!(!found.is_empty());
    found
}

#[test]
fn every_recorded_byte_passes_in_both_directions() {
    for recording in recordings() {
        let bench = Bench::new();
        let tap = RunningTap::start(bench.settings());
        tap.wait_event("opening", |event| matches!(event, TapEvent::Opened(Side::Pos, _)));
        let (mut down, mut up) = (Vec::new(), Vec::new());
        for line in fs::read_to_string(&recording).unwrap().lines() {
            let step: Value = serde_json::from_str(line).unwrap();
            let bytes = from_hex(step["hex"].as_str().unwrap());
            // Each waits for what came before it, as on the line; the pauses are left out.
            if step["dir"] == "h2p" {
                bench.pos.send(&bytes);
                down.extend(bytes);
                assert!(bench.printer.wait_received(DEADLINE, |received| received.len() >= down.len()));
            } else {
                bench.printer.send(&bytes);
                up.extend(bytes);
                assert!(bench.pos.wait_received(DEADLINE, |received| received.len() >= up.len()));
            }
        }
        same(&bench.printer.received(), &down);
        same(&bench.pos.received(), &up);
        same(&bytes_of(&bench.spooled(down.len() as u64)), &down);
        tap.stop().unwrap();
    }
}

fn from_hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}

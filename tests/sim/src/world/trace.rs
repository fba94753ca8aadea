//! What happened, as a running hash and, where somebody watches, as lines.
//!
//! Two runs of a seed must give the same hash; so nothing goes in that differs between runs (paths, pointers,
//! time of day).

use sha2::{Digest as _, Sha256};

/// The trace of one run.
pub struct Trace {
    hasher: Sha256,
    lines: u64,
    show: bool,
    last: std::collections::VecDeque<String>,
}

/// Lines kept for the report of a failure.
const LAST_LINES: usize = 60;

impl Trace {
    /// Empty; `show` prints every line.
    pub fn new(show: bool) -> Self {
        Self { hasher: Sha256::new(), lines: 0, show, last: std::collections::VecDeque::new() }
    }

    /// Adds a line.
    pub fn line(&mut self, at_ms: u64, text: &str) {
        let line = format!("{:>9}.{:03} {text}", at_ms / 1000, at_ms % 1000);
        self.hasher.update(line.as_bytes());
        self.hasher.update(b"\n");
        self.lines += 1;
        if self.show {
            println!("{line}");
        }
        if self.last.len() == LAST_LINES {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    /// The hash so far, and of how many lines.
    pub fn digest(&self) -> (String, u64) {
        let digest = self.hasher.clone().finalize();
        (digest.iter().map(|byte| format!("{byte:02x}")).collect(), self.lines)
    }

    /// The last lines.
    pub fn tail(&self) -> impl Iterator<Item = &str> {
        self.last.iter().map(String::as_str)
    }
}

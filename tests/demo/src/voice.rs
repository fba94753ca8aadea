//! How the demo talks to the person who watches: one line for each thing that happens, a bar where it takes time.
//! Colour only on a terminal.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// The demo's voice, on standard error; standard output is for the summary.
#[derive(Debug)]
pub struct Voice {
    began: Instant,
    colour: bool,
}

impl Voice {
    /// Begins to talk; times are counted from here.
    pub fn begin() -> Self {
        Self { began: Instant::now(), colour: std::io::stderr().is_terminal() }
    }

    /// A new part of the story.
    pub fn part(&self, title: &str) {
        let (on, off) = if self.colour { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        eprintln!("\n{on}{title}{off}");
    }

    /// Something happened.
    pub fn say(&self, text: &str) {
        let (on, off) = if self.colour { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
        eprintln!("{on}{:>6.1} s{off}  {text}", self.began.elapsed().as_secs_f32());
    }

    /// A bar over `count` steps; nothing where no terminal watches.
    pub fn bar(&self, what: &str, count: u64) -> ProgressBar {
        let bar = ProgressBar::new(count);
        let style = ProgressStyle::with_template("{elapsed:>8}  {msg} {bar:30} {pos}/{len}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(what.to_owned());
        bar
    }

    /// How long it has been.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

//! What commands print: errors with their causes, colour only on a terminal.

use std::io::{IsTerminal as _, Write as _};

/// Prints an error and what caused it to standard error.
pub fn failure(error: &anyhow::Error) {
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let (red, plain) = if colour { ("\x1b[31m", "\x1b[0m") } else { ("", "") };
    // Nowhere left to complain to when standard error is gone.
    let _ = writeln!(std::io::stderr(), "{red}counterfoil:{plain} {error:#}");
}

/// A word in colour where standard output is a terminal.
pub fn coloured(good: bool, word: &str) -> String {
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    match (colour, good) {
        (false, _) => word.to_owned(),
        (true, true) => format!("\x1b[32m{word}\x1b[0m"),
        (true, false) => format!("\x1b[31m{word}\x1b[0m"),
    }
}

/// Prints a line. A closed pipe is the reader's wish to see no more: it ends the program quietly.
pub fn line(text: impl std::fmt::Display) {
    if writeln!(std::io::stdout(), "{text}").is_err() {
        std::process::exit(0);
    }
}

/// Prints JSON, indented on a terminal and on one line elsewhere.
pub fn json(value: &serde_json::Value) {
    if std::io::stdout().is_terminal() { line(format_args!("{value:#}")) } else { line(value) }
}

//! What commands print: errors with their causes, colour only on a terminal, JSON where a script wants it.

use std::io::{IsTerminal as _, Write as _};

use serde::Serialize;

/// Prints an error and what caused it to standard error.
pub fn failure(error: &anyhow::Error) {
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let (red, plain) = if colour { ("\x1b[31m", "\x1b[0m") } else { ("", "") };
    // Nowhere left to complain to when standard error is gone.
    let _ = writeln!(std::io::stderr(), "{red}counterfoil-hub:{plain} {error:#}");
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

/// Prints JSON: indented on a terminal, on one line elsewhere.
pub fn json(value: &impl Serialize) {
    let text = if std::io::stdout().is_terminal() {
        serde_json::to_string_pretty(value)
    } else {
        serde_json::to_string(value)
    };
    line(text.expect("what commands print is plain JSON"));
}

/// Prints rows under their headings, columns aligned.
pub fn table(headings: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([headings[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let show = |cells: &[&str]| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        line(padded.join("  ").trim_end());
    };
    show(headings);
    rows.iter().for_each(|row| show(&row.iter().map(String::as_str).collect::<Vec<_>>()));
}

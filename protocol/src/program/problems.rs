//! What is wrong with a program file: everything at once, each with its place. Words for people; not an error
//! to match on.

use std::fmt;

/// A place in a program file: line and column where the text is TOML, the path of keys always.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct At {
    pub(super) line_column: Option<(usize, usize)>,
    pub(super) path: String,
}

/// One thing wrong with a program file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1; `None` where the program came as JSON.
    pub line: Option<usize>,
    /// Column in characters, from 1; `None` where the program came as JSON.
    pub column: Option<usize>,
    /// The keys that lead there, as in `earn[0].award`; empty for the file as a whole.
    pub path: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(f, "line {line}, column {column}: ")?,
            _ if !self.path.is_empty() => write!(f, "{}: ", self.path)?,
            _ => {}
        }
        f.write_str(&self.message)
    }
}

/// Everything wrong with a program file, in the file's order; never empty where it is returned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    pub(super) fn add(&mut self, at: &At, message: impl Into<String>) {
        self.0.push(Problem {
            line: at.line_column.map(|(line, _)| line),
            column: at.line_column.map(|(_, column)| column),
            path: at.path.clone(),
            message: message.into(),
        });
    }

    /// In the file's order; JSON keeps the order of discovery.
    pub(super) fn sorted(mut self) -> Self {
        self.0.sort_by_key(|problem| (problem.line, problem.column));
        self
    }

    pub(super) fn one(at: &At, message: impl Into<String>) -> Self {
        let mut problems = Self::default();
        problems.add(at, message);
        problems
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

//! What is wrong with a template, and where.

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line, counted from 1.
    pub line: usize,
    /// Column, counted from 1 in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// Why a template cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct TemplateError {
    /// Every problem found, in the order of the file; never empty.
    pub problems: Vec<Problem>,
}

impl std::fmt::Display for TemplateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, problem) in self.problems.iter().enumerate() {
            let separator = if at == 0 { "" } else { "\n" };
            write!(f, "{separator}line {}, column {}: {}", problem.line, problem.column, problem.message)?;
        }
        Ok(())
    }
}

/// Collects problems with their places.
pub(super) struct Problems<'a> {
    text: &'a str,
    found: Vec<Problem>,
}

impl<'a> Problems<'a> {
    pub(super) fn new(text: &'a str) -> Problems<'a> {
        Problems { text, found: Vec::new() }
    }

    pub(super) fn add(&mut self, at: usize, message: impl Into<String>) {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        self.found.push(Problem { line, column, message: message.into() });
    }

    pub(super) fn result<T>(mut self, value: Option<T>) -> Result<T, TemplateError> {
        self.found.sort_by_key(|problem| (problem.line, problem.column));
        match value {
            Some(value) if self.found.is_empty() => Ok(value),
            _ => Err(TemplateError { problems: self.found }),
        }
    }
}

//! One way to write an error with everything that caused it.
//!
//! Messages never repeat their source; this puts them one after the other. Not here: error types, which stand
//! with what they belong to.

use std::error::Error;
use std::fmt;

/// Displays an error and its sources in one line: `what: because: because`.
pub struct ErrorChain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read the marker")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn the_causes_follow_the_effect() {
        let error = Outer(std::io::Error::other("disk gone"));
        assert_eq!(ErrorChain(&error).to_string(), "cannot read the marker: disk gone");
    }
}

//! Reads the repository as a visitor would, so that tests can check that its map is true.
//!
//! Not here: anything about style or size. What is checked is what protects a law: the arrows between crates,
//! the purity of the pure ones, paths and tests that the map names.

use std::fs;
use std::path::{Path, PathBuf};

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("tests/tidy stands in the repository")
}

/// A file's text, by its path from the root.
pub fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path} cannot be read: {error}"))
}

/// All files below a folder with one of the endings, as paths from the root, in order. Build products and
/// hidden folders are left out.
pub fn files(folder: &str, endings: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    let root = root();
    let mut paths: Vec<String> = found
        .into_iter()
        .filter_map(|path| Some(path.strip_prefix(&root).ok()?.to_str()?.to_owned()))
        .filter(|path| endings.iter().any(|ending| path.ends_with(ending)))
        .collect();
    paths.sort();
    paths
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let entry = entry.expect("a folder of the repository can be listed");
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') || name == "target" {
            continue;
        }
        let path = entry.path();
        if path.is_dir() { walk(&path, found) } else { found.push(path) }
    }
}

/// What stands between back-ticks on each line, code fences left out.
pub fn code_spans(markdown: &str) -> Vec<String> {
    let mut fenced = false;
    let mut spans = Vec::new();
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            spans.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    spans
}

/// Relative targets of markdown links, without fragments.
pub fn links(markdown: &str) -> Vec<String> {
    markdown
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .map(|target| target.split('#').next().unwrap_or_default().to_owned())
        .filter(|target| !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:"))
        .collect()
}

/// Whether `file` holds a test function called `name`.
pub fn has_test(file: &str, name: &str) -> bool {
    let Ok(text) = fs::read_to_string(root().join(file)) else { return false };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.iter().enumerate().any(|(index, line)| {
        let is_it = line.split_once("fn ").is_some_and(|(before, rest)| {
            rest.split(|c: char| !c.is_alphanumeric() && c != '_').next() == Some(name) && !before.contains("//")
        });
        let attributes = lines[..index]
            .iter()
            .rev()
            .take_while(|line| line.starts_with("#[") || line.starts_with("///") || line.starts_with("//"));
        // Inside `proptest! { … }` the attribute is the same.
        is_it && attributes.clone().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_links_are_found() {
        let page = "see `a/b.rs` and [c](docs/c.md#x), [d](https://e)\n```\n`no`\n```\n";
        assert_eq!(code_spans(page), ["a/b.rs"]);
        assert_eq!(links(page), ["docs/c.md"]);
    }

    #[test]
    fn a_test_is_known_by_its_attribute() {
        assert!(has_test("tests/tidy/src/lib.rs", "a_test_is_known_by_its_attribute"));
        assert!(!has_test("tests/tidy/src/lib.rs", "has_test"));
        assert!(!has_test("tests/tidy/src/nowhere.rs", "has_test"));
    }
}

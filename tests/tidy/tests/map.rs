//! The map is true: paths in it exist, each invariant names tests that exist, links lead somewhere.

use counterfoil_tidy::{code_spans, files, has_test, links, root, text};

const FOLDERS: [&str; 8] = ["protocol/", "drivers/", "agent/", "hub/", "packaging/", "tests/", "docs/", ".ci/"];

#[test]
fn paths_in_the_map_exist() {
    let missing: Vec<String> = ["ARCHITECTURE.md", "README.md", "CONTRIBUTING.md"]
        .into_iter()
        .flat_map(|page| code_spans(&text(page)).into_iter().map(move |span| (page, span)))
        .filter(|(_, span)| FOLDERS.iter().any(|folder| span.starts_with(folder)) && !span.contains([' ', '*', '{']))
        .filter(|(_, span)| !root().join(span.split("::").next().unwrap_or(span)).exists())
        .map(|(page, span)| format!("{page}: `{span}`"))
        .collect();
    assert!(missing.is_empty(), "these paths do not exist:\n{}", missing.join("\n"));
}

#[test]
fn every_invariant_names_tests_that_exist() {
    let map = text("ARCHITECTURE.md");
    let invariants: Vec<&str> = map.lines().filter(|line| line.contains("Invariant:")).collect();
    assert!(invariants.len() >= 10, "ARCHITECTURE.md states its invariants as lines with `Invariant:`");
    let mut wrong = Vec::new();
    for line in invariants {
        let Some((_, enforced)) = line.split_once("Enforced by:") else {
            wrong.push(format!("names nothing that enforces it: {line}"));
            continue;
        };
        let tests = code_spans(enforced);
        if tests.is_empty() {
            wrong.push(format!("names no test: {line}"));
        }
        for test in tests {
            let exists = match test.split_once("::") {
                Some((file, name)) => has_test(file, name),
                None => root().join(&test).exists(),
            };
            if !exists {
                wrong.push(format!("no such test: {test}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn links_in_pages_lead_somewhere() {
    let mut pages: Vec<String> =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(String::from).into();
    pages.extend(files("docs", &[".md"]));
    let mut broken = Vec::new();
    for page in pages {
        let folder = root().join(&page).parent().expect("a page stands in a folder").to_path_buf();
        broken.extend(
            links(&text(&page))
                .into_iter()
                .filter(|link| !folder.join(link).exists())
                .map(|link| format!("{page}: {link}")),
        );
    }
    assert!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
}

#[test]
fn every_source_file_says_what_it_is() {
    let silent: Vec<String> = ["protocol", "drivers", "agent", "hub", "tests"]
        .into_iter()
        .flat_map(|folder| files(folder, &[".rs"]))
        .filter(|path| !text(path).trim_start().starts_with("//!"))
        .collect();
    assert!(silent.is_empty(), "these files begin without `//!`:\n{}", silent.join("\n"));
}

//! Every shipped template has a sample of ours beside it, made by the generator in `layouts.rs`, with its
//! truth; the template must read exactly that truth. `COUNTERFOIL_REGENERATE=1` writes the samples anew.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod layouts;

use std::path::PathBuf;

use counterfoil_drivers::Template;
use counterfoil_drivers::pan::Scrubber;
use counterfoil_drivers::parse::{best_template, parse_documents};
use counterfoil_drivers::template::shipped_names;
use serde_json::Value;

fn sample(name: &str, extension: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "templates", "samples", &format!("{name}.{extension}")].iter().collect()
}

/// One test, because regeneration must come before reading.
#[test]
fn every_shipped_template_reads_its_sample() {
    for name in shipped_names() {
        check_sample(name);
        check_template(name);
    }
}

fn check_sample(name: &str) {
    let (bytes, truth) = layouts::sample(name);
    let truth = serde_json::to_string_pretty(&truth).unwrap() + "\n";
    if std::env::var_os("COUNTERFOIL_REGENERATE").is_some() {
        std::fs::write(sample(name, "bin"), &bytes).unwrap();
        std::fs::write(sample(name, "json"), &truth).unwrap();
    }
    assert!(std::fs::read(sample(name, "bin")).unwrap() == bytes, "{name}.bin is stale");
    assert_eq!(std::fs::read_to_string(sample(name, "json")).unwrap(), truth, "{name}.json is stale");
}

fn check_template(name: &str) {
    let bytes = std::fs::read(sample(name, "bin")).unwrap();
    let truth: Value = serde_json::from_slice(&std::fs::read(sample(name, "json")).unwrap()).unwrap();
    let output = parse_documents(&Template::shipped(name).unwrap(), &Scrubber::default(), &bytes);
    let output = serde_json::to_value(output).unwrap();
    let documents = output["documents"].as_array().unwrap();
    let expected = truth["documents"].as_array().unwrap();
    assert_eq!(documents.len(), expected.len(), "{name}");
    for (got, expected) in documents.iter().zip(expected) {
        for key in ["kind", "marks", "sale", "z_report", "voided_receipt"] {
            assert_eq!(got[key], expected[key], "{name}: {key}");
        }
    }
    assert_eq!(best_template(&bytes).unwrap().name(), name);
}

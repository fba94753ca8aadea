//! Every stream under `COUNTERFOIL_SAMPLES` is taken in, in any chunks, and what is read equals the truth
//! beside it. Without that variable there is nothing to read, and the tests say that they are skipped.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use counterfoil_drivers::pan::Scrubber;
use counterfoil_drivers::parse::{parse_documents, parse_stream};
use counterfoil_drivers::template::shipped_names;
use counterfoil_drivers::{Parsed, Reader, Template};
use serde_json::Value;

fn samples(folder: &str) -> Option<Vec<PathBuf>> {
    let Some(root) = std::env::var_os("COUNTERFOIL_SAMPLES") else {
        eprintln!("SKIPPED: COUNTERFOIL_SAMPLES is not set, so no sample under {folder}/ was read");
        return None;
    };
    let mut found = Vec::new();
    let mut folders = vec![Path::new(&root).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "bin") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "COUNTERFOIL_SAMPLES holds no {folder}/");
    Some(found)
}

fn in_chunks(template: &Template, bytes: &[u8], size: usize) -> Vec<Parsed> {
    let mut reader = Reader::new(template.clone());
    let mut documents: Vec<Parsed> = bytes.chunks(size).flat_map(|chunk| reader.push(chunk)).collect();
    documents.extend(reader.finish());
    assert_eq!(reader.settled(), bytes.len() as u64);
    documents
}

#[test]
fn every_stream_is_taken_in_alike_in_any_chunks() {
    for folder in ["receipts", "public"] {
        for path in samples(folder).unwrap_or_default() {
            let bytes = std::fs::read(&path).unwrap();
            for name in shipped_names() {
                let template = Template::shipped(name).unwrap();
                let whole = in_chunks(&template, &bytes, bytes.len());
                for size in [1, 7, 64] {
                    assert_eq!(in_chunks(&template, &bytes, size), whole, "{} by {size}", path.display());
                }
                let mut end = 0;
                for document in &whole {
                    assert!(end <= document.from && document.from < document.to, "{}", path.display());
                    end = document.to;
                }
                assert!(end <= bytes.len() as u64);
            }
        }
    }
}

/// Which shipped template reads a sample.
fn template_for(id: &str) -> Option<&'static str> {
    match id {
        _ if id.starts_with("r01") || id.starts_with("r02") => Some("greengate"),
        _ if id.starts_with('p') && id.ends_with("_l0") => Some("balance-line"),
        _ if id.starts_with('p') && id.ends_with("_l1") => Some("two-line-items"),
        _ if id.starts_with('p') && id.ends_with("_l2") => Some("positioned-columns"),
        _ => None,
    }
}

fn truth(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path.with_extension("json")).unwrap()).unwrap()
}

/// Everything that the truth says and the paper shows must be there and equal.
fn assert_sale(id: &str, expected: &Value, got: &Value) {
    assert_eq!(got["marks"], Value::Array(Vec::new()), "{id}");
    let sale = &got["sale"];
    assert_eq!(sale["receipt_number"], expected["receipt_no"], "{id}");
    assert_eq!(sale["occurred_at"], expected["datetime"], "{id}");
    assert_eq!(sale["currency"], expected["currency"], "{id}");
    assert_eq!(sale["total"], expected["total"], "{id}");
    assert_eq!(sale["tax_included"], expected["tax_mode"] == "included", "{id}");
    let taxes = expected["taxes"].as_array().unwrap();
    let tax: i64 = taxes.iter().map(|tax| tax["amount"].as_i64().unwrap()).sum();
    assert_eq!(sale["tax"].as_i64(), (!taxes.is_empty()).then_some(tax), "{id}");
    assert_eq!(sale["change"].as_i64().unwrap_or(0), expected["change"].as_i64().unwrap_or(0), "{id}");
    assert_eq!(sale["member"]["identifier"], expected["member_card"], "{id}");
    let lines = expected["lines"].as_array().unwrap();
    assert_eq!(sale["lines"].as_array().unwrap().len(), lines.len(), "{id}");
    for (line, got) in lines.iter().zip(sale["lines"].as_array().unwrap()) {
        assert_eq!(got["description"], line["name"], "{id}");
        assert_eq!(got["quantity"], line["qty"], "{id}: {line}");
        assert_eq!(got["amount"], line["amount"], "{id}: {line}");
        if !got["unit_price"].is_null() {
            assert_eq!(got["unit_price"], line["unit_price"], "{id}: {line}");
        }
        if !got["unit"].is_null() {
            assert_eq!(got["unit"], line["unit"], "{id}: {line}");
        }
    }
    let pairs = |list: &Value, name: &str| -> Vec<(String, i64)> {
        let list = list.as_array().unwrap().iter();
        list.map(|entry| (entry[name].as_str().unwrap().to_owned(), entry["amount"].as_i64().unwrap())).collect()
    };
    assert_eq!(pairs(&sale["discounts"], "description"), pairs(&expected["discounts"], "name"), "{id}");
    assert_eq!(pairs(&sale["tenders"], "kind"), pairs(&expected["tenders"], "type"), "{id}");
}

#[test]
fn shipped_templates_give_the_truth() {
    let mut read = 0;
    for path in samples("receipts").unwrap_or_default() {
        let id = path.file_stem().unwrap().to_str().unwrap();
        let Some(name) = template_for(id) else { continue };
        let template = Template::shipped(name).unwrap();
        let output = parse_documents(&template, &Scrubber::default(), &std::fs::read(&path).unwrap());
        let output = serde_json::to_value(output).unwrap();
        let (truth, documents) = (truth(&path), output["documents"].as_array().unwrap());
        let expected = truth["documents"].as_array().unwrap();
        assert_eq!(documents.len(), expected.len(), "{id}");
        for (expected, got) in expected.iter().zip(documents) {
            match expected["kind"].as_str().unwrap() {
                "sale" => {
                    assert_eq!(got["kind"], "sale", "{id}");
                    assert_sale(id, expected, got);
                }
                "reprint" => {
                    assert_eq!(got["kind"], "reprint", "{id}");
                    assert_eq!(got["sale"]["receipt_number"], expected["of"], "{id}");
                    assert_eq!(got["sale"]["total"], expected["total"], "{id}");
                }
                kind => panic!("{id}: no test knows the kind {kind}"),
            }
        }
        read += 1;
    }
    eprintln!("{read} samples equal their truth");
}

/// A template that is not a receipt's own may read nothing of it, but never a value that is not there.
#[test]
fn no_template_reads_a_wrong_total() {
    for path in samples("receipts").unwrap_or_default() {
        let truth = truth(&path);
        let totals: Vec<i64> = truth["documents"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|document| document["total"].as_i64())
            .map(i64::abs)
            .collect();
        for name in shipped_names() {
            let template = Template::shipped(name).unwrap();
            for parsed in parse_stream(&template, &Scrubber::default(), &std::fs::read(&path).unwrap()) {
                if let Some(sale) = parsed.sale {
                    assert!(totals.contains(&sale.total), "{} by {name}: {sale:?}", path.display());
                }
            }
        }
    }
}

/// The negative control of this file: a comparison that cannot fail proves nothing.
#[test]
#[should_panic(expected = "p03")]
fn a_wrong_amount_would_be_seen() {
    let Some(paths) = samples("receipts") else { panic!("p03 SKIPPED: COUNTERFOIL_SAMPLES is not set") };
    let path = paths.iter().find(|path| path.to_string_lossy().contains("p03")).unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    let at = bytes.windows(4).position(|window| window == b"1.13").unwrap();
    bytes[at + 3] = b'4';
    let template = Template::shipped("balance-line").unwrap();
    let output = serde_json::to_value(parse_documents(&template, &Scrubber::default(), &bytes)).unwrap();
    assert_sale("p03", &truth(path)["documents"][0], &output["documents"][0]);
}

//! Targets for what comes from hardware: printer streams, layouts, scanners, card numbers, the spool's files.

use std::path::Path;

use counterfoil_drivers::pan;
use counterfoil_drivers::printer::escpos::{Dialect, Token, Tokenizer};
use counterfoil_drivers::printer::limits::{DOCUMENT_LINES_MAX, LINE_CHARS_MAX};
use counterfoil_drivers::scanner::{Framed, Framer, Framing, SCAN_BYTES_MAX, Suffix};
use counterfoil_drivers::spool::scrub::{FILLER, HELD_BYTES_MAX, StreamScrubber};
use counterfoil_drivers::spool::{SpoolItem, SpoolReader};
use counterfoil_drivers::template::shipped_names;
use counterfoil_drivers::{Parsed, Reader, Template};

use crate::{choice, seeds};

fn tokens(dialect: Dialect, bytes: &[u8], chunk: usize) -> Vec<Token> {
    let (mut tokenizer, mut tokens) = (Tokenizer::new(dialect, 0), Vec::new());
    for part in bytes.chunks(chunk) {
        tokenizer.push(part, |token| tokens.push(token));
    }
    tokenizer.finish(|token| tokens.push(token));
    tokens
}

/// The tokenizer in every dialect: tokens cover the stream exactly, in any chunks. The first byte says how it is cut.
pub fn escpos_tokens(data: &[u8]) {
    let (cut, bytes) = choice(data);
    for dialect in [Dialect::Auto, Dialect::Epson, Dialect::StarLine] {
        let whole = tokens(dialect, bytes, bytes.len().max(1));
        let mut offset = 0;
        for token in &whole {
            assert!(token.from == offset && token.to > token.from, "tokens cover the stream: {token:?} at {offset}");
            offset = token.to;
        }
        assert_eq!(offset, bytes.len() as u64, "tokens cover the stream to its end");
        assert_eq!(tokens(dialect, bytes, usize::from(cut) + 1), whole, "chunks do not matter");
    }
}

fn documents(template: &Template, bytes: &[u8], chunk: usize) -> Vec<Parsed> {
    let mut reader = Reader::new(template.clone());
    let (mut found, mut pushed, mut settled) = (Vec::new(), 0, 0);
    for part in bytes.chunks(chunk) {
        found.extend(reader.push(part));
        pushed += part.len() as u64;
        assert!(settled <= reader.settled() && reader.settled() <= pushed, "what is settled was read, and stays");
        settled = reader.settled();
    }
    found.extend(reader.finish());
    found
}

fn check_documents(documents: &[Parsed], length: usize) {
    let mut end = 0;
    for document in documents {
        assert!(end <= document.from && document.from < document.to, "documents follow each other: {document:?}");
        end = document.to;
        assert!(document.text.len() <= DOCUMENT_LINES_MAX, "a document is bounded");
        assert!(document.text.iter().all(|line| line.chars().count() <= LINE_CHARS_MAX), "a line is bounded");
    }
    assert!(end <= length as u64, "documents lie in the stream");
}

/// The reader with every shipped template: spans in order, bounded documents, chunks do not matter.
pub fn receipt_reader(data: &[u8]) {
    thread_local! {
        static SHIPPED: Vec<Template> = shipped_names().filter_map(Template::shipped).collect();
    }
    let (cut, bytes) = choice(data);
    SHIPPED.with(|shipped| {
        for template in shipped {
            let whole = documents(template, bytes, bytes.len().max(1));
            check_documents(&whole, bytes.len());
            assert_eq!(documents(template, bytes, usize::from(cut) + 1), whole, "{}: chunks", template.name());
        }
    });
}

/// A template file somebody wrote; one that is taken reads a receipt.
pub fn template_toml(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match Template::from_toml(&text) {
        Ok(template) => {
            let bytes = seeds::receipt();
            check_documents(&documents(&template, &bytes, bytes.len()), bytes.len());
        }
        Err(error) => assert!(!error.to_string().is_empty(), "what is wrong is said"),
    }
}

/// A scanner's stream with every suffix: bounded, and chunks do not matter.
pub fn scanner_framing(data: &[u8]) {
    let (cut, bytes) = choice(data);
    for suffix in [Suffix::LineEnd, Suffix::Cr, Suffix::Lf, Suffix::CrLf, Suffix::Tab, Suffix::Etx] {
        for (prefix, keep_aim) in [(&b""[..], false), (b"S", true)] {
            let framing = Framing { suffix, prefix: prefix.to_vec(), keep_aim, ..Framing::default() };
            let mut framer = Framer::new(framing.clone());
            let whole = framer.push(bytes);
            let held = framer.held_bytes();
            assert!(held <= bytes.len(), "nothing is held that did not come");
            for framed in &whole {
                if let Framed::Scan { text, .. } = framed {
                    assert!(!text.is_empty() && text.len() <= SCAN_BYTES_MAX, "a scan is bounded: {}", text.len());
                }
            }
            let mut framer = Framer::new(framing);
            let pieces: Vec<Framed> = bytes.chunks(usize::from(cut) + 1).flat_map(|piece| framer.push(piece)).collect();
            assert_eq!((pieces, framer.held_bytes()), (whole, held), "chunks do not matter");
            assert_eq!(framer.broken_off().is_some(), held > 0, "what is held is given up in one piece");
            assert_eq!(framer.held_bytes(), 0, "and nothing stays");
        }
    }
}

fn scrubbed(bytes: &[u8], chunk: usize, pauses: bool) -> Vec<u8> {
    let (mut scrubber, mut out) = (StreamScrubber::default(), Vec::new());
    for part in bytes.chunks(chunk) {
        out.extend(scrubber.push(part));
        assert!(scrubber.held_bytes() <= HELD_BYTES_MAX, "what is held back is bounded");
        if pauses {
            out.extend(scrubber.pause());
        }
    }
    out.extend(scrubber.finish());
    out
}

fn assert_masked(bytes: &[u8], out: &[u8]) {
    assert_eq!(out.len(), bytes.len(), "lengths stay");
    assert!(bytes.iter().zip(out).all(|(before, after)| before == after || *after == FILLER), "only masking changes");
}

/// Both scrubbers of card numbers: length and order stay, the spool's does not depend on chunks and leaves nothing.
pub fn pan_scrubber(data: &[u8]) {
    let (cut, bytes) = choice(data);
    let whole = scrubbed(bytes, bytes.len().max(1), false);
    assert_masked(bytes, &whole);
    assert_eq!(scrubbed(bytes, usize::from(cut) + 1, false), whole, "chunks do not matter");
    assert_eq!(scrubbed(&whole, whole.len().max(1), false), whole, "no card is left");
    assert_masked(bytes, &scrubbed(bytes, usize::from(cut) + 1, true));

    let (mut scrubber, mut out) = (pan::StreamScrubber::new(pan::Scrubber::default()), Vec::new());
    for part in bytes.chunks(usize::from(cut) + 1) {
        scrubber.push(part, &mut out);
        assert!(scrubber.held() < pan::CHAIN_BYTES_MAX, "what is held back is bounded");
    }
    scrubber.finish(&mut out);
    assert_masked(bytes, &out);
    let text = String::from_utf8_lossy(bytes);
    assert_eq!(pan::Scrubber::default().scrub(&text).len(), text.len(), "lengths of text stay");
}

/// A spool's files: as they are, or with sums made right so that the reader believes the frames. The first byte
/// chooses, and whether a newer segment follows.
pub fn spool_reader(data: &[u8]) {
    let (way, bytes) = choice(data);
    let dir = scratch();
    let content = if way & 1 == 0 { bytes.to_vec() } else { frames_with_sums(bytes) };
    let content = if way & 2 == 0 { [&seeds::spool_preamble(0)[..], &content].concat() } else { content };
    write(dir.path(), 0, &content);
    if way & 4 != 0 {
        write(
            dir.path(),
            1 << 40,
            &[&seeds::spool_preamble(1 << 40)[..], &seeds::spool_frame(1, 1 << 40, b"on")].concat(),
        );
    }
    let mut reader = SpoolReader::open(dir.path(), u64::from(way >> 4));
    let mut at = reader.position();
    // Each item stands for at least half a frame.
    for _ in 0..content.len() / 6 + 16 {
        let Some(item) = reader.next_item().expect("a memory disk can be read") else {
            assert_eq!(reader.next_item().expect("a memory disk can be read"), None, "the end stays the end");
            return;
        };
        let (from, to) = match item {
            SpoolItem::Bytes { offset, bytes, .. } => (offset, offset.saturating_add(bytes.len() as u64)),
            SpoolItem::Gap { from, to, .. } => (from, to),
        };
        assert!(from == at && to >= from, "offsets only grow: {from}..{to} at {at}");
        at = to;
        assert_eq!(reader.position(), at, "the reader stands behind what it gave");
    }
    panic!("the reader does not come to an end");
}

/// Any bytes cut into frames (kind, offset, short payload) whose checksum holds.
fn frames_with_sums(mut rest: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    while let Some((&[kind, low, high, length], tail)) = rest.split_first_chunk::<4>() {
        let (payload, tail) = tail.split_at(usize::from(length).min(tail.len()));
        // The low byte scales: most offsets are near, some are at the end of the numbers.
        let offset = if low == 0xff { u64::MAX - u64::from(high) } else { u64::from(low) << (high % 41) };
        file.extend(seeds::spool_frame(kind, offset, payload));
        rest = tail;
    }
    file
}

fn write(dir: &Path, start: u64, content: &[u8]) {
    std::fs::write(dir.join(format!("{start:020}.seg")), content).expect("a memory disk takes a small file");
}

/// A folder in memory where there is one.
pub(crate) fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder for scratch files")
}

//! Laws of the reader over any bytes, and the traps that real generators set.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use counterfoil_drivers::captured::TenderKind;
use counterfoil_drivers::pan::Scrubber;
use counterfoil_drivers::parse::parse_stream;
use counterfoil_drivers::printer::demo::{DemoDocument, DemoLine, DemoReceipt};
use counterfoil_drivers::printer::escpos::{Dialect, Op, Symbology, Token, Tokenizer};
use counterfoil_drivers::{Class, Parsed, Reader, Template};
use proptest::prelude::*;

fn tokens(dialect: Dialect, bytes: &[u8], chunk: usize) -> Vec<Token> {
    let (mut tokenizer, mut tokens) = (Tokenizer::new(dialect, 0), Vec::new());
    for part in bytes.chunks(chunk) {
        tokenizer.push(part, |token| tokens.push(token));
    }
    tokenizer.finish(|token| tokens.push(token));
    tokens
}

fn demo() -> Template {
    Template::shipped("demo").unwrap()
}

fn read(template: &Template, bytes: &[u8], chunk: usize) -> Vec<Parsed> {
    let mut reader = Reader::new(template.clone());
    let mut documents: Vec<Parsed> = bytes.chunks(chunk).flat_map(|part| reader.push(part)).collect();
    documents.extend(reader.finish());
    documents
}

fn receipt(number: &str, amount: i64) -> DemoReceipt {
    DemoReceipt {
        store: "CORNER".into(),
        receipt_number: number.into(),
        till: 1,
        operator: "7".into(),
        date: "24/11/2026".into(),
        time: "10:15:07".into(),
        lines: vec![DemoLine::piece("Tea", amount)],
        total: amount,
        tenders: vec![(TenderKind::Card, amount)],
        ..DemoReceipt::default()
    }
}

fn sale(number: &str, amount: i64) -> Vec<u8> {
    DemoDocument::Sale(&receipt(number, amount)).bytes()
}

fn text_of(tokens: &[Token]) -> String {
    tokens
        .iter()
        .filter_map(|token| match token.op {
            Op::Text(byte) => Some(char::from(byte)),
            Op::LineFeed => Some('\n'),
            _ => None,
        })
        .collect()
}

/// Streams that are mostly commands, so that the deeper states are reached.
fn commands() -> impl Strategy<Value = Vec<u8>> {
    let introducer = prop::sample::select(vec![0x1bu8, 0x1d, 0x1c, 0x10, 0x1f]);
    let command =
        (introducer, any::<u8>(), prop::collection::vec(any::<u8>(), 0..12)).prop_map(|(lead, letter, tail)| {
            let mut bytes = vec![lead, letter];
            bytes.extend(tail);
            bytes
        });
    let piece = prop_oneof![
        4 => command,
        2 => "[ -~]{0,20}\n".prop_map(String::into_bytes),
        1 => Just(sale("0001-000001", 500)),
        1 => Just(b"\x1dV\x00".to_vec()),
        1 => Just(b"\x1b\x1ea\x00".to_vec()),
    ];
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![prop::collection::vec(any::<u8>(), 0..600), commands()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn tokens_cover_the_stream_exactly_in_any_chunks(
        bytes in any_stream(), chunk in 1usize..70, dialect in prop::sample::select(vec![
            Dialect::Auto, Dialect::Epson, Dialect::StarLine]),
    ) {
        let whole = tokens(dialect, &bytes, bytes.len().max(1));
        prop_assert_eq!(&tokens(dialect, &bytes, chunk), &whole);
        let mut offset = 0;
        for token in &whole {
            prop_assert_eq!(token.from, offset);
            prop_assert!(token.to > token.from);
            offset = token.to;
        }
        prop_assert_eq!(offset, bytes.len() as u64);
    }

    #[test]
    fn documents_do_not_depend_on_chunks(bytes in any_stream(), chunk in 1usize..70) {
        let template = demo();
        let whole = read(&template, &bytes, bytes.len().max(1));
        prop_assert_eq!(&read(&template, &bytes, chunk), &whole);
        let mut end = 0;
        for document in &whole {
            prop_assert!(end <= document.from && document.from < document.to);
            end = document.to;
        }
        prop_assert!(end <= bytes.len() as u64);
    }

    /// Whatever came before, a reset and a cut on the line: the next receipt is read. Noise may leave the
    /// printer inside an image, which only its length ends.
    #[test]
    fn after_text_and_unknown_commands_the_next_receipt_is_read(
        noise in "[ -~\n]{0,40}", letter in prop::sample::select(b"OXYZsy".to_vec()),
    ) {
        let mut bytes = noise.into_bytes();
        bytes.extend([0x1b, letter]);
        bytes.extend(b"\n\x1dV\x00");
        bytes.extend(sale("0001-000002", 700));
        let documents = read(&demo(), &bytes, 5);
        let last = documents.last().unwrap();
        prop_assert_eq!(last.class, Class::Sale);
        prop_assert_eq!(last.sale.as_ref().unwrap().total, 700);
    }

    /// Starting again at any settled offset finds the same rest.
    #[test]
    fn a_reader_started_at_a_settled_offset_finds_the_rest(cut in 0usize..2000) {
        let bytes: Vec<u8> = (1..=4).flat_map(|number| sale(&format!("0001-00000{number}"), number * 100)).collect();
        let cut = cut.min(bytes.len());
        let whole = read(&demo(), &bytes, bytes.len());
        let mut reader = Reader::new(demo());
        let mut documents = reader.push(&bytes[..cut]);
        let settled = reader.settled();
        prop_assert!(settled <= cut as u64);
        let mut again = Reader::at(demo(), settled);
        documents.extend(again.push(&bytes[settled as usize..]));
        documents.extend(again.finish());
        prop_assert_eq!(documents, whole);
    }
}

#[test]
fn status_requests_inside_text_leave_it_whole_and_parameters_are_not_searched() {
    let tokens = tokens(Dialect::Auto, b"COKE 16 \x10\x04\x03OZ\n\x1b3\x10SUB\n", 1);
    assert_eq!(text_of(&tokens), "COKE 16 OZ\nSUB\n");
}

#[test]
fn drawer_kicks_without_their_times_eat_nothing() {
    for (bytes, pulses) in [
        (&b"\x1bp\x00\x1bp\x01TOTAL\n"[..], 2),
        (b"\x1bp\x00\x1b@TOTAL\n", 1),
        (b"\x1bp\x00\x1dV\x00TOTAL\n", 1),
        (b"\x1bp\x00\x32\x32TOTAL\n", 1),
        (b"\x1bp\x00\x19\xfaTOTAL\n", 1),
    ] {
        let tokens = tokens(Dialect::Auto, bytes, 1);
        assert_eq!(text_of(&tokens), "TOTAL\n");
        assert_eq!(tokens.iter().filter(|token| token.op == Op::Pulse).count(), pulses, "{bytes:x?}");
    }
}

#[test]
fn payloads_are_skipped_by_their_length_whatever_they_spell() {
    let trap = b"\nTOTAL 9.99\n\x1dV\x00\x1b@";
    let length = u8::try_from(trap.len()).unwrap();
    let heads: [Vec<u8>; 7] = [
        vec![0x1d, b'v', b'0', 0, 1, 0, length, 0],
        vec![0x1b, b'*', 0, length, 0],
        vec![0x1d, b'(', b'A', length, 0],
        vec![0x1d, b'8', b'L', length, 0, 0, 0],
        vec![0x1c, b'(', b'E', length, 0],
        vec![0x1c, b'g', b'1', 0, 0, 0, 0, 0, length, 0],
        vec![0x1b, b'&', 1, 65, 65, length],
    ];
    for head in heads {
        let bytes = [head.as_slice(), trap, b"after\n"].concat();
        assert_eq!(text_of(&tokens(Dialect::Auto, &bytes, 1)), "after\n", "{head:x?}");
    }
}

#[test]
fn an_absurd_length_does_not_swallow_the_day() {
    let mut bytes = b"\x1d8L\xff\xff\xff\xff\n\x1dV\x00".to_vec();
    bytes.extend(sale("0001-000003", 300));
    assert_eq!(read(&demo(), &bytes, 64).last().unwrap().class, Class::Sale);
}

#[test]
fn codes_are_read_in_both_functions() {
    let bytes = b"\x1dk\x025002004821303\x00\x1dkI\x08{B310114\x1d(k\x08\x001P0HELLO\x1d(k\x03\x001Q0\x1dV\x00";
    let codes: Vec<Op> = tokens(Dialect::Auto, bytes, 3).into_iter().map(|token| token.op).collect();
    assert_eq!(codes[0], Op::Code(Symbology::Ean13, b"5002004821303".to_vec()));
    assert_eq!(codes[2], Op::SymbolStore(Symbology::Qr, b"HELLO".to_vec()));
    assert_eq!(read(&demo(), bytes, 3)[0].codes, ["5002004821303", "310114", "HELLO"]);
}

#[test]
fn star_cuts_where_epson_feeds() {
    let star = tokens(Dialect::Auto, b"\x1b@\x1b\x1ea\x00\x1bESTAR\n\x1bd3\x1c", 1);
    assert_eq!(text_of(&star), "STAR\n");
    assert!(star.iter().any(|token| token.op == Op::Cut));
    let epson = tokens(Dialect::Auto, b"\x1b@\x1bE\x01EPSON\n\x1bd3", 1);
    assert!(epson.iter().all(|token| token.op != Op::Cut));
}

#[test]
fn text_for_the_display_is_no_receipt_line() {
    let mut bytes = b"\x1b=\x02\x0cTOTAL           99.99\r\x1b=\x01".to_vec();
    bytes.extend(sale("0001-000004", 400));
    let documents = read(&demo(), &bytes, 1);
    assert_eq!(documents.len(), 1);
    assert_eq!(documents[0].sale.as_ref().unwrap().total, 400);
    assert_eq!(documents[0].display, ["TOTAL           99.99"]);
    assert!(!documents[0].text.iter().any(|line| line.contains("99.99")));
}

#[test]
fn the_pulse_after_the_cut_starts_no_document() {
    let mut cash = receipt("0001-000005", 500);
    cash.tenders = vec![(TenderKind::Cash, 500)];
    let bytes = DemoDocument::Sale(&cash).bytes();
    let documents = read(&demo(), &bytes, 1);
    assert_eq!(documents.len(), 1);
    assert_eq!(documents[0].to, bytes.len() as u64 - 5, "the document ends with its cut, the pulse follows");
}

#[test]
fn half_a_receipt_is_partial_and_posts_nothing() {
    let whole = sale("0001-000006", 12_345);
    let total = whole.windows(5).position(|window| window == b"TOTAL").unwrap();
    for end in [total + 40, total + 10, whole.len() - 3] {
        let documents = read(&demo(), &whole[..end], 7);
        assert_eq!((documents.len(), documents[0].class), (1, Class::Partial));
        assert_eq!(documents[0].sale, None);
        assert_eq!(documents[0].receipt_number.as_deref(), Some("0001-000006"));
    }
}

#[test]
fn a_till_that_restarts_in_the_middle_leaves_one_half_and_one_whole() {
    let half = sale("0001-000007", 12_345);
    let total = half.windows(5).position(|window| window == b"TOTAL").unwrap();
    let mut bytes = half[..total].to_vec();
    let restart = bytes.len() as u64;
    bytes.extend(sale("0001-000008", 800));
    let documents = read(&demo(), &bytes, 7);
    let classes: Vec<Class> = documents.iter().map(|document| document.class).collect();
    assert_eq!(classes, [Class::Partial, Class::Sale]);
    assert_eq!((documents[0].to, documents[1].from), (restart, restart));
    let sale = documents[1].sale.as_ref().unwrap();
    assert_eq!((sale.receipt_number.as_str(), sale.total, sale.lines.len()), ("0001-000008", 800, 1));
    assert!(documents[1].marks.is_empty());
}

#[test]
fn pixels_alone_are_unreadable() {
    let documents = read(&demo(), b"\x1b@\x1dv0\x00\x01\x00\x02\x00\xff\xff\n\x1dV\x00", 1);
    assert_eq!((documents.len(), documents[0].class), (1, Class::Unreadable));
}

#[test]
fn a_sale_that_does_not_add_up_is_marked_and_its_values_stay() {
    let mut wrong = receipt("0001-000009", 900);
    wrong.total = 901;
    let documents = read(&demo(), &DemoDocument::Sale(&wrong).bytes(), 7);
    assert_eq!(documents[0].marks, ["arithmetic"]);
    let sale = documents[0].sale.as_ref().unwrap();
    assert_eq!((sale.total, sale.lines[0].amount, sale.tenders[0].amount), (901, 900, 900));
}

#[test]
fn an_endless_document_is_ended_and_said_to_be_too_long() {
    let bytes = b"LINE\n".repeat(12_000);
    let documents = read(&demo(), &bytes, 4096);
    assert!(documents.len() > 2);
    assert!(documents[0].marks.contains(&"too-long".to_owned()));
    assert!(documents.iter().all(|document| document.class == Class::Partial));
}

#[test]
fn without_a_cutter_the_templates_last_line_ends_a_document() {
    let toml = "name = \"x\"\ncurrency = \"GBP\"\n[document]\nend = '^Thank you$'\n[[line]]\nis = \"info\"\n\
                match = '^No {receipt_number}$'\n[[line]]\nis = \"total\"\nmatch = '^TOTAL {amount}$'\n\
                [[line]]\nis = \"item\"\nmatch = '^{description} {amount}$'\n";
    let template = Template::from_toml(toml).unwrap();
    let bytes = b"No 1\nTea 1.00\nTOTAL 1.00\nThank you\n\n\nNo 2\nTea 2.00\nTOTAL 2.00\nThank you\n\n";
    let documents = read(&template, bytes, 1);
    let totals: Vec<i64> = documents.iter().map(|document| document.sale.as_ref().unwrap().total).collect();
    assert_eq!(totals, [100, 200]);
}

#[test]
fn no_card_number_leaves_by_any_way() {
    const CARD: &str = "4111111111111111";
    let mut receipt = receipt("0001-000010", 250);
    receipt.lines.push(DemoLine::piece(CARD, 0));
    receipt.member = Some("4111 1111 1111 1111".into());
    let mut bytes =
        format!("\x1b=\x02{CARD}\n\x1b=\x01VISA 4111-1111-1111-1111\n;{CARD}=28121010000012300001?\n").into_bytes();
    bytes.extend(b"\x1dkI\x12{B4111111111111111");
    bytes.extend(DemoDocument::Sale(&receipt).bytes());
    let documents = parse_stream(&demo(), &Scrubber::default(), &bytes);
    let everything = format!("{documents:?}");
    for forbidden in [CARD, "4111 1111 1111 1111", "4111-1111-1111-1111", "28121010000012300001"] {
        assert!(!everything.contains(forbidden), "{forbidden} in {everything}");
    }
    // Negative control: it is the scrubber that keeps them back.
    let own = counterfoil_drivers::pan::CardRange { prefix: "4111".into(), digits: None };
    let documents = parse_stream(&demo(), &Scrubber::new(vec![own]), &bytes);
    assert!(format!("{documents:?}").contains(CARD));
}

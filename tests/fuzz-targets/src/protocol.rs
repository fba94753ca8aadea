//! Targets for what crosses a line or is typed: frames, programs, sales, and the small texts.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use counterfoil_protocol::day::DayTotals;
use counterfoil_protocol::entry::Lot;
use counterfoil_protocol::id::{Digest, EntryId, EventId, Holder, IncarnationId, MemberId};
use counterfoil_protocol::identifier::{Identifier, ProgramKey};
use counterfoil_protocol::program::{Basket, LocalTime, MemberInputs, Problems, Program};
use counterfoil_protocol::record::Record;
use counterfoil_protocol::sale::Sale;
use counterfoil_protocol::time::{Date, StoreCalendar};
use counterfoil_protocol::wire::http::{
    EPOCH_HEADER, HEAD_HEADER, INCARNATION_HEADER, RequestHeaders, SIGNATURE_HEADER,
};
use counterfoil_protocol::wire::v1::enrol::{EnrolAnswer, EnrolRequest, EnrolmentCode};
use counterfoil_protocol::wire::v1::feed::{Cursor, Page};
use counterfoil_protocol::wire::v1::grant::{GrantAnswer, GrantRequest, PushAnswer, Refusal};
use counterfoil_protocol::wire::v1::segment::Segment;

use crate::seeds;

const NOON: LocalTime = LocalTime { year: 2026, month: 11, day: 20, weekday: 5, hour: 12, minute: 30 };

fn evaluate(program: &Program, sale: &Sale) {
    let member = MemberInputs { tags: vec!["vegan".into()], ..MemberInputs::default() };
    let groups = ["north".to_owned()];
    let basket =
        Basket { sale, now: NOON, member: &member, store: "north", store_groups: &groups, lane: "1", channel: "till" };
    let evaluation = program.evaluate(&basket);
    for award in &evaluation.awards {
        let sum: i64 = award.rules.iter().map(|rule| rule.amount).sum();
        assert!(award.amount > 0 && award.amount == sum, "an award is the sum of its rules: {award:?}");
    }
    let broke = evaluation.failures.iter().find(|failure| failure.contains("broke down"));
    assert_eq!(broke, None, "a condition that was taken can be evaluated");
}

fn check_program(read: Result<Program, Problems>) {
    match read {
        Ok(program) => {
            let json = program.to_json();
            let again = Program::from_json(&json).unwrap_or_else(|problems| panic!("{json}: {problems}"));
            assert_eq!(again.to_json(), json, "canonical JSON comes back");
            evaluate(&program, &seeds::sale());
        }
        Err(problems) => {
            assert!(!problems.0.is_empty(), "what is wrong is said");
            assert!(!problems.to_string().contains("please report"), "the reader failed: {problems}");
        }
    }
}

/// A program file.
pub fn program_toml(data: &[u8]) {
    check_program(Program::from_toml(&String::from_utf8_lossy(data)));
}

/// A program as the wire carries it.
pub fn program_json(data: &[u8]) {
    check_program(Program::from_json(&String::from_utf8_lossy(data)));
}

/// A condition, as `when` and as `lines`.
pub fn cel_condition(data: &[u8]) {
    let source = String::from_utf8_lossy(data);
    for key in ["when", "lines"] {
        let rule = serde_json::json!({ "id": "r", "purse": "points", "award": { "flat": 1 }, key: source });
        let json = serde_json::json!({ "program": "p", "currency": "GBP", "time_zone": "UTC",
            "purse": { "points": { "kind": "points" } }, "earn": [rule] });
        check_program(Program::from_json(&json.to_string()));
    }
}

/// A sale as the local API takes it, under a real program.
pub fn sale_json(data: &[u8]) {
    thread_local! {
        static SHOP: Program = Program::from_toml(seeds::PROGRAM).expect("the example program is sound");
    }
    if let Ok(sale) = serde_json::from_slice::<Sale>(data) {
        SHOP.with(|shop| evaluate(shop, &sale));
        // The member goes into the record as an id or a hash, never with the sale.
        survives(&Sale { member: None, ..sale });
    }
}

fn survives<T>(value: &T)
where
    T: minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()> + PartialEq + Debug,
{
    let bytes = minicbor::to_vec(value).expect("encoding into memory cannot fail");
    let again: T = minicbor::decode(&bytes).unwrap_or_else(|error| panic!("{value:?} does not come back: {error}"));
    assert_eq!(&again, value, "what was read is what is written");
}

fn decoded<T>(data: &[u8]) -> Option<T>
where
    T: minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()> + PartialEq + Debug,
{
    let value: T = minicbor::decode(data).ok()?;
    survives(&value);
    Some(value)
}

/// A segment from a till.
pub fn segment(data: &[u8]) {
    let Ok(segment) = Segment::from_bytes(data) else { return };
    survives(&segment);
    let _ = segment.clone().verify(&seeds::till_key());
    // Signed by nobody we know: the records are not looked at.
    let _ = segment.signed_text();
}

/// A journal's record.
pub fn record(data: &[u8]) {
    let Some(record) = decoded::<Record>(data) else { return };
    let (author, member) = (Holder::Terminal(IncarnationId([7; 16])), MemberId([1; 16]));
    for entry in &record.entries {
        let _ = entry.accounts(author);
        let _ = entry.held_change(Holder::Hub, author);
        let _ = record.held_change(author, author, entry.member, &entry.purse);
    }
    let _ = record.held_change(author, Holder::Hub, member, "points");
    let mut totals = DayTotals::default();
    totals.add(&record);
    totals.add(&record);
    let _ = totals.purse_totals();
}

/// A page of the feed.
pub fn page(data: &[u8]) {
    let _ = decoded::<Page>(data);
}

/// A question for rights.
pub fn grant_request(data: &[u8]) {
    let _ = decoded::<GrantRequest>(data);
}

/// An answer with rights.
pub fn grant_answer(data: &[u8]) {
    let _ = decoded::<GrantAnswer>(data);
}

/// An answer to a push.
pub fn push_answer(data: &[u8]) {
    let _ = decoded::<PushAnswer>(data);
}

/// A till's request to be taken in.
pub fn enrol_request(data: &[u8]) {
    let _ = decoded::<EnrolRequest>(data);
}

/// The answer to it.
pub fn enrol_answer(data: &[u8]) {
    if let Some(answer) = decoded::<EnrolAnswer>(data) {
        let _ = answer.signed_text();
        let _ = StoreCalendar::new(&answer.store.time_zone, &answer.store.day_ends);
    }
}

/// A refusal.
pub fn refusal(data: &[u8]) {
    let _ = decoded::<Refusal>(data);
}

/// A feed cursor in a query.
pub fn cursor(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let text = text.trim();
    if let Ok(cursor) = Cursor::parse(text) {
        assert_eq!(Cursor::parse(&cursor.to_text()), Ok(cursor.clone()), "a cursor comes back");
        assert_eq!(cursor.meet(&cursor), Some(cursor.clone()), "a cursor meets itself");
        let _ = cursor.meet(&Cursor::start(1));
    }
}

/// A code as a person types it.
pub fn enrolment_code(data: &[u8]) {
    if let Ok(code) = EnrolmentCode::parse(&String::from_utf8_lossy(data)) {
        assert!(EnrolmentCode::parse(&code.to_text()) == Ok(code), "a code comes back");
    }
}

/// The headers of a signed request: four lines.
pub fn request_headers(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let lines: Vec<&str> = text.split('\n').collect();
    let names = [INCARNATION_HEADER, EPOCH_HEADER, HEAD_HEADER, SIGNATURE_HEADER];
    let find = |name: &'static str| lines.get(names.iter().position(|known| *known == name)?).copied();
    if let Ok(headers) = RequestHeaders::parse(find) {
        let pairs = headers.to_pairs();
        let again = RequestHeaders::parse(|name| {
            pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
        });
        assert_eq!(again, Ok(headers), "headers come back");
    }
}

fn text_comes_back<T: FromStr + Display + PartialEq + Debug>(text: &str) -> Option<T> {
    let value: T = text.parse().ok()?;
    let again = value.to_string();
    assert_eq!(again.parse::<T>().ok().as_ref(), Some(&value), "{text:?} as {again:?}");
    Some(value)
}

/// Ids are hexadecimal in either case, and nothing else.
fn hex_comes_back<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    if let Some(value) = text_comes_back::<T>(text) {
        assert_eq!(value.to_string(), text.to_ascii_lowercase(), "an id has one form");
    }
}

/// Ids, lots, dates, times, identifiers: each line as each of them.
pub fn ids_and_dates(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let london = StoreCalendar::new("Europe/London", "03:00").expect("London is known");
    for line in text.split('\n').take(64) {
        hex_comes_back::<MemberId>(line);
        hex_comes_back::<IncarnationId>(line);
        hex_comes_back::<Digest>(line);
        hex_comes_back::<Holder>(line);
        text_comes_back::<EventId>(line);
        text_comes_back::<EntryId>(line);
        text_comes_back::<Lot>(line);
        if let Some(date) = text_comes_back::<Date>(line) {
            let _ = (date.yesterday(), date.tomorrow());
            survives(&date);
        }
        if let Some(at_ms) = london.parse_instant_ms(line) {
            let _ = (london.business_date(at_ms), london.local_time(at_ms), london.rfc3339(at_ms));
        }
        let (zone, day_end) = line.split_once(' ').unwrap_or((line, "03:00"));
        if let Ok(calendar) = StoreCalendar::new(zone, day_end) {
            let _ = calendar.business_date(i64::MIN);
        }
        if let Ok(identifier) = Identifier::parse(line) {
            let _ = identifier.hash(&ProgramKey([5; 32]));
            // Capitals may be more characters than an identifier may have.
            let again = Identifier::parse(identifier.as_str()).unwrap_or_else(|_| identifier.clone());
            assert!(again == identifier, "an identifier has one form");
        }
    }
    if let Ok(packed) = data.get(..4).unwrap_or_default().try_into().map(i32::from_le_bytes)
        && let Ok(date) = Date::from_packed(packed)
    {
        assert_eq!(date.packed(), packed, "a date comes back");
    }
}

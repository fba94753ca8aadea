//! Programs written to hurt: whatever a file says, the process survives, soon answers, and a till never chokes on
//! what was published. The inputs of the table were measured to abort or stall the bare expression library.

#![expect(clippy::disallowed_methods, reason = "a test may look at the clock to see that an answer comes soon")]

use std::time::{Duration, Instant};

use counterfoil_protocol::program::{Basket, LocalTime, MemberInputs, Program};
use counterfoil_protocol::sale::{Discount, Line, LineKind, Sale, Tender, TenderKind};
use proptest::prelude::*;

const NOON: LocalTime = LocalTime { year: 2026, month: 11, day: 20, weekday: 5, hour: 12, minute: 30 };

fn program(key: &str, source: &str) -> Result<Program, String> {
    let rule = serde_json::json!({ "id": "r", "purse": "points", "award": { "flat": 1 }, key: source });
    let json = serde_json::json!({
        "program": "p", "currency": "GBP", "time_zone": "UTC", "purse": { "points": { "kind": "points" } }, "earn": [rule],
    });
    Program::from_json(&json.to_string()).map_err(|problems| problems.to_string())
}

fn evaluate(program: &Program, sale: &Sale) -> counterfoil_protocol::program::Evaluation {
    let member = MemberInputs { tags: vec!["vegan".into(); 20], ..MemberInputs::default() };
    program.evaluate(&Basket {
        sale,
        now: NOON,
        member: &member,
        store: "S",
        store_groups: &["g".to_owned()],
        lane: "1",
        channel: "till",
    })
}

fn large_sale() -> Sale {
    let line = Line { description: Some("TEA".into()), category: Some("tea".into()), amount: 100, ..Line::default() };
    Sale { currency: "GBP".into(), total: 200_000, lines: vec![line; 2_000], ..Sale::default() }
}

#[test]
fn hostile_conditions_are_refused_and_the_process_survives() {
    let nested = |count: usize, open: &str, close: &str| format!("{}1{} == 1", open.repeat(count), close.repeat(count));
    let lists = "[1,2,3,4,5,6,7,8,9,10]";
    let hostile = [
        vec!["1"; 2_000].join("+") + " == 2000",
        ["1"; 500].join("+") + " == 500",
        ["1"; 149].join("+") + " == 149",
        nested(60, "[", "]"),
        nested(500, "(", ")"),
        nested(5_000, "(", ")"),
        nested(17, "(", ")"),
        format!("{}true", "!".repeat(1_000)),
        format!("{}true{}", "!!(".repeat(300), ")".repeat(300)),
        format!("{}1 == 1", "-".repeat(400)),
        "true ? ".repeat(140) + "true",
        "a.".repeat(400) + "b",
        format!("{lists}.map(a, {lists}.map(b, {lists}.map(c, {lists}.map(d, a*b*c*d)))).size() > 0"),
        "sale.lines.exists(a, sale.lines.exists(b, a.amount == b.amount))".to_owned(),
        "sale.lines.filter(a, a.amount > 0).exists(b, b.amount > 1)".to_owned(),
        format!("{lists}.map(a, a * 2).size() > 0"),
        format!("'{}' == ''", "x".repeat(2_000)),
        format!("'{}' == ''", "(".repeat(100)),
        "'x'.matches('(a+)+$')".to_owned(),
        "{'a': {'b': {'c': 1}}}.a.b.c == 1".to_owned(),
        "sale".to_owned(),
        "member == member".to_owned(),
        "has(member.tier)".to_owned(),
        "line.amount > 1".to_owned(),
        "sale.total == 'x'".to_owned(),
        "sale.total > 'x'".to_owned(),
        "foo == 1".to_owned(),
        "member.visit == 0".to_owned(),
        "member.visits == 0u".to_owned(),
        "b'x' == b'x'".to_owned(),
        "member.tags.exists(member, member == 'x')".to_owned(),
        "google.protobuf.Int64Value{value: 1} == 1".to_owned(),
        "type(1) == int".to_owned(),
        "@result == 1".to_owned(),
        "".to_owned(),
        " \n".to_owned(),
        "true &&".to_owned(),
        "\u{0}".to_owned(),
        "'".to_owned(),
        "\"\"\"".to_owned(),
        "sale.total = 1".to_owned(),
    ];
    for source in hostile {
        let started = Instant::now();
        let result = program("when", &source);
        let short: String = source.chars().take(60).collect();
        let words = result.map(|_| ()).expect_err(&short);
        assert!(words.starts_with("earn[0].when: `when`") || words.contains("1024"), "{short}: {words}");
        assert!(words.len() < 400, "{short}: {words}");
        assert!(started.elapsed() < Duration::from_secs(5), "{short} took {:?}", started.elapsed());
    }
    assert!(
        program("lines", "sale.lines.exists(l, l.amount > line.amount)").unwrap_err().contains("belongs into `when`")
    );
}

/// The largest conditions that pass: they evaluate on a small stack and in bounded time.
#[test]
fn what_is_accepted_evaluates_on_a_small_stack_and_soon() {
    let tag = "member.tags.exists(t, t == 'x')";
    let accepted = [
        ("when", ["1"; 60].join("+") + " == 60"),
        ("when", ["sale.total > 1"; 30].join(" && ")),
        ("when", "false ? false : ".repeat(50) + "true"),
        ("when", format!("{}true", "!".repeat(60))),
        ("when", format!("{}true{}", "(".repeat(16), ")".repeat(16))),
        ("when", ["sale.lines.all(l, l.amount > 0 && l.category != 'x' && l.sku == null)"; 8].join(" && ")),
        ("when", ["sale.lines.filter(l, l.amount > 0).size() > 9"; 10].join(" && ")),
        ("lines", [tag; 8].join(" || ") + " || line.amount > 0"),
    ];
    for (key, source) in accepted {
        let program = program(key, &source).unwrap_or_else(|words| panic!("{source}: {words}"));
        let started = Instant::now();
        let run = move || evaluate(&program, &large_sale());
        let thread = std::thread::Builder::new().stack_size(512 << 10).spawn(run).unwrap();
        let evaluation = thread.join().unwrap();
        assert_eq!((evaluation.awards.len(), &evaluation.failures[..]), (1, &[][..]), "{source}");
        let took = started.elapsed();
        assert!(took < Duration::from_secs(5), "{source} took {took:?}");
    }
}

/// The dearest check of dates there is, as often as it can be asked for.
#[test]
fn periods_are_checked_soon() {
    let purses = |vests: &str| {
        let purse =
            |index: u32| format!("[purse.p{index}]\nkind = \"points\"\nexpires = \"P31D\"\nvests = \"{vests}\"\n");
        let purses: String = (0..64).map(purse).collect();
        format!("program = \"p\"\ncurrency = \"GBP\"\ntime_zone = \"UTC\"\n{purses}")
    };
    let started = Instant::now();
    assert!(Program::from_toml(&purses("P1M")).is_ok());
    assert_eq!(Program::from_toml(&purses("P1M1D")).map_err(|problems| problems.0.len()).unwrap_err(), 64);
    assert!(started.elapsed() < Duration::from_secs(15), "took {:?}", started.elapsed());
}

fn any_amount() -> impl Strategy<Value = i64> {
    prop_oneof![-2_000i64..5_000, Just(i64::MIN), Just(i64::MAX), Just(0), any::<i64>()]
}

fn any_line() -> impl Strategy<Value = Line> {
    let kind = prop_oneof![4 => Just(LineKind::Item), 1 => Just(LineKind::Deposit), 1 => Just(LineKind::GiftCard)];
    let category = prop::option::of(prop_oneof![Just("coffee".to_owned()), Just("gift-card".to_owned()), ".{0,8}"]);
    let quantity = prop::option::of(prop_oneof!["-?[0-9]{1,3}(\\.[0-9]{1,4})?", ".{0,20}"]);
    (kind, category, quantity, any_amount(), prop::option::of(any_amount())).prop_map(
        |(kind, category, quantity, amount, unit_price)| Line {
            kind,
            category,
            quantity,
            amount,
            unit_price,
            ..Line::default()
        },
    )
}

fn any_sale() -> impl Strategy<Value = Sale> {
    let kind = prop_oneof![Just(TenderKind::Card), Just(TenderKind::Points), Just(TenderKind::GiftCard)];
    let tenders = prop::collection::vec((kind, any_amount()).prop_map(|(kind, amount)| Tender { kind, amount }), 0..4);
    let discount = any_amount().prop_map(|amount| Discount { description: String::new(), amount });
    let parts = (prop::collection::vec(any_line(), 0..12), prop::collection::vec(discount, 0..3), tenders);
    (parts, any_amount(), prop::option::of(any_amount()), prop::option::of(any::<bool>())).prop_map(
        |((lines, discounts, tenders), total, tax, tax_included)| Sale {
            currency: "GBP".into(),
            total,
            tax,
            tax_included,
            lines,
            discounts,
            tenders,
            ..Sale::default()
        },
    )
}

/// Pieces of conditions, to be put together without sense.
fn any_condition() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "sale.total",
        "sale.lines",
        "sale.tenders",
        "member.visits",
        "member.tier",
        "member.tags",
        "now.hour",
        "line.amount",
        "line.category",
        "eligible.amount",
        "sale",
        "line",
        "x",
        "1",
        "2.5",
        "'a'",
        "null",
        "true",
        "==",
        "!=",
        "<",
        ">=",
        "&&",
        "||",
        "!",
        "-",
        "+",
        "*",
        "/",
        "%",
        "in",
        "?",
        ":",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ".size()",
        ".exists(x, ",
        ".all(x, ",
        ".filter(x, ",
        ".map(x, ",
        ".contains(",
        "has(",
        "x.amount",
        "x.kind",
        "\"",
        "'",
        "\\",
    ]);
    prop::collection::vec(piece, 1..14).prop_map(|pieces| pieces.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// Law: evaluation is total. Extreme amounts give awards within bounds, or failures in words.
    #[test]
    fn no_sale_breaks_evaluation(sale in any_sale()) {
        let program = Program::from_toml(include_str!("../examples/corner-shop.toml")).unwrap();
        let evaluation = evaluate(&program, &sale);
        for award in &evaluation.awards {
            prop_assert!(award.amount > 0);
            prop_assert_eq!(award.amount, award.rules.iter().map(|rule| rule.amount).sum::<i64>());
        }
        prop_assert_eq!(evaluation, evaluate(&program, &sale), "the same basket gives the same");
    }

    /// No text breaks the reader, and what it accepts never fails to come to true or false or a named failure.
    #[test]
    fn no_condition_breaks_the_reader(source in any_condition(), key in prop::sample::select(vec!["when", "lines"])) {
        if let Ok(program) = program(key, &source) {
            for sale in [Sale { currency: "GBP".into(), ..Sale::default() }, large_sale()] {
                let evaluation = evaluate(&program, &sale);
                prop_assert!(evaluation.failures.iter().all(|failure| !failure.contains("broke down")), "{source}: {evaluation:?}");
            }
        }
    }

    /// Nor does any file, and what is accepted is sent as it was meant.
    #[test]
    fn no_file_breaks_the_reader(
        text in "[ \\[\\]{}=.\"'a-z0-9PYMDW#,\n-]{0,80}",
        rights in any::<bool>(),
        at in 0usize..1_600,
        cut in 0usize..40,
    ) {
        let shop = if rights { include_str!("program_rights.toml") } else { include_str!("../examples/corner-shop.toml") };
        let at = (0..=at.min(shop.len())).rev().find(|at| shop.is_char_boundary(*at)).unwrap();
        let end = (at + cut).min(shop.len());
        let changed = format!("{}{text}{}", &shop[..at], &shop[end..]);
        no_harm(&changed)?;
        let _ = Program::from_json(&text);
    }

    /// Nor does any value where another belongs.
    #[test]
    fn no_value_breaks_the_reader(line in 0usize..80, value in any_value()) {
        let lines: Vec<&str> = include_str!("program_rights.toml").lines().collect();
        let line = line % lines.len();
        let Some((key, _)) = lines[line].split_once(" = ") else { return Ok(()) };
        let changed = format!("{key} = {value}");
        let text = lines.iter().enumerate().map(|(index, old)| if index == line { &changed } else { *old });
        no_harm(&text.collect::<Vec<_>>().join("\n"))?;
    }
}

fn any_value() -> impl Strategy<Value = String> {
    let number = prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(0), Just(1_000_000_000_001), any::<i64>(), -2i64..20];
    prop_oneof![
        number.clone().prop_map(|number| number.to_string()),
        (number.clone(), number).prop_map(|(member, hard)| format!("{{ member = {member}, till_hard = {hard} }}")),
        "\"P[0-9]{0,22}[YMWDT]?[0-9]{0,4}[MWDH]?\"",
        "\"-?[0-9]{0,20}\\.?[0-9]{0,20}\"",
        "[0-9]\\.[0-9]{1,3}",
        Just("[]".to_owned()),
        Just("{}".to_owned()),
        Just("true".to_owned()),
    ]
}

fn no_harm(text: &str) -> Result<(), TestCaseError> {
    match Program::from_toml(text) {
        Ok(program) => {
            let json = program.to_json();
            let again = Program::from_json(&json).map_err(|problems| TestCaseError::fail(problems.to_string()))?;
            prop_assert_eq!(again.to_json(), json);
            prop_assert!(again.purses().eq(program.purses()));
            prop_assert_eq!((again.returns(), again.offline()), (program.returns(), program.offline()));
        }
        Err(problems) => {
            prop_assert!(!problems.0.is_empty());
            prop_assert!(problems.0.iter().all(|problem| !problem.message.contains("please report")), "{}", problems);
        }
    }
    Ok(())
}

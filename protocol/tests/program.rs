//! The program as people publish it: what is accrued and why, and what is refused with which words.

use counterfoil_protocol::program::{Basket, Benefit, Evaluation, LocalTime, MemberInputs, Problems, Program};
use counterfoil_protocol::sale::{Discount, Line, LineKind, Sale, SaleKind, Tender, TenderKind};

const CORNER_SHOP: &str = include_str!("../examples/corner-shop.toml");

const NOON: LocalTime = LocalTime { year: 2026, month: 11, day: 20, weekday: 5, hour: 12, minute: 30 };

fn evaluate(program: &Program, sale: &Sale, member: &MemberInputs) -> Evaluation {
    let groups = ["city".to_owned()];
    program.evaluate(&Basket {
        sale,
        now: NOON,
        member,
        store: "S1",
        store_groups: &groups,
        lane: "1",
        channel: "till",
    })
}

fn known(visits: u64) -> MemberInputs {
    MemberInputs { visits, ..MemberInputs::default() }
}

fn line(category: &str, amount: i64) -> Line {
    Line { category: Some(category.into()), unit_price: Some(amount), amount, ..Line::default() }
}

fn sale(lines: Vec<Line>) -> Sale {
    let total = lines.iter().map(|line| line.amount).sum();
    Sale { currency: "GBP".into(), total, lines, ..Sale::default() }
}

/// `purse/rule=units` for each rule that gave something.
fn given(evaluation: &Evaluation) -> String {
    let rules = evaluation.awards.iter().flat_map(|award| {
        assert_eq!(award.amount, award.rules.iter().map(|rule| rule.amount).sum::<i64>());
        award.rules.iter().map(|rule| format!("{}/{}={}", award.purse, rule.rule, rule.amount))
    });
    rules.collect::<Vec<_>>().join(" ")
}

/// A program of one purse and one rule.
fn one_rule(rule: &str) -> Program {
    Program::from_toml(&file(rule)).unwrap_or_else(|problems| panic!("{problems}"))
}

fn file(rule: &str) -> String {
    format!(
        "program = \"p\"\ncurrency = \"GBP\"\ntime_zone = \"Europe/London\"\n[purse.points]\nkind = \"points\"\n\
         [[earn]]\nid = \"r\"\npurse = \"points\"\n{rule}\n"
    )
}

fn units(rule: &str, sale: &Sale) -> i64 {
    evaluate(&one_rule(rule), sale, &known(3)).awards.first().map_or(0, |award| award.amount)
}

#[test]
fn the_shipped_example_does_what_it_says() {
    let program = Program::from_toml(CORNER_SHOP).unwrap();
    assert_eq!((program.id(), program.currency(), program.time_zone()), ("corner-shop", "GBP", "Europe/London"));
    assert_eq!(program.reward("five-off").unwrap().benefit, Benefit::Discount { amount_minor: 500 });
    assert!(program.purse("points").unwrap().spend_fresh);

    let basket = sale(vec![line("coffee", 320), line("coffee", 240), line("tobacco", 1500), line("bread", 180)]);
    let evaluation = evaluate(&program, &basket, &known(0));
    assert_eq!(given(&evaluation), "points/base=7 points/welcome=100 coffee/stamp=1");
    let points = &evaluation.awards[0].rules;
    assert_eq!(points[0].reason, "1 point for each pound");
    assert!(points[1].for_hub, "two tills may both see a first visit");
    assert!(!points[0].for_hub);
    assert_eq!(evaluation.eligible_minor, 2240);
    assert_eq!(evaluation.failures, Vec::<String>::new());

    let evaluation = evaluate(&program, &basket, &known(4));
    assert_eq!(given(&evaluation), "points/base=7 coffee/stamp=1");
    assert_eq!(evaluation.skipped[0].why, "its condition does not hold: member.visits == 0");
}

#[test]
fn rules_round_down_once_and_say_why_they_gave_nothing() {
    let program = one_rule("award = { every = 100, give = 2 }");
    for (amount, expected) in [(0, 0), (99, 0), (100, 2), (199, 2), (1050, 20), (-500, 0)] {
        let evaluation = evaluate(&program, &sale(vec![line("x", amount)]), &known(1));
        assert_eq!(evaluation.awards.first().map_or(0, |award| award.amount), expected, "{amount}");
        assert_eq!(evaluation.skipped.len(), usize::from(expected == 0), "{amount}");
    }
    let evaluation = evaluate(&program, &sale(vec![line("x", 99)]), &known(1));
    assert_eq!(evaluation.skipped[0].why, "0.99 GBP counts for it, less than 1.00 GBP");
    // Three lines of 0.50: rounded once over the sale, not once for each line.
    assert_eq!(units("award = { every = 100, give = 1 }", &sale(vec![line("x", 50); 3])), 1);
    assert_eq!(units("award = { flat = 7 }", &sale(vec![line("x", 1)])), 7);
    assert_eq!(units("award = { flat = 7 }", &sale(vec![])), 0);
    let reason = &evaluate(&program, &sale(vec![line("x", 100)]), &known(1)).awards[0].rules[0].reason.clone();
    assert_eq!(reason, "2 points for each 1.00 GBP");
}

#[test]
fn each_counts_whole_units_of_the_summed_quantity() {
    let with = |quantities: &[(&str, i64)]| {
        let line = |(quantity, amount): &(&str, i64)| Line { quantity: Some((*quantity).into()), ..line("x", *amount) };
        sale(quantities.iter().map(line).collect())
    };
    let cases: [(&[(&str, i64)], i64); 6] = [
        (&[("1", 300), ("2", 600)], 6),
        (&[("0.4", 100), ("0.4", 100), ("0.3", 100)], 2),
        (&[("0.999999999", 100)], 0),
        (&[("3", 900), ("1", -300)], 4),
        (&[("3", 900), ("-1", -300)], 4),
        (&[("5", 0)], 0),
    ];
    for (quantities, expected) in cases {
        assert_eq!(units("award = { each = 2 }", &with(quantities)), expected, "{quantities:?}");
    }
    assert_eq!(units("award = { each = 2 }", &sale(vec![line("x", 100); 2])), 4, "absent is one");
    let evaluation = evaluate(&one_rule("award = { each = 1 }"), &with(&[("two", 5)]), &known(1));
    assert_eq!(evaluation.failures, ["rule r: the quantity \"two\" of line 1 is no number"]);
}

#[test]
fn only_what_was_paid_for_goods_counts() {
    let base = "award = { every = 1, give = 1 }";
    for kind in [LineKind::Deposit, LineKind::Fee, LineKind::Tip, LineKind::Donation, LineKind::GiftCard] {
        let lines = vec![line("x", 500), Line { kind, ..line("x", 300) }];
        assert_eq!(units(base, &sale(lines)), 500, "{kind:?}");
    }
    assert_eq!(units(base, &sale(vec![line("x", 500), line("gift-card", 300)])), 500);

    let mut discounted = sale(vec![line("x", 500), line("y", 1000), Line { kind: LineKind::Deposit, ..line("z", 25) }]);
    discounted.discounts = vec![Discount { description: "10 %".into(), amount: -152 }];
    discounted.total -= 152;
    // Shares of 152 by 500 : 1000 : 25 are 49.84, 99.67, 2.49.
    assert_eq!(units(base, &discounted), 500 - 50 + 1000 - 100);
    assert_eq!(units(&format!("{base}\nlines = 'line.category == \"y\"'"), &discounted), 900);

    let mut taxed = sale(vec![line("x", 1000), line("y", 500)]);
    (taxed.tax, taxed.tax_included, taxed.total) = (Some(125), Some(false), 1625);
    assert_eq!(units(base, &taxed), 1625);
    taxed.tax_included = Some(true);
    assert_eq!(units(base, &taxed), 1500);
}

#[test]
fn what_points_and_gift_cards_paid_does_not_earn() {
    let paid = |tenders: &[(TenderKind, i64)]| {
        let mut sale = sale(vec![line("x", 700), line("y", 300)]);
        sale.tenders = tenders.iter().map(|(kind, amount)| Tender { kind: *kind, amount: *amount }).collect();
        units("award = { every = 1, give = 1 }\nlines = 'line.category == \"x\"'", &sale)
    };
    use TenderKind::{Card, Cash, GiftCard, Points, Voucher};
    assert_eq!(paid(&[(Card, 600), (Voucher, 400)]), 700);
    assert_eq!(paid(&[(Points, 333), (Cash, 667)]), 466, "700 × 667 / 1000 is 466.9");
    assert_eq!(paid(&[(Points, 200), (GiftCard, 300), (Card, 500)]), 350);
    assert_eq!(paid(&[(GiftCard, 1000)]), 0);
    assert_eq!(paid(&[(GiftCard, 5000)]), 0);
}

#[test]
fn a_return_and_another_currency_accrue_nothing() {
    let program = one_rule("award = { flat = 1 }");
    let goods = sale(vec![line("x", 500)]);
    let back = Sale { kind: SaleKind::Return, ..goods.clone() };
    assert_eq!(evaluate(&program, &back, &known(1)).awards, []);
    let training = Sale { training: true, ..goods.clone() };
    assert_eq!(given(&evaluate(&program, &training, &known(1))), "points/r=1");
    let euro = Sale { currency: "EUR".into(), ..goods };
    let evaluation = evaluate(&program, &euro, &known(1));
    assert_eq!(evaluation.failures, ["the sale is in EUR, the program counts GBP"]);
}

#[test]
fn what_reads_visits_accrues_for_the_hub() {
    let cases = [
        ("when = 'member.visits == 0 || member.visits > 2'", true),
        ("lines = 'line.amount > 0 && member.visits >= 0'", true),
        ("when = 'member.tags.exists(t, t == \"x\") || member.visits == 3'", true),
        ("when = 'member.tier == null'", false),
        ("reason = 'member.visits'", false),
    ];
    for (key, for_hub) in cases {
        let evaluation =
            evaluate(&one_rule(&format!("award = {{ flat = 1 }}\n{key}")), &sale(vec![line("x", 1)]), &known(3));
        assert_eq!(evaluation.awards[0].rules[0].for_hub, for_hub, "{key}");
    }
}

#[test]
fn units_beyond_any_entry_are_a_failure_not_a_wrap() {
    let most = "award = { every = 1, give = 1000000000000 }";
    assert_eq!(units(most, &sale(vec![line("x", 1)])), 1_000_000_000_000);
    let evaluation = evaluate(&one_rule(most), &sale(vec![line("x", 2)]), &known(1));
    assert_eq!((evaluation.awards.len(), evaluation.failures.len()), (0, 1));
    let again = "award = { flat = 1 }\n[[earn]]\nid = \"s\"\npurse = \"points\"\naward = { flat = 1000000000000 }";
    let evaluation = evaluate(&one_rule(again), &sale(vec![line("x", 2)]), &known(1));
    assert_eq!(given(&evaluation), "points/r=1");
    assert!(evaluation.failures[0].starts_with("rule s: one sale cannot accrue more"), "{:?}", evaluation.failures);
    let huge = Sale { total: i64::MAX, ..sale(vec![line("x", i64::MAX)]) };
    assert_eq!(
        evaluate(&one_rule("award = { flat = 1 }"), &huge, &known(1)).failures,
        ["the sale's amounts are beyond any sale"]
    );
}

#[test]
fn conditions_read_what_the_program_file_names() {
    let mut basket = sale(vec![line("coffee", 300), Line { sku: Some("50001".into()), ..line("tea", 200) }]);
    basket.tax = Some(80);
    basket.tenders = vec![Tender { kind: TenderKind::Card, amount: 500 }];
    basket.lines[1].quantity = Some("0.5".into());
    let member = MemberInputs {
        tier: Some("gold".into()),
        visits: 3,
        since: Some("2025-01-31".into()),
        birthday_month: Some(11),
        tags: vec!["vegan".into()],
        ..MemberInputs::default()
    };
    let holds = [
        "sale.total == 500 && sale.tax == 80 && sale.currency == 'GBP'",
        "sale.store == 'S1' && 'city' in sale.store_groups && sale.lane == '1' && sale.channel == 'till'",
        "sale.tenders.exists(t, t.kind == 'card') && sale.tenders[0].kind != 'cash'",
        "sale.lines.exists(line, line.category == 'coffee' && line.amount >= 300)",
        "sale.lines.all(l, l.kind == 'item') && sale.lines.exists_one(l, l.sku == '50001')",
        "sale.lines.filter(l, l.category in ['coffee', 'tea']).size() == 2 && size(sale.lines) > 1",
        "sale.lines.exists(l, l.quantity == 0.5) && sale.lines.exists(l, l.quantity >= 1)",
        "sale.lines[0].sku == null && sale.lines[1].sku.startsWith('500')",
        "eligible.amount == 500 && eligible.amount * 2 / 3 % 7 == 4",
        "member.tier == 'gold' && member.visits > 2 && member.since < '2026' && 'vegan' in member.tags",
        "member.birthday_month == now.month",
        "now.year == 2026 && now.day == 20 && now.weekday == 5 && now.hour >= 12 && now.hour < 13 && now.minute == 30",
        "(member.tier == null ? 1 : 2) == 2 && !false && -1 < 0",
        "1.5 + 0.5 == 2.0 && 'a' + 'b' == 'ab' && 'abc'.contains('b') && 'abc'.endsWith('c')",
    ];
    for source in holds {
        let program = one_rule(&format!("award = {{ flat = 1 }}\nwhen = \"{source}\""));
        let evaluation = evaluate(&program, &basket, &member);
        assert_eq!(given(&evaluation), "points/r=1", "{source}: {evaluation:?}");
    }
    let unknown = [
        "member.tier == 'gold'",
        "member.tier != null",
        "member.birthday_month == 11",
        "sale.tax == 0",
        "'x' in member.tags",
        "member.tier in ['gold', 'silver']",
    ];
    for source in unknown {
        let program = one_rule(&format!("award = {{ flat = 1 }}\nwhen = \"{source}\""));
        let evaluation = evaluate(&program, &sale(vec![line("x", 1)]), &MemberInputs::default());
        assert_eq!((given(&evaluation).as_str(), &evaluation.failures[..]), ("", &[][..]), "{source}");
    }
}

#[test]
fn an_expression_that_fails_counts_as_false_and_is_reported_once() {
    let program = one_rule("award = { flat = 1 }\nlines = 'line.unit_price >= 250'");
    let without = || Line { amount: 300, ..Line::default() };
    let evaluation = evaluate(&program, &sale(vec![without(), line("x", 300), without()]), &known(1));
    assert_eq!(given(&evaluation), "points/r=1");
    assert_eq!(evaluation.failures.len(), 1, "{:?}", evaluation.failures);
    assert!(evaluation.failures[0].starts_with("rule r: `lines` failed on line 1"), "{:?}", evaluation.failures);
    for source in
        ["1 / (sale.total - 1) == 1", "sale.lines[7].amount > 0", "(sale.total + 1) * 9223372036854775807 > 0"]
    {
        let program = one_rule(&format!("award = {{ flat = 1 }}\nwhen = '{source}'"));
        let evaluation = evaluate(&program, &sale(vec![line("x", 1)]), &known(1));
        assert_eq!((given(&evaluation).as_str(), evaluation.failures.len()), ("", 1), "{source}: {evaluation:?}");
    }
}

fn refused(text: &str) -> Problems {
    Program::from_toml(text).map(|program| panic!("accepted: {program:?}")).unwrap_err()
}

#[test]
fn what_a_later_version_brings_is_refused_by_name_and_place() {
    let later = [
        ("account = \"household\"", "[purse.points]", "line 5, column 1: `account` is not supported yet"),
        ("group = \"g\"", "[[earn]]", "`group` is not supported yet"),
        ("cap = { per_sale = 1 }", "[[earn]]", "`cap` is not supported yet"),
        ("round = \"up\"", "[[earn]]", "`round` is not supported yet"),
        ("budget = 5", "[[earn]]", "`budget` is not supported yet"),
        ("when = 'true'", "[[reward]]", "`when` is not supported yet"),
        ("limit = { per_sale = 1 }", "[[reward]]", "`limit` is not supported yet"),
        ("pos = { barcode = \"1\" }", "[[reward]]", "`pos` is not supported yet"),
    ];
    for (key, after, expected) in later {
        let text = CORNER_SHOP.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect::<Vec<_>>();
        let text = text.join("\n").replacen(after, &format!("{after}\n{key}"), 1);
        let words = refused(&text).to_string();
        assert!(words.contains(expected) && words.contains("take it out"), "{key}: {words}");
    }
    let replaced = [
        ("kind = \"points\"", "kind = \"miles\"", "\"miles\" is not one of points, stamps, gift-card, voucher"),
        ("award = { each = 1 }", "award = { factor = \"2\", of = \"base\" }", "`factor` is not supported yet"),
        ("kind = \"discount\"", "kind = \"free-item\"", "\"free-item\" is not supported yet"),
    ];
    for (old, new, expected) in replaced {
        let words = refused(&CORNER_SHOP.replacen(old, new, 1)).to_string();
        assert!(words.contains(expected), "{new}: {words}");
    }
    let sections = ["[category]\n\"*\" = \"x\"", "[[tier]]\nid = \"gold\"", "[referral]\nafter = 'true'"];
    for section in sections {
        let words = refused(&format!("{CORNER_SHOP}\n{section}\n")).to_string();
        assert!(words.contains("is not supported yet"), "{section}: {words}");
    }
    let values = [
        ("[eligible]\nbasis = \"before-tax\"", "\"before-tax\" is not supported yet"),
        ("[eligible]\nexclude_kinds = [\"deposit\"]", "`exclude_kinds` other than"),
        ("[eligible]\nexclude_tenders = []", "`exclude_tenders` other than"),
        ("[offline]\nexcess = \"take-back\"", "\"take-back\" is not supported yet"),
    ];
    for (section, expected) in values {
        let words = refused(&format!("{CORNER_SHOP}\n{section}\n")).to_string();
        assert!(words.contains(expected), "{section}: {words}");
    }
}

#[test]
fn the_defaults_may_be_written_out() {
    let defaults = r#"
[eligible]
basis = "paid"
exclude_kinds = ["gift-card", "deposit", "fee", "tip", "donation"]
exclude_tenders = ["points", "gift-card"]
[returns]
unlinked = "exception"
reward = "give-back"
"#;
    let program = Program::from_toml(&format!("{CORNER_SHOP}{defaults}")).unwrap();
    assert_eq!(program.to_json(), Program::from_toml(CORNER_SHOP).unwrap().to_json());
}

#[test]
fn mistakes_are_named_all_at_once_with_their_places() {
    let text = r#"program = "corner shop"
currency = "pounds"
time_zone = "Mars/Base"
colour = "red"

[purse.points]
kind = 5
expries = "P24M"

[[earn]]
id = "a"
purse = "pionts"
award = { every = 0, give = 1 }
lines = 'line.categry == "x"'

[[earn]]
id = "a"
purse = "points"
award = { flat = 1, each = 1 }
when = 'sale.total'

[[reward]]
title = "x"
cost = { purse = "points", amount = 9_000_000_000_000_000 }
"#;
    let expected = "\
line 1, column 11: \"corner shop\" is not a name: up to 64 letters, digits, - _ and .
line 2, column 12: \"pounds\" is not an ISO 4217 currency code (for example GBP)
line 3, column 13: \"Mars/Base\" is not an IANA time zone (for example Europe/London)
line 4, column 1: unknown key `colour`; known here: program, currency, time_zone, purse, eligible, returns, earn, reward, offline
line 7, column 8: `kind` must be text, this is a whole number
line 8, column 1: unknown key `expries`; did you mean `expires`?
line 12, column 9: there is no purse \"pionts\"; did you mean \"points\"?
line 13, column 19: 0 is out of range: `every` is 1 to 1000000000000
line 14, column 9: `lines`: unknown field `categry`; did you mean `category`?
line 17, column 6: another [[earn]] has the id \"a\" already
line 19, column 9: an award is one of { every = …, give = … }, { flat = … } and { each = … }
line 20, column 8: `when`: a condition is true or false, this is a whole number
line 22, column 1: `id` is missing
line 22, column 1: `benefit` is missing: for example benefit = { kind = \"discount\", amount = 500 }
line 24, column 37: 9000000000000000 is out of range: `amount` is 1 to 1000000000000";
    assert_eq!(refused(text).to_string(), expected);

    let words = refused("program = \"a\"\nprogram = \"b\"\n[purse\n").to_string();
    assert!(words.starts_with("line 2, column 1: this is not TOML: duplicate key"), "{words}");
    assert!(words.contains("line 3"), "{words}");
}

#[test]
fn json_problems_name_the_path() {
    let json = Program::from_toml(CORNER_SHOP).unwrap().to_json();
    let words = Program::from_json(&json.replacen("\"every\":100", "\"every\":1.5", 1)).unwrap_err().to_string();
    assert_eq!(
        words,
        "earn[0].award.every: `every` must be a whole number (money in minor units), this is a fraction, or a number beyond 64 bits"
    );
    assert!(Program::from_json("{").unwrap_err().to_string().starts_with("line 1, column 1: this is not JSON"));
    assert!(Program::from_json("[]").unwrap_err().to_string().contains("a program must be a table"));
}

#[test]
fn a_program_survives_json() {
    let program = Program::from_toml(CORNER_SHOP).unwrap();
    let json = program.to_json();
    let again = Program::from_json(&json).unwrap();
    assert_eq!(again.to_json(), json);
    assert!(again.purses().eq(program.purses()));
    assert_eq!(again.rewards(), program.rewards());
    let basket = sale(vec![line("coffee", 320), line("bread", 180)]);
    assert_eq!(evaluate(&again, &basket, &known(0)), evaluate(&program, &basket, &known(0)));
}

#[test]
fn a_trial_is_the_published_json() {
    let program = Program::from_toml(CORNER_SHOP).unwrap();
    let basket: Sale = serde_json::from_str(
        r#"{ "receipt_number": "1", "occurred_at": "2026-11-20T10:15:00+00:00", "currency": "GBP", "total": 560,
             "lines": [ { "description": "LATTE", "category": "coffee", "unit_price": 280, "quantity": "2", "amount": 560 } ] }"#,
    )
    .unwrap();
    let trial = program.try_sale(&basket, Some(&known(2)), None).unwrap();
    assert_eq!(
        serde_json::to_string(&trial).unwrap(),
        r#"{"accrued":[{"purse":"points","amount":5,"rules":[{"rule":"base","amount":5,"reason":"1 point for each pound"}]},{"purse":"coffee","amount":2,"rules":[{"rule":"stamp","amount":2,"reason":"1 stamp for each coffee"}]}],"skipped":[{"rule":"welcome","why":"its condition does not hold: member.visits == 0"}]}"#
    );
    assert!(program.try_sale(&basket, None, Some("soon")).is_err());
}

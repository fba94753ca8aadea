//! What a program says of spend rights: purses, lots, returns and cut-off tills, and which words refuse the rest.

use counterfoil_protocol::entry::Lot;
use counterfoil_protocol::program::{
    Basket, Clawback, Evaluation, Floor, LocalTime, MemberInputs, OfflinePolicy, Period, Program, PurseKind,
    RedeemSteps, ReturnPolicy, ReturnedReward, Share, UnitValue, UnlinkedReturn,
};
use counterfoil_protocol::sale::{Line, Sale, SaleKind};
use counterfoil_protocol::time::Date;
use proptest::prelude::*;

const RIGHTS: &str = include_str!("program_rights.toml");
const CORNER_SHOP: &str = include_str!("../examples/corner-shop.toml");
const NOON: LocalTime = LocalTime { year: 2026, month: 11, day: 20, weekday: 5, hour: 12, minute: 30 };

fn date(text: &str) -> Date {
    text.parse().expect("a date")
}

/// A program of one purse `p` (line 5 and on) and whatever follows it.
fn purse(keys: &str, rest: &str) -> Result<Program, String> {
    let text = format!("program = \"p\"\ncurrency = \"GBP\"\ntime_zone = \"UTC\"\n[purse.p]\n{keys}\n{rest}\n");
    Program::from_toml(&text).map_err(|problems| problems.to_string())
}

fn points(keys: &str) -> Result<Program, String> {
    purse(&format!("kind = \"points\"\n{keys}"), "")
}

fn offline(keys: &str) -> Result<Program, String> {
    purse("kind = \"points\"", &format!("[offline]\n{keys}"))
}

#[test]
fn everything_is_read_as_it_is_written() {
    let program = Program::from_toml(RIGHTS).unwrap();
    let points = program.purse("points").unwrap();
    assert_eq!((points.kind, points.spend_fresh), (PurseKind::Points, true));
    assert_eq!(points.expires, Some(Period { months: 24, days: 0 }));
    assert_eq!(points.vests, Some(Period { months: 0, days: 14 }));
    assert_eq!(points.value, Some(UnitValue { units: 100, money_minor: 50 }));
    assert_eq!(points.redeem, Some(RedeemSteps { step: 50, min: 100, max_share_thousandths: 500 }));
    assert_eq!(points.clawback, Clawback::WriteOff);

    let coffee = program.purse("coffee").unwrap();
    assert_eq!((coffee.expires, coffee.vests), (Some(Period { months: 18, days: 0 }), None));
    assert_eq!((coffee.value, coffee.redeem, coffee.clawback), (None, None, Clawback::Debt));
    let card = program.purse("card").unwrap();
    assert_eq!(card.kind, PurseKind::GiftCard);
    assert_eq!(card.redeem, Some(RedeemSteps { step: 1, min: 1, max_share_thousandths: 1_000 }));
    assert_eq!(program.purse("birthday").unwrap().kind, PurseKind::Voucher);

    let returns = ReturnPolicy { unlinked: UnlinkedReturn::ReverseBase, reward: ReturnedReward::Keep };
    assert_eq!(*program.returns(), returns);
    let offline = program.offline();
    assert_eq!((offline.share, offline.placed_thousandths), (Share::None, 750));
    let floor = |redemption_units, member_units, till_soft_units, till_hard_units| {
        Some(Floor { redemption_units, member_units, till_soft_units, till_hard_units })
    };
    assert_eq!(offline.floor("points").copied(), floor(100, 200, 900, 1_000));
    assert_eq!(offline.floor("coffee").copied(), floor(3, 3, 15, 30));
    assert_eq!(offline.floor("card").copied(), floor(500, 500, 350, 700));
    assert_eq!((offline.floor("birthday"), offline.floor("nothing")), (None, None));
}

#[test]
fn what_is_not_said_is_the_default_and_is_not_sent() {
    let program = Program::from_toml(CORNER_SHOP).unwrap();
    assert_eq!(*program.returns(), ReturnPolicy::default());
    assert_eq!(*program.offline(), OfflinePolicy::default());
    assert_eq!((program.offline().share, program.offline().placed_thousandths), (Share::HomeStore, 1_000));
    assert_eq!(program.purse("points").unwrap().lot(date("2026-11-20")), Lot::default());
    let json = program.to_json();
    for key in ["expires", "vests", "value", "redeem", "clawback", "returns", "offline"] {
        assert!(!json.contains(&format!("\"{key}\"")), "{key}: {json}");
    }
    let written_out = CORNER_SHOP.replacen(
        "[purse.points]",
        "[returns]\nunlinked = \"exception\"\nreward = \"give-back\"\n[offline]\nshare = \"home-store\"\n\
         placed = \"1\"\nexcess = \"honour\"\nfloor = { points = 0, coffee = { member = 0 } }\n\
         [purse.points]\nclawback = \"debt\"",
        1,
    );
    assert_eq!(Program::from_toml(&written_out).unwrap().to_json(), json);
}

#[test]
fn the_canonical_json_is_this() {
    let program = Program::from_toml(RIGHTS).unwrap();
    let json = program.to_json();
    let expected = [
        r#""points":{"kind":"points","expires":"P24M","vests":"P14D","spend_fresh":true,"value":{"units":100,"money":50},"redeem":{"step":50,"min":100,"max_share":"0.5"},"clawback":"write-off"}"#,
        r#""card":{"kind":"gift-card","spend_fresh":false,"redeem":{"step":1,"min":1,"max_share":"1"}}"#,
        r#""birthday":{"kind":"voucher","expires":"P30D","spend_fresh":false}"#,
        r#""returns":{"unlinked":"reverse-base","reward":"keep"}"#,
        r#""offline":{"share":"none","placed":"0.75","floor":{"card":{"redemption":500,"member":500,"till_soft":350,"till_hard":700},"coffee":3,"points":{"redemption":100,"member":200,"till_soft":900,"till_hard":1000}}}"#,
    ];
    for part in expected {
        assert!(json.contains(part), "{part}\nin {json}");
    }
    assert_same(&Program::from_json(&json).unwrap(), &program);
}

fn assert_same(left: &Program, right: &Program) {
    assert_eq!(left.to_json(), right.to_json());
    assert!(left.purses().eq(right.purses()));
    assert_eq!(left.rewards(), right.rewards());
    assert_eq!(left.returns(), right.returns());
    assert_eq!(left.offline(), right.offline());
}

#[test]
fn lots_vest_on_the_day_and_expire_at_the_end_of_a_month() {
    let cases = [
        ("vests = \"P14D\"\nexpires = \"P24M\"", "2026-11-20", "2026-12-04/2028-11-30"),
        ("expires = \"P1M\"", "2026-01-31", "-/2026-02-28"),
        ("expires = \"P1M\"", "2028-01-31", "-/2028-02-29"),
        ("vests = \"P1M\"", "2026-01-31", "2026-02-28/-"),
        ("vests = \"P1M\"", "2028-01-31", "2028-02-29/-"),
        ("vests = \"P1M1D\"", "2026-01-31", "2026-03-01/-"),
        ("vests = \"P1D\"", "2026-12-31", "2027-01-01/-"),
        ("expires = \"P1D\"", "2026-11-29", "-/2026-11-30"),
        ("expires = \"P1D\"", "2026-11-30", "-/2026-12-31"),
        ("expires = \"P1Y\"", "2028-02-29", "-/2029-02-28"),
        ("expires = \"P4Y\"", "2028-02-29", "-/2032-02-29"),
        ("vests = \"P2W\"\nexpires = \"P1M\"", "2026-01-01", "2026-01-15/2026-02-28"),
        ("vests = \"P1M\"\nexpires = \"P1M\"", "2026-01-31", "2026-02-28/2026-02-28"),
        ("vests = \"P100Y\"\nexpires = \"P100Y\"", "9999-12-01", "9999-12-31/9999-12-31"),
        ("", "2026-01-31", "-/-"),
    ];
    for (keys, on, expected) in cases {
        let program = points(keys).unwrap();
        assert_eq!(program.purse("p").unwrap().lot(date(on)).to_string(), expected, "{keys} on {on}");
    }
}

#[test]
fn no_lot_vests_after_it_expires() {
    let late = [
        // A month of 31 days, and thirty days that end within it.
        (
            "expires = \"P30D\"\nvests = \"P1M\"",
            "line 7, column 9: what is accrued on 2026-01-01 would expire on 2026-01-31, before it vests on \
             2026-02-01: let `vests` be shorter than `expires`",
        ),
        ("expires = \"P1M\"\nvests = \"P1Y\"", "line 7, column 9: what is accrued on 2026-01-01 would expire on"),
        ("expires = \"P1D\"\nvests = \"P2D\"", "would expire on 2026-01-31, before it vests on 2026-02-01"),
        // Only over a leap day: 365 days end on it, a year the day after.
        (
            "expires = \"P365D\"\nvests = \"P1Y\"",
            "accrued on 2027-03-01 would expire on 2028-02-29, before it vests on 2028-03-01",
        ),
    ];
    for (keys, expected) in late {
        let words = points(keys).expect_err(keys);
        assert!(words.contains(expected), "{keys}: {words}");
    }
    for keys in [
        "expires = \"P1D\"\nvests = \"P1D\"",
        "expires = \"P31D\"\nvests = \"P1M\"",
        "expires = \"P366D\"\nvests = \"P1Y\"",
        "expires = \"P1M\"\nvests = \"P28D\"",
        "vests = \"P100Y\"",
    ] {
        assert!(points(keys).is_ok(), "{keys}: {:?}", points(keys).err());
    }
}

#[test]
fn a_purse_that_cannot_be_is_refused_with_its_place() {
    let cases = [
        (
            "expires = \"24 months\"",
            "line 6, column 11: \"24 months\" is not a period of whole years, months, weeks and days (for example P24M, P1Y6M or P14D)",
        ),
        (
            "vests = \"PT12H\"",
            "line 6, column 9: \"PT12H\" is a time of day, which no lot can keep: say whole days (for example P1D)",
        ),
        ("vests = \"P0D\"", "line 6, column 9: \"P0D\" is no time at all: say at least P1D, or take the key out"),
        ("expires = \"P101Y\"", "line 6, column 11: \"P101Y\" is longer than 100 years: take the key out for never"),
        ("expires = 24", "line 6, column 11: `expires` must be text, this is a whole number"),
        ("value = { units = 100 }", "line 6, column 9: `money` is missing"),
        ("value = { units = 0, money = 5 }", "line 6, column 19: 0 is out of range: `units` is 1 to 1000000000000"),
        ("value = { units = 1, money = -5 }", "line 6, column 30: -5 is out of range: `money` is 1 to 1000000000000"),
        ("value = 50", "line 6, column 9: `value` must be a table, this is a whole number"),
        ("value = { units = 1, money = 1, of = 1 }", "line 6, column 33: unknown key `of`; known here: units, money"),
        ("redeem = { step = 0 }", "line 6, column 19: 0 is out of range: `step` is 1 to 1000000000000"),
        (
            "redeem = { min = 1_000_000_000_001 }",
            "line 6, column 18: 1000000000001 is out of range: `min` is 1 to 1000000000000",
        ),
        (
            "redeem = { max_share = 0.5 }",
            "line 6, column 24: `max_share` must be a decimal in quotes from \"0\" to \"1\" (for example \"0.5\"), this is a fraction",
        ),
        (
            "redeem = { max_share = \"1.1\" }",
            "line 6, column 24: \"1.1\" is not a decimal from \"0\" to \"1\" with at most three places",
        ),
        ("redeem = { max_share = \"50 %\" }", "line 6, column 24: \"50 %\" is not a decimal from"),
        ("redeem = { most = 5 }", "line 6, column 12: unknown key `most`"),
        ("clawback = \"forgive\"", "line 6, column 12: \"forgive\" is not one of debt, write-off"),
        (
            "account = \"household\"",
            "line 6, column 1: `account` is not supported yet by this version of Counterfoil: take it out",
        ),
    ];
    for (keys, expected) in cases {
        let words = points(keys).expect_err(keys);
        assert!(words.starts_with(expected), "{keys}: {words}");
        assert_eq!(words.lines().count(), 1, "{keys}: {words}");
    }
}

#[test]
fn gift_cards_and_vouchers_are_what_they_are() {
    let earn = |award: &str| format!("[[earn]]\nid = \"r\"\npurse = \"p\"\naward = {award}");
    for award in ["{ flat = 1 }", "{ each = 1 }", "{ every = 100, give = 1 }"] {
        assert_eq!(
            purse("kind = \"gift-card\"", &earn(award)).expect_err(award),
            "line 8, column 9: a gift card is money, which no rule gives: give points or a voucher instead"
        );
    }
    assert!(purse("kind = \"voucher\"", &earn("{ flat = 2 }")).is_ok());
    for award in ["{ each = 1 }", "{ every = 100, give = 1 }"] {
        assert_eq!(
            purse("kind = \"voucher\"", &earn(award)).expect_err(award),
            "line 9, column 9: vouchers are given once per sale: write award = { flat = 1 }"
        );
    }
    assert_eq!(
        purse("kind = \"gift-card\"", "[purse.q]\nkind = \"points\"\n[purse.r]\nkind = \"gift-card\"").unwrap_err(),
        "line 8, column 8: a program has one purse of kind \"gift-card\", and \"p\" is one: take one out"
    );
    assert_eq!(
        purse("kind = \"gift-card\"\nvalue = { units = 1, money = 1 }", "").unwrap_err(),
        "line 6, column 9: a gift card's units are money already: take `value` out"
    );
    assert!(purse("kind = \"gift-card\"", "[purse.q]\nkind = \"voucher\"\n[purse.r]\nkind = \"voucher\"").is_ok());
}

#[test]
fn floors_that_cannot_be_are_refused_with_their_place() {
    let cases = [
        ("share = \"all\"", "line 7, column 9: \"all\" is not one of home-store, none"),
        ("placed = 0.75", "line 7, column 10: `placed` must be a decimal in quotes"),
        ("placed = \"1.2\"", "line 7, column 10: \"1.2\" is not a decimal from \"0\" to \"1\""),
        (
            "excess = \"take-back\"",
            "line 7, column 10: \"take-back\" is not supported yet by this version of Counterfoil; possible now: honour",
        ),
        ("excess = \"shrug\"", "line 7, column 10: \"shrug\" is not one of honour, take-back"),
        ("floors = { p = 1 }", "line 7, column 1: unknown key `floors`; did you mean `floor`?"),
        ("floor = 5", "line 7, column 9: `floor` must be a table, this is a whole number"),
        ("floor = { q = 5 }", "line 7, column 11: there is no purse \"q\": add [purse.q], or name one of the purses"),
        ("floor = { p = -1 }", "line 7, column 15: -1 is out of range: the floor of `p` is 0 (never) to 1000000000000"),
        ("floor = { p = 1_000_000_000_001 }", "line 7, column 15: 1000000000001 is out of range"),
        (
            "floor = { p = \"5\" }",
            "line 7, column 15: `p` must be a whole number of units, or a table as in { member = 200, till_hard = 2000 }, this is text",
        ),
        ("floor = { p = { } }", "line 7, column 15: `member` is missing"),
        (
            "floor = { p = { member = 0, till_hard = 5 } }",
            "line 7, column 26: `member` = 0 means never: take the other limits out, or say how much",
        ),
        (
            "floor = { p = { member = 5, redemption = 6 } }",
            "line 7, column 42: `redemption` = 6 is never reached: `member` ends it at 5; let it be at most that",
        ),
        (
            "floor = { p = { member = 5, till_hard = 7, till_soft = 8 } }",
            "line 7, column 56: `till_soft` = 8 is never reached: `till_hard` ends it at 7",
        ),
        (
            "floor = { p = { member = 5, till_soft = 51 } }",
            "line 7, column 41: `till_soft` = 51 is never reached: `till_hard` ends it at 50",
        ),
        ("floor = { p = { member = 5, till_soft = 0 } }", "line 7, column 41: 0 is out of range: `till_soft` is 1 to"),
        (
            "floor = { p = { member = 5, till_hard = 1_000_000_000_001 } }",
            "line 7, column 41: 1000000000001 is out of range",
        ),
        ("floor = { p = { member = 5, outage = 9 } }", "line 7, column 29: unknown key `outage`"),
    ];
    for (keys, expected) in cases {
        let words = offline(keys).expect_err(keys);
        assert!(words.starts_with(expected), "{keys}: {words}");
        assert_eq!(words.lines().count(), 1, "{keys}: {words}");
    }
    let most = offline("floor = { p = 1_000_000_000_000 }").unwrap().offline().floor("p").copied().unwrap();
    assert_eq!((most.till_soft_units, most.till_hard_units), (500_000_000_000, 1_000_000_000_000), "bounded");
    let least =
        offline("floor = { p = { member = 1, till_hard = 1 } }").unwrap().offline().floor("p").copied().unwrap();
    assert_eq!((least.till_soft_units, least.till_hard_units), (1, 1));
    let equal = offline("placed = \"0\"\nfloor = { p = { member = 5, redemption = 5, till_soft = 7, till_hard = 7 } }")
        .unwrap();
    assert_eq!((equal.offline().placed_thousandths, equal.offline().floor("p").unwrap().till_soft_units), (0, 7));
}

fn basket(program: &Program, sale: &Sale, base: bool) -> Evaluation {
    let member = MemberInputs { birthday_month: Some(11), ..MemberInputs::default() };
    let (store, lane, channel) = ("S1", "1", "till");
    let basket = Basket { sale, now: NOON, member: &member, store, store_groups: &[], lane, channel };
    if base { program.evaluate_base(&basket) } else { program.evaluate(&basket) }
}

#[test]
fn the_base_is_what_the_goods_give() {
    let line = |category: &str, amount| Line { category: Some(category.into()), amount, ..Line::default() };
    let goods = Sale {
        kind: SaleKind::Return,
        currency: "GBP".into(),
        total: 2_000,
        lines: vec![line("coffee", 500), line("tobacco", 1_500)],
        ..Sale::default()
    };
    let units = |evaluation: &Evaluation| -> Vec<String> {
        evaluation.awards.iter().map(|award| format!("{}={}", award.purse, award.amount)).collect()
    };
    let program = Program::from_toml(RIGHTS).unwrap();
    let base = basket(&program, &goods, true);
    assert_eq!(units(&base), ["points=5", "coffee=1"]);
    assert_eq!((base.skipped[0].rule.as_str(), base.skipped.len()), ("birthday", 1));
    assert_eq!(base.skipped[0].why, "it depends on more than the goods");
    assert_eq!(units(&basket(&program, &goods, false)), Vec::<String>::new(), "a return accrues nothing");
    let sold = Sale { kind: SaleKind::Sale, ..goods.clone() };
    assert_eq!(units(&basket(&program, &sold, false)), ["points=5", "coffee=1", "birthday=1"]);

    let cases = [
        ("award = { each = 1 }", true),
        ("award = { every = 1, give = 1 }", true),
        ("award = { each = 1 }\nlines = 'line.amount > 0 && line.sku == null'", true),
        ("award = { flat = 1 }", false),
        ("award = { each = 1 }\nwhen = 'true'", false),
        ("award = { each = 1 }\nlines = 'member.visits >= 0'", false),
        ("award = { each = 1 }\nlines = 'member.tags.exists(t, t == \"x\") || line.amount > 0'", false),
        ("award = { each = 1 }\nlines = 'now.hour == 12'", false),
        ("award = { each = 1 }\nlines = 'sale.total > 0'", false),
        ("award = { each = 1 }\nlines = 'eligible.amount > 0'", false),
    ];
    for (rule, is_base) in cases {
        let program = purse("kind = \"points\"", &format!("[[earn]]\nid = \"r\"\npurse = \"p\"\n{rule}")).expect(rule);
        assert_eq!(basket(&program, &sold, false).awards.len(), 1, "{rule}");
        assert_eq!(basket(&program, &goods, true).awards.len(), usize::from(is_base), "{rule}");
    }
}

fn any_period() -> impl Strategy<Value = String> {
    prop_oneof![
        (1u32..130).prop_map(|months| format!("P{months}M")),
        (1u32..10).prop_map(|years| format!("P{years}Y")),
        (1u32..900).prop_map(|days| format!("P{days}D")),
        (1u32..120).prop_map(|weeks| format!("P{weeks}W")),
        (1u32..40, 1u32..90).prop_map(|(months, days)| format!("P{months}M{days}D")),
    ]
}

fn any_purse() -> impl Strategy<Value = serde_json::Value> {
    let kind = prop::sample::select(vec!["points", "stamps", "voucher"]);
    let value = prop::option::of((1i64..=1_000_000_000_000, 1i64..=1_000_000_000_000));
    let redeem =
        prop::option::of((prop::option::of(1i64..500), prop::option::of(1i64..500), prop::option::of(0u32..=1_000)));
    let vests = prop_oneof![4 => (1u32..40).prop_map(|days| format!("P{days}D")), 1 => any_period()];
    let periods = (prop::option::of(any_period()), prop::option::weighted(0.4, vests));
    let flags = (any::<bool>(), prop::option::of(any::<bool>()));
    (kind, value, redeem, periods, flags).prop_map(|(kind, value, redeem, (expires, vests), (fresh, clawback))| {
        let mut purse = serde_json::json!({ "kind": kind, "spend_fresh": fresh });
        let mut set = |key: &str, value: serde_json::Value| purse[key] = value;
        if let Some((units, money)) = value {
            set("value", serde_json::json!({ "units": units, "money": money }));
        }
        if let Some((step, min, share)) = redeem {
            let mut steps = serde_json::Map::new();
            steps.extend(step.map(|step| ("step".to_owned(), step.into())));
            steps.extend(min.map(|min| ("min".to_owned(), min.into())));
            let text = |share: u32| format!("{}.{:03}", share / 1_000, share % 1_000);
            steps.extend(share.map(|share| ("max_share".to_owned(), text(share).into())));
            set("redeem", steps.into());
        }
        if let Some(expires) = expires {
            set("expires", expires.into());
        }
        if let Some(vests) = vests {
            set("vests", vests.into());
        }
        if let Some(is_debt) = clawback {
            set("clawback", if is_debt { "debt" } else { "write-off" }.into());
        }
        purse
    })
}

fn any_floor() -> impl Strategy<Value = serde_json::Value> {
    let limits =
        (1i64..1_000, prop::option::of(1i64..200), prop::option::of(1i64..1_000), prop::option::of(900i64..9_000));
    prop_oneof![
        (0i64..=1_000_000_000_000).prop_map(serde_json::Value::from),
        limits.prop_map(|(member, redemption, soft, hard)| {
            let mut floor = serde_json::json!({ "member": member });
            let optional = [("redemption", redemption), ("till_soft", soft), ("till_hard", hard)];
            for (key, units) in optional.into_iter().filter_map(|(key, units)| Some((key, units?))) {
                floor[key] = units.into();
            }
            floor
        }),
    ]
}

fn any_program() -> impl Strategy<Value = serde_json::Value> {
    let unlinked = prop::sample::select(vec!["exception", "ignore", "reverse-base"]);
    let reward = prop::sample::select(vec!["give-back", "keep"]);
    let share = prop::sample::select(vec!["home-store", "none"]);
    let placed = prop::sample::select(vec!["0", "0.5", "0.8", "0.800", "0.999", "1"]);
    let purses = (any_purse(), any_purse(), prop::option::of(any_floor()), prop::option::of(any_floor()));
    (purses, unlinked, reward, share, placed).prop_map(|((a, b, floor_a, floor_b), unlinked, reward, share, placed)| {
        let mut floors = serde_json::Map::new();
        floors.extend(floor_a.map(|floor| ("a".to_owned(), floor)));
        floors.extend(floor_b.map(|floor| ("b".to_owned(), floor)));
        serde_json::json!({
            "program": "p", "currency": "GBP", "time_zone": "UTC",
            "purse": { "a": a, "b": b, "card": { "kind": "gift-card" } },
            "returns": { "unlinked": unlinked, "reward": reward },
            "offline": { "share": share, "placed": placed, "floor": floors },
        })
    })
}

fn any_date() -> impl Strategy<Value = Date> {
    (2000i32..2400, 1i32..=12, 1i32..=31).prop_filter_map("a day of the calendar", |(year, month, day)| {
        Date::from_packed(year * 10_000 + month * 100 + day).ok()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// What is sent is what was published, and sending it again changes nothing.
    #[test]
    fn every_program_survives_json(json in any_program(), on in any_date()) {
        // Too many refusals fail the test, so that it never passes for want of programs.
        let program = Program::from_json(&json.to_string());
        prop_assume!(program.is_ok());
        let program = program.expect("just seen");
        let again = Program::from_json(&program.to_json()).map_err(|problems| TestCaseError::fail(problems.to_string()))?;
        assert_same(&again, &program);
        for floor in program.offline().floors.values() {
            prop_assert!(0 < floor.redemption_units && floor.redemption_units <= floor.member_units);
            prop_assert!(0 < floor.till_soft_units && floor.till_soft_units <= floor.till_hard_units);
        }
        for purse in program.purses() {
            let lot = purse.lot(on);
            prop_assert!(lot.vests.is_none_or(|vests| vests > on));
            prop_assert!(lot.expires.is_none_or(|expires| expires > on && expires.tomorrow().packed() % 100 == 1));
            if let (Some(vests), Some(expires)) = (lot.vests, lot.expires) {
                prop_assert!(vests <= expires, "{purse:?} on {on}");
            }
        }
    }

    /// A lot never expires before its exact day, and within the month of it; days are counted one by one.
    #[test]
    fn lots_keep_to_the_calendar(on in any_date(), days in 1u32..800) {
        let mut exact = on;
        (0..days).for_each(|_| exact = exact.tomorrow());
        let program = points(&format!("expires = \"P{days}D\"\nvests = \"P{days}D\"")).map_err(TestCaseError::fail)?;
        let lot = program.purse("p").expect("the purse").lot(on);
        prop_assert_eq!(lot.vests, Some(exact));
        let expires = lot.expires.expect("it expires");
        prop_assert!(expires >= exact && expires.packed() / 100 == exact.packed() / 100);
        prop_assert_eq!(expires.tomorrow().packed() % 100, 1);
    }
}

//! Generators of receipts in the shipped layouts, each with the truth it must be read as. Baskets and shops
//! are made up.

use counterfoil_drivers::captured::TenderKind;
use counterfoil_drivers::printer::demo::{DemoDocument, DemoLine, DemoReceipt, DemoVat, DemoZReport};
use counterfoil_drivers::printer::escpos::encode::{Align, Encoder};
use serde_json::{Value, json};

/// The stream and the truth for a shipped template.
pub fn sample(name: &str) -> (Vec<u8>, Value) {
    match name {
        "demo" => demo(),
        "greengate" => greengate(),
        "balance-line" => balance_line(),
        "two-line-items" => two_line_items(),
        "positioned-columns" => positioned_columns(),
        name => panic!("no generator makes a sample for {name}"),
    }
}

fn document(kind: &str, sale: Value) -> Value {
    json!({ "kind": kind, "sale": sale, "marks": [] })
}

/// Name, quantity, unit, unit price, amount.
type Item = (&'static str, &'static str, Option<&'static str>, Option<i64>, i64);

fn items(items: &[Item], show_units: bool) -> Value {
    let line = |(at, (name, quantity, unit, price, amount)): (usize, &Item)| {
        let kind = if name.contains("DEPOSIT") { "deposit" } else { "item" };
        let mut line = json!({ "id": (at + 1).to_string(), "kind": kind, "description": name,
            "quantity": quantity, "amount": amount });
        if let Some(unit) = unit.filter(|_| show_units) {
            line["unit"] = json!(unit);
        }
        if let Some(price) = price {
            line["unit_price"] = json!(price);
        }
        line
    };
    Value::Array(items.iter().enumerate().map(line).collect())
}

fn money(minor: i64) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", minor.abs() / 100, minor.abs() % 100)
}

fn demo_receipt(number: &str, time: &str) -> DemoReceipt {
    let milk =
        DemoLine { quantity: "2".into(), unit_price: Some(155), vat_code: 'Z', ..DemoLine::piece("Oat milk 1L", 310) };
    DemoReceipt {
        store: "COUNTERFOIL CORNER".into(),
        receipt_number: number.into(),
        till: 1,
        operator: "7".into(),
        date: "24/11/2026".into(),
        time: time.into(),
        lines: vec![
            DemoLine { discount: 100, ..DemoLine::piece("Café blend 1kg", 1334) },
            milk.clone(),
            DemoLine { voided: true, ..milk },
            DemoLine {
                quantity: "0.744".into(),
                unit: Some("kg".into()),
                unit_price: Some(115),
                vat_code: 'Z',
                ..DemoLine::piece("Bananas loose", 86)
            },
        ],
        discounts: vec![("Loyalty reward".into(), 120)],
        total: 1200,
        tenders: vec![(TenderKind::Cash, 2000)],
        change: 800,
        vat: vec![
            DemoVat { code: 'A', rate: "20.00".into(), net: 928, vat: 186 },
            DemoVat { code: 'Z', rate: "0.00".into(), net: 86, vat: 0 },
        ],
        member: Some("9826000000017".into()),
    }
}

fn demo_sale(number: &str, time: &str) -> Value {
    json!({
        "kind": "sale", "receipt_number": number, "occurred_at": format!("2026-11-24T{time}"), "currency": "GBP",
        "total": 1200, "tax": 186, "tax_included": true,
        "lines": [
            { "id": "1", "kind": "item", "description": "Café blend 1kg", "quantity": "1", "discount": 100,
              "amount": 1234 },
            { "id": "2", "kind": "item", "description": "Oat milk 1L", "quantity": "2", "unit_price": 155,
              "amount": 310 },
            { "id": "3", "kind": "item", "description": "Oat milk 1L", "quantity": "-2", "unit_price": 155,
              "amount": -310 },
            { "id": "4", "kind": "item", "description": "Bananas loose", "quantity": "0.744", "unit": "kg",
              "unit_price": 115, "amount": 86 },
        ],
        "discounts": [ { "description": "Loyalty reward", "amount": -120 } ],
        "tenders": [ { "kind": "cash", "amount": 2000 } ], "change": 800,
        "member": { "identifier": "9826000000017" }, "operator": "7",
    })
}

fn demo() -> (Vec<u8>, Value) {
    let receipt = demo_receipt("0001-000123", "10:15:07");
    let void = demo_receipt("0001-000124", "10:16:00");
    let back = DemoReceipt {
        receipt_number: "0001-000125".into(),
        time: "10:20:30".into(),
        lines: vec![DemoLine::piece("Café blend 1kg", 1234)],
        discounts: Vec::new(),
        total: 1234,
        tenders: vec![(TenderKind::Card, 1234)],
        change: 0,
        vat: vec![DemoVat { code: 'A', rate: "20.00".into(), net: 1028, vat: 206 }],
        member: None,
        ..receipt.clone()
    };
    let report = DemoZReport {
        store: receipt.store.clone(),
        report_number: "0042".into(),
        till: 1,
        date: "24/11/2026".into(),
        time: "18:02:11".into(),
        sales: 1234,
        gross: 1_234_567,
        vat: 20_576,
        first_receipt: "0001-000001".into(),
        last_receipt: "0001-001240".into(),
    };
    let documents = [
        DemoDocument::Sale(&receipt),
        DemoDocument::Reprint(&receipt),
        DemoDocument::Void { receipt: &void, voids: "0001-000123" },
        DemoDocument::Return { receipt: &back, original: Some(("0001-000098", "20/11/2026")) },
        DemoDocument::Training(&receipt),
        DemoDocument::NoSale(&receipt),
        DemoDocument::ZReport(&report),
    ];
    let bytes = documents.iter().flat_map(DemoDocument::bytes).collect();
    let sale = demo_sale("0001-000123", "10:15:07");
    let mut voided = document("void", demo_sale("0001-000124", "10:16:00"));
    voided["voided_receipt"] = json!("0001-000123");
    let mut training = sale.clone();
    training["training"] = json!(true);
    let mut z_report = document("z-report", Value::Null);
    z_report["z_report"] = json!({ "report_number": "0042", "date": "2026-11-24", "sales": 1234,
        "gross": 1_234_567, "tax": 20_576, "first_receipt": "0001-000001", "last_receipt": "0001-001240" });
    let returned = json!({
        "kind": "return", "receipt_number": "0001-000125", "occurred_at": "2026-11-24T10:20:30", "currency": "GBP",
        "total": 1234, "tax": 206, "tax_included": true,
        "lines": [ { "id": "1", "kind": "item", "description": "Café blend 1kg", "quantity": "1", "amount": 1234 } ],
        "discounts": [], "tenders": [ { "kind": "card", "amount": 1234 } ], "operator": "7",
        "original": { "receipt_number": "0001-000098", "business_date": "2026-11-20" },
    });
    let truth = json!({ "documents": [
        document("sale", sale.clone()), document("reprint", sale), voided, document("return", returned),
        document("training", training), document("other", Value::Null), z_report,
    ] });
    (bytes, truth)
}

fn greengate() -> (Vec<u8>, Value) {
    let basket: [Item; 4] = [
        ("Sourdough loaf", "1", None, None, 325),
        ("Yoghurt 500g", "2", None, Some(140), 280),
        ("Carrots loose", "0.512", Some("kg"), Some(90), 46),
        ("Crème brûlée", "1", None, None, 250),
    ];
    let mut out = Encoder::new();
    out.initialize().size(2, 2).align(Align::Centre).line("ORCHARD & SON").size(1, 1);
    out.line("3 Mill Lane, Otley").line("").align(Align::Left);
    out.line("05/11/2026 09:03:41          TILL 1 OP 12").line("Receipt: 001-0001207").line(&"-".repeat(42));
    for (name, quantity, unit, price, amount) in basket {
        match (unit, price) {
            (Some(unit), Some(price)) => out.line(&format!("{quantity} {unit} @ £{}/{unit}", money(price))),
            (None, Some(price)) => out.line(&format!("{quantity} x £{}", money(price))),
            _ => &mut out,
        };
        out.line(&format!("{name:<32}{:>8} Z", money(amount)));
    }
    out.line(&format!("{:<32}{:>10}", "  Dairy deal", money(-50))).line(&"-".repeat(42));
    out.line(&format!("{:<32}{:>10}", "SUBTOTAL", money(901)));
    out.line(&format!("{:<32}{:>10}", "SAVINGS", money(-50)));
    out.size(2, 1).line("TOTAL           £8.51").size(1, 1);
    out.line(&format!("{:<32}{:>10}", "VISA ************4242", "£8.51")).line("");
    out.line("VAT Z 0%   net 8.51  vat 0.00").line("Club card 6335 0499 8877 1235");
    out.feed(6).cut();
    let sale = json!({
        "kind": "sale", "receipt_number": "001-0001207", "occurred_at": "2026-11-05T09:03:41", "currency": "GBP",
        "total": 851, "tax": 0, "tax_included": true, "lines": items(&basket, true),
        "discounts": [ { "description": "Dairy deal", "amount": -50 } ],
        "tenders": [ { "kind": "card", "amount": 851 } ],
        "member": { "identifier": "6335049988771235" }, "operator": "12",
    });
    (out.finish(), json!({ "documents": [ document("sale", sale) ] }))
}

const US_BASKET: [Item; 5] = [
    ("OAT CRACKERS", "1", None, Some(425), 425),
    ("PEARS BOSC", "1.25", Some("lb"), Some(199), 249),
    ("BOTTLE DEPOSIT", "1", None, Some(200), 200),
    ("OAT CRACKERS", "-1", None, Some(425), -425),
    ("RYE BREAD", "1", None, Some(550), 550),
];

fn us_sale(number: &str, time: &str, lines: Value, change: Option<i64>) -> Value {
    let mut sale = json!({
        "kind": "sale", "receipt_number": number, "occurred_at": format!("2026-11-05T{time}"), "currency": "USD",
        "total": 979, "tax": 80, "tax_included": false, "lines": lines,
        "discounts": [ { "description": "MEMBER SAVINGS 77", "amount": -100 } ],
        "tenders": [ { "kind": "cash", "amount": 1000 } ], "change": 21,
        "member": { "identifier": "47180001234" },
    });
    if change.is_none() {
        sale.as_object_mut().unwrap().remove("change");
    }
    sale
}

fn us_head(out: &mut Encoder) {
    out.raw(b"\x1b@\x1bt\x00").bold(true).align(Align::Centre).line("RIVERSIDE GROCERY").bold(false);
    out.line("STORE 2").line("").align(Align::Left);
}

fn two_line_items() -> (Vec<u8>, Value) {
    let mut out = Encoder::new();
    us_head(&mut out);
    out.line("Receipt 04-0117").line("Date 2026-11-05 12:30:09").line(&"-".repeat(48));
    for (name, quantity, _, price, amount) in US_BASKET {
        let voided = if amount < 0 { "*VOID* " } else { "" };
        out.line(&format!("{voided}{name}"));
        let detail = format!("    {quantity} x {}", money(price.unwrap_or(0)));
        out.line(&format!("{detail:<36}{:>12}", money(amount)));
    }
    out.line(&format!("{:<36}{:>12}", "MEMBER SAVINGS 77", "-1.00")).line(&"-".repeat(48));
    out.line(&format!("{:<36}{:>12}", "Sales tax", "0.80"));
    out.size(2, 1).line(&format!("{:<12}{:>12}", "Total", "$9.79")).size(1, 1);
    out.line(&format!("{:<36}{:>12}", "Cash", "$10.00")).line(&format!("{:<36}{:>12}", "Change", "$0.21"));
    out.line("").line("Rewards member: 4718 0001 234").align(Align::Centre).code_128("040117").feed(6);
    out.raw(b"\x1dV\x01");
    let truth = us_sale("04-0117", "12:30:09", items(&US_BASKET, false), Some(21));
    (out.finish(), json!({ "documents": [ document("sale", truth) ] }))
}

fn balance_line() -> (Vec<u8>, Value) {
    let mut out = Encoder::new();
    us_head(&mut out);
    out.line("11/05/26 12:30 LANE 4 TRAN 04-0118");
    for (name, quantity, unit, price, amount) in US_BASKET {
        if let (Some(unit), Some(price)) = (unit, price) {
            out.line(&format!("  {quantity} {unit} @ {} /{unit}", money(price)));
        }
        out.line(&format!("{name:<30}{:>10} F", money(amount)));
    }
    out.line(&format!("{:<30}{:>10}", "  MEMBER SAVINGS 77", "-1.00"));
    out.line(&format!("{:<30}{:>11}", "  TAX", "0.80"));
    out.bold(true).line(&format!("{:<30}{:>11}", "**** BALANCE", "9.79")).bold(false);
    out.line(&format!("{:<30}{:>11}", "  CASH", "10.00")).line(&format!("{:<30}{:>11}", "  CHANGE", "0.21"));
    out.line("ITEMS 3").line("MEMBER 4718 0001 234").feed(6).cut();
    let basket = US_BASKET
        .map(|(name, quantity, unit, price, amount)| (name, quantity, unit, price.filter(|_| unit.is_some()), amount));
    let truth = us_sale("04-0118", "12:30:00", items(&basket, true), Some(21));
    (out.finish(), json!({ "documents": [ document("sale", truth) ] }))
}

fn positioned_columns() -> (Vec<u8>, Value) {
    let mut out = Encoder::new();
    us_head(&mut out);
    out.text("#04-0119").position(300).line("2026-11-05 12:31");
    for (name, quantity, _, _, amount) in US_BASKET {
        let voided = if amount < 0 { "VD " } else { "" };
        out.text(quantity).position(80).text(&format!("{voided}{name}")).position(440).line(&money(amount));
    }
    for (name, amount) in [("MEMBER SAVINGS 77", "-1.00"), ("TAX", "0.80")] {
        out.position(80).text(name).position(440).line(amount);
    }
    out.size(2, 2).text("TOTAL").position(380).text("9.79").size(1, 1).line("");
    out.position(80).text("CASH").position(440).line("10.00");
    out.position(80).text("CHANGE").position(440).line("0.21");
    out.line("MEMBER 4718 0001 234").line("").line("").cut();
    let basket = US_BASKET.map(|(name, quantity, unit, _, amount)| (name, quantity, unit, None, amount));
    let truth = us_sale("04-0119", "12:31:00", items(&basket, false), Some(21));
    (out.finish(), json!({ "documents": [ document("sale", truth) ] }))
}

//! The receipts of our own demonstration till: a plain struct in, a printer's stream out. The layout is
//! described by `drivers/templates/demo.toml`, which reads them back.
//!
//! 42 columns, CP858, pounds, VAT included. A return and a void print their amounts negative. It prints what
//! it is given, even if that does not add up: a test may want such a receipt.

use super::escpos::encode::{Align, Encoder};
use crate::captured::TenderKind;

const WIDTH: usize = 42;
const AMOUNT_WIDTH: usize = 12;

/// An item of a demo receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoLine {
    /// What is printed, up to 28 characters.
    pub description: String,
    /// Decimal string; a line of its own is printed unless it is `1`.
    pub quantity: String,
    /// `kg`; absent for pieces.
    pub unit: Option<String>,
    /// Pence, for the quantity line.
    pub unit_price: Option<i64>,
    /// Pence, before the line's own discount.
    pub amount: i64,
    /// The line's own discount in pence, positive.
    pub discount: i64,
    /// Letter of the VAT rate.
    pub vat_code: char,
    /// Printed as taken back within the sale, negative.
    pub voided: bool,
}

impl DemoLine {
    /// One piece at the standard rate.
    pub fn piece(description: &str, amount: i64) -> DemoLine {
        DemoLine {
            description: description.to_owned(),
            quantity: "1".to_owned(),
            unit: None,
            unit_price: None,
            amount,
            discount: 0,
            vat_code: 'A',
            voided: false,
        }
    }
}

/// VAT at one rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoVat {
    /// Its letter.
    pub code: char,
    /// Per cent, as printed.
    pub rate: String,
    /// Pence without VAT.
    pub net: i64,
    /// Pence of VAT.
    pub vat: i64,
}

/// What a demo receipt says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DemoReceipt {
    /// Name of the shop, up to 21 characters.
    pub store: String,
    /// `0001-000123`.
    pub receipt_number: String,
    /// Number of the till.
    pub till: u32,
    /// Who sits at it: letters and digits.
    pub operator: String,
    /// `24/11/2026`.
    pub date: String,
    /// `10:15:07`.
    pub time: String,
    /// Items in order.
    pub lines: Vec<DemoLine>,
    /// Basket discounts: text and pence, positive.
    pub discounts: Vec<(String, i64)>,
    /// Pence.
    pub total: i64,
    /// How it was paid, pence.
    pub tenders: Vec<(TenderKind, i64)>,
    /// Pence given back.
    pub change: i64,
    /// VAT within the total.
    pub vat: Vec<DemoVat>,
    /// A member's number, if the till knows it.
    pub member: Option<String>,
}

/// The totals of a demo Z report.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DemoZReport {
    /// Name of the shop.
    pub store: String,
    /// Its own number.
    pub report_number: String,
    /// Number of the till.
    pub till: u32,
    /// `24/11/2026`.
    pub date: String,
    /// `18:02:11`.
    pub time: String,
    /// How many sales; returns and voids are not sales.
    pub sales: u64,
    /// Pence, sales less returns and voids, VAT included.
    pub gross: i64,
    /// Pence of VAT.
    pub vat: i64,
    /// First receipt number of the day.
    pub first_receipt: String,
    /// Last receipt number of the day.
    pub last_receipt: String,
}

/// A document of the demonstration till.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DemoDocument<'a> {
    /// Goods against money.
    Sale(&'a DemoReceipt),
    /// Goods come back. Amounts in the struct are positive.
    Return {
        /// What comes back.
        receipt: &'a DemoReceipt,
        /// Number and date of the sale it was bought with.
        original: Option<(&'a str, &'a str)>,
    },
    /// A sale taken back whole. Amounts in the struct are positive.
    Void {
        /// The content of the sale, under the void's own number.
        receipt: &'a DemoReceipt,
        /// Number of the sale.
        voids: &'a str,
    },
    /// A copy of a sale's receipt.
    Reprint(&'a DemoReceipt),
    /// A sale in training mode.
    Training(&'a DemoReceipt),
    /// The drawer was opened; till, date and time are printed.
    NoSale(&'a DemoReceipt),
    /// The end of the day.
    ZReport(&'a DemoZReport),
}

impl DemoDocument<'_> {
    /// What the till sends to its printer.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Encoder::new();
        out.initialize();
        match self {
            DemoDocument::Sale(receipt) => sale(&mut out, receipt, &[], 1),
            DemoDocument::Reprint(receipt) => sale(&mut out, receipt, &["*** DUPLICATE ***".to_owned()], 1),
            DemoDocument::Training(receipt) => sale(&mut out, receipt, &["*** TRAINING ***".to_owned()], 1),
            DemoDocument::Return { receipt, original } => {
                let mut banner = vec!["*** RETURN ***".to_owned()];
                banner.extend(original.map(|(number, date)| format!("Original receipt {number} of {date}")));
                sale(&mut out, receipt, &banner, -1);
            }
            DemoDocument::Void { receipt, voids } => {
                sale(&mut out, receipt, &["*** VOID ***".to_owned(), format!("Voids receipt {voids}")], -1);
            }
            DemoDocument::NoSale(receipt) => {
                head(&mut out, receipt, &["*** NO SALE ***".to_owned()]);
            }
            DemoDocument::ZReport(report) => z_report(&mut out, report),
        }
        out.feed(4).cut();
        if self.opens_drawer() {
            out.kick();
        }
        out.finish()
    }

    fn opens_drawer(&self) -> bool {
        match self {
            DemoDocument::Sale(receipt) => receipt.tenders.iter().any(|(kind, _)| *kind == TenderKind::Cash),
            DemoDocument::NoSale(_) => true,
            _ => false,
        }
    }
}

fn head(out: &mut Encoder, receipt: &DemoReceipt, banner: &[String]) {
    out.align(Align::Centre).size(2, 2).line(&receipt.store).size(1, 1);
    out.line("1 High Street, Anytown").line("VAT No. GB 123 4567 82").align(Align::Left);
    for line in banner {
        out.line(line);
    }
    out.line(&format!("Receipt {}  Till {}  Op {}", receipt.receipt_number, receipt.till, receipt.operator));
    out.line(&format!("{} {}", receipt.date, receipt.time));
}

fn sale(out: &mut Encoder, receipt: &DemoReceipt, banner: &[String], sign: i64) {
    head(out, receipt, banner);
    rule(out);
    for line in &receipt.lines {
        item(out, line, sign);
    }
    for (text, amount) in &receipt.discounts {
        out.line(&row(&format!("DISCOUNT {text}"), &pounds(-amount * sign)));
    }
    rule(out);
    out.bold(true).size(1, 2).line(&row("TOTAL", &format!("£{}", pounds(receipt.total * sign)))).size(1, 1).bold(false);
    for (kind, amount) in &receipt.tenders {
        out.line(&row(tender_name(*kind), &format!("£{}", pounds(amount * sign))));
    }
    if receipt.change != 0 {
        out.line(&row("CHANGE", &format!("£{}", pounds(receipt.change * sign))));
    }
    for vat in &receipt.vat {
        let (net, tax) = (pounds(vat.net * sign), pounds(vat.vat * sign));
        out.line(&format!("VAT {} {}%  net {net}  vat {tax}", vat.code, vat.rate));
    }
    if let Some(member) = &receipt.member {
        out.line(&format!("Member {member}"));
    }
    out.align(Align::Centre).code_128(&receipt.receipt_number).line("Thank you").align(Align::Left);
}

fn item(out: &mut Encoder, line: &DemoLine, sign: i64) {
    let sign = if line.voided { -sign } else { sign };
    match (&line.unit, line.unit_price) {
        (Some(unit), Some(price)) => out.line(&format!("  {} {unit} @ £{}/{unit}", line.quantity, pounds(price))),
        (None, Some(price)) if line.quantity != "1" => out.line(&format!("  {} x £{}", line.quantity, pounds(price))),
        _ => out,
    };
    let voided = if line.voided { "VOID " } else { "" };
    out.line(&format!(
        "{} {}",
        row(&format!("{voided}{}", line.description), &pounds(line.amount * sign)),
        line.vat_code
    ));
    if line.discount != 0 {
        out.line(&row("  Offer saving", &pounds(-line.discount * sign)));
    }
}

fn z_report(out: &mut Encoder, report: &DemoZReport) {
    out.align(Align::Centre).size(2, 2).line(&report.store).size(1, 1).align(Align::Left);
    out.line(&format!("*** Z REPORT {} ***", report.report_number));
    out.line(&format!("Till {}", report.till)).line(&format!("{} {}", report.date, report.time));
    rule(out);
    out.line(&row("Sales", &report.sales.to_string()));
    out.line(&row("Gross takings", &format!("£{}", pounds(report.gross))));
    out.line(&row("VAT", &format!("£{}", pounds(report.vat))));
    out.line(&format!("First receipt {}", report.first_receipt));
    out.line(&format!("Last receipt {}", report.last_receipt));
}

fn rule(out: &mut Encoder) {
    out.line(&"-".repeat(WIDTH));
}

/// Text at the left, an amount at the right of the column before the VAT letter.
fn row(text: &str, amount: &str) -> String {
    let text_width = WIDTH - AMOUNT_WIDTH - 2;
    let text: String = text.chars().take(text_width).collect();
    format!("{text:<text_width$}{amount:>AMOUNT_WIDTH$}")
}

fn pounds(pence: i64) -> String {
    let sign = if pence < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", pence.unsigned_abs() / 100, pence.unsigned_abs() % 100)
}

fn tender_name(kind: TenderKind) -> &'static str {
    match kind {
        TenderKind::Cash => "CASH",
        TenderKind::Card => "CARD",
        TenderKind::Voucher => "VOUCHER",
        TenderKind::GiftCard => "GIFT CARD",
        TenderKind::Points => "POINTS",
        TenderKind::Other => "OTHER TENDER",
    }
}

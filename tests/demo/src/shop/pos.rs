//! The POS of one lane: rings up, prints, counts. It knows nothing of Counterfoil.

use counterfoil_drivers::captured::TenderKind;
use counterfoil_drivers::printer::demo::{DemoDocument, DemoLine, DemoReceipt, DemoVat, DemoZReport};
use jiff::ZonedDateTime;
use jiff::tz::TimeZone;

use super::books::{DayCount, Product, vat_in};

/// The store's time zone, which the POS's clock shows.
pub const ZONE: &str = "Europe/London";
const STORE_NAME: &str = "HIGH STREET";

/// A printed document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Its number, as printed.
    pub number: String,
    /// Minor units.
    pub total_minor: i64,
    /// What goes to the printer.
    pub bytes: Vec<u8>,
    content: DemoReceipt,
}

/// A POS.
#[derive(Debug)]
pub struct Pos {
    lane: u32,
    next: u32,
    count: DayCount,
}

impl Pos {
    /// The POS of a lane, at the beginning of its day.
    pub fn new(lane: u32) -> Self {
        Self { lane, next: 1, count: DayCount::default() }
    }

    /// What it has counted.
    pub fn count(&self) -> &DayCount {
        &self.count
    }

    /// The store's time, RFC 3339 with offset.
    pub fn clock(&self) -> String {
        now().strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }

    /// How this POS prints a receipt number.
    pub fn number(&self, receipt: u32) -> String {
        format!("{:04}-{receipt:06}", self.lane)
    }

    /// Rings up a basket, paid in cash.
    pub fn sell(&mut self, basket: &[(Product, i64)]) -> Receipt {
        let total: i64 = basket.iter().map(|(product, pieces)| product.price_minor * pieces).sum();
        let vat = vat_in(total);
        let handed = (total + 999) / 1_000 * 1_000;
        let taken = self.take_number();
        self.count.sold(taken, total);
        let content = DemoReceipt {
            lines: basket.iter().map(|(product, pieces)| line(product, *pieces)).collect(),
            total,
            tenders: vec![(TenderKind::Cash, handed)],
            change: handed - total,
            vat: vec![DemoVat { code: 'A', rate: "20".into(), net: total - vat, vat }],
            ..self.head(taken)
        };
        let bytes = DemoDocument::Sale(&content).bytes();
        Receipt { number: content.receipt_number.clone(), total_minor: total, bytes, content }
    }

    /// Undoes a sale as a whole.
    pub fn void(&mut self, sale: &Receipt) -> Receipt {
        let taken = self.take_number();
        self.count.voided(taken, sale.total_minor);
        let DemoReceipt { receipt_number, date, time, .. } = self.head(taken);
        let content = DemoReceipt {
            receipt_number,
            date,
            time,
            change: 0,
            tenders: vec![(TenderKind::Cash, sale.total_minor)],
            ..sale.content.clone()
        };
        let bytes = DemoDocument::Void { receipt: &content, voids: &sale.number }.bytes();
        Receipt { number: content.receipt_number.clone(), total_minor: sale.total_minor, bytes, content }
    }

    /// Closes the day: the Z report's bytes.
    pub fn z_report(&mut self) -> Vec<u8> {
        let number = |receipt: Option<u32>| receipt.map(|receipt| self.number(receipt)).unwrap_or_default();
        let head = self.head(0);
        let report = DemoZReport {
            store: STORE_NAME.into(),
            report_number: "0001".into(),
            till: self.lane,
            date: head.date,
            time: head.time,
            sales: self.count.sales,
            gross: self.count.gross_minor,
            vat: self.count.tax_minor,
            first_receipt: number(self.count.first_receipt),
            last_receipt: number(self.count.last_receipt),
        };
        DemoDocument::ZReport(&report).bytes()
    }

    fn take_number(&mut self) -> u32 {
        self.next += 1;
        self.next - 1
    }

    fn head(&self, receipt: u32) -> DemoReceipt {
        let now = now();
        DemoReceipt {
            store: STORE_NAME.into(),
            receipt_number: self.number(receipt),
            till: self.lane,
            operator: "7".into(),
            date: now.strftime("%d/%m/%Y").to_string(),
            time: now.strftime("%H:%M:%S").to_string(),
            ..DemoReceipt::default()
        }
    }
}

fn line(product: &Product, pieces: i64) -> DemoLine {
    let amount = product.price_minor * pieces;
    DemoLine {
        quantity: pieces.to_string(),
        unit_price: Some(product.price_minor),
        ..DemoLine::piece(product.description, amount)
    }
}

fn now() -> ZonedDateTime {
    local(jiff::Timestamp::now())
}

/// An instant in the store's time.
pub fn local(instant: jiff::Timestamp) -> ZonedDateTime {
    let zone = TimeZone::get(ZONE).expect("the bundled time zone database has London");
    instant.to_zoned_datetime(zone)
}

//! The POS of one lane: rings up, prints, counts. It knows nothing of Counterfoil.

use super::books::{DayCount, Product};

/// A printed document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Its number, as printed.
    pub number: String,
    /// Minor units.
    pub total_minor: i64,
    /// What goes to the printer.
    pub bytes: Vec<u8>,
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
        Self { lane, next: lane * 100_000 + 1, count: DayCount::default() }
    }

    /// What it has counted.
    pub fn count(&self) -> &DayCount {
        &self.count
    }

    /// Rings up a basket, paid in cash.
    pub fn sell(&mut self, basket: &[(Product, i64)]) -> Receipt {
        let total_minor = basket.iter().map(|(product, pieces)| product.price_minor * pieces).sum();
        let number = self.number();
        self.count.sold(self.next - 1, total_minor);
        Receipt { number, total_minor, bytes: Vec::new() }
    }

    /// Undoes a sale as a whole.
    pub fn void(&mut self, sale: &Receipt) -> Receipt {
        let number = self.number();
        self.count.voided(self.next - 1, sale.total_minor);
        Receipt { number, total_minor: sale.total_minor, bytes: Vec::new() }
    }

    /// Closes the day.
    pub fn z_report(&mut self) -> Receipt {
        Receipt { number: format!("Z{}", self.lane), total_minor: self.count.gross_minor, bytes: Vec::new() }
    }

    fn number(&mut self) -> String {
        self.next += 1;
        (self.next - 1).to_string()
    }
}

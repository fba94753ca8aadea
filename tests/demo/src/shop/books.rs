//! What a till's POS counts itself: the independent side that head office's books are compared with.
//!
//! It sees what was rung up and nothing of Counterfoil.

/// One item on the shelf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Product {
    /// EAN-13.
    pub sku: &'static str,
    /// As printed.
    pub description: &'static str,
    /// Minor units, tax included.
    pub price_minor: i64,
}

/// The shelf: enough to make baskets that differ.
pub const SHELF: [Product; 8] = [
    Product { sku: "5000112637922", description: "COFFEE BEANS 1KG", price_minor: 1334 },
    Product { sku: "5010000000014", description: "SOURDOUGH LOAF", price_minor: 320 },
    Product { sku: "5010000000021", description: "SEMI-SKIMMED MILK 2L", price_minor: 155 },
    Product { sku: "5010000000038", description: "FREE RANGE EGGS 12", price_minor: 345 },
    Product { sku: "5010000000045", description: "CHEDDAR MATURE 400G", price_minor: 475 },
    Product { sku: "5010000000052", description: "OLIVE OIL 750ML", price_minor: 899 },
    Product { sku: "5010000000069", description: "APPLES BRAEBURN 6", price_minor: 199 },
    Product { sku: "5010000000076", description: "DARK CHOCOLATE 100G", price_minor: 229 },
];

/// Tax in a gross amount at 20 %, rounded half up: what this POS prints as VAT.
pub fn vat_in(gross_minor: i64) -> i64 {
    (gross_minor + 3) / 6
}

/// A POS's running totals of its day.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DayCount {
    /// Sales rung up, voids not taken off.
    pub sales: u64,
    /// Sales less voids, minor units.
    pub gross_minor: i64,
    /// Tax in it.
    pub tax_minor: i64,
    /// First receipt number of the day.
    pub first_receipt: Option<u32>,
    /// Last receipt number of the day.
    pub last_receipt: Option<u32>,
}

impl DayCount {
    /// One sale more.
    pub fn sold(&mut self, receipt: u32, total_minor: i64) {
        self.numbered(receipt);
        self.sales += 1;
        self.gross_minor += total_minor;
        self.tax_minor += vat_in(total_minor);
    }

    /// One sale undone.
    pub fn voided(&mut self, receipt: u32, total_minor: i64) {
        self.numbered(receipt);
        self.gross_minor -= total_minor;
        self.tax_minor -= vat_in(total_minor);
    }

    fn numbered(&mut self, receipt: u32) {
        self.first_receipt.get_or_insert(receipt);
        self.last_receipt = Some(receipt);
    }
}

/// A deterministic stream of small choices (SplitMix64), so that a story is the same from the same seed.
#[derive(Debug, Clone)]
pub struct Choices(u64);

impl Choices {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).expect("less than a usize")
    }

    /// A basket of one to five lines, each one to three pieces.
    pub fn basket(&mut self) -> Vec<(Product, i64)> {
        let lines = 1 + self.below(5);
        (0..lines).map(|_| (SHELF[self.below(SHELF.len())], 1 + i64::try_from(self.below(3)).unwrap_or(0))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pos_counts_sales_and_voids() {
        let mut count = DayCount::default();
        count.sold(7, 1200);
        count.sold(8, 600);
        count.voided(9, 600);
        let expected =
            DayCount { sales: 2, gross_minor: 1200, tax_minor: 200, first_receipt: Some(7), last_receipt: Some(9) };
        assert_eq!(count, expected);
    }

    #[test]
    fn a_seed_gives_the_same_baskets() {
        assert_eq!(Choices::new(5).basket(), Choices::new(5).basket());
        assert!((1..=5).contains(&Choices::new(6).basket().len()));
    }
}

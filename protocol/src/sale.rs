//! A sale as shops send it and as the journal keeps it.
//!
//! One shape for both: JSON at the APIs (field names are those of the published interface), integer-keyed
//! CBOR in a record. Money inside a sale is a bare `i64` in minor units of the sale's currency; quantities
//! are decimal strings. This is data only: rules live in [`crate::program`], arithmetic checks in
//! [`Sale::arithmetic_error`].

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::id::{IdentifierHash, MemberId};

/// What a document did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "kebab-case")]
#[cbor(index_only)]
pub enum SaleKind {
    /// Goods against money.
    #[default]
    #[n(0)]
    Sale,
    /// Goods come back; amounts are positive.
    #[n(1)]
    Return,
}

/// What a line is for. Only some kinds earn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "kebab-case")]
#[cbor(index_only)]
pub enum LineKind {
    /// Goods or a service.
    #[default]
    #[n(0)]
    Item,
    /// A bottle deposit or the like.
    #[n(1)]
    Deposit,
    /// A fee.
    #[n(2)]
    Fee,
    /// A tip.
    #[n(3)]
    Tip,
    /// A donation.
    #[n(4)]
    Donation,
    /// A gift card bought.
    #[n(5)]
    GiftCard,
}

/// How a part of the total was paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "kebab-case")]
#[cbor(index_only)]
pub enum TenderKind {
    /// Notes and coins.
    #[n(0)]
    Cash,
    /// A payment card. Its number is nobody's business.
    #[n(1)]
    Card,
    /// A voucher.
    #[n(2)]
    Voucher,
    /// A gift card.
    #[n(3)]
    GiftCard,
    /// Loyalty points; a record of a payment, it spends nothing.
    #[n(4)]
    Points,
    /// Anything else.
    #[default]
    #[n(5)]
    Other,
}

/// One line of a sale. `amount` is after the line's own discount, in minor units; negative for a line
/// voided within the sale.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, Encode, Decode)]
#[serde(deny_unknown_fields)]
#[cbor(map)]
pub struct Line {
    /// The POS's own id of the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(0)]
    pub id: Option<String>,
    /// What the line is for.
    #[serde(default)]
    #[n(1)]
    pub kind: LineKind,
    /// Stock keeping unit, often a GTIN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(2)]
    pub sku: Option<String>,
    /// Text on the receipt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(3)]
    pub description: Option<String>,
    /// The POS's category, where it sends one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(4)]
    pub category: Option<String>,
    /// Decimal string, `"1"` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(5)]
    pub quantity: Option<String>,
    /// `kg`, `lb`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(6)]
    pub unit: Option<String>,
    /// Informative; amounts are never recomputed from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(7)]
    pub unit_price: Option<i64>,
    /// The line's own discount, positive.
    #[serde(default)]
    #[n(8)]
    pub discount: i64,
    /// Minor units, after `discount`.
    #[n(9)]
    pub amount: i64,
    /// The gift card that is loaded, as scanned or typed. Not part of the record, which has [`Self::account`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cbor(skip)]
    pub gift_card: Option<MemberRef>,
    /// The account that the gift card is: a till says it in the record, whatever a caller sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(10)]
    pub account: Option<MemberId>,
    /// The gift card's identifier under the program's key, by which other tills find the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(11)]
    pub account_identifier: Option<IdentifierHash>,
}

/// A basket discount; `amount` is negative.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, Encode, Decode)]
#[serde(deny_unknown_fields)]
#[cbor(map)]
pub struct Discount {
    /// Text on the receipt.
    #[serde(default)]
    #[n(0)]
    pub description: String,
    /// Minor units, negative.
    #[n(1)]
    pub amount: i64,
}

/// A payment towards the total.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, Encode, Decode)]
#[serde(deny_unknown_fields)]
#[cbor(map)]
pub struct Tender {
    /// How it was paid.
    #[n(0)]
    pub kind: TenderKind,
    /// Minor units.
    #[n(1)]
    pub amount: i64,
}

/// The sale that a return refers to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, Encode, Decode)]
#[serde(deny_unknown_fields)]
#[cbor(map)]
pub struct OriginalRef {
    /// Store of the original; absent = this store.
    #[serde(default)]
    #[n(0)]
    pub store: Option<String>,
    /// Lane of the original; absent = this lane.
    #[serde(default)]
    #[n(1)]
    pub lane: Option<String>,
    /// Its receipt number.
    #[n(2)]
    pub receipt_number: String,
    /// Its business date, `YYYY-MM-DD`.
    #[serde(default)]
    #[n(3)]
    pub business_date: Option<String>,
}

/// How a caller names a member: by identifier as scanned or typed, or by id.
///
/// Never encoded into a record: the record carries the member id or the identifier's keyed hash.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberRef {
    /// Card number, phone, e-mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<String>,
    /// Opaque member id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_id: Option<String>,
}

/// A sale or a return.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, Encode, Decode)]
#[serde(deny_unknown_fields)]
#[cbor(map)]
pub struct Sale {
    /// Sale or return.
    #[serde(default)]
    #[n(0)]
    pub kind: SaleKind,
    /// As printed.
    #[n(1)]
    pub receipt_number: String,
    /// The POS's own reference; also what a reservation was made under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(2)]
    pub sale_ref: Option<String>,
    /// RFC 3339 with offset.
    #[n(3)]
    pub occurred_at: String,
    /// ISO 4217.
    #[n(4)]
    pub currency: String,
    /// Minor units.
    #[n(5)]
    pub total: i64,
    /// Minor units; absent where the receipt does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(6)]
    pub tax: Option<i64>,
    /// Whether `total`'s lines already hold the tax; absent = yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(7)]
    pub tax_included: Option<bool>,
    /// Added to the sum to reach the total (5-cent rounding), either sign.
    #[serde(default)]
    #[n(8)]
    pub rounding: i64,
    /// In receipt order.
    #[n(9)]
    pub lines: Vec<Line>,
    /// Basket discounts, negative amounts.
    #[serde(default)]
    #[n(10)]
    pub discounts: Vec<Discount>,
    /// How it was paid; empty where unknown.
    #[serde(default)]
    #[n(11)]
    pub tenders: Vec<Tender>,
    /// Given back, minor units.
    #[serde(default)]
    #[n(12)]
    pub change: i64,
    /// Whom it is for. Not part of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cbor(skip)]
    pub member: Option<MemberRef>,
    /// Who sat at the till.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(13)]
    pub operator: Option<String>,
    /// The sale a return refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[n(14)]
    pub original: Option<OriginalRef>,
    /// Evaluated and recorded, moves no value.
    #[serde(default)]
    #[n(15)]
    pub training: bool,
}

impl Sale {
    /// Whether the arithmetic of the published interface holds; `Some` says which sum does not.
    ///
    /// total = Σ lines + Σ discounts + (tax if not included) + rounding, and, where tenders are given,
    /// Σ tenders − change = total. Sums are exact (`i128`).
    pub fn arithmetic_error(&self) -> Option<String> {
        let wide = |value: i64| i128::from(value);
        let added_tax = if self.tax_included == Some(false) { self.tax.unwrap_or(0) } else { 0 };
        let sum = self.lines.iter().map(|line| wide(line.amount)).sum::<i128>()
            + self.discounts.iter().map(|discount| wide(discount.amount)).sum::<i128>()
            + wide(added_tax)
            + wide(self.rounding);
        if sum != wide(self.total) {
            return Some(format!("lines, discounts, tax and rounding sum to {sum}, the total says {}", self.total));
        }
        let paid = self.tenders.iter().map(|tender| wide(tender.amount)).sum::<i128>() - wide(self.change);
        if !self.tenders.is_empty() && paid != wide(self.total) {
            return Some(format!("tenders less change come to {paid}, the total says {}", self.total));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_is_checked_against_lines_and_tenders() {
        let mut sale = Sale {
            total: 1234,
            lines: vec![Line { amount: 1334, ..Line::default() }],
            discounts: vec![Discount { description: "OFF".into(), amount: -100 }],
            tenders: vec![Tender { kind: TenderKind::Cash, amount: 2000 }],
            change: 766,
            ..Sale::default()
        };
        assert_eq!(sale.arithmetic_error(), None);
        sale.change = 0;
        assert!(sale.arithmetic_error().unwrap().contains("tenders"));
        sale.total = 1;
        assert!(sale.arithmetic_error().unwrap().contains("sum to 1234"));
    }

    #[test]
    fn the_published_example_parses_and_holds() {
        let text = r#"{ "kind": "sale", "receipt_number": "000123", "sale_ref": "pos-7781", "occurred_at": "2026-11-20T10:15:00+00:00",
          "currency": "GBP", "total": 1234, "tax": 206, "tax_included": true,
          "lines": [ { "id": "1", "kind": "item", "sku": "5000112637922", "description": "COFFEE BEANS 1KG", "category": "coffee",
                       "quantity": "1", "unit_price": 1334, "discount": 100, "amount": 1234 } ],
          "discounts": [], "tenders": [ { "kind": "card", "amount": 1234 } ], "change": 0,
          "member": { "identifier": "9826000000017" }, "operator": "7" }"#;
        let sale: Sale = serde_json::from_str(text).unwrap();
        assert_eq!(sale.arithmetic_error(), None);
        let bytes = minicbor::to_vec(&sale).unwrap();
        let back: Sale = minicbor::decode(&bytes).unwrap();
        assert_eq!(back, Sale { member: None, ..sale });
    }
}

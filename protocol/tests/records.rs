//! Records on the wire and in a day's totals: they survive, newer ones are read by older code, and control totals
//! are a plain sum over records.

use std::collections::BTreeMap;

use counterfoil_protocol::day::{DayClose, DayTotals, PosTotals, PurseTotals, Range};
use counterfoil_protocol::entry::{DebtKind, Entry, EntryKind, Lot};
use counterfoil_protocol::id::{Digest, EventId, Holder, IdentifierHash, IncarnationId, MemberId};
use counterfoil_protocol::program::MemberInputs;
use counterfoil_protocol::record::{
    Award, Body, CaptureGap, ConfirmationRecord, DocumentRecord, Head, Idempotency, Origin, PosTotalsRecord,
    RECORD_VERSION, Record, RedemptionRecord, ReleaseReason, ReleaseRecord, ReservationRecord, ReturnReason,
    ReversalRecord, ReverseRequestRecord, Rights, RightsReturnedRecord, RuleUnits, SaleRecord, Source,
    SuccessionRecord, VoidRecord, chain_next, chain_start,
};
use counterfoil_protocol::sale::{Discount, Line, LineKind, OriginalRef, Sale, SaleKind, Tender, TenderKind};
use counterfoil_protocol::time::Date;
use proptest::prelude::*;

fn any_text() -> impl Strategy<Value = String> {
    ".{0,12}"
}

fn any_date() -> impl Strategy<Value = Date> {
    (2020i32..2040, 1i32..=12, 1i32..=28)
        .prop_map(|(year, month, day)| Date::from_packed(year * 10_000 + month * 100 + day).expect("a real day"))
}

fn any_source() -> impl Strategy<Value = Source> {
    prop_oneof![
        Just(Source::Api),
        (any_text(), any::<u64>(), any::<u64>()).prop_map(|(device, from, to)| Source::Paper { device, from, to }),
    ]
}

fn any_line() -> impl Strategy<Value = Line> {
    let kind = prop_oneof![Just(LineKind::Item), Just(LineKind::Deposit), Just(LineKind::GiftCard)];
    let texts = (prop::option::of(any_text()), prop::option::of(any_text()), prop::option::of(any_text()));
    (kind, texts, any::<i64>(), any::<i64>(), prop::option::of(any::<i64>())).prop_map(
        |(kind, (id, sku, quantity), discount, amount, unit_price)| Line {
            id,
            kind,
            sku: sku.clone(),
            description: quantity.clone(),
            category: sku,
            quantity,
            unit: None,
            unit_price,
            discount,
            amount,
            ..Line::default()
        },
    )
}

fn any_sale() -> impl Strategy<Value = Sale> {
    let kind = prop_oneof![Just(SaleKind::Sale), Just(SaleKind::Return)];
    let original = prop::option::of(any_text()).prop_map(|receipt| {
        receipt.map(|receipt_number| OriginalRef { receipt_number, store: Some("S".into()), ..OriginalRef::default() })
    });
    let money = (-1_000_000i64..1_000_000, prop::option::of(0i64..100_000), any::<i64>());
    (kind, original, prop::collection::vec(any_line(), 0..4), money, any_text(), any::<bool>()).prop_map(
        |(kind, original, lines, (total, tax, amount), text, training)| Sale {
            kind,
            receipt_number: text.clone(),
            sale_ref: Some(text.clone()),
            occurred_at: "2026-11-20T10:15:00+00:00".into(),
            currency: "GBP".into(),
            total,
            tax,
            tax_included: tax.map(|tax| tax % 2 == 0),
            rounding: amount % 3,
            lines,
            discounts: vec![Discount { description: text.clone(), amount }],
            tenders: vec![Tender { kind: TenderKind::Voucher, amount }],
            change: amount,
            member: None,
            operator: Some(text),
            original,
            training,
        },
    )
}

fn any_totals() -> impl Strategy<Value = PosTotals> {
    (prop::option::of(any::<u64>()), prop::option::of(any::<i64>()), prop::option::of(any_text()))
        .prop_map(|(sales, gross, first_receipt)| PosTotals { sales, gross, first_receipt, ..PosTotals::default() })
}

fn any_body() -> impl Strategy<Value = Body> {
    let sale = (any_sale(), any_source(), prop::option::of(any::<[u8; 16]>()), any::<i64>()).prop_map(
        |(sale, source, member, occurred_at_ms)| {
            let rule = RuleUnits { rule: "r".into(), amount: 5, reason: "x".into(), for_hub: member.is_some() };
            Body::Sale(Box::new(SaleRecord {
                settles: None,
                sale,
                occurred_at_ms,
                member: member.map(MemberId),
                unknown_identifier: member.map(IdentifierHash),
                inputs: member.map(|_| MemberInputs {
                    visits: 3,
                    tags: vec!["vegan".into()],
                    accrued_today: BTreeMap::from([("r".to_owned(), 7)]),
                    ..MemberInputs::default()
                }),
                awards: vec![Award { purse: "points".into(), amount: 5, rules: vec![rule] }],
                failures: vec!["x".into()],
                source,
            }))
        },
    );
    let void = (any_text(), prop::option::of(any::<u64>()), 0i64..100_000, 0i64..10_000, any_source()).prop_map(
        |(voided_receipt, sale_position, total, tax, source)| {
            Body::Void(VoidRecord {
                sale_position,
                voided_receipt,
                receipt_number: None,
                total,
                tax,
                source,
                sale: None,
            })
        },
    );
    let redemption =
        (any::<[u8; 16]>(), prop::option::of(any_text()), 1i64..1_000).prop_map(|(member, reward, units)| {
            Body::Redemption(RedemptionRecord {
                member: MemberId(member),
                sale_ref: reward.clone(),
                reward,
                purse: "points".into(),
                units,
                rights: Rights::Granted,
                operator: None,
            })
        });
    let close = (any_date(), any::<[u8; 16]>(), any::<u64>(), prop::option::of(any_totals())).prop_map(
        |(business_date, incarnation, to, pos_totals)| {
            Body::DayClose(DayClose {
                business_date,
                sequence: 3,
                ranges: vec![Range { incarnation: IncarnationId(incarnation), from: 1, to }],
                records: to,
                sales: 2,
                gross: -5,
                tax: 1,
                purses: vec![PurseTotals { purse: "points".into(), accrued: 4, redeemed: 2 }],
                chain: Digest::of(&[b"x"]),
                pos_totals,
                receipt_gaps: vec!["000124".into()],
            })
        },
    );
    let pos = (any_date(), any::<u32>(), any_totals()).prop_map(|(business_date, sequence, totals)| {
        Body::PosTotals(PosTotalsRecord { business_date, sequence, totals })
    });
    let gap = (any_text(), any::<u64>(), any::<u64>(), any_text())
        .prop_map(|(device, from, to, reason)| Body::CaptureGap(CaptureGap { device, from, to, reason }));
    let document =
        (any_text(), any_source(), prop::collection::vec(any_text(), 0..3)).prop_map(|(class, source, text)| {
            Body::Document(DocumentRecord {
                class,
                receipt_number: None,
                marks: text.clone(),
                text,
                exception: None,
                source,
            })
        });
    let life = (any::<[u8; 16]>(), any::<u64>(), any::<u8>(), prop::option::of(any_text()), any_entry()).prop_map(
        |(id, position, which, text, entry)| {
            let event = EventId { incarnation: IncarnationId(id), position };
            let head = Head { position, chain: Digest::of(&[&id]) };
            let spent = RedemptionRecord {
                member: MemberId(id),
                reward: None,
                purse: "points".into(),
                units: 5,
                rights: Rights::Held,
                sale_ref: text.clone(),
                operator: text.clone(),
            };
            match which % 7 {
                0 => Body::Reservation(ReservationRecord { redemption: spent, expires_at_ms: 7, chosen: vec![entry] }),
                1 => Body::Release(ReleaseRecord { reservation: event, reason: ReleaseReason::TimedOut }),
                2 => Body::Confirmation(ConfirmationRecord { reservation: event, late: true, sale: Some(event) }),
                3 => Body::Reversal(ReversalRecord {
                    redemption: event,
                    request: text.clone(),
                    reason: text.clone(),
                    operator: text,
                }),
                4 => Body::ReverseRequest(ReverseRequestRecord { redemption: event, reason: text, operator: None }),
                5 => Body::RightsReturned(RightsReturnedRecord { reason: ReturnReason::Recalled }),
                _ => Body::Succession(SuccessionRecord { before: IncarnationId(id), branch: head, settled: head }),
            }
        },
    );
    prop_oneof![4 => sale, 2 => void, 2 => redemption, 1 => close, 1 => pos, 1 => gap, 1 => document, 3 => life]
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let kind = prop_oneof![
        Just(EntryKind::Accrue),
        Just(EntryKind::Redeem),
        Just(EntryKind::ReverseAccrual),
        Just(EntryKind::ReverseRedemption),
        Just(EntryKind::ReturnRights),
        Just(EntryKind::Settle),
    ];
    let lot = (prop::option::of(any_date()), prop::option::of(any_date()))
        .prop_map(|(vests, expires)| Lot { vests, expires });
    let to = prop::option::of(prop_oneof![
        Just(Holder::Hub),
        any::<[u8; 16]>().prop_map(|id| Holder::Terminal(IncarnationId(id)))
    ]);
    let purse = prop_oneof![Just("points".to_owned()), Just("coffee".to_owned())];
    (kind, any::<[u8; 16]>(), purse, lot, 1i64..1_000, to, any::<bool>()).prop_map(
        |(kind, member, purse, lot, units, to, has_debt)| Entry {
            kind,
            member: MemberId(member),
            purse,
            lot,
            units,
            to,
            debt: has_debt.then_some(DebtKind::Clawback),
        },
    )
}

fn any_record() -> impl Strategy<Value = Record> {
    let extras = (prop::option::of(any_text()), prop::option::of(any::<[u8; 16]>()), any::<bool>());
    (any_body(), prop::collection::vec(any_entry(), 0..4), any_date(), any::<i64>(), extras).prop_map(
        |(body, entries, business_date, recorded_at_ms, (key, origin, clock_suspect))| Record {
            version: RECORD_VERSION,
            recorded_at_ms,
            clock_suspect,
            business_date,
            day_sequence: 1,
            program_version: clock_suspect.then_some(7),
            answer: key.as_ref().map(|key| key.clone().into_bytes().into()),
            idempotency: key.map(|key| Idempotency { key, request: Digest::of(&[b"request"]) }),
            body,
            entries,
            origin: origin.map(|id| Origin {
                incarnation: IncarnationId(id),
                position: 9,
                chain: Digest::of(&[b"o"]),
                copied_from: None,
            }),
            marks: vec!["arithmetic".into()],
        },
    )
}

/// The same map with one more key that this version does not know.
fn with_unknown_key(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    assert!((0xa0..0xb7).contains(&bytes[0]), "a small map");
    bytes[0] += 1;
    let mut encoder = minicbor::Encoder::new(bytes);
    let encoder = encoder.u32(4_000).and_then(|e| e.array(2)).and_then(|e| e.str("later")).and_then(|e| e.i64(-1));
    encoder.expect("encoding into memory cannot fail").writer().clone()
}

fn skips_unknown<T>(value: &T) -> Result<(), TestCaseError>
where
    T: minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()> + PartialEq + std::fmt::Debug,
{
    let bytes = minicbor::to_vec(value).expect("encoding into memory cannot fail");
    let decoded = |bytes: &[u8]| minicbor::decode::<T>(bytes).map_err(|error| TestCaseError::fail(error.to_string()));
    prop_assert_eq!(&decoded(&bytes)?, value);
    prop_assert_eq!(&decoded(&with_unknown_key(&bytes))?, value);
    Ok(())
}

fn totals(records: &[Record]) -> DayTotals {
    let mut totals = DayTotals::default();
    records.iter().for_each(|record| totals.add(record));
    totals
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A record is its bytes: read back and written again they are the same, byte for byte.
    #[test]
    fn a_record_survives_the_wire(record in any_record()) {
        let bytes = record.to_bytes();
        let back = Record::from_bytes(&bytes).unwrap();
        prop_assert_eq!(&back, &record);
        prop_assert_eq!(back.to_bytes(), bytes);
    }

    /// Tills and hub are upgraded months apart: what a newer writer adds, an older reader skips.
    #[test]
    fn unknown_fields_are_skipped(record in any_record()) {
        skips_unknown(&record)?;
        record.entries.iter().try_for_each(skips_unknown)?;
        if let Some(origin) = &record.origin {
            skips_unknown(origin)?;
        }
        match &record.body {
            Body::Sale(sale) => {
                skips_unknown(&**sale)?;
                skips_unknown(&sale.sale)?;
                sale.sale.lines.iter().try_for_each(skips_unknown)?;
                sale.awards.iter().try_for_each(skips_unknown)?;
                sale.inputs.iter().try_for_each(skips_unknown)?;
            }
            Body::Void(void) => skips_unknown(void)?,
            Body::Redemption(redemption) => skips_unknown(redemption)?,
            Body::DayClose(close) => skips_unknown(close)?,
            Body::PosTotals(totals) => skips_unknown(totals)?,
            Body::CaptureGap(gap) => skips_unknown(gap)?,
            Body::Document(document) => skips_unknown(document)?,
            Body::Reservation(reservation) => skips_unknown(reservation)?,
            Body::Release(release) => skips_unknown(release)?,
            Body::Confirmation(confirmation) => skips_unknown(confirmation)?,
            Body::Reversal(reversal) => skips_unknown(reversal)?,
            Body::ReverseRequest(request) => skips_unknown(request)?,
            Body::RightsReturned(returned) => skips_unknown(returned)?,
            Body::Succession(succession) => skips_unknown(succession)?,
        }
    }

    /// Bytes that were cut or changed are an error or another record, never a panic.
    #[test]
    fn damaged_bytes_are_no_panic(record in any_record(), cut in any::<prop::sample::Index>(), flip in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut bytes = record.to_bytes();
        prop_assert!(Record::from_bytes(&bytes[..cut.index(bytes.len())]).is_err());
        let flip = flip.index(bytes.len());
        bytes[flip] ^= 1 << bit;
        let _ = Record::from_bytes(&bytes);
    }

    /// The chain tells any two histories apart.
    #[test]
    fn chains_differ_where_records_do(records in prop::collection::vec(any_record(), 1..5), at in any::<prop::sample::Index>()) {
        let chain = |records: &[Record]| {
            records.iter().fold(chain_start(IncarnationId([1; 16])), |chain, record| chain_next(chain, &record.to_bytes()))
        };
        let mut changed = records.clone();
        changed[at.index(records.len())].recorded_at_ms ^= 1;
        prop_assert_ne!(chain(&records), chain(&changed));
        prop_assert_ne!(chain(&records), chain(&records[1..]));
    }

    /// Control totals do not depend on how a day was cut into ranges, nor on the order of its records.
    #[test]
    fn day_totals_are_a_sum(records in prop::collection::vec(any_record(), 0..12), cut in any::<prop::sample::Index>()) {
        let whole = totals(&records);
        let (first, second) = records.split_at(if records.is_empty() { 0 } else { cut.index(records.len()) });
        let turned: Vec<Record> = second.iter().chain(first).cloned().collect();
        prop_assert_eq!(&whole, &totals(&turned));
        let (first, second) = (totals(first), totals(second));
        prop_assert_eq!(whole.records, first.records + second.records);
        prop_assert_eq!(whole.sales, first.sales + second.sales);
        prop_assert_eq!((whole.gross, whole.tax), (first.gross + second.gross, first.tax + second.tax));
        for (purse, (accrued, redeemed)) in &whole.purses {
            let of = |totals: &DayTotals| totals.purses.get(purse).copied().unwrap_or_default();
            prop_assert_eq!((*accrued, *redeemed), (of(&first).0 + of(&second).0, of(&first).1 + of(&second).1));
        }
    }

    /// A close agrees with the totals it was made from, and names every figure that differs.
    #[test]
    fn a_close_agrees_with_its_own_totals(records in prop::collection::vec(any_record(), 0..8), by in 1i64..1_000) {
        let totals = totals(&records);
        let chain = Digest::of(&[b"chain"]);
        let close = DayClose {
            business_date: Date::from_packed(20_261_120).unwrap(),
            sequence: 1,
            ranges: Vec::new(),
            records: totals.records,
            sales: totals.sales,
            gross: totals.gross,
            tax: totals.tax,
            purses: totals.purse_totals(),
            chain,
            pos_totals: None,
            receipt_gaps: Vec::new(),
        };
        prop_assert_eq!(close.differences(&totals, chain), Vec::<String>::new());
        let off = DayClose { gross: close.gross + by, ..close.clone() };
        prop_assert_eq!(off.differences(&totals, chain).len(), 1);
        prop_assert_eq!(close.differences(&totals, Digest::of(&[b"other"])).len(), 1);
        let pos = PosTotals { sales: Some(totals.sales), gross: Some(totals.gross), tax: None, ..PosTotals::default() };
        prop_assert_eq!(close.pos_differences(&pos), Vec::<String>::new());
        prop_assert_eq!(off.pos_differences(&pos).len(), 1);
    }
}

//! The hub's side: who asks, is it authentic, which of its records are new. Decides; stores nothing.
//!
//! Order of checks: signature, then chain, then whether it continues what is here. Only then may a record be
//! decoded, and only by the rules of posting.

use crate::id::IncarnationId;
use crate::record::{Chain, Head};
use crate::wire::sign::{BadSignature, PublicKey, Sig, request_text};
use crate::wire::v1::segment::{Segment, SegmentError, VerifiedRecord};

/// A signed request as it arrived.
#[derive(Debug, Clone)]
pub struct SignedRequest<'a> {
    /// `GET` or `POST`.
    pub method: &'a str,
    /// Path with query, as sent.
    pub path: &'a str,
    /// The body's bytes.
    pub body: &'a [u8],
    /// The epoch the till believes in.
    pub epoch: u64,
    /// Who asks.
    pub incarnation: IncarnationId,
    /// The head it announces.
    pub head: Head,
    /// Its signature.
    pub signature: Sig,
}

impl SignedRequest<'_> {
    /// What was signed; an answer's signature refers to it.
    pub fn text(&self) -> Vec<u8> {
        request_text(self.method, self.path, self.body, self.epoch, self.incarnation, &self.head)
    }

    /// Checks the signature against the key on file.
    ///
    /// # Errors
    /// When it does not hold.
    pub fn verify(&self, key: &PublicKey) -> Result<(), BadSignature> {
        if key.incarnation() != self.incarnation {
            return Err(BadSignature);
        }
        key.verify(&self.text(), &self.signature)
    }
}

/// What a hub has of one incarnation's journal.
pub trait JournalView {
    /// What reading can fail with.
    type Error;
    /// The last record here.
    fn head(&self) -> Head;
    /// The chain after `position`, which is at most the head's; at 0 the chain's start.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn chain_at(&self, position: u64) -> Result<Chain, Self::Error>;
}

/// Why a segment is not taken.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError<E> {
    /// The till's fault.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// The hub's own store failed.
    #[error("head office's store failed")]
    Store(#[source] E),
}

/// Whether the head a till announces contradicts what is here: `None` when it does not, else the position up to which
/// the hub has records.
///
/// A head that is merely older proves nothing: requests overtake each other, and a held long poll announces the head
/// it began with. A till whose database is older learns it from every answer, which names a position beyond its head.
///
/// # Errors
/// When the store cannot be read.
pub fn till_is_behind<V: JournalView>(announced: &Head, view: &V) -> Result<Option<u64>, V::Error> {
    let known = view.head();
    if announced.position > known.position {
        return Ok(None);
    }
    Ok((view.chain_at(announced.position)? != announced.chain).then_some(known.position))
}

/// Verifies a segment and keeps what is new in it, in order. Repeats give an empty list.
///
/// # Errors
/// When signature or chain do not hold, records before it are missing, or it contradicts what is here.
pub fn intake<V: JournalView>(
    segment: Segment,
    key: &PublicKey,
    view: &V,
) -> Result<Vec<VerifiedRecord>, IntakeError<V::Error>> {
    let known = view.head();
    let (first, before) = (segment.first, segment.chain_before);
    let records = segment.verify(key)?;
    if first > known.position + 1 {
        return Err(SegmentError::Gap { first, expected: known.position + 1 }.into());
    }
    if view.chain_at(first - 1).map_err(IntakeError::Store)? != before {
        return Err(SegmentError::Fork { position: first - 1 }.into());
    }
    let mut fresh = Vec::new();
    for record in records {
        if record.position > known.position {
            fresh.push(record);
        } else if view.chain_at(record.position).map_err(IntakeError::Store)? != record.chain {
            return Err(SegmentError::Fork { position: record.position }.into());
        }
    }
    Ok(fresh)
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use proptest::prelude::*;

    use super::*;
    use crate::record::chain_next;
    use crate::wire::v1::segment::Committed;

    struct Journal(Vec<Chain>);

    impl JournalView for Journal {
        type Error = std::convert::Infallible;
        fn head(&self) -> Head {
            Head { position: self.0.len() as u64 - 1, chain: *self.0.last().unwrap() }
        }
        fn chain_at(&self, position: u64) -> Result<Chain, Self::Error> {
            Ok(self.0[usize::try_from(position).unwrap()])
        }
    }

    fn journal(key: &SigningKey, records: &[u8]) -> Journal {
        let mut chains = vec![Head::start(PublicKey::of(key).incarnation()).chain];
        records.iter().for_each(|record| chains.push(chain_next(*chains.last().unwrap(), &[*record])));
        Journal(chains)
    }

    fn segment(key: &SigningKey, records: &[u8], from: usize, to: usize) -> Segment {
        let chains = journal(key, records).0;
        let committed = (from..to)
            .map(|index| Committed::read_back(index as u64 + 1, vec![records[index]], chains[index + 1]))
            .collect();
        Segment::build(key, Head { position: from as u64, chain: chains[from] }, committed).unwrap()
    }

    proptest! {
        /// Law 1 for one journal: whatever segments arrive, cut anywhere, repeated, out of order, the hub's copy
        /// grows only by the till's own next records, and each exactly once.
        #[test]
        fn intake_appends_each_record_once(
            records in prop::collection::vec(any::<u8>(), 1..40),
            cuts in prop::collection::vec((0usize..40, 1usize..40), 1..60),
        ) {
            let key = SigningKey::from_bytes(&[3; 32]);
            let public = PublicKey::of(&key);
            let whole = journal(&key, &records);
            let mut hub = journal(&key, &[]);
            let mut stored = Vec::new();
            for (from, count) in cuts.into_iter().chain([(0, records.len())]) {
                let from = from.min(records.len() - 1);
                let to = (from + count).min(records.len());
                match intake(segment(&key, &records, from, to), &public, &hub) {
                    Ok(fresh) => fresh.into_iter().for_each(|record| {
                        hub.0.push(record.chain);
                        stored.extend(record.bytes);
                    }),
                    Err(IntakeError::Segment(SegmentError::Gap { expected, .. })) => {
                        prop_assert_eq!(expected, hub.0.len() as u64);
                        prop_assert!(from as u64 + 1 > expected);
                    }
                    Err(other) => prop_assert!(false, "{}", other),
                }
            }
            prop_assert_eq!(&stored, &records);
            prop_assert_eq!(hub.head(), whole.head());
        }

        /// Two histories under one key are told apart at the first segment that shows it.
        #[test]
        fn a_fork_is_seen(records in prop::collection::vec(any::<u8>(), 2..20), at in 0usize..20) {
            let key = SigningKey::from_bytes(&[3; 32]);
            let public = PublicKey::of(&key);
            let at = at % records.len();
            let mut other = records.clone();
            other[at] ^= 1;
            let hub = journal(&key, &records);
            let result = intake(segment(&key, &other, at, records.len()), &public, &hub);
            let is_fork = matches!(result, Err(IntakeError::Segment(SegmentError::Fork { .. })));
            prop_assert!(is_fork);
            prop_assert!(till_is_behind(&journal(&key, &other).head(), &hub).unwrap().is_some());
            for position in 0..=records.len() {
                let overtaken = Head { position: position as u64, chain: hub.0[position] };
                prop_assert!(till_is_behind(&overtaken, &hub).unwrap().is_none());
            }
        }
    }
}

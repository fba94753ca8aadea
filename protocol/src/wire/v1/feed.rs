//! The feed: what a hub tells its tills, in buckets.
//!
//! In each bucket positions are consecutive and become visible in order. A cursor is opaque to everybody but
//! the hub that made it: an epoch and one position per bucket. Every page says, from one snapshot, which of the
//! reader's own positions it includes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::entry::{Entry, Lot};
use crate::id::{EntryId, EventId, IdentifierHash, IncarnationId, MemberId};
use crate::limits::BUCKET_COUNT;
use crate::wire::sign::Sig;
use crate::wire::v1::enrol::StoreSettings;

/// How far a reader has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The hub's epoch.
    pub epoch: u64,
    /// Per bucket, the last position read.
    pub positions: [u64; BUCKET_COUNT],
}

/// Text that is no cursor of this hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a feed cursor")]
pub struct CursorError;

impl Cursor {
    /// At the beginning.
    pub fn start(epoch: u64) -> Self {
        Self { epoch, positions: [0; BUCKET_COUNT] }
    }

    /// The opaque text: base64url of CBOR `[epoch, [position, …]]`.
    pub fn to_text(&self) -> String {
        let bytes =
            minicbor::to_vec((self.epoch, self.positions.as_slice())).expect("encoding into memory cannot fail");
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads the opaque text.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, CursorError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError)?;
        let (epoch, positions): (u64, Vec<u64>) = minicbor::decode(&bytes).map_err(|_| CursorError)?;
        Ok(Self { epoch, positions: positions.try_into().map_err(|_| CursorError)? })
    }

    /// Bucket by bucket the lesser: where both have certainly read everything. `None` across epochs.
    pub fn meet(&self, other: &Self) -> Option<Self> {
        let mut met = self.clone();
        met.positions.iter_mut().zip(&other.positions).for_each(|(own, other)| *own = (*own).min(*other));
        (self.epoch == other.epoch).then_some(met)
    }
}

/// Whether a member may use what it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "kebab-case")]
#[cbor(index_only)]
pub enum MemberStatus {
    /// Yes.
    #[default]
    #[n(0)]
    Active,
    /// Accrues, does not redeem.
    #[n(1)]
    Blocked,
    /// No longer a member.
    #[n(2)]
    Closed,
}

/// A row of the directory: every till has all of them.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct IdentityRow {
    /// The identifier under the program's key.
    #[n(0)]
    pub identifier: IdentifierHash,
    /// Whom it finds; `None`: nobody any more.
    #[n(1)]
    pub member: Option<MemberId>,
    /// May it spend.
    #[n(2)]
    pub status: MemberStatus,
    /// Its tier.
    #[n(3)]
    pub tier: Option<String>,
}

/// One purse and lot of a member as the hub's ledger has it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PurseState {
    /// The purse.
    #[n(0)]
    pub purse: String,
    /// The lot.
    #[n(1)]
    pub lot: Lot,
    /// Units over all holders.
    #[n(2)]
    pub units: i64,
}

/// A member as the hub's ledger has it, at the snapshot of its page.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct MemberState {
    /// Who.
    #[n(0)]
    pub member: MemberId,
    /// May it spend.
    #[n(1)]
    pub status: MemberStatus,
    /// For the cashier's screen.
    #[n(2)]
    pub display_name: Option<String>,
    /// Its tier.
    #[n(3)]
    pub tier: Option<String>,
    /// Purses and lots with units.
    #[n(4)]
    pub purses: Vec<PurseState>,
    /// Debt per purse.
    #[n(5)]
    pub debts: Vec<(String, i64)>,
    /// Sales with this member.
    #[n(6)]
    pub visits: u64,
    /// Since when, `YYYY-MM-DD`.
    #[n(7)]
    pub since: Option<String>,
    /// Tags.
    #[n(8)]
    pub tags: Vec<String>,
    /// The hub's clock, milliseconds since 1970 UTC.
    #[n(9)]
    pub as_of_ms: i64,
}

/// An entry the hub wrote, for the terminal it concerns. Signed, so that tills can give it back to a hub that
/// lost it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct HubEntry {
    /// Its id.
    #[n(0)]
    pub id: EntryId,
    /// What it moves.
    #[n(1)]
    pub entry: Entry,
    /// The root key's, over [`HubEntry::signed_text`].
    #[n(2)]
    pub signature: Sig,
}

impl HubEntry {
    /// What the root key signs.
    pub fn signed_text(id: EntryId, entry: &Entry) -> Vec<u8> {
        let body = minicbor::to_vec(entry).expect("encoding into memory cannot fail");
        [b"counterfoil hub entry v1\0".as_slice(), id.to_string().as_bytes(), b"\0", &body].concat()
    }
}

/// A published program.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PublishedProgram {
    /// Consecutive, from 1.
    #[n(0)]
    pub version: u64,
    /// Milliseconds since 1970 UTC.
    #[n(1)]
    pub effective_ms: i64,
    /// The program as JSON.
    #[n(2)]
    pub json: String,
    /// The root key's, over [`PublishedProgram::signed_text`].
    #[n(3)]
    pub signature: Sig,
}

impl PublishedProgram {
    /// What the root key signs.
    pub fn signed_text(version: u64, effective_ms: i64, json: &str) -> Vec<u8> {
        format!("counterfoil program v1\n{version}\n{effective_ms}\n{json}").into_bytes()
    }
}

/// One change in the feed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Change {
    /// The directory: for every till.
    #[n(0)]
    Identity(#[n(0)] IdentityRow),
    /// A member's state: for the tills that keep it.
    #[n(1)]
    State(#[n(0)] MemberState),
    /// Rights given: for the terminal that receives them.
    #[n(2)]
    Grant(#[n(0)] HubEntry),
    /// A program: for every till.
    #[n(3)]
    Program(#[n(0)] PublishedProgram),
    /// A store's settings: for its tills.
    #[n(4)]
    Store(#[n(0)] StoreSettings),
    /// Rights to be given back: for the terminal that holds them.
    #[n(5)]
    Recall(#[n(0)] Recall),
    /// A redemption to be undone: for its author.
    #[n(6)]
    Reverse(#[n(0)] ReverseOrder),
    /// The till is to give everything back and stop spending: for that terminal.
    #[n(7)]
    Retire(#[n(0)] RetireOrder),
}

/// Head office wants rights back that are idle where they are. The till gives back what it holds beyond `keep`, as far as
/// no basket needs it; the same order again changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Recall {
    /// Whose.
    #[n(0)]
    pub member: MemberId,
    /// In which purse.
    #[n(1)]
    pub purse: String,
    /// Units that may stay.
    #[n(2)]
    pub keep: i64,
}

/// A redemption of this till that somebody else wants undone. Carried out once, however often it comes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ReverseOrder {
    /// The redemption.
    #[n(0)]
    pub redemption: EventId,
    /// Who asked: an event of another till, or an id of head office's.
    #[n(1)]
    pub request: String,
    /// In words.
    #[n(2)]
    pub reason: Option<String>,
}

/// This incarnation is being retired.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RetireOrder {
    /// Which.
    #[n(0)]
    pub incarnation: IncarnationId,
    /// In words.
    #[n(1)]
    pub reason: String,
}

/// A page of the feed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Page {
    /// Where the reader stands after this page ([`Cursor::to_text`]).
    #[n(0)]
    pub cursor: String,
    /// The hub's epoch.
    #[n(1)]
    pub epoch: u64,
    /// The reader's own records up to here are in every state on this page.
    #[n(2)]
    pub includes_position: u64,
    /// The changes, in order within each bucket.
    #[n(3)]
    pub changes: Vec<Change>,
    /// There is more to read at once.
    #[n(4)]
    pub more: bool,
    /// The hub's clock, milliseconds since 1970 UTC.
    #[n(5)]
    pub hub_time_ms: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_opaque_and_survives() {
        let mut cursor = Cursor::start(3);
        cursor.positions[64] = u64::MAX;
        assert_eq!(Cursor::parse(&cursor.to_text()), Ok(cursor.clone()));
        let mut other = Cursor::start(3);
        other.positions[0] = 5;
        assert_eq!(cursor.meet(&other), Some(Cursor::start(3)));
        assert_eq!(cursor.meet(&Cursor::start(4)), None);
        for bad in ["", "!", "AAAA", &"A".repeat(4000)] {
            assert!(Cursor::parse(bad).is_err(), "{bad}");
        }
    }
}

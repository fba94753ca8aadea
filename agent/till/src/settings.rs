//! What a till is (its enrolment) and how its engine behaves (settings). Configuration, never globals.

use counterfoil_protocol::identifier::ProgramKey;
use counterfoil_protocol::wire::sign::PublicKey;
use counterfoil_protocol::wire::v1::enrol::StoreSettings;

/// What enrolment made of this till. Kept in the value database.
#[derive(Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// The till's id.
    pub terminal: String,
    /// Its lane.
    pub lane: String,
    /// Its store.
    pub store: StoreSettings,
    /// Ed25519; made on the till, never leaves it.
    pub key_seed: [u8; 32],
    /// The hub's epoch.
    pub epoch: u64,
    /// The hub's root key, pinned.
    pub root_key: PublicKey,
    /// The certificate of the root key (PEM).
    pub root_certificate: String,
    /// For identifier hashes and member ids.
    pub program_key: ProgramKey,
    /// Where the hub is.
    pub hub_url: String,
}

impl std::fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Enrolment")
            .field("terminal", &self.terminal)
            .field("lane", &self.lane)
            .field("store", &self.store)
            .field("epoch", &self.epoch)
            .field("hub_url", &self.hub_url)
            .finish_non_exhaustive()
    }
}

/// How hard a commit of the value database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// `synchronous=FULL`: one sync of the write-ahead log per commit.
    #[default]
    Full,
    /// `synchronous=NORMAL`: a power cut may lose acknowledged commits. For the negative control only.
    Normal,
}

/// Rules broken on purpose, so that the simulator can show that it would notice. Default: none. Nothing but a
/// negative control sets one; no shell reads one from a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// Spend what the member has, not what is held here.
    pub redeem_without_rights: bool,
    /// Answer while the transaction is still open; it is committed by the next command.
    pub acknowledge_before_commit: bool,
    /// Take every sale as new: no idempotency key, no receipt is recognised.
    pub forget_first_answers: bool,
    /// Take a grant again each time it arrives.
    pub repeat_grants: bool,
    /// Take back for each return as if it were the only one of its sale.
    pub return_without_cap: bool,
    /// Spend units that a basket has reserved.
    pub spend_reserved: bool,
    /// Spend lots past their date.
    pub spend_expired: bool,
    /// Spend lots before they vest.
    pub spend_unvested: bool,
    /// Go below the offline floor by any amount.
    pub floor_without_limit: bool,
    /// Keep what head office recalls.
    pub keep_rights_after_recall: bool,
    /// Reverse a redemption each time somebody asks.
    pub reverse_twice: bool,
    /// Spend at a till that may be a copy.
    pub spend_while_behind: bool,
}

/// How the engine behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long a scanned card waits for its sale.
    pub member_timeout_ms: i64,
    /// How long units are kept for a basket whose sale does not come.
    pub reservation_ms: i64,
    /// How hard a commit is.
    pub synchronous: Synchronous,
    /// Rules broken on purpose.
    pub faults: Faults,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            member_timeout_ms: 300_000,
            reservation_ms: 15 * 60 * 1000,
            synchronous: Synchronous::Full,
            faults: Faults::default(),
        }
    }
}

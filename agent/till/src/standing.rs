//! Whether a till may spend: sound, or behind a witness that remembers a longer journal.

use std::fmt;

/// Where a till stands against its witnesses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nothing says that this database is old.
    Sound,
    /// A witness remembers more, or other, than this database has: it was put back from an older copy, or
    /// copied. It spends nothing, accrues for head office, records and looks up as before.
    Behind {
        /// Who says so: `marker` or `head office`.
        witness: &'static str,
        /// The last position the witness knows; `None` where the witness is gone.
        known_position: Option<u64>,
    },
    /// Head office has retired this till: what it held is given back or settled. It spends nothing, accrues for head
    /// office, records and looks up as before.
    Retired {
        /// What head office says.
        why: String,
    },
}

impl Standing {
    /// May it spend and keep rights.
    pub fn is_sound(&self) -> bool {
        *self == Self::Sound
    }
}

/// The witness outside the database.
pub const WITNESS_MARKER: &str = "marker";
/// The witness at the other end of the line.
pub const WITNESS_HUB: &str = "head office";

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sound => f.write_str("sound"),
            Self::Retired { why } => write!(
                f,
                "head office has retired this till ({why}). Sales are recorded and members found as before; points are \
                 earned but cannot be spent here. To redeem here again, enrol this till anew"
            ),
            Self::Behind { witness, known_position } => {
                match known_position {
                    Some(position) => write!(f, "the {witness} knows this till's journal up to record {position}")?,
                    None => write!(f, "the {witness} of this till's journal is missing")?,
                }
                f.write_str(
                    ", so this database may be an older copy. Sales are recorded and members found as before; \
                     points are earned but cannot be spent here. If the newer database still exists, stop the till and \
                     put back its data directory as a whole; otherwise send what is here, then enrol this till again",
                )
            }
        }
    }
}

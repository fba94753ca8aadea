//! What a person should look at: a kind with a stable name, and what can be done about it.

/// A kind of exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExceptionKind {
    /// A record that cannot be read; its bytes are kept.
    UnreadableRecord,
    /// A record that could not be posted for a reason of head office's own.
    NotPosted,
    /// An entry that its author may not write; not posted.
    EntryRefused,
    /// An author spent units that the ledger does not see it hold; the rest is debt.
    RightsExceeded,
    /// A sale with a card that finds nobody.
    UnknownCard,
    /// An entry for a member that head office does not know.
    UnknownMember,
    /// The published rules give something else on the recorded inputs.
    ProgramMismatch,
    /// A rule failed at the till and counted as false.
    RuleFailed,
    /// The till did not trust its clock.
    ClockSuspect,
    /// Bytes from the printer were lost.
    CaptureGap,
    /// A document that the template does not know, or that somebody must look at.
    UnknownDocument,
    /// A void of a sale that the till does not know.
    UnknownVoid,
    /// A return whose sale is not known, or whose points were not taken back.
    UnlinkedReturn,
    /// A redemption below the offline floor.
    FloorRedemption,
    /// A reservation confirmed after it had ended.
    LateConfirmation,
    /// Something was taken back that was spent already.
    Debt,
    /// The same receipt again, from a till that was restored; not posted a second time.
    ProbableReprint,
    /// Two receipts with one number and other content.
    ReceiptConflict,
    /// A till stands behind what head office has of it.
    TillBehind,
}

impl ExceptionKind {
    /// As APIs name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnreadableRecord => "unreadable-record",
            Self::NotPosted => "not-posted",
            Self::EntryRefused => "entry-refused",
            Self::RightsExceeded => "rights-exceeded",
            Self::UnknownCard => "unknown-card",
            Self::UnknownMember => "unknown-member",
            Self::ProgramMismatch => "program-mismatch",
            Self::RuleFailed => "rule-failed",
            Self::ClockSuspect => "clock-suspect",
            Self::CaptureGap => "capture-gap",
            Self::UnknownDocument => "unknown-document",
            Self::UnknownVoid => "unknown-void",
            Self::UnlinkedReturn => "unlinked-return",
            Self::FloorRedemption => "floor-redemption",
            Self::LateConfirmation => "late-confirmation",
            Self::Debt => "debt",
            Self::ProbableReprint => "probable-reprint",
            Self::ReceiptConflict => "receipt-conflict",
            Self::TillBehind => "till-behind",
        }
    }

    /// What a person can do about it.
    pub fn actions(self) -> &'static [&'static str] {
        match self {
            Self::UnknownCard => &["create-member", "dismiss"],
            Self::UnknownMember => &["create-member", "investigate-terminal", "dismiss"],
            Self::RightsExceeded | Self::EntryRefused | Self::ProgramMismatch | Self::TillBehind => {
                &["investigate-terminal", "dismiss"]
            }
            Self::UnreadableRecord | Self::NotPosted => &["upgrade-hub", "adjust-member", "dismiss"],
            Self::RuleFailed => &["correct-program", "adjust-member", "dismiss"],
            Self::ClockSuspect => &["set-clock", "dismiss"],
            Self::CaptureGap | Self::UnknownDocument => &["teach-template", "adjust-member", "dismiss"],
            Self::UnknownVoid | Self::UnlinkedReturn | Self::Debt | Self::FloorRedemption | Self::LateConfirmation => {
                &["adjust-member", "dismiss"]
            }
            Self::ProbableReprint | Self::ReceiptConflict => &["adjust-member", "dismiss"],
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// What kind.
    pub kind: ExceptionKind,
    /// In words.
    pub reason: String,
}

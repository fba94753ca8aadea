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
    /// More of a sale came back than was sold, or came back although it was voided.
    OverReturned,
    /// A redemption below the offline floor.
    FloorRedemption,
    /// A reservation confirmed after it had ended.
    LateConfirmation,
    /// Something was taken back that was spent already.
    Debt,
    /// A till undid what head office had undone already; not posted a second time.
    AlreadyReversed,
    /// The same receipt again, from a till that was restored; not posted a second time.
    ProbableReprint,
    /// Two receipts with one number and other content.
    ReceiptConflict,
    /// A till stands behind what head office has of it.
    TillBehind,
    /// Two disks with one till's key have asked to go on as another life.
    Clone,
    /// Rights that a lost head office gave have no cover in what came back; the rest is debt.
    LostBacking,
    /// A till was acknowledged beyond what is here: the database was put back from a backup.
    HubRestored,
    /// A till reports what its terminal cannot have.
    ReportRefused,
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
            Self::OverReturned => "over-returned",
            Self::FloorRedemption => "floor-redemption",
            Self::LateConfirmation => "late-confirmation",
            Self::Debt => "debt",
            Self::AlreadyReversed => "already-reversed",
            Self::ProbableReprint => "probable-reprint",
            Self::ReceiptConflict => "receipt-conflict",
            Self::TillBehind => "till-behind",
            Self::Clone => "clone",
            Self::LostBacking => "lost-backing",
            Self::HubRestored => "hub-restored",
            Self::ReportRefused => "report-refused",
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
            Self::UnknownVoid
            | Self::UnlinkedReturn
            | Self::OverReturned
            | Self::Debt
            | Self::FloorRedemption
            | Self::LateConfirmation => &["adjust-member", "dismiss"],
            Self::Clone => &["invite-terminal", "investigate-terminal", "dismiss"],
            Self::LostBacking => &["adjust-member", "dismiss"],
            Self::HubRestored => &["begin-epoch", "dismiss"],
            Self::ReportRefused => &["investigate-terminal", "dismiss"],
            Self::AlreadyReversed | Self::ProbableReprint | Self::ReceiptConflict => &["adjust-member", "dismiss"],
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

//! What a head office in a new epoch is told by its tills: who they are, and what it gave them.
//!
//! A head office restored from a backup has lost acts that tills still know: entries it signed, programs it published,
//! tills it took in, records it acknowledged. A till reports in parts until it is told that the report is complete. A
//! part that comes again changes nothing. Everything in it is signed by head office's own root key or by the key of
//! one of the terminal's lives, so a till cannot invent anything here.

use minicbor::{Decode, Encode};

use crate::id::IncarnationId;
use crate::record::Head;
use crate::wire::sign::PublicKey;
use crate::wire::v1::enrol::EnrolAnswer;
use crate::wire::v1::feed::{HubEntry, PublishedProgram};
use crate::wire::v1::segment::Segment;
use crate::wire::v1::succession::SuccessionAnswer;

/// What proves that head office took an incarnation in.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum LifeProof {
    /// The first one: the answer to its enrolment.
    #[n(0)]
    Enrolment(#[n(0)] Box<EnrolAnswer>),
    /// A later one.
    #[n(1)]
    Succession(#[n(0)] Box<SuccessionAnswer>),
}

impl LifeProof {
    /// Whom it takes in.
    pub fn incarnation(&self) -> IncarnationId {
        match self {
            Self::Enrolment(answer) => answer.incarnation,
            Self::Succession(answer) => answer.incarnation,
        }
    }
}

/// One incarnation of the terminal that reports.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Life {
    /// Its key; its hash is the incarnation.
    #[n(0)]
    pub public_key: PublicKey,
    /// What head office once answered.
    #[n(1)]
    pub proof: LifeProof,
}

/// A part of a till's report, to [`crate::wire::http::REPORT_PATH`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct EpochReport {
    /// All lives of the terminal as this till knows them, oldest first; the last one signs the request.
    #[n(0)]
    pub lives: Vec<Life>,
    /// Entries that head office wrote for one of them.
    #[n(1)]
    pub entries: Vec<HubEntry>,
    /// Programs that head office published.
    #[n(2)]
    pub programs: Vec<PublishedProgram>,
    /// Records of earlier lives, as their own keys sign them. Records of the present life come with pushes.
    #[n(3)]
    pub past: Vec<Segment>,
    /// Nothing more is to be told after this part.
    #[n(4)]
    pub last: bool,
}

/// How far head office knows one life's journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct KnownLife {
    /// Whose.
    #[n(0)]
    pub incarnation: IncarnationId,
    /// Its last record there.
    #[n(1)]
    pub head: Head,
}

/// Head office's answer to a part.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct EpochAnswer {
    /// The epoch that the report is for.
    #[n(0)]
    pub epoch: u64,
    /// How far each life of the report is known, in the report's order; the last one is the present life's.
    #[n(1)]
    pub known: Vec<KnownLife>,
    /// Head office has taken everything that this till had to tell; records are pushed from what is known on.
    #[n(2)]
    pub complete: bool,
    /// The hub's clock, milliseconds since 1970 UTC.
    #[n(3)]
    pub hub_time_ms: i64,
}

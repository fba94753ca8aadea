//! The engine itself: what it holds, how it is made and opened, and what can be read off it.
//!
//! Everything else is `impl Till` in a file per concern. What is in memory here is either on the disk too, or may
//! be forgotten.

use counterfoil_protocol::id::IncarnationId;
use counterfoil_protocol::record::Head;
use counterfoil_protocol::time::StoreCalendar;
use counterfoil_protocol::wire::sign::PublicKey;
use counterfoil_protocol::wire::v1::enrol::StoreSettings;
use ed25519_dalek::SigningKey;
use rusqlite::Connection;

use crate::command::Now;
use crate::enrolled::{self, HubNotes};
use crate::epoch::Reporting;
use crate::error::OpenError;
use crate::marker::{Marker, Witness};
use crate::rules::Programs;
use crate::settings::{Enrolment, Settings};
use crate::standing::{Standing, WITNESS_HUB, WITNESS_MARKER};
use crate::transaction::Writer;
use crate::{derive, directory, journal, store};

/// A till's clock that is this much behind head office's is not trusted, whatever the shell thinks of it.
const CLOCK_BEHIND_MS_MAX: i64 = 10 * 60 * 1000;

/// A till's engine.
pub struct Till {
    pub(crate) value: Connection,
    pub(crate) directory: Connection,
    pub(crate) settings: Settings,
    pub(crate) witness: Box<dyn Witness + Send>,
    pub(crate) enrolment: Enrolment,
    pub(crate) key: SigningKey,
    pub(crate) incarnation: IncarnationId,
    pub(crate) calendar: StoreCalendar,
    pub(crate) programs: Programs,
    pub(crate) head: Head,
    pub(crate) standing: Standing,
    pub(crate) hub: HubNotes,
    /// How far the report to a new epoch has come.
    pub(crate) reporting: Reporting,
    pub(crate) directory_cursor: String,
    /// The last position a marker was stored for.
    pub(crate) marked: u64,
    /// The last record that needs a marker before anybody is told of it.
    pub(crate) must_mark: u64,
    pub(crate) writer: Writer,
}

impl std::fmt::Debug for Till {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Till({}, position {})", self.enrolment.terminal, self.head.position)
    }
}

impl Till {
    /// Makes a till in two databases, and its first marker.
    ///
    /// The marker is stored first: a database that exists has had a marker, so one without a marker is known to
    /// have been put back.
    ///
    /// # Errors
    /// When there is a till already, the store's calendar cannot be used, or something cannot be written.
    pub fn create(
        mut value: Connection,
        mut directory: Connection,
        enrolment: &Enrolment,
        settings: Settings,
        mut witness: Box<dyn Witness + Send>,
    ) -> Result<Self, OpenError> {
        store::prepare(&mut value, &mut directory, settings.synchronous)?;
        if let Some((present, _)) = enrolled::read(&value)? {
            return Err(OpenError::AlreadyEnrolled { terminal: present.terminal });
        }
        calendar_of(&enrolment.store)?;
        let incarnation = PublicKey::of(&SigningKey::from_bytes(&enrolment.key_seed)).incarnation();
        let marker = Marker { incarnation, head: Head::start(incarnation) };
        witness.store(&marker).map_err(OpenError::Marker)?;
        enrolled::insert(&value, enrolment)?;
        Self::assemble(value, directory, settings, witness, Some(marker))
    }

    /// Opens what [`Till::create`] made. `marker` is what the witness has now; one that is missing, ahead of the
    /// database or beside it makes the till stand [`Standing::Behind`].
    ///
    /// # Errors
    /// When there is no till, or its databases cannot be used.
    pub fn open(
        mut value: Connection,
        mut directory: Connection,
        settings: Settings,
        witness: Box<dyn Witness + Send>,
        marker: Option<Marker>,
    ) -> Result<Self, OpenError> {
        store::prepare(&mut value, &mut directory, settings.synchronous)?;
        Self::assemble(value, directory, settings, witness, marker)
    }

    fn assemble(
        value: Connection,
        directory: Connection,
        settings: Settings,
        witness: Box<dyn Witness + Send>,
        marker: Option<Marker>,
    ) -> Result<Self, OpenError> {
        let (enrolment, hub) = enrolled::read(&value)?.ok_or(OpenError::NotEnrolled)?;
        let key = SigningKey::from_bytes(&enrolment.key_seed);
        let incarnation = PublicKey::of(&key).incarnation();
        let head = journal::head_on_disk(&value, incarnation)?;
        let standing = match (hub.retired_why.clone(), hub.behind_position) {
            (Some(why), _) => Standing::Retired { why },
            (None, Some(position)) => Standing::Behind { witness: WITNESS_HUB, known_position: Some(position) },
            (None, None) => standing_against(&value, incarnation, &head, marker.as_ref())?,
        };
        derive::catch_up(&value, incarnation)?;
        Ok(Self {
            calendar: calendar_of(&enrolment.store)?,
            programs: Programs::load(&value)?,
            directory_cursor: directory::cursor(&directory)?,
            marked: marker.filter(|_| standing.is_sound()).map_or(0, |marker| marker.head.position),
            // Whatever is here may have been told already, or be asked for again.
            must_mark: head.position,
            writer: Writer::default(),
            reporting: Reporting::default(),
            value,
            directory,
            settings,
            witness,
            enrolment,
            key,
            incarnation,
            head,
            standing,
            hub,
        })
    }

    /// What enrolment said; store settings as head office last told them.
    pub fn enrolment(&self) -> &Enrolment {
        &self.enrolment
    }

    /// This life of the terminal.
    pub fn incarnation(&self) -> IncarnationId {
        self.incarnation
    }

    /// The last record of the journal.
    pub fn head(&self) -> Head {
        self.head
    }

    /// Durable at head office up to here.
    pub fn acknowledged(&self) -> u64 {
        self.hub.acknowledged
    }

    /// The hub's epoch as this till knows it.
    pub fn epoch(&self) -> u64 {
        self.hub.epoch
    }

    /// Whether this till may spend.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// The best the till knows of the time: a clock behind what head office once said is certainly wrong.
    pub(crate) fn time_ms(&self, now: Now) -> i64 {
        now.wall_ms.max(self.hub.time_ms)
    }

    pub(crate) fn clock_suspect(&self, now: Now) -> bool {
        now.suspect || now.wall_ms.saturating_add(CLOCK_BEHIND_MS_MAX) < self.hub.time_ms
    }
}

pub(crate) fn calendar_of(store: &StoreSettings) -> Result<StoreCalendar, OpenError> {
    StoreCalendar::new(&store.time_zone, &store.day_ends).map_err(OpenError::Calendar)
}

fn standing_against(
    value: &Connection,
    incarnation: IncarnationId,
    head: &Head,
    marker: Option<&Marker>,
) -> Result<Standing, OpenError> {
    let behind = |known_position| Standing::Behind { witness: WITNESS_MARKER, known_position };
    let Some(marker) = marker else {
        return Ok(behind(None));
    };
    if marker.incarnation != incarnation || marker.head.position > head.position {
        return Ok(behind(Some(marker.head.position)));
    }
    let here = journal::chain_at(value, incarnation, marker.head.position)?;
    Ok(if here == Some(marker.head.chain) { Standing::Sound } else { behind(Some(marker.head.position)) })
}

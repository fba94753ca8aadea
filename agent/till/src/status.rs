//! The engine's state, for `/v1/status`, `counterfoil status` and the log.

use counterfoil_protocol::time::rfc3339_utc;

use crate::answer::{DayStatus, FeedStatus, JournalStatus, ProgramStatus, TillStatus};
use crate::command::Now;
use crate::error::CommandError;
use crate::till::Till;

impl Till {
    /// Where everything stands.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn status(&self, now: Now) -> Result<TillStatus, CommandError> {
        self.usable()?;
        let time_ms = self.time_ms(now);
        let program = self.program_at(time_ms, time_ms).map(|found| ProgramStatus {
            id: found.program.id().to_owned(),
            version: found.version,
            unreadable: self.programs.unreadable_after(found.version),
        });
        let day = self.open_day()?.map(|day| DayStatus {
            business_date: day.business_date,
            sequence: day.sequence,
            from: day.from,
        });
        Ok(TillStatus {
            terminal: self.enrolment.terminal.clone(),
            store: self.enrolment.store.store.clone(),
            lane: self.enrolment.lane.clone(),
            journal: JournalStatus {
                incarnation: self.incarnation,
                position: self.head.position,
                acknowledged: self.hub.acknowledged,
                pending: self.head.position.saturating_sub(self.hub.acknowledged),
                chain: self.head.chain,
            },
            feed: FeedStatus {
                cursor: self.cursor(),
                hub_time: (self.hub.time_ms > 0).then(|| rfc3339_utc(self.hub.time_ms)),
            },
            program,
            day,
            floors: self.floor_states(now)?,
            sound: self.standing.is_sound(),
            standing: self.standing.to_string(),
        })
    }
}

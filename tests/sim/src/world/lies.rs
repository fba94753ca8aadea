//! A till that lies: somebody stops it, raises what it holds by hand, and lets it spend.
//!
//! What honest parties must still keep: head office's books balance, what is not covered is owed and listed for a person,
//! and nobody else's rights are touched.

use std::collections::BTreeSet;

use counterfoil_hub::core::ExceptionFilter;
use counterfoil_protocol::id::IncarnationId;

use super::{Violation, World};

/// Units that somebody writes into each row of what is held.
const RAISED_BY: i64 = 40;

impl World {
    /// Somebody wants to edit a till's database; it happens when its process is down.
    pub(super) fn plan_lie(&mut self, till: usize) {
        let site = &mut self.tills[till];
        let had_others = self.oracles.had_other_lives(site.incarnation);
        if site.till.is_none() || site.lies || site.put_back || had_others || site.disk.is_failing() {
            return;
        }
        site.will_lie = true;
        site.loses_power = false;
        self.till_died(till);
    }

    /// Edits it.
    pub(super) fn edit_database(&mut self, till: usize) {
        let edit = |disk: &crate::disk::Disk| -> rusqlite::Result<usize> {
            let conn = disk.open("till.db")?;
            conn.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
            conn.execute("UPDATE holding SET units = units + ?1", [RAISED_BY])
        };
        let site = &mut self.tills[till];
        site.will_lie = false;
        if let Ok(rows) = edit(&site.disk)
            && rows > 0
        {
            site.lies = true;
            let incarnation = site.incarnation;
            self.oracles.lies(incarnation);
            self.count("databases edited");
            self.note(&format!("till {till}: somebody raised {rows} rows of what it holds"));
        }
    }

    /// Whoever overspent is on the list.
    pub(super) fn compare_lies(&mut self) -> Result<(), Violation> {
        let hub = self.office.hub.as_ref().expect("open after healing");
        let filter = ExceptionFilter { kind: Some("rights-exceeded".to_owned()), ..ExceptionFilter::default() };
        let listed = hub
            .exceptions(&filter, None, 1_000)
            .map_err(|error| Violation::new(4, format!("head office cannot list its exceptions: {error:?}")))?;
        let uncovered: BTreeSet<IncarnationId> = self.oracles.uncovered().clone();
        for incarnation in &uncovered {
            let name = incarnation.to_string();
            if !listed.items.iter().any(|one| one.reason.contains(&name) || one.subject.contains(&name)) {
                let what = format!("{incarnation} spent what it did not hold, and nobody is told: {listed:?}");
                return Err(Violation::new(1, what));
            }
            self.count("overspending tills listed");
            self.oracles.judged(1, "what is not covered is listed");
        }
        Ok(())
    }
}

//! A terminal's next life: a till that learns that its database is old asks head office for another incarnation, and
//! journals its branch again.

use counterfoil_protocol::wire::http::SUCCEED_PATH;
use counterfoil_protocol::wire::v1::succession::SuccessionAnswer;
use counterfoil_till::{CommandError, SuccessionError};

use super::line::{Purpose, decode};
use super::{Event, Violation, World};

impl World {
    /// Plans to ask for the next life where one is due.
    pub(super) fn plan_succession(&mut self, till: usize) {
        let site = &self.tills[till];
        let due = site.till.as_ref().is_some_and(|engine| engine.succession_due());
        if due && !site.succession_planned && self.options.sabotage != super::Sabotage::NoSuccession {
            let life = site.life;
            self.tills[till].succession_planned = true;
            let delay_ms = 200 + self.rng.below(8_000);
            self.queue.put(self.now_ms + delay_ms, Event::Succeed { till, life });
        }
    }

    /// Asks for it.
    pub(super) fn ask_for_next_life(&mut self, till: usize, life: u64) -> Result<(), Violation> {
        if self.tills[till].life != life {
            return Ok(());
        }
        let seed = self.rng.key();
        let request = self.with_till(till, |engine, _| engine.succession_request(seed, "simulated"))?;
        let Some(request) = request.done() else {
            self.tills[till].succession_planned = false;
            self.plan_succession(till);
            return Ok(());
        };
        self.count("next lives asked for");
        let body = minicbor::to_vec(&request).expect("encoding into memory cannot fail");
        self.send(till, Purpose::Succeed, "POST", SUCCEED_PATH.to_owned(), body, 10_000)
    }

    /// Head office has answered.
    pub(super) fn take_next_life(&mut self, till: usize, body: &[u8]) -> Result<(), Violation> {
        let answer: SuccessionAnswer = decode(body)?;
        let time_ms = answer.hub_time_ms;
        self.hears(till, time_ms);
        let taken = self.with_till(till, |engine, now| {
            engine.succeed(&answer, now).map_err(|error| match error {
                SuccessionError::Till(error) => error,
                other => CommandError::InvalidRequest(other.to_string()),
            })
        })?;
        self.tills[till].succession_planned = false;
        match taken.done() {
            Some(report) => {
                self.has_heard(till, time_ms);
                self.count("next lives begun");
                self.count_up("records written again", report.written_again);
                self.connect(till)
            }
            None => {
                self.plan_succession(till);
                Ok(())
            }
        }
    }

    /// The engine lives under another incarnation now: what was known of the earlier one is history.
    pub(super) fn begin_next_life(&mut self, till: usize) {
        let site = &mut self.tills[till];
        let Some(engine) = site.till.as_ref() else { return };
        let (before, incarnation) = (site.incarnation, engine.incarnation());
        if before == incarnation {
            return;
        }
        site.incarnation = incarnation;
        site.lives += 1;
        // Answers to what the earlier life asked are for nobody.
        site.life += 1;
        site.forget_questions();
        site.session = None;
        site.must_notice = false;
        site.pushed = 0;
        site.copy = None;
        site.before.acknowledged = 0;
        site.before.sound = true;
        site.finished.clear();
        site.sold.clear();
        self.oracles.succeeds(before, incarnation);
        self.note(&format!("till {till}: another life"));
        self.plan_retry(till);
    }
}

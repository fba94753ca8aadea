//! What every part of the shell shares: the engine, the line, the clock, who listens.
//!
//! Cheap to clone. Holds no rules.

use std::net::SocketAddr;
use std::sync::Arc;

use counterfoil_protocol::sale::MemberRef;
use counterfoil_protocol::wire::v1::grant::Want;
use counterfoil_till::{CommandError, FloorState, NotSpendable, Redeem, Till};
use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Config;
use crate::engine::Engine;
use crate::events::Events;
use crate::hub_link::grants::{Asked, Grants, Urgency};
use crate::hub_link::state::Link;
use crate::metrics::Metrics;
use crate::pairing::Pairing;
use crate::watch::DeviceBoard;

/// What does not change while the daemon runs.
#[derive(Debug)]
pub struct Facts {
    /// The till's id.
    pub terminal: String,
    /// Its store.
    pub store: String,
    /// The store's name, for people.
    pub store_name: String,
    /// Its lane.
    pub lane: String,
    /// The store's time zone, for what people read.
    pub zone: TimeZone,
    /// Head office's address.
    pub hub_url: String,
    /// Where the API listens.
    pub api_address: SocketAddr,
    /// Whether calls need a token.
    pub token_needed: bool,
    /// How long a scanned card waits for its sale.
    pub member_timeout_s: u32,
}

impl Facts {
    /// From what enrolment wrote and the configuration says.
    pub fn of(till: &Till, config: &Config, hub_url: &str, api_address: SocketAddr) -> Self {
        let enrolment = till.enrolment();
        Self {
            terminal: enrolment.terminal.clone(),
            store: enrolment.store.store.clone(),
            store_name: enrolment.store.name.clone(),
            lane: enrolment.lane.clone(),
            zone: TimeZone::get(&enrolment.store.time_zone).unwrap_or(TimeZone::UTC),
            hub_url: hub_url.to_owned(),
            api_address,
            token_needed: config.api.token,
            member_timeout_s: config.member.timeout_s,
        }
    }
}

impl Facts {
    /// The store's time of day, as people read it.
    pub fn local_time(&self, at_ms: i64) -> String {
        jiff::Timestamp::from_millisecond(at_ms)
            .map_or_else(|_| String::new(), |at| at.to_zoned_datetime(self.zone.clone()).strftime("%H:%M").to_string())
    }

    /// The store's date and time of day, as people read them.
    pub fn local_moment(&self, at_ms: i64) -> String {
        jiff::Timestamp::from_millisecond(at_ms).map_or_else(
            |_| String::new(),
            |at| at.to_zoned_datetime(self.zone.clone()).strftime("%-d %B at %H:%M").to_string(),
        )
    }
}

/// The shell.
#[derive(Clone)]
pub struct Shell {
    /// The engine.
    pub engine: Engine,
    /// The clock.
    pub clock: Clock,
    /// The line to head office.
    pub link: Link,
    /// Questions to head office while a customer waits; absent where no hub is configured (tests).
    pub grants: Option<Grants>,
    /// Who listens.
    pub events: Events,
    /// The devices.
    pub devices: DeviceBoard,
    /// Codes for the cashier page.
    pub pairing: Pairing,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// What does not change.
    pub facts: Arc<Facts>,
    /// The daemon is stopping: whoever holds a connection open lets go.
    pub stopping: CancellationToken,
}

impl Shell {
    /// Asks head office about a member that a cashier looks up; whether it answered in time.
    pub async fn ask_about(&self, who: &MemberRef) -> bool {
        self.ask(who.clone(), Want::LookUp, Urgency::Usual).await == Asked::Answered
    }

    /// Asks head office for what a redemption lacks.
    pub async fn ask_for(&self, redemption: &Redeem, refusal: &CommandError) -> Asked {
        let who = redemption.member.clone();
        match refusal {
            CommandError::NotSpendable(short) => {
                let want = Want::Level { purse: short.purse.clone(), target: short.asked };
                self.ask(who, want, self.urgency(short).await).await
            }
            _ => self.ask(who, Want::LookUp, Urgency::Usual).await,
        }
    }

    /// A till that would go beyond the soft limit of its floor tries harder to reach head office first.
    async fn urgency(&self, short: &NotSpendable) -> Urgency {
        let now = self.clock.now();
        let purse = short.purse.clone();
        let floor = self.engine.call(move |till| till.floor_state(&purse, now)).await;
        let beyond = |floor: &FloorState| {
            let missing = short.asked.saturating_sub(short.spendable);
            floor.used_units.saturating_add(missing) > floor.soft_units
        };
        match floor {
            Ok(Ok(Some(floor))) if beyond(&floor) => Urgency::Urgent,
            _ => Urgency::Usual,
        }
    }

    async fn ask(&self, who: MemberRef, want: Want, urgency: Urgency) -> Asked {
        let Some(grants) = &self.grants else {
            return Asked::NotAsked;
        };
        let now = self.clock.now();
        let question = move |till: &Till, id: &str| {
            let subject = till.subject(&who).ok()?;
            till.grant_request(id, subject, want, now).ok()
        };
        let asked = grants.ask(urgency, question).await;
        if asked == Asked::Unanswered {
            self.metrics.note_grant_unanswered();
        }
        asked
    }
}

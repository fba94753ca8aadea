//! A head office put back from a backup, made whole by what its tills know.

use counterfoil_protocol::id::Holder;
use counterfoil_protocol::record::Head;
use counterfoil_protocol::wire::http::REPORT_PATH;
use counterfoil_protocol::wire::sign::PublicKey;
use counterfoil_protocol::wire::v1::enrol::EnrolAnswer;
use counterfoil_protocol::wire::v1::epoch::{EpochAnswer, EpochReport, Life, LifeProof};
use counterfoil_protocol::wire::v1::feed::{Change, HubEntry, PublishedProgram};
use counterfoil_protocol::wire::v1::grant::{Refusal, RefusalKind, Subject, Want};

use super::super::{Hub, HubError};
use super::support::*;

fn level(target: i64) -> Want {
    Want::Level { purse: "points".into(), target }
}

struct Known {
    till: FakeTill,
    proof: LifeProof,
    entries: Vec<HubEntry>,
    programs: Vec<PublishedProgram>,
}

impl Known {
    fn enrolled(hub: &mut Hub, seed: u8) -> Self {
        let till = FakeTill::new(hub, seed);
        let code = hub.invite("north", &till.lane, [seed; 10], NOON_MS, 3_600_000, false).unwrap();
        let answer: EnrolAnswer = till.enrol(hub, &code, NOON_MS).unwrap();
        Self { till, proof: LifeProof::Enrolment(Box::new(answer)), entries: Vec::new(), programs: Vec::new() }
    }

    fn pull(&mut self, hub: &mut Hub) {
        for change in self.till.pull(hub).changes {
            match change {
                Change::Grant(grant) => self.entries.push(grant),
                Change::Program(program) => self.programs.push(program),
                _ => {}
            }
        }
    }

    fn report(&self) -> EpochReport {
        let life = Life { public_key: PublicKey::of(&self.till.key), proof: self.proof.clone() };
        EpochReport {
            lives: vec![life],
            entries: self.entries.clone(),
            programs: self.programs.clone(),
            past: Vec::new(),
            last: true,
        }
    }

    fn send(&mut self, hub: &mut Hub, report: &EpochReport) -> Result<EpochAnswer, Box<Refusal>> {
        self.till.epoch = hub.epoch();
        let body = minicbor::to_vec(report).unwrap();
        self.till.ask(hub, "POST", REPORT_PATH, &body, self.till.head())
    }

    fn tell(&mut self, hub: &mut Hub) -> EpochAnswer {
        let report = self.report();
        self.send(hub, &report).unwrap()
    }
}

#[test]
fn what_was_lost_comes_back_and_nothing_is_granted_before() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = hub_at(&dir.path().join("hub.db"));
    let ann = member(&mut hub, 1);
    let mut one = Known::enrolled(&mut hub, 1);
    one.till.sale(1, Some(ann), 100, Holder::Hub);
    one.till.push(&mut hub);
    one.pull(&mut hub);
    back_up(&hub, &dir.path().join("backup.db"));
    // Lost: another till, its sale, a program, grants to both.
    let mut two = Known::enrolled(&mut hub, 2);
    two.till.sale(2, Some(ann), 300, Holder::Hub);
    two.till.push(&mut hub);
    hub.publish_program(&PROGRAM.replace("2.00 off", "two off"), 0, NOON_MS).unwrap();
    one.till.ask_grants(&mut hub, Subject::Member(ann), level(250), 0, 0).unwrap();
    two.till.ask_grants(&mut hub, Subject::Member(ann), level(60), 0, 0).unwrap();
    one.till.redeem(ann, 40);
    one.till.push(&mut hub);
    one.pull(&mut hub);
    two.pull(&mut hub);
    let before = (held(&hub, ann, one.till.holder()), held(&hub, ann, two.till.holder()), held(&hub, ann, Holder::Hub));
    assert_eq!(before, (210, 60, 90));
    drop(hub);

    let mut hub = put_back(&dir.path().join("backup.db"));
    assert!(matches!(hub.begin_epoch(1, "restored", NOON_MS), Err(HubError::Invalid { .. })));
    let state = hub.begin_epoch(2, "restored last night's backup", NOON_MS).unwrap();
    assert_eq!((state.epoch, state.missing.as_slice(), state.grants), (2, ["north-1".to_owned()].as_slice(), false));
    assert_eq!(hub.terminals().unwrap()[0].state, "unreported");
    // Both hear of the epoch, also the one that this database does not know.
    for till in [&one.till, &two.till] {
        let refusal = till.ask_grants(&mut hub, Subject::Member(ann), level(1), 0, 0).unwrap_err();
        assert_eq!((refusal.kind, refusal.epoch), (RefusalKind::Epoch, Some(2)));
    }
    // The first till reports; its grant is covered by what head office has again, the rest is owed until it comes.
    let answer = one.tell(&mut hub);
    assert_eq!((answer.complete, answer.known[0].head), (true, one.till.heads[1]));
    assert_eq!(held(&hub, ann, one.till.holder()), 250);
    assert!(exception_kinds(&hub).contains(&"lost-backing".to_owned()));
    assert_sound(&hub);
    assert!(hub.epoch_state().unwrap().grants, "the other till is not known here");
    let answer = two.tell(&mut hub);
    assert_eq!(answer.known[0].head, Head::start(two.till.incarnation()));
    assert_sound(&hub);
    one.till.push(&mut hub);
    two.till.push(&mut hub);
    let after = (held(&hub, ann, one.till.holder()), held(&hub, ann, two.till.holder()), held(&hub, ann, Holder::Hub));
    assert_eq!((after, points(&hub, ann)), (before, (360, 0)));
    // Reports may come again; programs are adopted, and the next one is beyond them.
    one.tell(&mut hub);
    two.tell(&mut hub);
    assert_eq!(points(&hub, ann), (360, 0));
    assert_eq!(hub.programs().unwrap().len(), 2);
    assert_eq!(hub.publish_program(&PROGRAM.replace("2.00 off", "deux"), 0, NOON_MS).unwrap().version, 3);
    assert_sound(&hub);
}

#[test]
fn a_till_that_stays_away_keeps_everything_from_being_granted_until_somebody_accepts_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = hub_at(&dir.path().join("hub.db"));
    let ann = member(&mut hub, 1);
    hub.adjust(ann, "points", 1000, "welcome", None, NOON_MS).unwrap();
    let mut one = Known::enrolled(&mut hub, 1);
    let _two = Known::enrolled(&mut hub, 2);
    back_up(&hub, &dir.path().join("backup.db"));
    let mut hub = put_back(&dir.path().join("backup.db"));
    hub.begin_epoch(2, "restored", NOON_MS).unwrap();
    one.tell(&mut hub);
    let granted = |hub: &mut Hub, till: &FakeTill| {
        let answer = till.ask_grants(hub, Subject::Member(ann), level(100), 0, 0).unwrap();
        assert!(answer.state.is_some(), "what is known is told all the same");
        answer.grants.len()
    };
    assert_eq!(granted(&mut hub, &one.till), 0);
    with_faults(&mut hub, |faults| faults.grant_in_doubt = true);
    assert_eq!(granted(&mut hub, &one.till), 1, "the negative control gives what may be given already");
    with_faults(&mut hub, |_| {});
    let state = hub.accept_epoch("Kim, 24 November", NOON_MS).unwrap();
    assert_eq!(
        (state.grants, state.missing, state.accepted_by.as_deref()),
        (true, vec!["north-2".to_owned()], Some("Kim, 24 November"))
    );
    let want = one.till.ask_grants(&mut hub, Subject::Member(ann), level(300), 0, 0).unwrap();
    assert!(!want.grants.is_empty());
}

#[test]
fn a_report_cannot_invent_anything() {
    let mut hub = hub();
    let ann = member(&mut hub, 1);
    hub.adjust(ann, "points", 1000, "welcome", None, NOON_MS).unwrap();
    let mut one = Known::enrolled(&mut hub, 1);
    let mut two = Known::enrolled(&mut hub, 2);
    two.till.ask_grants(&mut hub, Subject::Member(ann), level(100), 0, 0).unwrap();
    two.pull(&mut hub);
    hub.begin_epoch(2, "a drill", NOON_MS).unwrap();
    let good = one.report();
    let mut forged = good.clone();
    forged.entries = two.entries.clone();
    assert_eq!(refused(one.send(&mut hub, &forged)), RefusalKind::Malformed, "another till's grant");
    forged.entries[0].entry.units = 900;
    assert_eq!(refused(one.send(&mut hub, &forged)), RefusalKind::NotAuthentic);
    let mut forged = good.clone();
    forged.programs = two.programs.clone();
    forged.programs[0].json.push(' ');
    assert_eq!(refused(one.send(&mut hub, &forged)), RefusalKind::NotAuthentic);
    let mut forged = good.clone();
    forged.lives = two.report().lives;
    assert_eq!(refused(one.send(&mut hub, &forged)), RefusalKind::Malformed, "another till's lives");
    let mut forged = good.clone();
    forged.lives[0].proof = match &good.lives[0].proof {
        LifeProof::Enrolment(answer) => {
            LifeProof::Enrolment(Box::new(EnrolAnswer { lane: "9".into(), ..(**answer).clone() }))
        }
        other => other.clone(),
    };
    assert_eq!(refused(one.send(&mut hub, &forged)), RefusalKind::NotAuthentic);
    assert_eq!(hub.epoch_state().unwrap().missing.len(), 2);
    one.tell(&mut hub);
    assert_eq!(hub.epoch_state().unwrap().missing, ["north-2"]);
    assert_sound(&hub);
}

#[test]
fn lives_that_were_lost_are_told_with_what_they_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = hub_at(&dir.path().join("hub.db"));
    let ann = member(&mut hub, 1);
    back_up(&hub, &dir.path().join("backup.db"));
    let mut known = Known::enrolled(&mut hub, 1);
    known.till.sale(1, Some(ann), 10, known.till.holder());
    known.till.push(&mut hub);
    let mut image = known.till.image();
    image.sale(2, Some(ann), 20, image.holder());
    let answer = image.ask_next(&mut hub, 51).unwrap();
    let next = image.next_life(&answer, 51, 1);
    next.push(&mut hub);
    assert_eq!(points(&hub, ann), (30, 0));
    drop(hub);
    let mut hub = put_back(&dir.path().join("backup.db"));
    hub.begin_epoch(2, "restored", NOON_MS).unwrap();
    let mut report = known.report();
    report
        .lives
        .push(Life { public_key: PublicKey::of(&next.key), proof: LifeProof::Succession(Box::new(answer.clone())) });
    report.last = false;
    let mut now = Known { till: next, ..known };
    let first = now.send(&mut hub, &report).unwrap();
    assert_eq!((first.complete, first.known.len()), (false, 2));
    report.past = vec![image.segment(0, 1)];
    report.last = true;
    let last = now.send(&mut hub, &report).unwrap();
    assert!(last.complete);
    assert_eq!(last.known[0].head.position, 1);
    now.till.push(&mut hub);
    assert_eq!(points(&hub, ann), (30, 0));
    assert_eq!(held(&hub, ann, Holder::Hub), 30, "the first life is settled again");
    // The old disk turns up and asks for a life of its own.
    image.epoch = 2;
    assert_eq!(refused(image.ask_next(&mut hub, 52)), RefusalKind::Quarantined);
    assert_sound(&hub);
}

#[test]
fn a_gap_tells_the_operator_that_the_database_is_old() {
    let mut hub = hub();
    let mut till = FakeTill::enrolled(&mut hub, 1);
    till.sale(1, None, 0, Holder::Hub);
    till.sale(2, None, 0, Holder::Hub);
    assert_eq!(refused(till.push_part(&mut hub, 1, 2)), RefusalKind::Gap);
    assert!(exception_kinds(&hub).contains(&"hub-restored".to_owned()));
}

//! Negative controls: with a defence switched off, the simulator notices, and soon.

use std::panic::catch_unwind;

use counterfoil_sim::world::{Options, Profile, Sabotage, run};

/// The first seed that fails, and what it says; panics where none does.
fn caught(sabotage: Sabotage, within_seeds: u64, laws: &[u8]) {
    caught_in(Profile::All, sabotage, within_seeds, laws);
}

fn caught_in(profile: Profile, sabotage: Sabotage, within_seeds: u64, laws: &[u8]) {
    let options = Options { steps: 120, sabotage, profile, ..Options::default() };
    for seed in 0..within_seeds {
        match catch_unwind(|| run(seed, options)) {
            Ok(Ok(_)) => {}
            Ok(Err(failure)) => {
                println!("{sabotage:?}: seed {seed}: {}", failure.violation);
                assert!(laws.contains(&failure.violation.law), "caught for another reason: {failure}");
                return;
            }
            Err(_) => panic!("{sabotage:?}: seed {seed} panicked instead of being judged"),
        }
    }
    panic!("{sabotage:?} was not noticed in {within_seeds} seeds");
}

#[test]
fn redeeming_without_rights_is_caught() {
    caught(Sabotage::RedeemWithoutRights, 20, &[2]);
}

#[test]
fn acknowledging_before_the_commit_is_caught() {
    caught(Sabotage::AcknowledgeBeforeCommit, 40, &[1, 5]);
}

#[test]
fn a_till_with_synchronous_normal_is_caught() {
    caught(Sabotage::TillNormalSync, 40, &[5]);
}

#[test]
fn head_office_with_synchronous_normal_is_caught() {
    caught(Sabotage::HubNormalSync, 80, &[1, 5]);
}

#[test]
fn a_disk_that_lies_is_caught() {
    caught(Sabotage::LyingDisk, 40, &[5]);
}

#[test]
fn a_marker_that_is_never_written_is_caught() {
    caught(Sabotage::NoMarker, 300, &[2]);
}

#[test]
fn posting_twice_is_caught() {
    caught(Sabotage::HubPostsTwice, 5, &[1, 2, 4]);
}

#[test]
fn forgetting_first_answers_is_caught() {
    caught(Sabotage::ForgetFirstAnswers, 20, &[1]);
}

#[test]
fn taking_a_grant_twice_is_caught() {
    // Or by the journal's own check when the till is opened: what is held does not follow from it.
    caught(Sabotage::RepeatGrants, 60, &[2, 3, 5]);
}

#[test]
fn granting_what_is_not_held_is_caught() {
    caught(Sabotage::GrantWithoutHolding, 40, &[2]);
}

#[test]
fn going_on_behind_a_log_that_never_reached_the_disk_is_caught() {
    caught(Sabotage::LogNotSettled, 150, &[2, 3, 5]);
}

#[test]
fn spending_what_a_basket_holds_is_caught() {
    caught_in(Profile::Rights, Sabotage::SpendReserved, 40, &[2, 3]);
}

#[test]
fn spending_past_the_date_is_caught() {
    caught_in(Profile::Rights, Sabotage::SpendExpired, 80, &[2, 3]);
}

#[test]
fn spending_before_the_date_is_caught() {
    caught_in(Profile::Rights, Sabotage::SpendUnvested, 40, &[2, 3]);
}

#[test]
fn going_below_the_floor_by_any_amount_is_caught() {
    caught_in(Profile::Rights, Sabotage::FloorWithoutLimit, 80, &[2]);
}

#[test]
fn undoing_twice_is_caught() {
    caught_in(Profile::Rights, Sabotage::ReverseTwice, 40, &[1, 2]);
}

#[test]
fn spending_with_an_old_database_is_caught() {
    caught_in(Profile::Rights, Sabotage::SpendWhileBehind, 150, &[2]);
}

#[test]
fn posting_a_later_lifes_copies_again_is_caught() {
    caught_in(Profile::Rights, Sabotage::PostOriginsTwice, 150, &[1, 2, 3, 4]);
}

#[test]
fn leaving_with_an_earlier_life_what_it_held_is_caught() {
    caught_in(Profile::Rights, Sabotage::SettleNothing, 150, &[2, 4]);
}

#[test]
fn going_on_with_an_old_database_is_caught() {
    caught_in(Profile::Rights, Sabotage::NoSuccession, 150, &[1, 2]);
}

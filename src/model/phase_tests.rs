//! The machine as a graph: small enough to walk completely. Random walks then check that the fold agrees with it.

use super::*;
use crate::model::event::{Entry, Event, PhaseDeclared};
use crate::model::fold::Migration;
use crate::model::ids::{PhaseId, Seq};
use proptest::prelude::*;

fn by() -> Operator {
    Operator::from("mina")
}

/// One of every event; those that name a plan twice, so that a wrong one is met as well.
fn events() -> Vec<PhaseEvent> {
    let reason = || Reason::new("it broke", "mend it");
    let approval = || Approval { by: by(), expires_at: DateTime::UNIX_EPOCH };
    let plans = ["one", "two"].map(str::to_owned);
    let mut events = vec![
        PhaseEvent::Unlocked,
        PhaseEvent::Locked,
        PhaseEvent::Blocked { reasons: vec!["lag".to_owned()] },
        PhaseEvent::ApprovalVoid { why: "withdrawn".to_owned() },
        PhaseEvent::Started,
        PhaseEvent::PauseRequested { by: by() },
        PhaseEvent::Paused,
        PhaseEvent::ResumeRequested { by: by() },
        PhaseEvent::Resumed,
        PhaseEvent::Succeeded,
        PhaseEvent::Failed { reason: reason(), policy: FailurePolicy::Mend },
        PhaseEvent::RetryRequested { by: by() },
        PhaseEvent::RollbackStarted { by: by(), plan: "back".to_owned() },
        PhaseEvent::RolledBack,
        PhaseEvent::Stuck { reason: reason() },
        PhaseEvent::Skipped { by: by(), why: "not needed".to_owned() },
    ];
    for plan in plans {
        events.push(PhaseEvent::PlanRequested { by: by(), plan: plan.clone() });
        events.push(PhaseEvent::Approved { approval: approval(), plan });
    }
    events
}

/// True for what an operator can cause by a command.
fn is_operators(event: &PhaseEvent) -> bool {
    match event {
        PhaseEvent::PlanRequested { .. }
        | PhaseEvent::Approved { .. }
        | PhaseEvent::ApprovalVoid { .. }
        | PhaseEvent::PauseRequested { .. }
        | PhaseEvent::ResumeRequested { .. }
        | PhaseEvent::RetryRequested { .. }
        | PhaseEvent::RollbackStarted { .. }
        | PhaseEvent::Skipped { .. } => true,
        PhaseEvent::Unlocked
        | PhaseEvent::Locked
        | PhaseEvent::Blocked { .. }
        | PhaseEvent::Started
        | PhaseEvent::Paused
        | PhaseEvent::Resumed
        | PhaseEvent::Succeeded
        | PhaseEvent::Failed { .. }
        | PhaseEvent::RolledBack
        | PhaseEvent::Stuck { .. } => false,
    }
}

/// Every status that some sequence of events leads to from `start`.
fn reachable(start: &PhaseStatus) -> Vec<PhaseStatus> {
    let mut known = vec![start.clone()];
    let mut at = 0;
    while at < known.len() {
        for event in events() {
            if let Ok(next) = known[at].next(&event)
                && !known.contains(&next)
            {
                known.push(next);
            }
        }
        at += 1;
    }
    known
}

#[test]
fn every_word_is_reachable() {
    let mut words: Vec<_> = reachable(&PhaseStatus::Pending).iter().map(PhaseStatus::word).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), 14, "{words:?}");
}

#[test]
fn an_operator_can_move_every_status_that_does_not_move_by_itself() {
    for status in reachable(&PhaseStatus::Pending) {
        // A roll back under way ends by itself, as rolled back or stuck.
        if status == PhaseStatus::RollingBack {
            assert!(status.next(&PhaseEvent::RolledBack).is_ok());
            continue;
        }
        let ways: Vec<_> = events()
            .into_iter()
            .filter(|e| is_operators(e) && status.next(e).is_ok_and(|next| next != status))
            .map(|e| e.word())
            .collect();
        assert!(!ways.is_empty(), "{} has no way out", status.word());
    }
}

#[test]
fn success_can_be_reached_from_everywhere() {
    for status in reachable(&PhaseStatus::Pending) {
        assert!(reachable(&status).contains(&PhaseStatus::Succeeded), "{} never succeeds", status.word());
    }
}

#[test]
fn whatever_a_roll_back_of_an_earlier_phase_takes_along_can_be_taken_back() {
    let start = PhaseEvent::RollbackStarted { by: by(), plan: "back".to_owned() };
    for status in reachable(&PhaseStatus::Pending) {
        let taken = (status.may_roll_back() || status.is_active()) && status != PhaseStatus::RollingBack;
        assert_eq!(status.next(&start).is_ok(), taken, "{}", status.word());
    }
}

#[test]
fn a_failed_cutover_is_never_unlocked_locked_or_skipped_away() {
    // What stands half done must be seen: only a retry or a roll back ends these.
    let reason = Reason::new("it broke", "mend it");
    for status in [
        PhaseStatus::Failed { reason: reason.clone(), policy: FailurePolicy::Complete },
        PhaseStatus::Stuck { reason },
        PhaseStatus::RollingBack,
        PhaseStatus::Running,
    ] {
        for event in [
            PhaseEvent::Unlocked,
            PhaseEvent::Locked,
            PhaseEvent::Skipped { by: by(), why: "no".to_owned() },
            PhaseEvent::PlanRequested { by: by(), plan: "one".to_owned() },
        ] {
            assert!(status.next(&event).is_err(), "{} {}", status.word(), event.word());
        }
    }
}

#[test]
fn an_approval_of_another_plan_is_refused_and_a_new_request_forgets_the_old_approvals() {
    let ask = |plan: &str| PhaseEvent::PlanRequested { by: by(), plan: plan.to_owned() };
    let approve = |plan: &str| PhaseEvent::Approved {
        approval: Approval { by: by(), expires_at: DateTime::UNIX_EPOCH },
        plan: plan.to_owned(),
    };
    let asked = PhaseStatus::Ready.next(&ask("one")).unwrap();
    assert!(asked.next(&approve("two")).is_err());
    let approved = asked.next(&approve("one")).unwrap();
    // The same person twice counts once.
    assert_eq!(approved.next(&approve("one")).unwrap(), approved);
    assert_eq!(approved.next(&ask("one")).unwrap(), asked);
}

fn migration() -> Migration {
    let mut migration = Migration::default();
    let phases = [PhaseKind::Build, PhaseKind::Cutover];
    let event = Event::ProfileLoaded {
        name: "shop".to_owned(),
        env: None,
        digest: "d".to_owned(),
        phases: phases
            .map(|kind| PhaseDeclared { id: PhaseId::from(kind.as_str()), kind, pipelines: Vec::new(), approvals: 1 })
            .to_vec(),
        pipelines: Vec::new(),
    };
    migration.apply(&Entry { seq: Seq(1), at: DateTime::UNIX_EPOCH, event }).unwrap();
    migration
}

proptest! {
    #[test]
    fn the_fold_admits_what_it_applies_refuses_without_a_trace_and_replays_to_the_same_state(
        walk in prop::collection::vec((0..3_usize, any::<prop::sample::Index>()), 0..200),
    ) {
        let all = events();
        let mut live = migration();
        let mut journal = Vec::new();
        for (phase, event) in walk {
            // The third phase is not part of the ladder.
            let phase = PhaseId::from(["build", "cutover", "nowhere"][phase]);
            let event = Event::Phase { phase, event: event.get(&all).clone() };
            let entry = Entry { seq: Seq(live.head.0 + 1), at: DateTime::UNIX_EPOCH, event };
            let before = live.clone();
            let admitted = live.admits(&entry.event);
            let applied = live.apply(&entry);
            prop_assert_eq!(&admitted, &applied);
            match applied {
                Ok(()) => journal.push(entry),
                Err(_) => prop_assert_eq!(&live, &before),
            }
        }
        let mut replayed = migration();
        for entry in &journal {
            replayed.apply(entry).unwrap();
        }
        prop_assert_eq!(&replayed, &live);
        // A row that is applied twice or out of order is refused.
        if let Some(last) = journal.last() {
            prop_assert!(replayed.apply(last).is_err());
            prop_assert_eq!(&replayed, &live);
        }
    }
}

//! Dialogs in each of their states, and what they send.

use crate::fixture::*;
use godwit::model::check::{Check, Verdict};
use godwit::model::command::{Action, Answer, Command};
use godwit::model::ids::Seq;
use godwit::model::phase::PhaseEvent;
use godwit::model::plan::Direction;
use godwit::tui::effect::Effect;
use godwit::tui::state::cockpit::Cockpit;
use godwit::wire::client::LinkEvent;
use std::time::Duration;

/// The command among effects, handed over under the link's id `id`.
fn sent(cockpit: &mut Cockpit, effects: Vec<Effect>, id: u64) -> Command {
    let [Effect::Send(command)] = effects.as_slice() else { panic!("not one command: {effects:?}") };
    cockpit.on_sent(Some(id));
    command.clone()
}

fn answer(cockpit: &mut Cockpit, id: u64, answer: Answer) {
    cockpit.on_link(LinkEvent::Answer(id, Box::new(answer)));
}

fn planned(phase: &str, direction: Direction) -> Answer {
    Answer::Planned { plan: plan(phase, direction), seq: None }
}

#[test]
fn approving_prints_the_plan_and_wants_the_name_in_production() {
    let (story, samples) = awaiting(Some("production"));
    let mut cockpit = cockpit(&story, samples);
    let effects = press(&mut cockpit, "A");
    let command = sent(&mut cockpit, effects, 1);
    assert_eq!(command.action, Action::Plan { phase: "cutover".into(), direction: Direction::Forward });
    insta::assert_snapshot!("approve_planning", shown(&mut cockpit, 80, 24));

    answer(&mut cockpit, 1, planned("cutover", Direction::Forward));
    insta::assert_snapshot!("approve_prompting", shown(&mut cockpit, 80, 24));
    insta::assert_snapshot!("approve_prompting_wide", shown(&mut cockpit, 140, 40));
    press(&mut cockpit, "PgDn");
    insta::assert_snapshot!("approve_scrolled", shown(&mut cockpit, 80, 24));

    type_in(&mut cockpit, "cutove");
    assert!(press(&mut cockpit, "Enter").is_empty(), "a name that is not exact sends nothing");
    insta::assert_snapshot!("approve_wrong_name", shown(&mut cockpit, 80, 24));
    type_in(&mut cockpit, "r");
    let effects = press(&mut cockpit, "Enter");
    let command = sent(&mut cockpit, effects, 2);
    assert_eq!(command.action, Action::Approve { phase: "cutover".into(), plan: PLAN.into() });
    assert_eq!(command.expected_seq, Some(cockpit.live().phase(&"cutover".into()).unwrap().changed_seq));
    assert_eq!(command.confirm.as_deref(), Some("cutover"));
    insta::assert_snapshot!("approve_waiting", shown(&mut cockpit, 80, 24));

    let message = "approval 1 of 2 is recorded".to_owned();
    answer(&mut cockpit, 2, Answer::Accepted { seq: Seq(70), message });
    insta::assert_snapshot!("approve_done", shown(&mut cockpit, 80, 24));
    press(&mut cockpit, "Enter");
    assert!(cockpit.dialog.is_none());
}

#[test]
fn a_refusal_is_shown_in_full() {
    let (story, samples) = awaiting(None);
    let mut cockpit = cockpit(&story, samples);
    let effects = press(&mut cockpit, "A");
    sent(&mut cockpit, effects, 1);
    answer(&mut cockpit, 1, planned("cutover", Direction::Forward));
    insta::assert_snapshot!("approve_prompting_staging", shown(&mut cockpit, 80, 24));
    let effects = press(&mut cockpit, "y");
    let command = sent(&mut cockpit, effects, 2);
    assert_eq!(command.confirm, None);
    let why =
        "cutover changed after journal row #63: li approved it (row #64). Look at it again, then decide.".to_owned();
    answer(&mut cockpit, 2, Answer::Rejected { why });
    insta::assert_snapshot!("approve_refused", shown(&mut cockpit, 80, 24));
}

#[test]
fn what_changes_under_the_eyes_is_never_agreed_to() {
    let (mut story, samples) = awaiting(None);
    let mut cockpit = cockpit(&story, samples);
    let effects = press(&mut cockpit, "A");
    sent(&mut cockpit, effects, 1);
    answer(&mut cockpit, 1, planned("cutover", Direction::Forward));
    let seen = story.entries().len();
    story.phase("cutover", PhaseEvent::ApprovalVoid { why: "ben withdrew it".into() });
    cockpit.on_link(LinkEvent::Entries(story.entries().split_off(seen)));
    insta::assert_snapshot!("approve_overtaken", shown(&mut cockpit, 80, 24));
    assert!(press(&mut cockpit, "y").iter().all(|e| !matches!(e, Effect::Send(_))));
}

#[test]
fn a_plan_that_is_not_the_one_asked_for_is_not_offered() {
    let (story, samples) = awaiting(None);
    let mut cockpit = cockpit(&story, samples);
    let effects = press(&mut cockpit, "A");
    sent(&mut cockpit, effects, 1);
    let mut changed = plan("cutover", Direction::Forward);
    changed.hash = changed.hash.replace('3', "4");
    answer(&mut cockpit, 1, Answer::Planned { plan: changed, seq: None });
    insta::assert_snapshot!("approve_plan_changed", shown(&mut cockpit, 80, 24));
}

#[test]
fn a_lost_connection_leaves_the_outcome_open() {
    let (story, samples) = awaiting(None);
    let mut cockpit = cockpit(&story, samples);
    let effects = press(&mut cockpit, "A");
    sent(&mut cockpit, effects, 1);
    answer(&mut cockpit, 1, planned("cutover", Direction::Forward));
    let effects = press(&mut cockpit, "y");
    sent(&mut cockpit, effects, 2);
    cockpit
        .on_link(LinkEvent::Down { why: "the engine closed the connection".into(), retry_in: Duration::from_secs(1) });
    insta::assert_snapshot!("approve_link_lost", shown(&mut cockpit, 80, 24));
}

#[test]
fn a_command_that_cannot_be_handed_over_says_so() {
    let (story, samples) = awaiting(None);
    let mut cockpit = cockpit(&story, samples);
    press(&mut cockpit, "A");
    cockpit.on_sent(None);
    assert!(shown(&mut cockpit, 80, 24).contains("nothing was sent"));
}

#[test]
fn asking_for_a_phase_previews_it_first() {
    let mut story = Story::begin(None);
    let mut cockpit = cockpit(&story, healthy());
    let effects = press(&mut cockpit, "2 r");
    sent(&mut cockpit, effects, 1);
    answer(&mut cockpit, 1, planned("assess", Direction::Forward));
    let effects = press(&mut cockpit, "y");
    let command = sent(&mut cockpit, effects, 2);
    assert_eq!(command.action, Action::Run { phase: "assess".into() });
    answer(&mut cockpit, 2, Answer::Planned { plan: plan("assess", Direction::Forward), seq: Some(Seq(4)) });
    let seen = story.entries().len();
    story.at(0).request("assess", "mina");
    cockpit.on_link(LinkEvent::Entries(story.entries().split_off(seen)));
    insta::assert_snapshot!("run_done", shown(&mut cockpit, 80, 24));
    // From here straight to the approval.
    let effects = press(&mut cockpit, "A");
    let command = sent(&mut cockpit, effects, 3);
    assert_eq!(command.action, Action::Plan { phase: "assess".into(), direction: Direction::Forward });
}

#[test]
fn rolling_back_prints_the_way_back() {
    let (mut story, samples) = awaiting(Some("production"));
    story.at(300).approve("cutover", "mina").approve("cutover", "li");
    story
        .phase("cutover", PhaseEvent::Started)
        .phase("cutover", PhaseEvent::Succeeded)
        .phase("watch", PhaseEvent::Unlocked);
    let mut cockpit = cockpit(&story, samples);
    press(&mut cockpit, "2 k");
    let effects = press(&mut cockpit, "B");
    let command = sent(&mut cockpit, effects, 1);
    assert_eq!(command.action, Action::Plan { phase: "cutover".into(), direction: Direction::Rollback });
    answer(&mut cockpit, 1, planned("cutover", Direction::Rollback));
    insta::assert_snapshot!("rollback_prompting", shown(&mut cockpit, 80, 24));
    type_in(&mut cockpit, "cutover");
    let effects = press(&mut cockpit, "Enter");
    let command = sent(&mut cockpit, effects, 2);
    assert_eq!(command.action, Action::Rollback { phase: "cutover".into(), plan: PLAN.into() });
}

#[test]
fn skipping_wants_a_reason() {
    let (story, samples) = awaiting(Some("production"));
    let mut cockpit = cockpit(&story, samples);
    press(&mut cockpit, "2 j X");
    insta::assert_snapshot!("skip_prompting", shown(&mut cockpit, 80, 24));
    press(&mut cockpit, "Enter");
    assert!(shown(&mut cockpit, 80, 24).contains("reason may not be empty"));
    type_in(&mut cockpit, "nobody watches");
    press(&mut cockpit, "Enter");
    type_in(&mut cockpit, "watch");
    let effects = press(&mut cockpit, "Enter");
    let command = sent(&mut cockpit, effects, 1);
    assert_eq!(command.action, Action::Skip { phase: "watch".into(), why: "nobody watches".into() });
    assert_eq!(command.confirm.as_deref(), Some("watch"));
}

#[test]
fn pausing_shows_the_runway() {
    let (story, samples) = troubled(Some("staging"));
    let mut cockpit = cockpit(&story, samples);
    press(&mut cockpit, "2 P");
    insta::assert_snapshot!("pause_prompting", shown(&mut cockpit, 80, 24));
    let effects = press(&mut cockpit, "y");
    assert_eq!(sent(&mut cockpit, effects, 1).action, Action::Pause { phase: "backfill".into() });
}

#[test]
fn limits_are_set_one_at_a_time() {
    let (story, samples) = troubled(None);
    let mut cockpit = cockpit(&story, samples);
    press(&mut cockpit, "3 s");
    insta::assert_snapshot!("throttle_prompting", shown(&mut cockpit, 80, 24));
    press(&mut cockpit, "down Tab");
    type_in(&mut cockpit, "4");
    let effects = press(&mut cockpit, "Enter");
    let command = sent(&mut cockpit, effects, 1);
    let action = Action::Throttle { pipeline: "orders".into(), knob: "workers".into(), value: "4".into() };
    assert_eq!(command.action, action);
}

#[test]
fn repairing_is_dangerous_and_verifying_is_not() {
    let (mut story, samples) = awaiting(Some("production"));
    let drift = godwit::model::event::Event::Verified { pipeline: "orders".into(), tables: vec![differing("orders")] };
    story.tell(drift);
    let mut cockpit = cockpit(&story, samples);
    press(&mut cockpit, "4 E");
    insta::assert_snapshot!("repair_prompting", shown(&mut cockpit, 80, 24));
    press(&mut cockpit, "Esc v");
    let effects = press(&mut cockpit, "y");
    let command = sent(&mut cockpit, effects, 1);
    let tables = vec!["public.orders".to_owned()];
    assert_eq!(command.action, Action::Verify { pipelines: vec!["orders".into()], tables, repair: false });
    assert_eq!(command.confirm, None);
}

#[test]
fn checks_are_listed_with_their_fixes() {
    let (story, samples) = awaiting(None);
    let mut cockpit = cockpit(&story, samples);
    press(&mut cockpit, ":");
    type_in(&mut cockpit, "check");
    let effects = press(&mut cockpit, "Enter");
    assert_eq!(sent(&mut cockpit, effects, 1).action, Action::Check);
    let check = |id: &str, verdict, evidence: &str, fix: &str| Check {
        id: id.into(),
        store: Some("legacy".into()),
        subject: String::new(),
        verdict,
        evidence: evidence.into(),
        fix: fix.into(),
    };
    let checks = vec![
        check("pg.version", Verdict::Pass, "15.6", ""),
        check(
            "pg.wal_level",
            Verdict::Fail,
            "wal_level is replica, logical is needed",
            "ALTER SYSTEM SET wal_level = 'logical'; restart",
        ),
        check("pg.disk", Verdict::NotCheckable, "pg_ls_waldir needs pg_monitor", "GRANT pg_monitor TO godwit"),
    ];
    answer(&mut cockpit, 1, Answer::Checked { checks });
    insta::assert_snapshot!("check_done", shown(&mut cockpit, 80, 24));
}

#[test]
fn leaving_asks_while_an_answer_is_awaited() {
    let (story, samples) = troubled(None);
    let mut cockpit = cockpit(&story, samples);
    let effects = press(&mut cockpit, "2 P y");
    sent(&mut cockpit, effects, 1);
    press(&mut cockpit, "Esc q");
    insta::assert_snapshot!("leaving", shown(&mut cockpit, 80, 24));
    assert!(press(&mut cockpit, "n").is_empty());
    answer(
        &mut cockpit,
        1,
        Answer::Accepted { seq: Seq(40), message: "backfill pauses when its chunks are written".into() },
    );
    insta::assert_snapshot!("answered_in_background", shown(&mut cockpit, 80, 24));
    assert_eq!(press(&mut cockpit, "q"), [Effect::Quit]);
}

#[test]
fn a_dialog_fits_into_a_small_terminal() {
    let (story, samples) = awaiting(Some("production"));
    let mut cockpit = cockpit(&story, samples);
    let effects = press(&mut cockpit, "A");
    sent(&mut cockpit, effects, 1);
    answer(&mut cockpit, 1, planned("cutover", Direction::Forward));
    insta::assert_snapshot!("approve_small", shown(&mut cockpit, 50, 14));
}

//! Every screen: empty, loading, disconnected, healthy, failing; narrow and wide.

use crate::fixture::*;
use crate::{advice, stores};
use godwit::model::event::Event;
use godwit::model::gate::GateState;
use godwit::model::ids::Seq;
use godwit::model::phase::PhaseEvent;
use godwit::model::pipeline::{PipelineEvent, Stage, Traffic};
use godwit::model::reason::{FailurePolicy, Reason};
use godwit::model::role::Role;
use godwit::model::sample::Samples;
use godwit::model::view::View;
use godwit::tui::state::cockpit::Cockpit;
use godwit::tui::state::screen::Screen;
use godwit::tui::{Coach, CockpitOptions};
use godwit::wire::client::LinkEvent;
use proptest::prelude::*;
use std::time::Duration;

fn all_screens(name: &str, cockpit: &mut Cockpit, sizes: &[(u16, u16)]) {
    for (digit, screen) in ["overview", "phases", "pipelines", "verification", "journal"].iter().enumerate() {
        press(cockpit, &(digit + 1).to_string());
        for (width, height) in sizes {
            let shown = shown(cockpit, *width, *height);
            insta::assert_snapshot!(format!("{name}_{screen}_{width}x{height}"), shown);
        }
    }
}

const NARROW: (u16, u16) = (80, 24);
const WIDE: (u16, u16) = (140, 40);

#[test]
fn before_the_engine_answers() {
    let mut cockpit = Cockpit::new(CockpitOptions::default(), now());
    all_screens("connecting", &mut cockpit, &[NARROW]);
}

#[test]
fn while_the_journal_is_read() {
    let mut story = Story::begin(Some("production"));
    story.up_to("backfill");
    let mut cockpit = Cockpit::new(CockpitOptions::default(), now());
    cockpit.on_link(LinkEvent::Up(welcome(Seq(4_000), "mina", Role::Approver)));
    cockpit.on_link(LinkEvent::Entries(story.entries()));
    all_screens("loading", &mut cockpit, &[NARROW]);
}

#[test]
fn a_new_migration() {
    let story = Story::begin(None);
    let mut cockpit = cockpit(&story, Samples::default());
    all_screens("new", &mut cockpit, &[NARROW]);
}

#[test]
fn waiting_for_an_approval() {
    let (story, samples) = awaiting(Some("production"));
    let mut cockpit = cockpit(&story, samples);
    all_screens("awaiting", &mut cockpit, &[NARROW, WIDE]);
}

#[test]
fn in_trouble() {
    let (story, samples) = troubled(Some("staging"));
    let mut cockpit = cockpit(&story, verifying(samples));
    all_screens("troubled", &mut cockpit, &[NARROW, WIDE]);
}

#[test]
fn a_phase_failed_and_tables_differ() {
    let (mut story, mut samples) = troubled(Some("staging"));
    story.tell(Event::Verified {
        pipeline: "orders".into(),
        tables: vec![differing("orders"), verified("order_lines")],
    });
    story.at(90).fail("backfill", FailurePolicy::Mend);
    samples.pipelines.get_mut(&"orders".into()).unwrap().anomalies = 3;
    let mut cockpit = cockpit(&story, samples);
    all_screens("failing", &mut cockpit, &[NARROW, WIDE]);
}

#[test]
fn the_engine_is_gone() {
    let (story, samples) = awaiting(Some("production"));
    let mut cockpit = cockpit(&story, samples);
    let why = "the engine closed the connection".to_owned();
    cockpit.on_link(LinkEvent::Down { why, retry_in: Duration::from_secs(1) });
    cockpit.on_tick(now() + chrono::TimeDelta::seconds(95));
    let why = "no engine is running for this migration (socket /run/user/1000/godwit/shop.sock: Connection refused (os error 111)); start one with `godwit up`".to_owned();
    cockpit.on_link(LinkEvent::Down { why, retry_in: Duration::from_secs(5) });
    all_screens("down", &mut cockpit, &[NARROW]);
}

#[test]
fn after_the_cutover() {
    let (mut story, mut samples) = awaiting(Some("production"));
    story.at(300).approve("cutover", "mina").approve("cutover", "li").phase("cutover", PhaseEvent::Started);
    for id in ["orders", "billing"] {
        story.pipeline(id, PipelineEvent::Traffic { serves: Traffic::Target });
        story.pipeline(id, PipelineEvent::Writable { writable: true });
        story.pipeline(id, PipelineEvent::Stage { stage: Stage::Reverse });
    }
    story.phase("cutover", PhaseEvent::Succeeded).phase("watch", PhaseEvent::Unlocked);
    samples.gates.clear();
    let mut cockpit = cockpit(&story, samples);
    for screen in ["1", "2", "3"] {
        press(&mut cockpit, screen);
        insta::assert_snapshot!(format!("switched_{screen}"), shown(&mut cockpit, 80, 24));
    }
}

#[test]
fn blocked_by_gates() {
    let mut story = Story::begin(Some("production"));
    story.up_to("cutover").running("orders", Stage::Live);
    let reasons = vec![
        "lag is not known: no marker came out for 40 s".to_owned(),
        "1 transaction on public.orders is open for 14 min (pid 771, app reports)".to_owned(),
    ];
    story.at(30).phase("cutover", PhaseEvent::Blocked { reasons });
    let mut samples = healthy();
    let mut gates = cutover_gates();
    gates[1] = gate("lag", GateState::Unknown, "no marker came out for 40 s");
    gates.push(gate(
        "open_transactions",
        GateState::Red,
        "1 transaction on public.orders is open for 14 min (pid 771, app reports), at most 30 s",
    ));
    samples.gates.insert("cutover".into(), gates);
    let mut cockpit = cockpit(&story, samples);
    insta::assert_snapshot!("blocked_overview", shown(&mut cockpit, 80, 24));
    press(&mut cockpit, "2");
    insta::assert_snapshot!("blocked_phases", shown(&mut cockpit, 80, 24));
    press(&mut cockpit, "Enter");
    insta::assert_snapshot!("blocked_phases_zoomed", shown(&mut cockpit, 80, 24));
}

#[test]
fn stuck_in_a_roll_back() {
    let (mut story, samples) = troubled(None);
    story.at(60).fail("backfill", FailurePolicy::RollBack);
    story.phase("backfill", PhaseEvent::RollbackStarted { by: "mina".into(), plan: PLAN.into() });
    let reason = Reason::new("slot godwit_orders is in use by pid 882", "end that session, then roll back again");
    story.at(20).phase("backfill", PhaseEvent::Stuck { reason });
    let mut cockpit = cockpit(&story, samples);
    insta::assert_snapshot!("stuck_overview", shown(&mut cockpit, 80, 24));
    press(&mut cockpit, "2");
    insta::assert_snapshot!("stuck_phases", shown(&mut cockpit, 80, 24));
}

#[test]
fn what_a_viewer_and_an_observer_see() {
    let (story, samples) = awaiting(Some("production"));
    let mut viewer = cockpit_of(&story, samples.clone(), "otto", Role::Viewer, CockpitOptions::default());
    insta::assert_snapshot!("viewer_overview", shown(&mut viewer, 80, 24));
    let options = CockpitOptions { observe: true, ..CockpitOptions::default() };
    let mut observer = cockpit_of(&story, samples, "mina", Role::Approver, options);
    press(&mut observer, "2");
    insta::assert_snapshot!("observer_phases", shown(&mut observer, 80, 24));
}

#[test]
fn help_is_made_from_the_keys() {
    let (story, samples) = awaiting(Some("production"));
    let mut cockpit = cockpit(&story, samples);
    for screen in Screen::ALL {
        let name = screen.word();
        press(&mut cockpit, &format!("{} ?", screen.key()));
        insta::assert_snapshot!(format!("help_{name}"), shown(&mut cockpit, 80, 60));
        press(&mut cockpit, "Esc");
    }
    press(&mut cockpit, "2 ? PgDn");
    insta::assert_snapshot!("help_scrolled", shown(&mut cockpit, 80, 24));
}

#[test]
fn the_journal_opens_filters_and_follows() {
    let (story, samples) = troubled(Some("staging"));
    let mut cockpit = cockpit(&story, samples);
    press(&mut cockpit, "5 /");
    type_in(&mut cockpit, "billing !stage");
    insta::assert_snapshot!("journal_filtering", shown(&mut cockpit, 80, 24));
    press(&mut cockpit, "Enter Enter");
    insta::assert_snapshot!("journal_detail", shown(&mut cockpit, 80, 24));
    press(&mut cockpit, "Esc Esc g");
    insta::assert_snapshot!("journal_not_following", shown(&mut cockpit, 80, 24));
}

#[test]
fn the_command_line_completes_and_explains() {
    let (story, samples) = awaiting(None);
    let mut cockpit = cockpit(&story, samples);
    press(&mut cockpit, ":");
    insta::assert_snapshot!("command_empty", shown(&mut cockpit, 80, 24));
    type_in(&mut cockpit, "app");
    press(&mut cockpit, "Tab");
    insta::assert_snapshot!("command_completed", shown(&mut cockpit, 80, 24));
    press(&mut cockpit, "^U");
    type_in(&mut cockpit, "aprove cutover");
    press(&mut cockpit, "Enter");
    insta::assert_snapshot!("command_unknown", shown(&mut cockpit, 80, 24));
    press(&mut cockpit, "^U");
    type_in(&mut cockpit, "resume cutover");
    press(&mut cockpit, "Enter");
    insta::assert_snapshot!("command_not_possible", shown(&mut cockpit, 80, 24));
}

#[test]
fn the_display_freezes_while_work_goes_on() {
    let (mut story, samples) = awaiting(Some("production"));
    let mut cockpit = cockpit(&story, samples);
    press(&mut cockpit, "p");
    let seen = story.entries().len();
    story.approve("cutover", "li");
    cockpit.on_link(LinkEvent::Entries(story.entries().split_off(seen)));
    cockpit.on_tick(now() + chrono::TimeDelta::seconds(130));
    insta::assert_snapshot!("frozen_overview", shown(&mut cockpit, 80, 24));
    press(&mut cockpit, "A");
    insta::assert_snapshot!("frozen_refuses", shown(&mut cockpit, 80, 24));
    press(&mut cockpit, "p");
    assert!(shown(&mut cockpit, 80, 24).contains("1 of 2 approvals"));
}

#[test]
fn the_coach_names_the_next_key() {
    let options = || CockpitOptions { coach: Some(Coach::default()), ..CockpitOptions::default() };
    let story = Story::with(None, 1, &["orders"]);
    let mut cockpit = cockpit_of(&story, healthy(), "mina", Role::Approver, options());
    insta::assert_snapshot!("coach_overview", shown(&mut cockpit, 80, 24));
    press(&mut cockpit, "3");
    assert!(shown(&mut cockpit, 80, 24).contains("Press 1 for the overview, then press r"));
}

#[test]
fn small_terminals_show_one_pane() {
    let (story, samples) = awaiting(Some("production"));
    let mut cockpit = cockpit(&story, samples);
    for screen in ["1", "2", "4"] {
        press(&mut cockpit, screen);
        insta::assert_snapshot!(format!("small_{screen}"), shown(&mut cockpit, 50, 12));
    }
}

#[test]
fn no_size_is_too_small_to_draw() {
    let (story, samples) = troubled(Some("production"));
    let mut cockpit = cockpit(&story, samples);
    for keys in ["1", "2", "3", "4", "5", "?", "Esc 2 B", "Esc", ":", "Esc /", "Esc 5 Enter"] {
        press(&mut cockpit, keys);
        for (width, height) in (0..24).flat_map(|w| (0..10).map(move |h| (w, h))) {
            shown(&mut cockpit, width.max(1), height.max(1));
        }
    }
}

/// Keys that lead to everything that can be drawn.
const EVERYWHERE: [&str; 27] = [
    "1", "2", "Enter", "3", "Enter", "4", "5", "Enter", "Esc 6", "Enter", "7", "Enter", "8", "Enter", "9", "Enter",
    "Esc t", "Enter", "Esc t", "Enter", "0", "Enter", "u", "Enter", "?", "Esc :", "Esc /",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_screen_panics_at_any_size(width in 1u16..=200, height in 1u16..=60, small in any::<bool>()) {
        let (story, samples) = troubled(Some("production"));
        let mut cockpit = cockpit(&story, samples);
        stores::show(&mut cockpit, vec![stores::jammed(), stores::replication()]);
        stores::show(&mut cockpit, vec![View::HotSpots(advice::busy()), advice::advice(), advice::audits()]);
        let (width, height) = if small { (width % 24 + 1, height % 12 + 1) } else { (width, height) };
        for keys in EVERYWHERE {
            press(&mut cockpit, keys);
            shown(&mut cockpit, width, height);
            press(&mut cockpit, "PgDn");
            shown(&mut cockpit, width, height);
        }
    }
}

#[test]
fn a_thousand_stores_are_reached_page_by_page() {
    let (story, mut samples) = awaiting(None);
    for n in 0..1_000 {
        samples.stores.insert(format!("store-{n:04}").into(), store("postgres", "16.2", "10.0.0.1:5432"));
    }
    let mut cockpit = cockpit(&story, samples);
    press(&mut cockpit, "G");
    insta::assert_snapshot!("thousand_stores", shown(&mut cockpit, 80, 24));
}

//! The hot spots screen: its three lists, what they say of the readings, and what its keys do.

use crate::advice::{JOIN, blind, busy, list, spot};
use crate::fixture::*;
use crate::stores::{cockpit_with, show};
use godwit::model::hotspot::{HotSpotsNow, StoreHotSpots};
use godwit::model::role::Role;
use godwit::model::statement::StatementSource;
use godwit::model::view::View;
use godwit::tui::effect::Effect;
use godwit::tui::state::cockpit::Cockpit;

fn with(view: HotSpotsNow) -> Cockpit {
    let mut cockpit = cockpit_with(None, Role::Operator, vec![View::HotSpots(view)]);
    press(&mut cockpit, "9");
    cockpit
}

/// The selected row as it is shown.
fn selected(cockpit: &mut Cockpit) -> String {
    let shown = shown(cockpit, 200, 24);
    shown.lines().find(|line| line.starts_with('>')).map(str::to_owned).unwrap_or_default()
}

#[test]
fn every_list_at_both_sizes() {
    let mut cockpit = with(busy());
    for name in ["statements", "compared", "crossing"] {
        for (width, height) in [(80, 24), (200, 50)] {
            insta::assert_snapshot!(format!("{name}_{width}x{height}"), shown(&mut cockpit, width, height));
        }
        press(&mut cockpit, "Enter");
        insta::assert_snapshot!(format!("{name}_detail"), shown(&mut cockpit, 80, 24));
        press(&mut cockpit, "Esc t");
    }
    assert!(shown(&mut cockpit, 80, 24).contains("statements ─"), "the third key leads back");
}

#[test]
fn what_is_not_there_is_said() {
    let mut unwatched = cockpit_with(None, Role::Operator, Vec::new());
    press(&mut unwatched, "9");
    insta::assert_snapshot!("unwatched", shown(&mut unwatched, 80, 24));
    let mut cockpit = with(blind());
    insta::assert_snapshot!("blind", shown(&mut cockpit, 80, 24));
    // A store that shows nothing is a line too, and its detail says how to change that.
    press(&mut cockpit, "Enter");
    insta::assert_snapshot!("blind_detail", shown(&mut cockpit, 80, 24));
    assert_eq!(press(&mut cockpit, "y"), [Effect::Copy("CREATE EXTENSION pg_stat_statements".into())]);
    press(&mut cockpit, "Esc t");
    assert!(shown(&mut cockpit, 80, 24).contains("it needs readings of both sides of a pipeline"));
    let mut absent = HotSpotsNow::default();
    absent.stores.entry("files".into()).or_default().lacks("sqlite has no statements to show".into(), now());
    let mut cockpit = with(absent);
    assert!(shown(&mut cockpit, 80, 24).contains("no store of this migration keeps statistics"));
}

#[test]
fn the_list_is_ordered_and_filtered() {
    let mut cockpit = with(busy());
    assert!(shown(&mut cockpit, 80, 24).contains("most time first"));
    assert!(selected(&mut cockpit).contains("SELECT * FROM orders WHERE id"));
    press(&mut cockpit, ">");
    assert!(shown(&mut cockpit, 80, 24).contains("slowest first"));
    press(&mut cockpit, "g");
    assert!(selected(&mut cockpit).contains("VACUUM"), "{}", selected(&mut cockpit));
    press(&mut cockpit, "> g");
    assert!(selected(&mut cockpit).contains("GET"), "{}", selected(&mut cockpit));
    press(&mut cockpit, "/");
    type_in(&mut cockpit, "store:legacy service:billing !invoices");
    press(&mut cockpit, "Enter g");
    assert!(selected(&mut cockpit).contains("JOIN"), "{}", selected(&mut cockpit));
    let filtered = shown(&mut cockpit, 80, 24);
    assert!(filtered.contains("1 of 8"), "{filtered}");
    press(&mut cockpit, "Esc t");
    press(&mut cockpit, "/");
    type_in(&mut cockpit, "verdict:slower");
    press(&mut cockpit, "Enter g");
    assert!(selected(&mut cockpit).contains("! slower"), "{}", selected(&mut cockpit));
}

#[test]
fn statements_are_copied_and_masked() {
    let mut cockpit = with(busy());
    press(&mut cockpit, "/");
    type_in(&mut cockpit, "join");
    press(&mut cockpit, "Enter");
    assert_eq!(press(&mut cockpit, "y"), [Effect::Copy(JOIN.into())]);
    press(&mut cockpit, "m");
    assert_eq!(press(&mut cockpit, "y"), [Effect::Copy("(masked)".into())]);
    for keys in ["j", "Enter", "Esc Esc t", "Enter", "Esc t", "Enter"] {
        press(&mut cockpit, keys);
        let shown = shown(&mut cockpit, 200, 60).to_lowercase();
        assert!(!shown.contains("customer_id") && !shown.contains("where id"), "{shown}");
    }
}

#[test]
fn the_selection_stays_with_its_statement() {
    let mut cockpit = with(busy());
    press(&mut cockpit, "j j");
    let before = selected(&mut cockpit);
    assert!(before.contains("JOIN"), "{before}");
    // Another statement becomes the heaviest one.
    let mut view = busy();
    let legacy = view.stores.get_mut(&"legacy".into()).unwrap().latest.as_mut().unwrap();
    legacy.value.spots.spots.push(spot("SELECT pg_sleep(9)", 100, 9_000_000.0, &[]));
    show(&mut cockpit, vec![View::HotSpots(view)]);
    assert!(selected(&mut cockpit).contains("JOIN"));
    press(&mut cockpit, "Enter");
    // It is gone: its detail says so, and no other takes its place.
    let mut view = busy();
    view.stores.get_mut(&"legacy".into()).unwrap().latest.as_mut().unwrap().value.spots.spots.clear();
    show(&mut cockpit, vec![View::HotSpots(view)]);
    assert!(shown(&mut cockpit, 80, 24).contains("it is not in the last reading any more"));
    assert!(press(&mut cockpit, "y").is_empty());
    press(&mut cockpit, "Esc");
    assert_eq!(selected(&mut cockpit), "");
}

#[test]
fn a_frozen_list_does_not_move() {
    let mut cockpit = with(busy());
    let before = shown(&mut cockpit, 80, 24);
    press(&mut cockpit, "p");
    show(&mut cockpit, vec![View::HotSpots(blind())]);
    let frozen = shown(&mut cockpit, 80, 24);
    let rows = |shown: &str| shown.lines().skip(2).take(20).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(rows(&before), rows(&frozen));
    press(&mut cockpit, "p");
    assert!(shown(&mut cockpit, 80, 24).contains("0 of 0"));
}

#[test]
fn a_text_of_ten_megabytes_does_no_harm() {
    let evil = format!("\u{1b}]52;c;ZXZpbA==\u{7}\u{202e}SELECT '{}'\r\n\u{9b}2J", "x\u{1b}[31m".repeat(1_500_000));
    let spots = list(StatementSource::PgStatStatements, vec![spot(&evil, 7, 10.0, &[(&evil, &evil)])]);
    let now_known = StoreHotSpots { spots, beside: None, crossing: Vec::new(), reset: None };
    let mut view = HotSpotsNow::default();
    crate::stores::read(&mut view.stores, "legacy", now_known, now());
    let mut cockpit = with(view);
    for keys in ["j", "Enter", "PgDn", "G"] {
        press(&mut cockpit, keys);
        let shown = shown(&mut cockpit, 200, 50);
        assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "control characters after {keys}");
        assert!(!shown.contains('\u{202e}') && !shown.contains("52;c"), "{shown}");
    }
}

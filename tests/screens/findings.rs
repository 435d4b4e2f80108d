//! Index advice and access audit: what they list, what they say of a store that was not wholly looked at, and their keys.

use crate::advice::{advice, audits, finding, missing_key, taken};
use crate::fixture::*;
use crate::stores::{cockpit_with, read, show};
use chrono::TimeDelta;
use godwit::model::access::drift::GrantChange;
use godwit::model::command::Action;
use godwit::model::event::Event;
use godwit::model::finding::{Audit, Severity, Verdict};
use godwit::model::index_order::FindingName;
use godwit::model::observation::{ByStore, Missing, Observation};
use godwit::model::role::Role;
use godwit::model::step::StepEvent;
use godwit::model::view::{View, ViewKind};
use godwit::tui::CockpitOptions;
use godwit::tui::effect::Effect;
use godwit::tui::state::cockpit::Cockpit;

fn with(key: &str, views: Vec<View>) -> Cockpit {
    let mut cockpit = cockpit_with(Some("production"), Role::Operator, views);
    press(&mut cockpit, key);
    cockpit
}

/// The selected row as it is shown.
fn selected(cockpit: &mut Cockpit) -> String {
    let shown = shown(cockpit, 140, 24);
    shown.lines().find(|line| line.starts_with('>')).map(str::to_owned).unwrap_or_default()
}

#[test]
fn lists_and_details_at_both_sizes() {
    for (name, key, view, detail) in [("indexes", "0", advice(), "rule:ix-fk"), ("access", "u", audits(), "rule:pg-08")]
    {
        let mut cockpit = with(key, vec![view]);
        for (width, height) in [(80, 24), (200, 50), (50, 12)] {
            insta::assert_snapshot!(format!("{name}_{width}x{height}"), shown(&mut cockpit, width, height));
        }
        press(&mut cockpit, "a");
        insta::assert_snapshot!(format!("{name}_all"), shown(&mut cockpit, 80, 24));
        press(&mut cockpit, "a /");
        type_in(&mut cockpit, detail);
        press(&mut cockpit, "Enter Enter");
        insta::assert_snapshot!(format!("{name}_detail"), shown(&mut cockpit, 80, 24));
    }
}

/// What is not simply broken says who answers for it until when, or why nobody knows.
#[test]
fn a_waiver_and_a_rule_that_was_not_looked_at_explain_themselves() {
    let mut cockpit = with("u", vec![audits()]);
    for (filter, words) in [
        ("verdict:waived", "waiver      mina answers for it until 2026-04-01: the report moves in April"),
        ("verdict:checkable store:legacy", "why         only a superuser reads pg_authid"),
    ] {
        press(&mut cockpit, "/ ^U");
        type_in(&mut cockpit, filter);
        press(&mut cockpit, "Enter g Enter");
        let shown = shown(&mut cockpit, 80, 24);
        assert!(shown.contains(words), "{words}\n{shown}");
        press(&mut cockpit, "Esc");
    }
}

/// T decides that a phase builds an advice's index, and takes the decision back; nothing is built by either.
#[test]
fn an_advice_is_taken_into_a_plan_and_left_out_again() {
    let mut story = Story::begin(Some("production"));
    story.up_to("backfill");
    let cockpit = |story: &Story| {
        let mut cockpit = cockpit_of(story, healthy(), "mina", Role::Operator, CockpitOptions::default());
        show(&mut cockpit, vec![advice()]);
        press(&mut cockpit, "0 /");
        type_in(&mut cockpit, "rule:ix-fk");
        press(&mut cockpit, "Enter");
        cockpit
    };
    let sent = |effects: Vec<Effect>| {
        let [Effect::Send(command)] = effects.as_slice() else { panic!("{effects:?}") };
        command.clone()
    };
    let finding = FindingName::of(&missing_key());
    let mut before = cockpit(&story);
    assert!(press(&mut before, "T").is_empty(), "nothing is sent before it is confirmed");
    insta::assert_snapshot!("take_prompting", shown(&mut before, 80, 24));
    let command = sent(press(&mut before, "y"));
    assert_eq!(command.action, Action::TakeIndex { phase: "tune".into(), finding: finding.clone() });
    assert_eq!(command.expected_seq, before.live().phase(&"tune".into()).map(|phase| phase.changed_seq));

    story.tell(Event::Index { phase: "tune".into(), event: taken() });
    let mut after = cockpit(&story);
    insta::assert_snapshot!("indexes_taken", shown(&mut after, 140, 24));
    press(&mut after, "Enter");
    assert!(
        shown(&mut after, 80, 24)
            .contains("in plan of  phase tune (pending) builds order_lines_order_id_idx: not begun")
    );
    assert_eq!(sent(press(&mut after, "T y")).action, Action::LeaveIndex { phase: "tune".into(), finding });

    // Dropping an index is nobody's step, and a plan that is made takes no more decisions.
    let mut other = cockpit(&story);
    press(&mut other, "/ ^U");
    type_in(&mut other, "rule:ix-unused");
    press(&mut other, "Enter g T");
    let shown_now = shown(&mut other, 80, 24);
    assert!(shown_now.contains("it builds no index beside the traffic"), "{shown_now}");
    story.step("tune", "legacy/index public.order_lines.order_lines_order_id_idx", StepEvent::Intended { attempt: 1 });
    let mut begun = cockpit(&story);
    press(&mut begun, "T");
    let shown_now = shown(&mut begun, 140, 24);
    assert!(shown_now.contains("tune has begun to build it: roll tune back to remove it"), "{shown_now}");
}

#[test]
fn an_empty_list_says_what_it_means() {
    let nothing = || ByStore::<Audit>::default();
    let mut unread = nothing();
    unread.entry("legacy".into()).or_default();
    let mut clean = nothing();
    let mut holds = finding("legacy", "PG-01", Severity::Critical, "legacy", "only named logins are superusers");
    holds.verdict = Verdict::Pass;
    read(&mut clean, "legacy", Audit { findings: vec![holds], read_at: Some(ago(60)), changes: Vec::new() }, ago(60));
    let mut half = clean.clone();
    half.entry("orders-db".into()).or_default();
    let mut absent = nothing();
    absent.entry("cache".into()).or_default().lacks("sqlite has no access to show".into(), now());
    for (view, words) in [
        (unread, "no store was read yet"),
        (clean, "every rule was looked at and holds"),
        (half, "nothing is open on the stores that were read, but one store was not read yet"),
        (absent, "no store of this migration has accounts and rights"),
    ] {
        let mut cockpit = with("u", vec![View::Access(view)]);
        let shown = shown(&mut cockpit, 80, 24);
        assert!(shown.contains(words), "{words}\n{shown}");
    }
    let mut unwatched = with("u", Vec::new());
    assert!(shown(&mut unwatched, 80, 24).contains("the first readings are on their way"));
    let mut filtered = with("u", vec![audits()]);
    press(&mut filtered, "/");
    type_in(&mut filtered, "nowhere");
    press(&mut filtered, "Enter");
    assert!(shown(&mut filtered, 80, 24).contains("nothing matches the filter; a lists what passes too"));
}

/// What cannot be looked at is never all right: not in its line, not in the words of an empty list.
#[test]
fn a_store_that_was_not_wholly_looked_at_gets_no_plus() {
    let mut cockpit = with("u", vec![audits()]);
    let shown_now = shown(&mut cockpit, 80, 24);
    let line = |store: &str| shown_now.lines().find(|line| line.contains(store)).unwrap().to_owned();
    assert!(line("archive-db").starts_with("  + archive-db"), "{shown_now}");
    assert!(line("orders-db").starts_with("  ? orders-db"), "{shown_now}");
    assert!(line("billing-db").starts_with("  ! billing-db"), "{shown_now}");
    // A hidden part of the server weighs as much as a rule that could not be looked at.
    let mut view = ByStore::default();
    let missing = Missing {
        id: "postgres.access.hba".into(),
        what: "pg_hba.conf".into(),
        why: "the account may not read pg_hba_file_rules".into(),
        enable: Some("GRANT SELECT ON pg_hba_file_rules TO godwit_audit".into()),
        price: "shows who may log in from where".into(),
    };
    let seen = Observation { missing: vec![missing], ..Observation::whole(Audit::default(), ago(5)) };
    view.entry("legacy".into()).or_insert_with(Default::default).take(Ok(seen), ago(5));
    let mut cockpit = with("u", vec![View::Access(view)]);
    let shown_now = shown(&mut cockpit, 80, 24);
    assert!(!shown_now.contains("  + legacy"), "{shown_now}");
    press(&mut cockpit, "Enter");
    let told = shown(&mut cockpit, 80, 24);
    assert!(told.contains("to enable  GRANT SELECT ON pg_hba_file_rules TO godwit_audit"), "{told}");
    assert_eq!(press(&mut cockpit, "y"), [Effect::Copy("GRANT SELECT ON pg_hba_file_rules TO godwit_audit".into())]);
}

#[test]
fn statement_and_undo_are_copied() {
    let mut cockpit = with("u", vec![audits()]);
    press(&mut cockpit, "/");
    type_in(&mut cockpit, "rule:pg-08");
    press(&mut cockpit, "Enter");
    for keys in ["y", "Enter y"] {
        assert_eq!(press(&mut cockpit, keys), [Effect::Copy("REVOKE ALL ON public.orders FROM PUBLIC".into())]);
    }
    assert_eq!(press(&mut cockpit, "Y"), [Effect::Copy("GRANT SELECT, UPDATE ON public.orders TO PUBLIC".into())]);
    press(&mut cockpit, "Esc /");
    press(&mut cockpit, "^U");
    type_in(&mut cockpit, "rule:pg-19");
    press(&mut cockpit, "Enter j");
    // Without a statement the finding itself is copied, for a message to somebody who can mend it.
    assert_eq!(
        press(&mut cockpit, "y"),
        [Effect::Copy("legacy PG-19 low, fail, app_rw: app_rw has no connection limit".into())]
    );
    assert!(press(&mut cockpit, "Y").is_empty());
    assert!(cockpit.notice.as_ref().unwrap().text.contains("nothing is known that takes it back"));
}

#[test]
fn filters_know_store_severity_rule_and_verdict() {
    let mut cockpit = with("u", vec![audits()]);
    for (filter, first, count) in [
        ("severity:critical", "OWN-01", "2 of 6"),
        ("least:high verdict:fail", "OWN-01", "2 of 6"),
        ("verdict:waived", "OWN-02", "1 of 6"),
        ("verdict:checkable store:orders-db", "PG-20", "1 of 6"),
        ("!rule:own severity:c", "PG-08", "1 of 6"),
    ] {
        press(&mut cockpit, "/ ^U");
        type_in(&mut cockpit, filter);
        press(&mut cockpit, "Enter g");
        let row = selected(&mut cockpit);
        assert!(row.contains(first), "{filter}: {row}");
        assert!(shown(&mut cockpit, 140, 24).contains(count), "{filter}: {}", shown(&mut cockpit, 140, 24));
    }
}

#[test]
fn the_list_is_ordered_and_the_order_is_shown() {
    let mut cockpit = with("0", vec![advice()]);
    for (words, first) in [
        ("worst first", "IX-FK"),
        ("most time saved first", "IX-FK"),
        ("by store", "IX-FK"),
        ("by rule", "IX-FK"),
        ("worst first", "IX-FK"),
    ] {
        assert!(shown(&mut cockpit, 80, 24).contains(words), "{words}\n{}", shown(&mut cockpit, 80, 24));
        assert!(selected(&mut cockpit).contains(first));
        press(&mut cockpit, "> g");
    }
    let mut audit = with("u", vec![audits()]);
    press(&mut audit, "< g");
    assert!(shown(&mut audit, 80, 24).contains("by rule"));
    assert!(selected(&mut audit).contains("OWN-01"));
}

#[test]
fn the_selection_stays_with_its_finding() {
    let mut cockpit = with("u", vec![audits()]);
    press(&mut cockpit, "j j");
    let chosen = selected(&mut cockpit);
    assert!(chosen.contains("PG-19"), "{chosen}");
    let View::Access(mut view) = audits() else { unreachable!() };
    let new = finding("archive-db", "PG-01", Severity::Critical, "backup", "backup is a superuser");
    view.get_mut(&"archive-db".into()).unwrap().latest.as_mut().unwrap().value.findings.insert(0, new);
    show(&mut cockpit, vec![View::Access(view.clone())]);
    assert_eq!(selected(&mut cockpit), chosen);
    // Mended: the row is gone, and no other one is selected in its place.
    view.get_mut(&"legacy".into()).unwrap().latest.as_mut().unwrap().value.findings.retain(|f| f.rule != "PG-19");
    show(&mut cockpit, vec![View::Access(view)]);
    assert_eq!(selected(&mut cockpit), "");
    assert!(press(&mut cockpit, "y").is_empty());
    press(&mut cockpit, "j");
    assert_ne!(selected(&mut cockpit), "");
}

#[test]
fn views_flow_only_while_they_are_seen_and_words_lead_to_them() {
    let mut cockpit = cockpit_with(None, Role::Operator, Vec::new());
    for (word, watched) in [
        ("hot", ViewKind::HotSpots),
        ("idx", ViewKind::Indexes),
        ("acl", ViewKind::Access),
        ("hotspots", ViewKind::HotSpots),
        ("indexes", ViewKind::Indexes),
        ("access", ViewKind::Access),
    ] {
        press(&mut cockpit, ":");
        type_in(&mut cockpit, word);
        press(&mut cockpit, "Enter");
        assert_eq!(cockpit.watches(), [watched]);
    }
    press(&mut cockpit, "1");
    assert_eq!(cockpit.watches(), []);
}

#[test]
fn ages_move_only_in_coarse_steps() {
    let views = vec![View::HotSpots(crate::advice::busy()), advice(), audits()];
    let mut cockpit = cockpit_with(None, Role::Operator, views);
    for screen in ["9", "0", "u"] {
        cockpit.on_tick(now());
        press(&mut cockpit, screen);
        let before = shown(&mut cockpit, 80, 24);
        cockpit.on_tick(now() + TimeDelta::seconds(1));
        assert_eq!(before, shown(&mut cockpit, 80, 24), "screen {screen}");
    }
}

/// Whoever gets or loses rights while the migration runs is named above the findings.
#[test]
fn rights_that_changed_are_told_of() {
    let change = |appeared, login: &str, sentence: &str, seconds| GrantChange {
        at: ago(seconds),
        since: ago(seconds + 900),
        appeared,
        login: login.into(),
        sentence: sentence.into(),
    };
    let changes = vec![
        change(false, "billing_app", "may no longer UPDATE orders.orders", 1_200),
        change(true, "report", "may now SELECT on orders.orders", 120),
    ];
    let mut view = ByStore::default();
    read(&mut view, "legacy", Audit { changes, read_at: Some(ago(120)), ..Audit::default() }, ago(120));
    let mut cockpit = with("u", vec![View::Access(view)]);
    let shown = shown(&mut cockpit, 120, 24);
    let line = "~ legacy  rights changed 2 min ago: + report may now SELECT on orders.orders; 1 more: godwit access";
    assert!(shown.contains(line), "{shown}");
}

#[test]
fn server_text_in_findings_cannot_steer_the_terminal() {
    let evil = "\u{1b}[2J\u{1b}]52;c;ZXZpbA==\u{7}\u{202e}evil\r\nline";
    let mut found = missing_key();
    let texts = [&mut found.subject, &mut found.sentence, &mut found.evidence[0], &mut found.why_not[0]];
    texts.into_iter().for_each(|text| *text = evil.into());
    (found.statement, found.undo) = (Some(evil.into()), Some(evil.into()));
    found.effect.as_mut().unwrap().gain = evil.into();
    let mut view = ByStore::default();
    read(&mut view, evil, Audit { findings: vec![found], read_at: None, changes: Vec::new() }, now());
    view.entry("down".into()).or_insert_with(Default::default).take(Err(evil.into()), now());
    let mut cockpit = with("0", vec![View::Indexes(view)]);
    for keys in ["j", "Enter", "y", "Y", "Esc k", "Enter", "y"] {
        for effect in press(&mut cockpit, keys) {
            let Effect::Copy(text) = effect else { continue };
            assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        }
        let shown = shown(&mut cockpit, 200, 60);
        assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown}");
        assert!(!shown.contains('\u{202e}') && !shown.contains("[2J") && !shown.contains("52;c"), "{shown}");
    }
}

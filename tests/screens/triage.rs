//! Activity, locks and replication: what they show, what their keys do, and what they send.

use crate::fixture::*;
use crate::stores::{calm, cockpit_with, ending, jammed, key, legacy, read, replication, session, show, unread};
use chrono::TimeDelta;
use godwit::model::command::{Action, Answer};
use godwit::model::ids::Seq;
use godwit::model::observation::ByStore;
use godwit::model::role::Role;
use godwit::model::session::{Activity, Ending, Party, SessionState};
use godwit::model::view::{View, ViewKind};
use godwit::tui::effect::Effect;
use godwit::tui::state::cockpit::Cockpit;
use godwit::tui::widgets::footer::offered;
use godwit::wire::client::LinkEvent;

fn snapshots(name: &str, cockpit: &mut Cockpit, sizes: &[(u16, u16)]) {
    for (digit, screen) in [("6", "activity"), ("7", "locks"), ("8", "replication")] {
        press(cockpit, digit);
        for (width, height) in sizes {
            let shown = shown(cockpit, *width, *height);
            insta::assert_snapshot!(format!("{name}_{screen}_{width}x{height}"), shown);
        }
    }
}

const NARROW: (u16, u16) = (80, 24);
const WIDE: (u16, u16) = (140, 40);

#[test]
fn before_anything_was_read() {
    let mut cockpit = cockpit_with(None, Role::Operator, Vec::new());
    snapshots("unwatched", &mut cockpit, &[NARROW]);
    show(&mut cockpit, vec![unread()]);
    press(&mut cockpit, "6");
    insta::assert_snapshot!("unread_activity", shown(&mut cockpit, 80, 24));
}

#[test]
fn when_all_is_well() {
    let mut cockpit = cockpit_with(None, Role::Operator, vec![calm(), replication()]);
    snapshots("calm", &mut cockpit, &[NARROW]);
}

#[test]
fn when_a_store_is_down_and_a_queue_stands() {
    let mut cockpit = cockpit_with(Some("production"), Role::Operator, vec![jammed(), replication()]);
    snapshots("jammed", &mut cockpit, &[NARROW, WIDE, (50, 12)]);
}

#[test]
fn nothing_to_show_is_said() {
    let mut empty = ByStore::default();
    read(&mut empty, "legacy", Activity::default(), now());
    let mut cockpit = cockpit_with(None, Role::Operator, vec![View::Activity(empty)]);
    press(&mut cockpit, "6");
    assert!(shown(&mut cockpit, 80, 24).contains("nobody is connected"));
    press(&mut cockpit, "7");
    assert!(shown(&mut cockpit, 80, 24).contains("nobody waits for a lock"));
}

#[test]
fn a_session_opens_with_everything_and_copies_its_statement() {
    let mut cockpit = cockpit_with(None, Role::Operator, vec![jammed()]);
    press(&mut cockpit, "6");
    assert_eq!(
        press(&mut cockpit, "y"),
        [Effect::Copy(
            "legacy 18231 (app_rw, shop-api, 10.0.4.7): idle in transaction, transaction since 2026-03-07T21:46:00+00:00: UPDATE orders SET total = 17 WHERE id = 4711"
                .into()
        )]
    );
    press(&mut cockpit, "Enter");
    insta::assert_snapshot!("session_detail", shown(&mut cockpit, 80, 24));
    assert_eq!(press(&mut cockpit, "y"), [Effect::Copy("UPDATE orders SET total = 17 WHERE id = 4711".into())]);
    press(&mut cockpit, "m");
    assert_eq!(press(&mut cockpit, "y"), [Effect::Copy("(masked)".into())]);
    assert!(!shown(&mut cockpit, 140, 40).contains("4711"));
    // The store that hides things says in the detail how to mend that.
    press(&mut cockpit, "Esc G Enter");
    let told = shown(&mut cockpit, 100, 40);
    assert!(told.contains("to enable  GRANT pg_read_all_stats TO godwit_watch"), "{told}");
    assert!(told.contains("its cost"), "{told}");
}

#[test]
fn the_list_is_filtered_ordered_and_widened() {
    let mut cockpit = cockpit_with(None, Role::Operator, vec![jammed()]);
    press(&mut cockpit, "6");
    let first = |cockpit: &mut Cockpit| {
        let shown = shown(cockpit, 140, 24);
        shown.lines().find(|line| line.starts_with('>')).map(str::to_owned).unwrap_or_default()
    };
    assert!(first(&mut cockpit).contains("18231"));
    press(&mut cockpit, ">");
    assert!(shown(&mut cockpit, 140, 24).contains("longest statement first"));
    assert!(first(&mut cockpit).contains("18240"), "{}", first(&mut cockpit));
    press(&mut cockpit, "<");
    assert!(!shown(&mut cockpit, 140, 40).contains("18270"), "idle ones are left out");
    press(&mut cockpit, "a");
    let all = shown(&mut cockpit, 140, 40);
    assert!(all.contains("18270") && all.contains("godwit copy"), "{all}");
    press(&mut cockpit, "/");
    type_in(&mut cockpit, "report !idle");
    press(&mut cockpit, "Enter");
    assert!(first(&mut cockpit).contains("18250"));
    assert!(shown(&mut cockpit, 140, 24).contains("1 of 9,"), "{}", shown(&mut cockpit, 140, 24));
}

#[test]
fn a_session_that_went_away_is_no_longer_acted_on() {
    let mut cockpit = cockpit_with(None, Role::Operator, vec![jammed()]);
    press(&mut cockpit, "6 j");
    assert!(press(&mut cockpit, "K").len() == 1);
    press(&mut cockpit, "Esc");
    // The chosen one ends; another moves into its row.
    let mut activity = legacy();
    activity.sessions.remove(1);
    let mut view = ByStore::default();
    read(&mut view, "legacy", activity, now());
    show(&mut cockpit, vec![View::Activity(view)]);
    assert!(press(&mut cockpit, "K").is_empty());
    assert!(cockpit.dialog.is_none());
    assert!(cockpit.notice.as_ref().unwrap().text.contains("nothing is selected"));
    press(&mut cockpit, "j");
    assert_eq!(press(&mut cockpit, "K").len(), 1);
}

#[test]
fn trees_and_links_are_ordered_too() {
    let mut cockpit = cockpit_with(None, Role::Operator, vec![jammed(), replication()]);
    for (screen, orders) in [
        ("7", ["by store", "most waiters first", "longest wait first", "by store"].as_slice()),
        ("8", ["by store", "trouble first", "shortest runway first", "longest lag first", "by store"].as_slice()),
    ] {
        press(&mut cockpit, screen);
        for words in orders {
            let shown = shown(&mut cockpit, 80, 24);
            assert!(shown.contains(words), "{words}\n{shown}");
            press(&mut cockpit, ">");
        }
        press(&mut cockpit, "<");
    }
    let first = |cockpit: &mut Cockpit| {
        let shown = shown(cockpit, 140, 24);
        shown.lines().find(|line| line.starts_with("> ")).map(str::to_owned).unwrap_or_default()
    };
    let mut links = cockpit_with(None, Role::Operator, vec![replication()]);
    for (keys, name) in [("8 > g", "sub_orders"), ("> g", "godwit_orders"), ("> g", "replica-1")] {
        press(&mut links, keys);
        assert!(first(&mut links).contains(name), "{name}: {}", first(&mut links));
    }
}

#[test]
fn the_tree_with_most_waiters_comes_first() {
    let mut small = legacy();
    small.waits.truncate(1);
    let mut view = ByStore::default();
    read(&mut view, "archive-db", small, now());
    read(&mut view, "legacy", legacy(), now());
    let mut cockpit = cockpit_with(None, Role::Operator, vec![View::Activity(view)]);
    let roots = |cockpit: &mut Cockpit| {
        let shown = shown(cockpit, 140, 24);
        let rows = shown.lines().filter(|line| line.contains("idle in tx"));
        rows.map(|row| if row.contains("legacy") { "legacy" } else { "archive-db" }).collect::<Vec<_>>()
    };
    press(&mut cockpit, "7");
    assert_eq!(roots(&mut cockpit), ["archive-db", "legacy"]);
    press(&mut cockpit, ">");
    assert_eq!(roots(&mut cockpit), ["legacy", "archive-db"]);
}

#[test]
fn who_is_no_session_is_copied_as_a_line() {
    let mut activity = legacy();
    activity.waits.truncate(1);
    activity.waits[0].blocker = Party::Prepared("transfer-17".into());
    let mut view = ByStore::default();
    read(&mut view, "legacy", activity, now());
    let mut cockpit = cockpit_with(None, Role::Operator, vec![View::Activity(view)]);
    press(&mut cockpit, "7 g");
    assert_eq!(press(&mut cockpit, "y"), [Effect::Copy("legacy: prepared transaction 'transfer-17', blocks 1".into())]);
}

/// Opens the dialog with `keys` and answers the question for the statement.
fn prompted(cockpit: &mut Cockpit, keys: &str, id: u32, how: Ending, warnings: &[&str]) {
    let effects = press(cockpit, keys);
    let [Effect::Send(command)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(command.action, Action::ShowEnding { store: "legacy".into(), session: key(id), how });
    cockpit.on_sent(Some(1));
    let answer = Answer::Ending { ending: ending(id, how, warnings) };
    cockpit.on_link(LinkEvent::Answer(1, Box::new(answer)));
}

#[test]
fn killing_shows_the_statement_and_wants_the_number_in_production() {
    let mut cockpit = cockpit_with(Some("production"), Role::Operator, vec![jammed()]);
    press(&mut cockpit, "6");
    let warning = "its open transaction is rolled back, which may take as long as it has worked";
    prompted(&mut cockpit, "K", 18_231, Ending::Kill, &[warning]);
    insta::assert_snapshot!("kill_prompting", shown(&mut cockpit, 80, 24));
    insta::assert_snapshot!("kill_prompting_wide", shown(&mut cockpit, 140, 40));
    type_in(&mut cockpit, "1823");
    assert!(press(&mut cockpit, "Enter").is_empty(), "a number that is not exact sends nothing");
    type_in(&mut cockpit, "1");
    let effects = press(&mut cockpit, "Enter");
    let [Effect::Send(command)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(command.action, Action::EndSession { store: "legacy".into(), session: key(18_231), how: Ending::Kill });
    assert_eq!(command.confirm.as_deref(), Some("18231"));
    cockpit.on_sent(Some(2));
    let message = "legacy took the signal for 18231: the session ends as soon as it can".to_owned();
    cockpit.on_link(LinkEvent::Answer(2, Box::new(Answer::Accepted { seq: Seq(40), message })));
    insta::assert_snapshot!("kill_done", shown(&mut cockpit, 80, 24));
}

#[test]
fn cancelling_from_the_lock_tree_asks_once_elsewhere() {
    let mut cockpit = cockpit_with(None, Role::Operator, vec![jammed()]);
    press(&mut cockpit, "7 j");
    prompted(&mut cockpit, "C", 18_240, Ending::Cancel, &[]);
    insta::assert_snapshot!("cancel_prompting", shown(&mut cockpit, 80, 24));
    let effects = press(&mut cockpit, "y");
    let [Effect::Send(command)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(
        command.action,
        Action::EndSession { store: "legacy".into(), session: key(18_240), how: Ending::Cancel }
    );
}

#[test]
fn an_answer_about_another_session_is_not_agreed_to() {
    let mut cockpit = cockpit_with(None, Role::Operator, vec![jammed()]);
    press(&mut cockpit, "6 K");
    cockpit.on_sent(Some(1));
    let other = Answer::Ending { ending: ending(18_240, Ending::Kill, &[]) };
    cockpit.on_link(LinkEvent::Answer(1, Box::new(other)));
    assert!(press(&mut cockpit, "y").iter().all(|effect| !matches!(effect, Effect::Send(_))));
}

#[test]
fn an_idle_session_has_no_statement_to_cancel_and_a_viewer_nothing_to_end() {
    let mut cockpit = cockpit_with(None, Role::Operator, vec![jammed()]);
    press(&mut cockpit, "6 C");
    assert!(cockpit.notice.as_ref().unwrap().text.contains("idle in transaction: it has no statement to cancel"));
    let mut viewer = cockpit_with(None, Role::Viewer, vec![jammed()]);
    for keys in ["6 C", "6 K", "7 K", "7 C"] {
        assert!(press(&mut viewer, keys).is_empty());
        assert!(viewer.notice.as_ref().unwrap().text.contains("needs the role operator"));
    }
    press(&mut viewer, "6");
    assert!(offered(&viewer, 300).iter().all(|binding| !binding.label.contains("kill")));
}

#[test]
fn the_command_line_ends_sessions_by_store_and_number() {
    let mut cockpit = cockpit_with(None, Role::Operator, vec![jammed()]);
    press(&mut cockpit, ":");
    type_in(&mut cockpit, "kill legacy 18250");
    let effects = press(&mut cockpit, "Enter");
    let [Effect::Send(command)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(command.action, Action::ShowEnding { store: "legacy".into(), session: key(18_250), how: Ending::Kill });
    press(&mut cockpit, "Esc :");
    type_in(&mut cockpit, "kill legacy 1");
    press(&mut cockpit, "Enter");
    let shown = shown(&mut cockpit, 80, 24);
    assert!(shown.contains("the last reading has no session 1 on legacy"), "{shown}");
    press(&mut cockpit, "Esc :");
    type_in(&mut cockpit, "locks");
    press(&mut cockpit, "Enter");
    assert_eq!(cockpit.watches(), [ViewKind::Activity]);
}

#[test]
fn replication_opens_with_state_and_error_before_the_number() {
    let mut cockpit = cockpit_with(None, Role::Operator, vec![replication()]);
    press(&mut cockpit, "8 j Enter");
    insta::assert_snapshot!("link_detail", shown(&mut cockpit, 80, 24));
    press(&mut cockpit, "Esc G");
    let rows = shown(&mut cockpit, 140, 24);
    assert!(rows.contains("40 min"), "the runway stands in the list\n{rows}");
    press(&mut cockpit, "g j j Enter");
    insta::assert_snapshot!("log_detail", shown(&mut cockpit, 80, 24));
}

#[test]
fn a_view_is_watched_only_while_it_is_seen() {
    let mut cockpit = cockpit_with(None, Role::Operator, Vec::new());
    assert_eq!(cockpit.watches(), []);
    for (keys, watched) in [
        ("6", vec![ViewKind::Activity]),
        ("7", vec![ViewKind::Activity]),
        ("8", vec![ViewKind::Replication]),
        ("p", vec![]),
        ("p", vec![ViewKind::Replication]),
        ("Tab", vec![ViewKind::HotSpots]),
        ("S-Tab S-Tab", vec![ViewKind::Activity]),
        ("u", vec![ViewKind::Access]),
        ("1", vec![]),
    ] {
        press(&mut cockpit, keys);
        assert_eq!(cockpit.watches(), watched, "after {keys}");
    }
}

#[test]
fn ages_move_only_in_coarse_steps() {
    let mut cockpit = cockpit_with(None, Role::Operator, vec![jammed()]);
    press(&mut cockpit, "6");
    let before = shown(&mut cockpit, 80, 24);
    cockpit.on_tick(now() + TimeDelta::seconds(1));
    assert_eq!(before, shown(&mut cockpit, 80, 24));
}

#[test]
fn server_text_in_sessions_cannot_steer_the_terminal() {
    let evil = "\u{1b}[2J\u{1b}]52;c;ZXZpbA==\u{7}\u{202e}evil\r\nline";
    let mut activity = legacy();
    for session in &mut activity.sessions {
        for text in [
            &mut session.login,
            &mut session.application,
            &mut session.client,
            &mut session.statement,
            &mut session.wait,
        ] {
            *text = evil.into();
        }
    }
    activity.waits.iter_mut().for_each(|edge| edge.object = evil.into());
    let mut view = ByStore::default();
    read(&mut view, evil, activity, now());
    view.entry("down".into()).or_default().take(Err(evil.into()), now());
    let mut cockpit = cockpit_with(None, Role::Operator, vec![View::Activity(view)]);
    for keys in ["6", "Enter", "Esc 7", "Enter", "y"] {
        for effect in press(&mut cockpit, keys) {
            let Effect::Copy(text) = effect else { continue };
            assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        }
        let shown = shown(&mut cockpit, 200, 60);
        assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown}");
        assert!(!shown.contains('\u{202e}') && !shown.contains("[2J") && !shown.contains("52;c"), "{shown}");
    }
}

#[test]
fn no_size_is_too_small_for_the_new_screens() {
    let mut cockpit = cockpit_with(Some("production"), Role::Operator, vec![jammed(), replication()]);
    for keys in ["6", "7", "8", "Enter", "Esc 7 Enter", "Esc 6 Enter", "Esc ?"] {
        press(&mut cockpit, keys);
        for (width, height) in (1..24).flat_map(|w| (1..10).map(move |h| (w * 3, h))) {
            shown(&mut cockpit, width, height);
        }
    }
}

/// A view of many sessions, of which some wait for each other.
pub fn crowd(sessions: u32) -> View {
    let mut activity = legacy();
    activity.sessions = (0..sessions)
        .map(|id| {
            let state = [SessionState::Active, SessionState::Waiting, SessionState::IdleInTransaction][id as usize % 3];
            session(id, "app_rw", state, Some(i64::from(id)), "UPDATE orders SET total = total + 1 WHERE id = 4711")
        })
        .collect();
    let edge = activity.waits.swap_remove(0);
    activity.waits = (1..sessions)
        .map(|id| godwit::model::session::LockEdge {
            waiter: Party::Session(key(id)),
            blocker: Party::Session(key(id / 2)),
            ..edge.clone()
        })
        .collect();
    let mut view = ByStore::default();
    read(&mut view, "legacy", activity, now());
    View::Activity(view)
}

#[test]
fn a_thousand_sessions_are_reached_page_by_page() {
    let mut cockpit = cockpit_with(None, Role::Operator, vec![crowd(1_000)]);
    press(&mut cockpit, "6 G");
    assert!(shown(&mut cockpit, 80, 24).contains("1000 of 1000 busy"));
    press(&mut cockpit, "7 G");
    assert!(shown(&mut cockpit, 80, 24).contains("1 tree, 999 wait"), "{}", shown(&mut cockpit, 80, 24));
}

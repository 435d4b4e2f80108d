//! Sessions, lock trees and replication of stores, as the engine would send them.

use crate::fixture::{Story, now};
use crate::fixture::{ago, cockpit_of, healthy};
use chrono::{DateTime, Utc};
use godwit::model::ending::EndingPlan;
use godwit::model::lag::Reading;
use godwit::model::observation::{ByStore, Missing, Observation};
use godwit::model::replication::*;
use godwit::model::role::Role;
use godwit::model::session::*;
use godwit::model::view::View;
use godwit::tui::CockpitOptions;
use godwit::tui::state::cockpit::Cockpit;
use godwit::wire::client::LinkEvent;

pub fn key(id: u32) -> SessionKey {
    SessionKey { id: id.to_string(), born: format!("2026-03-07T20:{:02}:00.000001Z", id % 60) }
}

pub fn session(id: u32, login: &str, state: SessionState, open_for: Option<i64>, statement: &str) -> Session {
    Session {
        key: key(id),
        kind: SessionKind::Client,
        login: login.into(),
        database: "shop".into(),
        application: "shop-api".into(),
        client: "10.0.4.7".into(),
        state,
        wait: if state == SessionState::Waiting { "Lock: relation".into() } else { String::new() },
        connected_at: Some(ago(7_000)),
        transaction_since: open_for.map(ago),
        statement_since: open_for.map(|seconds| ago(seconds - 1)),
        state_since: open_for.map(|seconds| ago(seconds - 2)),
        statement: statement.into(),
        holds_back: None,
    }
}

fn wait(waiter: u32, blocker: u32, how: Blocking, since: i64) -> LockEdge {
    LockEdge {
        waiter: Party::Session(key(waiter)),
        blocker: Party::Session(key(blocker)),
        how,
        object: "table public.orders".into(),
        wanted: "ROW EXCLUSIVE".into(),
        held: if how == Blocking::Holds { "SHARE".into() } else { "ACCESS EXCLUSIVE".into() },
        since: Some(ago(since)),
    }
}

/// A busy monolith: an idle transaction holds a queue up.
pub fn legacy() -> Activity {
    use SessionState::*;
    let mut holder =
        session(18_231, "app_rw", IdleInTransaction, Some(840), "UPDATE orders SET total = 17 WHERE id = 4711");
    holder.holds_back = Some(41_234);
    let mut replica = session(900, "repl", Active, None, "START_REPLICATION SLOT \"godwit_orders\"");
    replica.kind = SessionKind::Replication;
    replica.application = "replica-1".into();
    let mut own = session(910, "godwit", Active, Some(30), "COPY public.orders TO STDOUT");
    own.kind = SessionKind::Own;
    own.application = "godwit copy".into();
    Activity {
        sessions: vec![
            holder,
            session(18_240, "app_rw", Waiting, Some(190), "ALTER TABLE orders ADD COLUMN note text"),
            session(18_250, "report", Waiting, Some(70), "INSERT INTO orders VALUES (1, 'x')"),
            session(18_260, "app_ro", Active, Some(3), "SELECT * FROM customers WHERE mail = 'a@b.example'"),
            session(18_270, "app_ro", Idle, None, "SELECT 1"),
            replica,
            own,
        ],
        waits: vec![wait(18_240, 18_231, Blocking::Holds, 190), wait(18_250, 18_240, Blocking::QueuedAhead, 70)],
        touches: vec![TableTouch {
            session: key(18_231),
            login: "app_rw".into(),
            application: "shop-api".into(),
            client: "10.0.4.7".into(),
            table: "public.orders".into(),
            writes: true,
            statement: String::new(),
        }],
        limit: Some(200),
    }
}

fn hidden() -> Missing {
    Missing {
        id: "postgres.sessions.right".into(),
        what: "what other logins' sessions do".into(),
        why: "the monitoring account may not see the state and statement of 3 sessions".into(),
        enable: Some("GRANT pg_read_all_stats TO godwit_watch".into()),
        price: "none for the server; the account can then read every statement's text".into(),
    }
}

pub fn read<T>(view: &mut ByStore<T>, store: &str, value: T, at: DateTime<Utc>) {
    view.entry(store.into()).or_default().take(Ok(Observation::whole(value, at)), at);
}

/// All well: one store is busy, one is quiet, one has no sessions.
pub fn calm() -> View {
    let mut view = ByStore::default();
    let mut activity = legacy();
    activity.waits.clear();
    activity.sessions.retain(|s| s.state != SessionState::Waiting);
    read(&mut view, "legacy", activity, ago(1));
    read(&mut view, "orders-db", Activity::default(), ago(1));
    view.entry("billing-db".into()).or_default().lacks("sqlite has no activity to show".into(), ago(600));
    View::Activity(view)
}

/// A queue on one store, another is down, a third hides what it knows.
pub fn jammed() -> View {
    let mut view = ByStore::default();
    read(&mut view, "legacy", legacy(), ago(1));
    let hidden_one = session(77, "", SessionState::Hidden, None, "");
    let hides = Activity { sessions: vec![hidden_one], ..Activity::default() };
    let seen = Observation { missing: vec![hidden()], ..Observation::whole(hides, ago(2)) };
    view.entry("orders-db".into()).or_default().take(Ok(seen), ago(2));
    read(
        &mut view,
        "billing-db",
        Activity { sessions: vec![session(5, "app", SessionState::Active, Some(60), "VACUUM")], ..Activity::default() },
        ago(45),
    );
    let down = "billing-db: cannot connect: connection refused".to_owned();
    view.entry("billing-db".into()).or_default().take(Err(down), ago(3));
    View::Activity(view)
}

/// Nothing was read yet.
pub fn unread() -> View {
    let mut view = ByStore::default();
    view.insert("legacy".into(), Default::default());
    view.insert("orders-db".into(), Default::default());
    View::Activity(view)
}

fn lag(amount: Reading<u64>, unit: LagUnit, method: &str) -> LinkLag {
    LinkLag { amount, unit, method: method.into() }
}

pub fn replication() -> View {
    let link = |name: &str, direction, state: &str, healthy, error: Option<&str>, lag: Vec<LinkLag>| ReplicaLink {
        name: name.into(),
        direction,
        peer: "10.0.4.12".into(),
        state: state.into(),
        healthy,
        error: error.map(str::to_owned),
        lag,
    };
    let kept = |name: &str, active, room, problem: Option<&str>| LogRetention {
        kind: Kept::Log,
        name: name.into(),
        state: "logical, extended".into(),
        active,
        retained_bytes: Reading::Known(1_200_000_000),
        room_bytes: Reading::Known(room),
        covers_seconds: Reading::Unknown("PostgreSQL keeps no times of its log".into()),
        problem: problem.map(str::to_owned),
        written_bytes: Some(9_000_000_000),
    };
    let runway = |name: &str, seconds| LogRunway {
        name: name.into(),
        bytes_per_second: Reading::Known(2_400_000),
        window_seconds: 600,
        seconds: Reading::Known(seconds),
    };
    use LinkDirection::{Incoming, Outgoing};
    let legacy = Replication {
        role: ReplicationRole::Primary,
        links: vec![
            link(
                "replica-1",
                Outgoing,
                "streaming, async",
                true,
                None,
                vec![
                    lag(Reading::Known(16_384), LagUnit::Bytes, "log end minus pg_stat_replication.replay_lsn"),
                    lag(Reading::Known(120), LagUnit::Milliseconds, "pg_stat_replication.replay_lag"),
                ],
            ),
            link(
                "sub_orders",
                Incoming,
                "no worker is running",
                false,
                Some("the subscription is disabled"),
                vec![lag(
                    Reading::Known(90),
                    LagUnit::Milliseconds,
                    "time since the publisher was last heard: a bound, not a lag",
                )],
            ),
        ],
        retention: vec![
            kept("godwit_orders", true, Some(50_000_000_000), None),
            kept("old_report", false, None, Some("nobody reads it, and the server keeps all log since")),
        ],
        started_at: Some(ago(400_000)),
    };
    let runways = vec![runway("godwit_orders", Some(2_400)), runway("old_report", None)];
    let mut view = ByStore::default();
    read(&mut view, "legacy", ReplicationNow { reading: legacy, runways }, ago(2));
    let alone =
        Replication { role: ReplicationRole::Standalone, links: Vec::new(), retention: Vec::new(), started_at: None };
    read(&mut view, "orders-db", ReplicationNow { reading: alone, runways: Vec::new() }, ago(2));
    view.entry("billing-db".into()).or_default().take(Err("billing-db: cannot connect: timed out".into()), ago(2));
    View::Replication(view)
}

pub fn cockpit_with(env: Option<&str>, role: Role, views: Vec<View>) -> Cockpit {
    let mut story = Story::begin(env);
    story.up_to("backfill");
    let mut cockpit = cockpit_of(&story, healthy(), "mina", role, CockpitOptions::default());
    show(&mut cockpit, views);
    cockpit
}

pub fn show(cockpit: &mut Cockpit, views: Vec<View>) {
    for view in views {
        cockpit.on_link(LinkEvent::View(Box::new(view)));
    }
}

pub fn ending(id: u32, how: Ending, warnings: &[&str]) -> EndingPlan {
    EndingPlan {
        store: "legacy".into(),
        session: key(id),
        how,
        who: "app_rw, application shop-api, from 10.0.4.7".into(),
        doing: "UPDATE orders SET total = ? WHERE id = ?".into(),
        statement: format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = {id} AND backend_start = '{}'",
            key(id).born
        ),
        warnings: warnings.iter().map(|warning| (*warning).to_owned()).collect(),
        seen_at: now(),
    }
}

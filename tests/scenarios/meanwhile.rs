//! Tables that are made on the new side after a cutover (R04): a roll back takes them along or says why it cannot; no acknowledged
//! write stays behind.

use crate::driver::{PATIENCE, poll};
use crate::harness::{Client, Engine, Home, PHASES, Process, Shop};
use crate::snapshot::{copy, restore};
use godwit::model::command::{Action, Answer};
use godwit::model::event::Event;
use godwit::model::ids::{PhaseId, PipelineId, Seq};
use godwit::model::phase::PhaseStatus;
use godwit::model::pipeline::{PipelineEvent, PipelineState, Stage};
use godwit::model::plan::{Direction, Plan};
use godwit::stores::error::ErrorKind;
use godwit::stores::fault::{FaultScript, When};
use sqlx::{ConnectOptions, Executor};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

/// A table that an application might add, with what belongs to it, and things that do not travel.
const RETURNS: &str = "
    CREATE TABLE returns(id INTEGER PRIMARY KEY AUTOINCREMENT, order_id INTEGER REFERENCES orders(id), why TEXT NOT NULL CHECK (why <> ''));
    CREATE INDEX returns_by_order ON returns(order_id);
    CREATE UNIQUE INDEX returns_why ON returns(why);
    CREATE VIEW returned AS SELECT order_id FROM returns;
    CREATE TRIGGER no_empty BEFORE INSERT ON returns WHEN new.why = 'empty' BEGIN SELECT RAISE(IGNORE); END;
    INSERT INTO returns(order_id, why) VALUES (1, 'broken'), (2, 'late'), (3, 'wrong');
    DELETE FROM returns WHERE id = 3;";

fn cutover() -> PhaseId {
    PhaseId::from("cutover")
}

/// Brings a shop over its cutover.
async fn over_the_cutover(shop: &Shop, client: &mut Client) {
    for phase in &PHASES[..7] {
        client.run(phase).await;
    }
    // It was always there, so it is nobody's business.
    shop.open("orders").await.execute("CREATE TABLE scratch(id INTEGER PRIMARY KEY)").await.unwrap();
    client.run("cutover").await;
}

async fn roll_back_plan(client: &mut Client) -> Result<Plan, String> {
    match client.act(Action::Plan { phase: cutover(), direction: Direction::Rollback }).await? {
        Answer::Planned { plan, .. } => Ok(plan),
        other => Err(format!("{other:?}")),
    }
}

/// Waits until a table is the same on both sides.
async fn equal(shop: &Shop, table: &str) {
    poll(&format!("{table} is equal on both sides"), async || {
        let (old, new) = (shop.rows("monolith", table).await, shop.rows("orders", table).await);
        if old == new { Ok(()) } else { Err(format!("{old:?} and {new:?}")) }
    })
    .await;
}

async fn has_table(shop: &Shop, file: &str, table: &str) -> bool {
    let mut db = shop.open(file).await;
    let found: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE name = ?")
        .bind(table)
        .fetch_one(&mut db)
        .await
        .unwrap();
    found > 0
}

/// The stages that a pipeline went through, as its journal tells.
fn stages(client: &Client, pipeline: &str) -> Vec<Stage> {
    let of = PipelineId::from(pipeline);
    let stage = |event: &Event| match event {
        Event::Pipeline { pipeline, event: PipelineEvent::Stage { stage } } if *pipeline == of => Some(*stage),
        _ => None,
    };
    client.log.iter().filter_map(|entry| stage(&entry.event)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r04_tables_made_meanwhile_come_back_and_go_forward_again() {
    let shop = Shop::new().await;
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    over_the_cutover(&shop, &mut client).await;
    let empty = roll_back_plan(&mut client).await.unwrap();
    let mut new = shop.open("orders").await;
    new.execute(RETURNS).await.unwrap();
    new.execute("CREATE TABLE gone(id INTEGER PRIMARY KEY); INSERT INTO gone VALUES (1); DROP TABLE gone")
        .await
        .unwrap();

    let plan = roll_back_plan(&mut client).await.unwrap();
    let (does, notes) =
        (plan.steps.iter().flat_map(|s| s.does.clone()).collect::<Vec<_>>().join("\n"), plan.notes.join("\n"));
    assert!(does.contains("CREATE TABLE \"returns\"") && does.contains("CREATE INDEX \"returns_by_order\""), "{does}");
    assert!(plan.steps.iter().any(|s| s.undo.contains(&"DROP TABLE \"returns\"".to_owned())), "{:#?}", plan.steps);
    assert!(
        notes.contains("returns was made on orders-db") && plan.sizes[0].starts_with("returns: about 2 rows, "),
        "{notes} {:?}",
        plan.sizes
    );
    assert!(notes.contains("view returned") && notes.contains("trigger no_empty on returns"), "{notes}");
    assert!(!notes.contains("scratch") && !notes.contains("gone") && !notes.contains("index"), "{notes}");
    let stale = client.act(Action::Rollback { phase: cutover(), plan: empty.hash }).await.unwrap_err();
    assert!(stale.contains("is") && stale.contains(plan.short_hash()), "{stale}");

    client.roll_back("cutover").await.unwrap();
    assert_eq!(client.status("cutover"), PhaseStatus::RolledBack);
    assert_eq!(shop.rows("monolith", "returns").await, shop.rows("orders", "returns").await);
    assert!(has_table(&shop, "monolith", "returns_by_order").await);
    assert!(!has_table(&shop, "monolith", "scratch").await && !has_table(&shop, "monolith", "godwit_made").await);
    let refused = new.execute("INSERT INTO returns(why) VALUES ('too late')").await.unwrap_err().to_string();
    assert!(refused.contains("moved"), "{refused}");

    // The old side goes on counting behind what the new side handed out, and the pipeline follows.
    let mut old = shop.open("monolith").await;
    old.execute("INSERT INTO returns(order_id, why) VALUES (4, 'on the old side')").await.unwrap();
    let id: i64 = sqlx::query_scalar("SELECT max(id) FROM returns").fetch_one(&mut old).await.unwrap();
    assert_eq!(id, 4, "3 was handed out and deleted");
    equal(&shop, "returns").await;
    let compared = client.state.verification[&PipelineId::from("orders")].iter().any(|t| t.table.name == "returns");
    assert!(compared, "the new table was compared before it was relied on");

    client.run("cutover").await;
    equal(&shop, "returns").await;
    new.execute("INSERT INTO returns(order_id, why) VALUES (5, 'on the new side again')").await.unwrap();
    let plan = roll_back_plan(&mut client).await.unwrap();
    assert!(!plan.notes.join("\n").contains("returns was made"), "{:?}", plan.notes);
    client.roll_back("cutover").await.unwrap();
    equal(&shop, "returns").await;
    shop.assert_equal().await;
    let went = stages(&client, "orders");
    let expected =
        [Stage::Live, Stage::Frozen, Stage::Live, Stage::Reverse, Stage::Frozen, Stage::Reverse, Stage::Live];
    assert!(went.windows(expected.len()).any(|w| w == expected), "{went:?}");

    // Taking everything back leaves the application's own tables alone, on both sides.
    client.roll_back("build").await.unwrap();
    assert_eq!(client.status("build"), PhaseStatus::RolledBack);
    assert_eq!(shop.rows("monolith", "returns").await, shop.rows("orders", "returns").await);
    assert!(!has_table(&shop, "orders", "orders").await);
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r04_what_cannot_come_back_is_named_with_a_way_out() {
    let shop = Shop::new().await;
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    over_the_cutover(&shop, &mut client).await;
    let mut new = shop.open("orders").await;
    let mut old = shop.open("monolith").await;
    // A pipeline that looks while its table is gone fails; a paused one does not look.
    let orders = PipelineId::from("orders");
    client.act(Action::PausePipeline { pipeline: orders.clone() }).await.unwrap();
    client.until("the pause", |m| m.pipelines[&orders].state == PipelineState::Paused).await;
    for (made, why, mended) in [
        (
            "CREATE TABLE keyless(a TEXT)",
            "keyless was made on orders-db since the cutover and cannot be taken along: it has no primary key",
            "DROP TABLE keyless",
        ),
        (
            "ALTER TABLE order_lines RENAME TO lines",
            "order_lines is gone from orders-db, and lines has its columns: if it was renamed, rename it back",
            "ALTER TABLE lines RENAME TO order_lines",
        ),
    ] {
        new.execute(made).await.unwrap();
        let refused = roll_back_plan(&mut client).await.unwrap_err();
        assert!(refused.contains(why), "{refused}");
        let refused = client.act(Action::Rollback { phase: cutover(), plan: "x".repeat(12) }).await.unwrap_err();
        assert!(refused.contains(why), "{refused}");
        new.execute(mended).await.unwrap();
    }
    client.act(Action::ResumePipeline { pipeline: orders.clone() }).await.unwrap();
    client.until("the pipeline runs", |m| m.pipelines[&orders].state == PipelineState::Running).await;
    old.execute(
        "CREATE TABLE audit(id INTEGER PRIMARY KEY, what TEXT); CREATE TABLE twin(id INTEGER PRIMARY KEY, a TEXT)",
    )
    .await
    .unwrap();
    new.execute("CREATE TABLE audit(id INTEGER PRIMARY KEY, who TEXT)").await.unwrap();
    let refused = roll_back_plan(&mut client).await.unwrap_err();
    assert!(
        refused.contains("audit on monolith is a table of that name with other columns")
            && refused.contains("leave_behind"),
        "{refused}"
    );
    new.execute("ALTER TABLE audit RENAME TO audit_new").await.unwrap();
    new.execute("CREATE TABLE twin(id INTEGER PRIMARY KEY, a TEXT); INSERT INTO twin VALUES (1, 'new')").await.unwrap();
    old.execute("INSERT INTO twin VALUES (7, 'old')").await.unwrap();
    let refused = roll_back_plan(&mut client).await.unwrap_err();
    assert!(refused.contains("twin on monolith is a table of that name with rows"), "{refused}");
    old.execute("DELETE FROM twin").await.unwrap();
    assert_eq!(client.status("cutover"), PhaseStatus::Succeeded);

    // A table of that name and shape that is empty is used as it is.
    client.roll_back("cutover").await.unwrap();
    assert_eq!(client.status("cutover"), PhaseStatus::RolledBack);
    assert_eq!(shop.rows("monolith", "twin").await, ["1|'new'"]);
    equal(&shop, "audit_new").await;
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r02_a_roll_back_that_would_not_drain_is_refused_before_anything_happens() {
    let shop = Shop::new().await;
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    over_the_cutover(&shop, &mut client).await;
    // It would have to be carried first.
    shop.open("orders").await.execute("CREATE TABLE audit(id INTEGER PRIMARY KEY, who TEXT)").await.unwrap();
    let orders = PipelineId::from("orders");
    client.act(Action::PausePipeline { pipeline: orders.clone() }).await.unwrap();
    client.until("the pause", |m| m.pipelines[&orders].state == PipelineState::Paused).await;
    let stages_before = stages(&client, "orders");
    let refused = client.roll_back("cutover").await.unwrap_err();
    assert!(refused.contains("pipeline orders is paused, so it would not drain"), "{refused}");
    assert!(refused.contains("godwit resume --pipeline orders"), "{refused}");
    assert_eq!(client.status("cutover"), PhaseStatus::Succeeded);
    assert_eq!(stages(&client, "orders"), stages_before, "writers were held for nothing");
    assert!(!has_table(&shop, "monolith", "audit").await, "it was carried for nothing");
    client.act(Action::ResumePipeline { pipeline: orders.clone() }).await.unwrap();
    client.until("the pipeline runs", |m| m.pipelines[&orders].state == PipelineState::Running).await;
    client.roll_back("cutover").await.unwrap();
    assert_eq!(client.status("cutover"), PhaseStatus::RolledBack);
    equal(&shop, "audit").await;
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r04_a_profile_may_leave_a_table_behind() {
    let shop = Shop::new().await;
    let profile = std::fs::read_to_string(shop.profile()).unwrap();
    let tables = "tables = [\"orders\", \"order_lines\"]";
    std::fs::write(shop.profile(), profile.replace(tables, &format!("{tables}\nleave_behind = [\"keyless\"]")))
        .unwrap();
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    over_the_cutover(&shop, &mut client).await;
    shop.open("orders")
        .await
        .execute("CREATE TABLE keyless(a TEXT); INSERT INTO keyless VALUES ('stays')")
        .await
        .unwrap();
    let plan = roll_back_plan(&mut client).await.unwrap();
    assert!(
        plan.notes.join("\n").contains("keyless stays on orders-db: the profile leaves it behind"),
        "{:?}",
        plan.notes
    );
    client.roll_back("cutover").await.unwrap();
    assert_eq!(client.status("cutover"), PhaseStatus::RolledBack);
    assert!(!has_table(&shop, "monolith", "keyless").await);
    assert_eq!(shop.rows("orders", "keyless").await, ["'stays'"]);
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r04_a_table_made_after_the_plan_is_seen_before_the_fence() {
    let shop = Shop::new().await;
    let script = FaultScript::new();
    let engine = Engine::start_with(&shop, &script);
    let mut client = engine.client().await;
    over_the_cutover(&shop, &mut client).await;
    let held = script.hold("freeze.hold", 1, When::Before);
    client.begin_roll_back("cutover").await.unwrap();
    held.await_hit().await;
    shop.open("orders").await.execute(RETURNS).await.unwrap();
    held.release();
    client.taken_back("cutover").await;
    let PhaseStatus::Stuck { reason } = client.status("cutover") else { panic!("{:?}", client.status("cutover")) };
    assert!(reason.what.contains("made on the new side after the plan was printed: returns on orders-db"), "{reason}");
    assert!(reason.what.contains("nothing was lost") && reason.next.contains("godwit rollback"), "{reason}");
    assert!(!has_table(&shop, "monolith", "returns").await);
    assert!(client.state.pipelines.values().all(|p| p.stage == Stage::Reverse), "{:?}", client.state.pipelines);

    client.roll_back("cutover").await.unwrap();
    assert_eq!(client.status("cutover"), PhaseStatus::RolledBack);
    equal(&shop, "returns").await;
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_whose_check_fails_after_a_crash_is_still_taken_back() {
    let shop = Shop::new().await;
    let script = FaultScript::new();
    let engine = Engine::start_with(&shop, &script);
    let mut client = engine.client().await;
    client.run("assess").await;
    let held = script.hold("schema.make", 1, When::After);
    client.start("build").await;
    held.await_hit().await;
    engine.abandon().await;

    let script = FaultScript::new();
    script.fail("schema.maker", 1, When::Before, ErrorKind::Denied);
    let engine = Engine::start_with(&shop, &script);
    let mut client = engine.client().await;
    client.ended("build").await;
    assert!(matches!(client.status("build"), PhaseStatus::Failed { .. }), "{:?}", client.status("build"));
    client.roll_back("build").await.unwrap();
    assert_eq!(client.status("build"), PhaseStatus::RolledBack);
    for table in ["customers", "godwit_made"] {
        assert!(!has_table(&shop, "customers", table).await, "{table}");
    }
    engine.down(&mut client).await;
}

/// An application that writes to the new table only, by the present route.
struct Returns {
    known: Arc<Mutex<BTreeSet<String>>>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Returns {
    fn start(shop: &Shop, run: usize) -> Self {
        let known = Arc::<Mutex<BTreeSet<String>>>::default();
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(write(shop.path().to_owned(), run, known.clone(), stopped));
        Self { known, stop, task }
    }

    /// Waits until `more` further writes were acknowledged.
    async fn acknowledges(&self, more: usize) {
        let wanted = self.known.lock().await.len() + more;
        poll("returns to be acknowledged", async || {
            let found = self.known.lock().await.len();
            if found >= wanted { Ok(()) } else { Err(format!("{found} of {wanted}")) }
        })
        .await;
    }

    /// Every acknowledged row is on the side that serves, once; and on both sides, where both have the table and are to be equal.
    async fn assert_sound(&self, shop: &Shop, at: &str) {
        let known = self.known.lock().await;
        let file = serving(&shop.path().join("route.json"));
        let mut db = shop.open(file).await;
        let found: Vec<String> = sqlx::query_scalar("SELECT why FROM returns WHERE why LIKE 'w-%' ORDER BY 1")
            .fetch_all(&mut db)
            .await
            .unwrap();
        let found_once: BTreeSet<String> = found.iter().cloned().collect();
        assert_eq!(found.len(), found_once.len(), "{at}: rows twice");
        assert_eq!(found_once, *known, "{at}: the ledger on {file}");
        if file == "monolith" {
            equal(shop, "returns").await;
        } else {
            assert!(!has_table(shop, "monolith", "returns").await, "{at}: the undo left the table behind");
        }
    }

    async fn stop(self) {
        self.stop.send_replace(true);
        self.task.await.unwrap();
    }
}

fn serving(route: &std::path::Path) -> &'static str {
    let route = std::fs::read_to_string(route).unwrap_or_default();
    if route.contains("\"serves\": \"target\"") { "orders" } else { "monolith" }
}

async fn write(dir: PathBuf, run: usize, known: Arc<Mutex<BTreeSet<String>>>, stopped: watch::Receiver<bool>) {
    let mut pace = tokio::time::interval(Duration::from_millis(4));
    let mut connection = None;
    for number in 0_u64.. {
        pace.tick().await;
        if *stopped.borrow() {
            return;
        }
        let name = format!("w-{run}-{number}");
        let mut ledger = known.lock().await;
        let outcome = async {
            let db = match &mut connection {
                Some(db) => db,
                none => none.insert(
                    sqlx::sqlite::SqliteConnectOptions::new()
                        .filename(dir.join(format!("{}.db", serving(&dir.join("route.json")))))
                        .busy_timeout(Duration::from_secs(20))
                        .connect()
                        .await?,
                ),
            };
            sqlx::query("INSERT INTO returns(order_id, why) VALUES (1, ?)").bind(&name).execute(db).await
        }
        .await;
        match outcome {
            Ok(_) => {
                ledger.insert(name);
            }
            Err(_) => connection = None,
        }
    }
}

/// The engine is killed (or told to stop) at row after row of a roll back that takes a table along.
async fn end_at_rows(first: usize, stride: usize, orderly: bool) {
    let shop = Shop::new().await;
    let mut engine = Process::start(&shop);
    let mut client = engine.client().await;
    over_the_cutover(&shop, &mut client).await;
    shop.open("orders").await.execute(RETURNS).await.unwrap();
    engine.down(&mut client).await;
    let prepared = tempfile::tempdir().unwrap();
    copy(shop.path(), prepared.path());
    for row in (first..).step_by(stride) {
        restore(prepared.path(), shop.path());
        if !end_at(&shop, row, orderly).await {
            return;
        }
    }
}

/// One life; false when the roll back has fewer rows.
async fn end_at(shop: &Shop, row: usize, orderly: bool) -> bool {
    let writer = Returns::start(shop, row);
    let mut engine = Process::start(shop);
    let mut client = engine.client().await;
    writer.acknowledges(3).await;
    client.begin_roll_back("cutover").await.unwrap();
    let begun = client.state.phase(&cutover()).unwrap().changed_seq;
    let wanted = Seq(begun.0 + row as u64);
    while client.state.head < wanted && client.status("cutover") == PhaseStatus::RollingBack {
        client.next().await;
    }
    let reached = client.state.head >= wanted;
    if orderly {
        engine.down(&mut client).await;
    } else {
        engine.kill().await;
    }

    let mut engine = Process::start(shop);
    let mut client = engine.client().await;
    client.taken_back("cutover").await;
    let at = format!("ended at row {row} (orderly: {orderly}), {}", client.status("cutover").word());
    assert!(client.state.pipelines.values().all(|p| p.stage != Stage::Frozen), "{at}: {:?}", client.state.pipelines);
    writer.assert_sound(shop, &at).await;
    writer.acknowledges(3).await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while let PhaseStatus::Stuck { reason } = client.status("cutover") {
        assert!(reason.what.contains("nothing was lost") && reason.next.contains("godwit rollback"), "{at}: {reason}");
        assert!(tokio::time::Instant::now() < deadline, "{at}: {reason}");
        client.roll_back("cutover").await.unwrap();
    }
    assert_eq!(client.status("cutover"), PhaseStatus::RolledBack, "{at}");
    writer.assert_sound(shop, &format!("{at}, completed")).await;
    writer.acknowledges(3).await;
    writer.stop().await;
    engine.down(&mut client).await;
    reached
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r04_a_kill_at_any_row_of_a_roll_back_with_new_tables_loses_nothing() {
    end_at_rows(1, 4, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r04_a_kill_at_the_rows_between_loses_nothing_either() {
    end_at_rows(3, 4, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orderly_stop_in_a_switch_back_leads_out_of_stuck() {
    end_at_rows(2, 9, true).await;
}

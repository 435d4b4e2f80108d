//! Tables that are made on the new side after a cutover (R04), under a writer: they come along to the old side and forward again.

use crate::driver::{Client, Engine, Process, poll};
use crate::migration::shop::{Shop, climb};
use crate::migration::ways::take_back;
use crate::migration::writer::{Writer, assert_sound};
use godwit::model::command::{Action, Answer};
use godwit::model::ids::{PhaseId, PipelineId, Seq};
use godwit::model::phase::PhaseStatus;
use godwit::model::pipeline::{PipelineState, Stage, Traffic};
use godwit::model::plan::{Direction, Plan};

const RETURNS: &str = "
    CREATE TYPE reason AS ENUM ('broken', 'late', 'it''s wrong');
    CREATE TABLE returns (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, number serial, order_id bigint NOT NULL REFERENCES orders ON DELETE CASCADE,
        why reason, note text UNIQUE CHECK (note <> ''), long text GENERATED ALWAYS AS (upper(note)) STORED);
    CREATE INDEX returns_by_order ON returns (order_id) WHERE note IS NOT NULL;
    COMMENT ON TABLE returns IS 'what came back';
    CREATE TABLE return_lines (return_id bigint REFERENCES returns, line int, PRIMARY KEY (return_id, line));
    CREATE VIEW returned AS SELECT order_id FROM returns;
    CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
    CREATE TRIGGER noting BEFORE INSERT ON returns FOR EACH ROW EXECUTE FUNCTION noted();
    INSERT INTO returns (order_id, why, note) SELECT id, 'late', 'note ' || id FROM orders WHERE name LIKE 'seed-%' LIMIT 500;
    INSERT INTO return_lines SELECT id, 1 FROM returns;
    DELETE FROM return_lines WHERE return_id = 500; DELETE FROM returns WHERE id = 500;";

/// The new tables with their keys.
const TABLES: [(&str, &str); 2] = [("returns", "id"), ("return_lines", "return_id, line")];

async fn plan(client: &mut Client) -> Result<Plan, String> {
    let phase = PhaseId::from("cutover");
    match client.act(Action::Plan { phase, direction: Direction::Rollback }).await? {
        Answer::Planned { plan, .. } => Ok(plan),
        other => Err(format!("{other:?}")),
    }
}

async fn equal(shop: &Shop, tables: &[(&str, &str)]) {
    for (table, key) in tables {
        let sql = format!("SELECT t::text FROM {table} t ORDER BY {key}");
        poll(&format!("{table} is equal on both sides"), async || {
            let (old, new) = (shop.column(Traffic::Source, &sql).await, shop.column(Traffic::Target, &sql).await);
            if old == new && !old.is_empty() { Ok(()) } else { Err(format!("{} and {} rows", old.len(), new.len())) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn r04_tables_made_meanwhile_come_back_and_go_forward_again() {
    let shop = Shop::new().await;
    let writer = Writer::by_file(&shop);
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    climb(&mut client).await;
    shop.sql(Traffic::Target, "CREATE TABLE scratch (id int)").await;
    client.run("cutover").await;
    shop.sql(Traffic::Target, "CREATE TABLE keyless (a int)").await;
    let refused = plan(&mut client).await.unwrap_err();
    assert!(refused.contains("public.keyless was made on target") && refused.contains("no primary key"), "{refused}");
    // The application would stumble over a missing table, too.
    let held = writer.hold().await;
    // A pipeline that looks while its table is gone fails; a paused one does not look.
    let pipeline = PipelineId::from("shop");
    client.act(Action::PausePipeline { pipeline: pipeline.clone() }).await.unwrap();
    client.until("the pause", |m| m.pipelines[&pipeline].state == PipelineState::Paused).await;
    shop.sql(Traffic::Target, "DROP TABLE keyless; ALTER TABLE order_lines RENAME TO lines").await;
    let refused = plan(&mut client).await.unwrap_err();
    assert!(refused.contains("public.lines has its columns: if it was renamed, rename it back"), "{refused}");
    shop.sql(Traffic::Target, "ALTER TABLE lines RENAME TO order_lines").await;
    client.act(Action::ResumePipeline { pipeline: pipeline.clone() }).await.unwrap();
    client.until("the pipeline runs", |m| m.pipelines[&pipeline].state == PipelineState::Running).await;
    drop(held);
    shop.sql(Traffic::Target, RETURNS).await;
    writer.acknowledges(20).await;

    let printed = plan(&mut client).await.unwrap();
    let does = printed.steps.iter().flat_map(|s| s.does.clone()).collect::<Vec<_>>().join("\n");
    for made in ["CREATE TYPE", "CREATE TABLE \"public\".\"returns\"", "returns_by_order", "FOREIGN KEY"] {
        assert!(does.contains(made), "{made}: {does}");
    }
    let notes = printed.notes.join("\n");
    for left in ["view public.returned", "function public.noted()", "trigger noting on"] {
        assert!(notes.contains(left), "{left}: {notes}");
    }
    assert!(!notes.contains("scratch") && !notes.contains("type public.reason"), "{notes}");

    client.roll_back("cutover").await.unwrap();
    assert_eq!(
        client.status("cutover"),
        PhaseStatus::RolledBack,
        "{:?}",
        client.state.phase(&PhaseId::from("cutover"))
    );
    assert_sound(&shop, Traffic::Source, &writer, "after the roll back").await;
    equal(&shop, &TABLES).await;
    let next = "INSERT INTO returns (order_id, note) SELECT id, 'on the old side' FROM orders LIMIT 1";
    shop.sql(Traffic::Source, next).await;
    let numbers =
        shop.column(Traffic::Source, "SELECT id || ' ' || number FROM returns WHERE note = 'on the old side'").await;
    assert_eq!(numbers, ["501 501"], "500 was handed out and deleted");
    let constraints = "SELECT conname || ' ' || convalidated FROM pg_constraint WHERE conrelid IN (to_regclass('returns'), to_regclass('return_lines')) ORDER BY 1";
    assert_eq!(shop.column(Traffic::Source, constraints).await, shop.column(Traffic::Target, constraints).await);
    assert_eq!(shop.column(Traffic::Source, "SELECT to_regclass('scratch') IS NULL").await, ["true"]);
    equal(&shop, &TABLES).await;

    client.run("cutover").await;
    assert_sound(&shop, Traffic::Target, &writer, "after the second cutover").await;
    shop.sql(Traffic::Target, "INSERT INTO returns (order_id, note) SELECT id, 'on the new side' FROM orders LIMIT 1")
        .await;
    equal(&shop, &TABLES).await;
    client.run("watch").await;
    client.run("retire").await;
    for side in [Traffic::Source, Traffic::Target] {
        let left = "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()
                    UNION ALL SELECT pubname FROM pg_publication UNION ALL SELECT object FROM godwit.made";
        assert_eq!(shop.column(side, left).await, Vec::<String>::new(), "left on the {}", side.word());
    }
    writer.stop().await;
    engine.down(&mut client).await;
}

/// The engine is killed at some rows of the roll back, early, in the copy, under the freeze and behind the fence.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn r04_a_kill_while_new_tables_come_back_loses_nothing() {
    let shop = Shop::new().await;
    let writer = Writer::by_file(&shop);
    let mut engine = Process::start(&shop);
    let mut client = engine.client().await;
    climb(&mut client).await;
    for row in [1, 7, 14, 25, 40, 52, 60, 66, 72, 80] {
        client.run("cutover").await;
        // Another one each time: those before it belong to the mapping by now.
        let table = format!("extra_{row}");
        let made = format!(
            "CREATE TABLE {table} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, order_id bigint REFERENCES orders ON DELETE CASCADE, note text);
             INSERT INTO {table} (order_id, note) SELECT id, name FROM orders WHERE name LIKE 'seed-%' LIMIT 300"
        );
        shop.sql(Traffic::Target, &made).await;
        writer.acknowledges(5).await;
        client.begin_roll_back("cutover").await.unwrap();
        let wanted = Seq(client.state.phase(&PhaseId::from("cutover")).unwrap().changed_seq.0 + row);
        while client.state.head < wanted && client.status("cutover") == PhaseStatus::RollingBack {
            client.next().await;
        }
        engine.kill().await;
        engine = Process::start(&shop);
        client = engine.client().await;
        client.taken_back("cutover").await;
        let at = format!("killed at row {row}, {}", client.status("cutover").word());
        assert!(client.state.pipelines.values().all(|p| p.stage != Stage::Frozen), "{at}");
        if let PhaseStatus::Stuck { reason } = client.status("cutover") {
            assert!(reason.what.contains("nothing was lost"), "{at}: {reason}");
            let left = format!("SELECT to_regclass('{table}') IS NULL");
            assert_eq!(shop.column(Traffic::Source, &left).await, ["true"], "{at}: the undo left {table} behind");
        }
        take_back(&shop, &mut client, &writer, &at).await;
        equal(&shop, &[(&table, "id")]).await;
    }
    writer.stop().await;
    engine.down(&mut client).await;
}

//! A table of a PostgreSQL source changes its shape on the way: nothing differs in the end, or the pipeline says why it stands.

use crate::driver::{Client, Engine, PHASES, poll};
use crate::migration::shop::{Settings, Shop};
use godwit::model::command::Action;
use godwit::model::ids::PipelineId;
use godwit::model::phase::PhaseStatus;
use godwit::model::pipeline::{PipelineRecord, PipelineState, Traffic};
use godwit::model::reason::Reason;
use godwit::model::schema_change::SchemaOutcome;

async fn shop(policy: &'static str) -> Shop {
    let shop = Shop::new().await;
    let line = match policy {
        "stop" => "on_schema_change = \"stop\"",
        "ignore" => "on_schema_change = \"ignore\"",
        _ => "on_schema_change = \"apply\"",
    };
    shop.declare(Settings { pipeline_lines: line, ..shop.settings() });
    shop
}

fn record(client: &Client) -> PipelineRecord {
    client.state.pipelines[&PipelineId::from("shop")].clone()
}

async fn following(shop: &Shop) -> (Engine, Client) {
    let engine = Engine::start(shop);
    let mut client = engine.client().await;
    for phase in &PHASES[..4] {
        client.run(phase).await;
    }
    (engine, client)
}

async fn stopped(client: &mut Client, before: Option<&Reason>) -> Reason {
    let mut found = None;
    client
        .until("a stop", |m| {
            found = match m.pipelines.get(&PipelineId::from("shop")).map(|p| &p.state) {
                Some(PipelineState::Failed { reason }) if Some(reason) != before => Some(reason.clone()),
                _ => None,
            };
            found.is_some()
        })
        .await;
    found.unwrap()
}

/// Waits until a column's change has an outcome and its values are there.
async fn settled(client: &mut Client, column: &str, outcome: SchemaOutcome) {
    client
        .until(&format!("{column} {outcome}"), |m| {
            let record = &m.pipelines[&PipelineId::from("shop")];
            record.pending.is_empty()
                && record.state == PipelineState::Running
                && record.schema.iter().any(|n| n.change.difference.column() == Some(column) && n.outcome == outcome)
        })
        .await;
}

async fn resume(client: &mut Client) {
    client.act(Action::ResumePipeline { pipeline: PipelineId::from("shop") }).await.unwrap();
}

/// A full verification that finds nothing; one that was done before is taken back for it.
async fn verify(client: &mut Client) {
    if client.status("verify") == PhaseStatus::Succeeded {
        client.roll_back("verify").await.unwrap();
    }
    client.run("verify").await;
}

/// Both sides agree, by a full verification and by their own words.
async fn agree(client: &mut Client, shop: &Shop) {
    verify(client).await;
    poll("both sides agree", async || shop.difference().await.map_or(Ok(()), Err)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn apply_follows_columns_whose_values_came_with_them() {
    let shop = shop("apply").await;
    let (engine, mut client) = following(&shop).await;
    // A constant, one value for all rows, one for each, a sequence; rows of both shapes in the transaction of the ALTER itself.
    shop.sql(
        Traffic::Source,
        "CREATE TYPE mood AS ENUM ('sad', 'ok');
         BEGIN;
         INSERT INTO orders(customer_id, name) VALUES (1, 'before-in-the-same');
         UPDATE orders SET note = 'old shape' WHERE id <= 5;
         ALTER TABLE orders ADD COLUMN grade text NOT NULL DEFAULT 'plain', ADD COLUMN seen timestamptz DEFAULT now(),
             ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid(), ADD COLUMN number serial, ADD COLUMN mood mood;
         INSERT INTO orders(customer_id, name, grade, mood) VALUES (2, 'after-in-the-same', 'fine', 'ok');
         UPDATE orders SET grade = 'changed' WHERE id BETWEEN 3 AND 9;
         DELETE FROM orders WHERE id = 2000;
         COMMIT;
         UPDATE orders SET mood = 'sad', grade = DEFAULT WHERE id = 4;
         INSERT INTO orders(customer_id, name) VALUES (3, 'later')",
    )
    .await;
    for column in ["grade", "seen", "token", "number", "mood"] {
        settled(&mut client, column, SchemaOutcome::Added).await;
    }
    agree(&mut client, &shop).await;
    let columns = "SELECT string_agg(attname || ' ' || attnotnull || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attname)
                     FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attnum > 0";
    assert_eq!(shop.column(Traffic::Source, columns).await, shop.column(Traffic::Target, columns).await);
    // The way on and back, and down to nothing that Godwit made.
    for phase in &PHASES[5..8] {
        client.run(phase).await;
    }
    shop.sql(Traffic::Target, "INSERT INTO orders(customer_id, name) VALUES (5, 'on the new side')").await;
    client.roll_back("cutover").await.unwrap();
    poll("both sides agree", async || shop.difference().await.map_or(Ok(()), Err)).await;
    client.roll_back("build").await.unwrap();
    let left = shop.column(Traffic::Target, "SELECT typname FROM pg_type WHERE typname = 'mood'").await;
    assert_eq!(left, Vec::<String>::new());
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn apply_widens_a_type_and_lets_a_column_go() {
    let shop = shop("apply").await;
    let (engine, mut client) = following(&shop).await;
    shop.sql(
        Traffic::Source,
        "UPDATE orders SET version = 7 WHERE id = 1;
         ALTER TABLE orders ALTER COLUMN version TYPE bigint; UPDATE orders SET version = 5000000000 WHERE id = 2",
    )
    .await;
    settled(&mut client, "version", SchemaOutcome::Widened).await;
    agree(&mut client, &shop).await;
    shop.sql(Traffic::Source, "ALTER TABLE orders DROP COLUMN note; UPDATE orders SET total = 1 WHERE id = 3").await;
    settled(&mut client, "note", SchemaOutcome::Unmapped).await;
    shop.sql(Traffic::Source, "INSERT INTO orders(customer_id, name) VALUES (1, 'without a note')").await;
    verify(&mut client).await;
    let kept = shop.column(Traffic::Target, "SELECT count(*) > 0 FROM orders WHERE note LIKE 'note %'").await;
    assert_eq!(kept, ["true"], "what was in it stays");
    // What the other side needs cannot go, and what it cannot hold cannot come.
    shop.sql(Traffic::Source, "ALTER TABLE customers DROP COLUMN name").await;
    let reason = stopped(&mut client, None).await;
    assert!(
        reason.what.contains("column name is gone") && reason.what.contains("NOT NULL and has no default"),
        "{reason}"
    );
    shop.sql(Traffic::Target, "ALTER TABLE customers ALTER COLUMN name DROP NOT NULL").await;
    resume(&mut client).await;
    settled(&mut client, "name", SchemaOutcome::Unmapped).await;
    shop.sql(Traffic::Source, "ALTER TABLE orders ALTER COLUMN version TYPE text").await;
    let reason = stopped(&mut client, Some(&reason)).await;
    assert!(reason.what.contains("column version is now text, it was bigint"), "{reason}");
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn stop_applies_nothing_of_the_new_shape_until_the_other_side_has_it() {
    let shop = shop("stop").await;
    let (engine, mut client) = following(&shop).await;
    shop.sql(
        Traffic::Source,
        "INSERT INTO orders(customer_id, name) VALUES (1, 'old shape');
         ALTER TABLE orders ADD COLUMN grade text DEFAULT 'plain'; INSERT INTO orders(customer_id, name) VALUES (1, 'new shape')",
    )
    .await;
    let first = stopped(&mut client, None).await;
    assert!(first.what.contains("public.orders changed: column grade (text, with a default) was added"), "{first}");
    let there = "SELECT name FROM orders WHERE name LIKE '% shape'";
    assert!(!shop.column(Traffic::Target, there).await.contains(&"new shape".to_owned()));
    resume(&mut client).await;
    let second = stopped(&mut client, Some(&first)).await;
    assert!(second.what.contains("public.orders of target has no column grade"), "{second}");
    shop.sql(Traffic::Target, "ALTER TABLE orders ADD COLUMN grade text").await;
    resume(&mut client).await;
    settled(&mut client, "grade", SchemaOutcome::Followed).await;
    agree(&mut client, &shop).await;
    // A rename needs both sides, whatever the policy.
    shop.sql(
        Traffic::Source,
        "ALTER TABLE orders RENAME COLUMN grade TO mark; UPDATE orders SET mark = 'x' WHERE id = 8",
    )
    .await;
    let third = stopped(&mut client, Some(&second)).await;
    assert!(third.what.contains("column grade is gone and mark is there instead: it was renamed"), "{third}");
    shop.sql(Traffic::Target, "ALTER TABLE orders RENAME COLUMN grade TO mark").await;
    resume(&mut client).await;
    settled(&mut client, "grade", SchemaOutcome::Followed).await;
    shop.sql(Traffic::Source, "UPDATE orders SET mark = 'y' WHERE id = 9").await;
    agree(&mut client, &shop).await;
    // And a table's name and key.
    shop.sql(
        Traffic::Source,
        "ALTER TABLE order_lines RENAME TO lines; UPDATE lines SET what = 'z' WHERE order_id = 1",
    )
    .await;
    let fourth = stopped(&mut client, Some(&third)).await;
    assert!(fourth.what.contains("the table is now named public.lines"), "{fourth}");
    shop.sql(Traffic::Source, "ALTER TABLE lines RENAME TO order_lines").await;
    resume(&mut client).await;
    let id = PipelineId::from("shop");
    client.until("running", |m| m.pipelines[&id].state == PipelineState::Running).await;
    agree(&mut client, &shop).await;
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_column_made_anew_is_not_taken_for_the_old_one() {
    let shop = shop("apply").await;
    let (engine, mut client) = following(&shop).await;
    shop.sql(
        Traffic::Source,
        "ALTER TABLE orders DROP COLUMN note; ALTER TABLE orders ADD COLUMN note text;
         UPDATE orders SET note = 'anew' WHERE id = 1",
    )
    .await;
    settled(&mut client, "note", SchemaOutcome::Followed).await;
    verify(&mut client).await;
    let notes = "SELECT note FROM orders WHERE note IS NOT NULL";
    assert_eq!(shop.column(Traffic::Target, notes).await, ["anew"]);
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn ignore_leaves_out_what_was_added_and_nothing_else() {
    let shop = shop("ignore").await;
    let (engine, mut client) = following(&shop).await;
    shop.sql(
        Traffic::Source,
        "ALTER TABLE orders ADD COLUMN grade text DEFAULT 'plain'; INSERT INTO orders(customer_id, name) VALUES (1, 'new shape')",
    )
    .await;
    settled(&mut client, "grade", SchemaOutcome::LeftOut).await;
    verify(&mut client).await;
    assert_eq!(record(&client).schema.len(), 1);
    shop.sql(Traffic::Source, "ALTER TABLE orders ALTER COLUMN version TYPE bigint").await;
    let reason = stopped(&mut client, None).await;
    assert!(reason.what.contains("is integer and cannot hold every value"), "{reason}");
    shop.sql(Traffic::Target, "ALTER TABLE orders ALTER COLUMN version TYPE bigint").await;
    resume(&mut client).await;
    settled(&mut client, "version", SchemaOutcome::Followed).await;
    shop.sql(Traffic::Source, "UPDATE orders SET version = 5000000000 WHERE id = 2").await;
    verify(&mut client).await;
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn changes_while_the_engine_is_down_and_after_the_cutover() {
    let shop = shop("apply").await;
    let (engine, mut client) = following(&shop).await;
    engine.down(&mut client).await;
    shop.sql(
        Traffic::Source,
        "UPDATE orders SET note = 'down' WHERE id < 10; ALTER TABLE orders ADD COLUMN grade text DEFAULT 'plain';
         UPDATE orders SET grade = 'down' WHERE id < 5; INSERT INTO orders(customer_id, name) VALUES (1, 'down')",
    )
    .await;
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    settled(&mut client, "grade", SchemaOutcome::Added).await;
    agree(&mut client, &shop).await;
    for phase in &PHASES[5..8] {
        client.run(phase).await;
    }
    shop.sql(
        Traffic::Target,
        "ALTER TABLE orders ADD COLUMN rating int DEFAULT 3; UPDATE orders SET rating = 5 WHERE id = 10;
         INSERT INTO orders(customer_id, name) VALUES (2, 'served by the new side')",
    )
    .await;
    settled(&mut client, "rating", SchemaOutcome::Added).await;
    client.roll_back("cutover").await.unwrap();
    poll("both sides agree", async || shop.difference().await.map_or(Ok(()), Err)).await;
    engine.down(&mut client).await;
}

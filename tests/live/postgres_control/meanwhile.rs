//! What a roll back asks the side that it leaves for (R04): what is there, what of it is new, and who made what.

use super::lab::{Lab, SERVER_1, SERVER_2, public, same};
use godwit::model::schema::{SchemaPart, SchemaStatement};
use godwit::stores::{Inventory, Schema};

fn names(lab_others: &[String], before: &[String]) -> Vec<String> {
    lab_others.iter().filter(|o| !before.contains(o)).cloned().collect()
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn everything_with_a_name_is_told_and_nothing_that_belongs_to_something_else() {
    let mut lab = Lab::create(SERVER_1).await;
    lab.run("CREATE TABLE orders (id bigint PRIMARY KEY)").await;
    assert_eq!(lab.store.names().await.unwrap(), [public("orders")]);
    let before = lab.store.others().await.unwrap();
    lab.run(
        "CREATE TYPE mood AS ENUM ('a'); CREATE SEQUENCE loose; CREATE TABLE returns (id serial PRIMARY KEY, why text UNIQUE);
         CREATE TABLE parts (a int) PARTITION BY LIST (a); CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
         CREATE INDEX by_why ON returns (why, id); CREATE INDEX by_part ON parts (a); CREATE VIEW v AS SELECT id FROM returns;
         CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT $1';
         CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
         CREATE TRIGGER t BEFORE INSERT ON returns FOR EACH ROW EXECUTE FUNCTION g(); CREATE TEMP TABLE passing (a int); CREATE INDEX ON passing (a)",
    )
    .await;
    let fresh = names(&lab.store.others().await.unwrap(), &before);
    let expected = [
        "function public.f(integer)",
        "function public.g()",
        "index public.by_part",
        "index public.by_why",
        "sequence public.loose",
        "trigger t on public.returns",
        "type public.mood",
        "view public.v",
    ];
    assert_eq!(fresh, expected);
    assert_eq!(lab.store.names().await.unwrap(), [public("orders"), public("parts"), public("returns")]);
    lab.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_new_table_s_script_is_what_the_others_do_not_have_and_its_links_come_last() {
    let (mut new, mut old) = (Lab::create(SERVER_1).await, Lab::create(SERVER_2).await);
    let orders = "CREATE TABLE orders (id bigint PRIMARY KEY)";
    new.run(orders).await;
    old.run(orders).await;
    new.run(
        "CREATE TYPE mood AS ENUM ('a', 'b');
         CREATE TABLE returns (id serial PRIMARY KEY, order_id bigint REFERENCES orders, how mood, why text UNIQUE);
         CREATE INDEX by_why ON returns (why, id)",
    )
    .await;
    let orders = same("orders", &[("id", "bigint")], &[0]);
    let columns = [("id", "integer"), ("order_id", "bigint"), ("how", "public.mood"), ("why", "text")];
    let returns = same("returns", &columns, &[0]);
    let base = new.store.script(std::slice::from_ref(&orders)).await.unwrap();
    let all = new.store.script(&[orders, returns]).await.unwrap();
    let fresh: Vec<&SchemaStatement> =
        all.statements.iter().filter(|s| !base.statements.iter().any(|b| b.object == s.object)).collect();
    assert_eq!(fresh.last().map(|s| s.part), Some(SchemaPart::Links), "{fresh:#?}");
    for statement in &fresh {
        assert_eq!(old.store.maker(statement).await.unwrap(), None);
        old.store
            .make(statement, "shop/cutover/back/orders/")
            .await
            .unwrap_or_else(|e| panic!("{}: {e}", statement.object));
        assert_eq!(old.store.maker(statement).await.unwrap().as_deref(), Some("shop/cutover/back/orders/"));
        // A second time it is there, and the note is still the first one's.
        assert!(old.store.make(statement, "another").await.is_err() || statement.object.starts_with("owner of"));
    }
    old.run("INSERT INTO orders VALUES (1); INSERT INTO returns (order_id, how) VALUES (1, 'b')").await;
    for statement in fresh.iter().rev() {
        old.store.unmake(statement, &statement.undo).await.unwrap_or_else(|e| panic!("{}: {e}", statement.object));
        assert_eq!(old.store.maker(statement).await.unwrap(), None);
    }
    assert_eq!(old.text("SELECT count(*)::text FROM pg_class WHERE relname = 'returns'").await, "0");
    // What the application has taken over is nobody's to take down.
    old.store.make(fresh[0], "shop/build/orders/type/").await.unwrap();
    old.store.disown("shop/build/other/").await.unwrap();
    assert!(old.store.maker(fresh[0]).await.unwrap().is_some());
    old.store.disown("shop/").await.unwrap();
    assert_eq!(old.store.maker(fresh[0]).await.unwrap(), None);
    assert!(old.store.exists(fresh[0]).await.unwrap());
    new.finish().await;
    old.finish().await;
}

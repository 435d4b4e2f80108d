//! The script read from a source builds the same schema on a target, and its undo takes everything away again.

use super::lab::{Lab, SERVER_1, SERVER_2};
use godwit::model::schema::{SchemaPart, SchemaScript};
use godwit::model::table::{ColumnMap, Generation, RowIdentity, Table, TableMap, TableName};
use godwit::stores::error::ErrorKind;
use godwit::stores::{Inventory, Schema};

/// Maps a table as the inventory describes it, with other names where given.
fn map(table: &Table, to: TableName, rename: &[(&str, &str)], exclude: &[&str]) -> TableMap {
    let copied =
        table.columns.iter().filter(|c| c.generation != Generation::Computed && !exclude.contains(&c.name.as_str()));
    let columns: Vec<ColumnMap> = copied
        .map(|c| ColumnMap {
            source: c.name.clone(),
            target: rename.iter().find(|(from, _)| *from == c.name).map_or(c.name.clone(), |(_, to)| (*to).to_owned()),
            source_type: c.type_name.clone(),
            target_type: c.type_name.clone(),
        })
        .collect();
    let key = match &table.identity {
        RowIdentity::Key(names) => names.iter().map(|n| columns.iter().position(|c| c.source == *n).unwrap()).collect(),
        RowIdentity::FullRow | RowIdentity::Missing => vec![],
    };
    TableMap { source: table.name.clone(), target: to, columns, key }
}

async fn maps_of_all(lab: &Lab) -> Vec<TableMap> {
    lab.store.tables().await.unwrap().iter().map(|t| map(t, t.name.clone(), &[], &[])).collect()
}

async fn build(target: &Lab, script: &SchemaScript) {
    for statement in &script.statements {
        let there = target.store.exists(statement).await.unwrap_or_else(|e| panic!("{}: {e}", statement.object));
        if there {
            assert!(statement.object.starts_with("schema "), "{} exists too early", statement.object);
            continue;
        }
        target.store.execute(&statement.statement).await.unwrap_or_else(|e| panic!("{}\n{e}", statement.statement));
        assert!(
            target.store.exists(statement).await.unwrap(),
            "{} is not there after\n{}",
            statement.object,
            statement.statement
        );
    }
}

fn statement<'a>(script: &'a SchemaScript, object: &str) -> &'a str {
    let found = script.statements.iter().find(|s| s.object == object);
    &found.unwrap_or_else(|| panic!("no {object} in {:#?}", script.statements)).statement
}

const RICH: &str = r#"
    CREATE SCHEMA types; CREATE SCHEMA "Weird Schema";
    CREATE EXTENSION citext; CREATE EXTENSION pg_trgm WITH SCHEMA types; CREATE EXTENSION btree_gist;
    CREATE TYPE types.mood AS ENUM ('so so', 'it''s ok', 'bad');
    CREATE DOMAIN types.amount AS numeric(12,2) DEFAULT 0 NOT NULL CONSTRAINT not_negative CHECK (VALUE >= 0) CONSTRAINT small CHECK (VALUE < 1000000);
    CREATE TYPE types.pair AS (first types.amount, "Second" text COLLATE "C");
    CREATE TYPE types.span AS RANGE (subtype = float8, subtype_diff = float8mi, multirange_type_name = types.spans);
    CREATE SEQUENCE types.numbers AS int START 100 INCREMENT 5 MAXVALUE 5000 CACHE 3 CYCLE;
    CREATE TABLE customers (
        id bigint GENERATED ALWAYS AS IDENTITY (START WITH 7 INCREMENT BY 3) PRIMARY KEY,
        email citext NOT NULL, name text COLLATE "C" DEFAULT 'it''s', mood types.mood DEFAULT 'bad', pair types.pair, pairs types.pair[], span types.span, spans types.spans,
        amount types.amount, number int DEFAULT nextval('types.numbers'), big text, "Weird ""Column""" int,
        upper_name text GENERATED ALWAYS AS (upper(name)) STORED,
        CONSTRAINT customers_email_key UNIQUE (email) DEFERRABLE INITIALLY DEFERRED, CONSTRAINT positive CHECK (number > 0) NOT VALID
    ) WITH (fillfactor = 80, autovacuum_enabled = false);
    ALTER TABLE customers ALTER big SET STORAGE EXTERNAL, ALTER name SET COMPRESSION pglz;
    COMMENT ON TABLE customers IS 'who''s who'; COMMENT ON COLUMN customers.mood IS 'how \ they feel';
    CREATE INDEX customers_trgm ON customers USING gin (name types.gin_trgm_ops);
    CREATE INDEX customers_lower ON customers (lower(name), number DESC NULLS LAST) INCLUDE (big) WITH (fillfactor = 70) WHERE number > 10;
    CREATE UNIQUE INDEX "Odd ""Index""" ON customers ("Weird ""Column""");
    CREATE TABLE orders (
        id serial PRIMARY KEY, customer bigint NOT NULL REFERENCES customers ON DELETE CASCADE ON UPDATE RESTRICT DEFERRABLE, during tstzrange,
        code uuid DEFAULT gen_random_uuid(), EXCLUDE USING gist (customer WITH =, during WITH &&) WHERE (during IS NOT NULL)
    );
    CREATE TABLE "Weird Schema"."주문" ("a b" int, "select" text, PRIMARY KEY ("select", "a b"), FOREIGN KEY ("a b") REFERENCES orders (id));
    CREATE TABLE events (id int, at date NOT NULL, region text DEFAULT 'eu', PRIMARY KEY (at, id, region)) PARTITION BY RANGE (at);
    CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
    CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO (MAXVALUE) PARTITION BY LIST (region);
    CREATE TABLE events_2026_eu PARTITION OF events_2026 FOR VALUES IN ('eu', 'it''s') WITH (fillfactor = 90);
    CREATE TABLE events_2026_other PARTITION OF events_2026 DEFAULT;
    CREATE INDEX events_region ON events (region);
    CREATE INDEX only_here ON events_2025 (id);
    CREATE TABLE full_row (x int); ALTER TABLE full_row REPLICA IDENTITY FULL;
    CREATE TABLE by_index (x int NOT NULL, y int); CREATE UNIQUE INDEX by_index_x ON by_index (x); ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_x;
    CREATE UNLOGGED TABLE fleeting (x int PRIMARY KEY);
"#;

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn what_is_built_reads_back_as_the_same_script() {
    let (mut source, target) = (Lab::create(SERVER_1).await, Lab::create(SERVER_2).await);
    source.run(RICH).await;
    let maps = maps_of_all(&source).await;
    let script = source.store.script(&maps).await.unwrap();
    assert!(script.left_out.is_empty(), "{:?}", script.left_out);
    build(&target, &script).await;
    let again = target.store.script(&maps).await.unwrap();
    for (ours, theirs) in script.statements.iter().zip(&again.statements) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(script, again);
    // The inventory agrees, too: names, types, nullability, identity.
    let (ours, theirs) = (source.store.tables().await.unwrap(), target.store.tables().await.unwrap());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!((&ours.name, &ours.columns, &ours.identity), (&theirs.name, &theirs.columns, &theirs.identity));
    }
    assert_eq!(ours.len(), theirs.len());

    // Parts come in order, and the undo of everything in reverse leaves nothing.
    assert!(script.statements.is_sorted_by_key(|s| s.part));
    assert!(script.statements.iter().all(|s| !s.undo.to_uppercase().contains("CASCADE")));
    for statement in script.statements.iter().rev().filter(|s| s.object != "schema public") {
        target.store.execute(&statement.undo).await.unwrap_or_else(|e| panic!("{}\n{e}", statement.undo));
        // The table that a replica identity or a comment was on may live on; what the statement made does not.
        assert!(!target.store.exists(statement).await.unwrap(), "{} survived its undo", statement.object);
    }
    assert!(target.store.tables().await.unwrap().is_empty());
    source.finish().await;
    target.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn renamed_tables_and_columns_are_honoured_where_no_expression_mentions_them() {
    let (mut source, target) = (Lab::create(SERVER_1).await, Lab::create(SERVER_2).await);
    source
        .run(
            "CREATE TABLE customers (id int PRIMARY KEY, internal_note text);
             CREATE TABLE orders (id serial PRIMARY KEY, cust int REFERENCES customers (id) ON DELETE CASCADE, total numeric CHECK (total >= 0), note text,
                                  twice numeric GENERATED ALWAYS AS (total * 2) STORED, code int UNIQUE);
             CREATE INDEX orders_cust ON orders (cust DESC, id) INCLUDE (note); CREATE INDEX orders_total ON orders ((total + 1));
             CREATE INDEX orders_code ON orders (code) WHERE code > 5; CREATE INDEX customers_note ON customers (internal_note)",
        )
        .await;
    let customers = source.store.table(&TableName::in_schema("public", "customers")).await.unwrap();
    let orders = source.store.table(&TableName::in_schema("public", "orders")).await.unwrap();
    let maps = [
        map(&customers, TableName::in_schema("crm", "clients"), &[("id", "client_id")], &["internal_note"]),
        map(
            &orders,
            TableName::in_schema("sales", "sales_orders"),
            &[("cust", "client"), ("total", "amount"), ("code", "order_code")],
            &[],
        ),
    ];
    let script = source.store.script(&maps).await.unwrap();
    build(&target, &script).await;
    assert_eq!(
        statement(&script, "constraint orders_cust_fkey on sales.sales_orders"),
        "ALTER TABLE \"sales\".\"sales_orders\" ADD CONSTRAINT \"orders_cust_fkey\" FOREIGN KEY (\"client\") REFERENCES \"crm\".\"clients\" (\"client_id\") ON DELETE CASCADE"
    );
    assert_eq!(
        statement(&script, "index sales.orders_cust"),
        "CREATE INDEX \"orders_cust\" ON \"sales\".\"sales_orders\" USING btree (\"client\" DESC, \"id\") INCLUDE (\"note\")"
    );
    assert!(
        statement(&script, "table sales.sales_orders")
            .contains("DEFAULT nextval('\"sales\".\"orders_id_seq\"'::regclass)")
    );
    assert!(statement(&script, "constraint orders_code_key on sales.sales_orders").contains("UNIQUE (\"order_code\")"));
    let mut left: Vec<&str> = script.left_out.iter().map(|s| s.split(':').next().unwrap()).collect();
    left.sort_unstable();
    assert_eq!(
        left,
        [
            "constraint orders_total_check on public.orders",
            "generated column public.orders.twice",
            "index customers_note on public.customers",
            "index orders_code on public.orders",
            "index orders_total on public.orders",
        ],
        "{:?}",
        script.left_out
    );
    source.finish().await;
    target.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn what_is_not_moved_is_named() {
    let mut source = Lab::create(SERVER_1).await;
    source
        .run(
            "CREATE FUNCTION one() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1'; CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
             CREATE TABLE other (id int PRIMARY KEY);
             CREATE TABLE t (id int PRIMARY KEY, o int REFERENCES other, d int DEFAULT one(), c int CHECK (c > one()));
             CREATE TABLE incoming (t int REFERENCES t);
             CREATE TRIGGER stamp BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION noop();
             CREATE POLICY mine ON t USING (true); CREATE RULE r AS ON DELETE TO t DO ALSO NOTHING; CREATE STATISTICS st ON id, o FROM t; CREATE INDEX t_one ON t ((id + one()))",
        )
        .await;
    let table = source.store.table(&TableName::in_schema("public", "t")).await.unwrap();
    let script = source.store.script(&[map(&table, table.name.clone(), &[], &[])]).await.unwrap();
    let all = script.left_out.join("\n");
    for part in [
        "default public.t.d: it calls public.one()",
        "constraint t_c_check on public.t: it calls public.one()",
        "constraint t_o_fkey on public.t: it refers to public.other",
        "constraint incoming_t_fkey on public.incoming: it refers to public.t",
        "trigger stamp on public.t: it calls public.noop()",
        "policy mine",
        "rule r",
        "statistics st",
        "index t_one on public.t: it calls public.one()",
    ] {
        assert!(all.contains(part), "{part} is not in\n{all}");
    }
    assert_eq!(script.statements.iter().filter(|s| s.part == SchemaPart::Rest).count(), 0);
    source.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn tables_that_cannot_be_built_are_refused() {
    let mut source = Lab::create(SERVER_1).await;
    source
        .run(
            "CREATE TABLE parent (id int); CREATE TABLE child () INHERITS (parent); CREATE TABLE root (a int) PARTITION BY LIST (a);
             CREATE TABLE leaf PARTITION OF root DEFAULT; CREATE VIEW v AS SELECT 1 AS a",
        )
        .await;
    for (name, kind) in [
        ("parent", ErrorKind::Unsupported),
        ("child", ErrorKind::Unsupported),
        ("leaf", ErrorKind::Unsupported),
        ("v", ErrorKind::Unsupported),
        ("nope", ErrorKind::NotFound),
    ] {
        let error = source.store.script(&[super::lab::same(name, &[("id", "integer")], &[])]).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
    }
    source.finish().await;
}

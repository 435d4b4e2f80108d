//! Replication, statement statistics and indexes as the server keeps them.

use crate::postgres_control::lab::{Lab, SERVER_1};
use godwit::model::lag::Reading;
use godwit::model::replication::Kept;
use godwit::model::statement::StatementSource;
use godwit::model::what_if::Parameters;
use godwit::stores::error::ErrorKind;
use godwit::stores::observe::{IndexStats, Replicas, StatementStats};

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_slot_that_nobody_reads_is_a_problem() {
    let mut lab = Lab::create(SERVER_1).await;
    let slot = format!("idle_{}", lab.name);
    lab.run(&format!("SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput'); CREATE TABLE t AS SELECT generate_series(1, 1000) AS id")).await;
    let read = lab.store.replication().await.unwrap().value;
    let kept = read.retention.iter().find(|r| r.name == slot).unwrap();
    assert!(!kept.active && kept.problem.as_deref().unwrap().contains("nobody reads it"), "{kept:?}");
    assert!(matches!(kept.retained_bytes, Reading::Known(bytes) if bytes > 0), "{kept:?}");
    let disk = read.retention.iter().find(|r| r.kind == Kept::Disk).unwrap();
    assert!(matches!(disk.room_bytes, Reading::Known(Some(bytes)) if bytes > 0), "the server is here: {disk:?}");
    lab.run(&format!("SELECT pg_drop_replication_slot('{slot}')")).await;
    assert!(lab.store.replication().await.unwrap().value.retention.iter().all(|r| r.name != slot));
    lab.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn statements_are_counted_where_the_extension_is_there() {
    let mut lab = Lab::create(SERVER_1).await;
    if !lab.text("SELECT current_setting('shared_preload_libraries')").await.contains("pg_stat_statements") {
        panic!("the lab's server must load pg_stat_statements");
    }
    lab.run("CREATE EXTENSION pg_stat_statements; CREATE TABLE orders (id int)").await;
    for id in 0..7 {
        lab.run(&format!("INSERT INTO orders VALUES ({id})")).await;
    }
    let read = lab.store.statements().await.unwrap();
    assert_eq!(read.missing, []);
    let statements = read.value.unwrap();
    assert_eq!(statements.source, StatementSource::PgStatStatements);
    let insert = statements.counters.iter().find(|c| c.text.starts_with("INSERT INTO orders")).unwrap();
    assert_eq!((insert.calls, insert.rows), (7, Some(7)));
    assert!(insert.total_us > 0.0 && insert.text.contains("$1"), "{insert:?}");
    assert!(!statements.window.proof.is_empty());
    // Texts are remembered: the second reading asks for none and shows the same.
    let again = lab.store.statements().await.unwrap();
    assert!(again.value.unwrap().counters.iter().any(|c| c.text == insert.text));
    lab.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn indexes_are_read_with_every_property_that_advice_needs() {
    let mut lab = Lab::create(SERVER_1).await;
    lab.run(
        "CREATE TABLE parent (id int PRIMARY KEY);
         CREATE TABLE t (id int PRIMARY KEY, a int NOT NULL UNIQUE, b text COLLATE \"C\", c int REFERENCES parent ON DELETE CASCADE, d int);
         CREATE INDEX t_expr ON t (lower(b) DESC, a) INCLUDE (d) WHERE d > 0;
         CREATE INDEX t_pattern ON t (b text_pattern_ops);
         CREATE INDEX t_brin ON t USING brin (d);
         ALTER TABLE t REPLICA IDENTITY USING INDEX t_a_key;
         INSERT INTO t SELECT g, g, 'x' || g, NULL, g % 5 FROM generate_series(1, 500) g; ANALYZE t;
         SELECT count(*) FROM t; SET enable_seqscan = off; SELECT * FROM t WHERE id = 7;
         CREATE TABLE parts (k int PRIMARY KEY) PARTITION BY HASH (k);
         CREATE TABLE parts_0 PARTITION OF parts FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
    )
    .await;
    let read = lab.store.indexes().await.unwrap();
    assert_eq!(read.missing, []);
    let found = |name: &str| {
        read.value.indexes.iter().find(|i| i.name == format!("public.{name}")).unwrap_or_else(|| panic!("{name}"))
    };
    assert!(found("t_pkey").duty.primary && found("t_pkey").duty.constraint.as_deref() == Some("t_pkey"));
    assert!(found("t_a_key").duty.unique && found("t_a_key").duty.replica_identity);
    let expr = found("t_expr");
    assert!(
        expr.parts[0].is_expression && expr.parts[0].descending && expr.parts[0].term.contains("lower(b)"),
        "{expr:?}"
    );
    assert_eq!((expr.parts[1].term.as_str(), expr.include.as_slice()), ("a", ["d".to_owned()].as_slice()));
    assert_eq!(expr.predicate, "(d > 0)");
    assert_eq!(found("t_pattern").parts[0].operator_class, "text_pattern_ops");
    assert_eq!(found("t_brin").method, "brin");
    assert_eq!(found("parts_0_pkey").duty.part_of.as_deref(), Some("public.parts_pkey"));
    assert!(matches!(found("t_pkey").bytes, Reading::Known(bytes) if bytes > 0));
    let table = read.value.tables.iter().find(|t| t.table == "public.t").unwrap();
    assert_eq!(table.rows, Reading::Known(500));
    let d = table.columns.iter().find(|c| c.name == "d").unwrap();
    assert_eq!(d.distinct, Some(5.0));
    assert_eq!(d.common.len(), 5);
    let key = &read.value.foreign_keys[0];
    assert_eq!((key.table.as_str(), key.parent.as_str(), key.cascades), ("public.t", "public.parent", true));
    // A new index is seen although definitions are remembered.
    lab.run("CREATE INDEX t_new ON t (d, a)").await;
    let again = lab.store.indexes().await.unwrap().value;
    assert!(again.indexes.iter().any(|i| i.name == "public.t_new" && i.parts.len() == 2));
    lab.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn what_if_needs_hypopg_and_says_so() {
    let mut lab = Lab::create(SERVER_1).await;
    lab.run("CREATE TABLE t AS SELECT g AS id, g % 1000 AS c FROM generate_series(1, 100000) g; ANALYZE t").await;
    let statement = "SELECT * FROM public.t WHERE c = $1";
    let candidate = ["CREATE INDEX ON public.t (c)".to_owned()];
    if lab.text("SELECT count(*) FROM pg_available_extensions WHERE name = 'hypopg'").await == "0" {
        panic!("the lab installs hypopg");
    }
    let refused = lab.store.what_if(statement, &Parameters::default(), &candidate).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Unsupported);
    assert!(refused.to_string().contains("CREATE EXTENSION hypopg"));
    lab.run("CREATE EXTENSION hypopg").await;
    let answer = lab.store.what_if(statement, &Parameters::default(), &candidate).await.unwrap();
    assert!(answer.after < answer.before / 2.0 && answer.used == [0] && answer.samples.is_empty(), "{answer:?}");
    let none = lab
        .store
        .what_if(statement, &Parameters::default(), &["CREATE INDEX ON public.t (id)".to_owned()])
        .await
        .unwrap();
    assert!(none.used.is_empty() && (none.after - none.before).abs() < 1e-6, "{none:?}");
    lab.finish().await;
}

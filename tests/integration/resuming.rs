//! A comparison that is interrupted inside a table goes on there, by what the journal holds of it.

use async_trait::async_trait;
use godwit::model::table::{ColumnMap, TableMap, TableName};
use godwit::model::value::Value;
use godwit::model::verification::TablePass;
use godwit::stores::{OpenOptions, StoreRef, registry};
use godwit::verify::barrier::Barrier;
use godwit::verify::compare::{Comparison, TableResult, Watcher};
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use std::path::Path;
use std::time::Duration;

/// Both sides stand still.
struct AtRest;

#[async_trait]
impl Barrier for AtRest {
    async fn pass(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Ends a pass after so many ranges, as an engine that is stopped does.
struct EndsAfter(u64);

#[async_trait]
impl Watcher for EndsAfter {
    async fn rechecking(&self, _so_far: &TableResult, _rows: u64) {}

    async fn passed(&self, so_far: &TableResult) -> bool {
        so_far.verification.chunks_done < self.0
    }
}

async fn run(file: &Path, sql: &str) {
    let url = format!("sqlite:{}?mode=rwc", file.display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

fn open(file: &Path, name: &str) -> StoreRef {
    let limit = Duration::from_secs(10);
    let options = OpenOptions { id: name.into(), statement_timeout: limit, connect_timeout: limit };
    registry::open("sqlite", options, &format!("sqlite:{}", file.display())).unwrap()
}

#[tokio::test]
async fn an_interrupted_pass_goes_on_behind_the_last_key_that_was_compared() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old.db"), dir.path().join("new.db"));
    for file in [&old, &new] {
        run(
            file,
            "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO t SELECT i, i FROM n",
        )
        .await;
    }
    run(&new, "DELETE FROM t WHERE id = 50").await;
    let (source, target) = (open(&old, "old"), open(&new, "new"));
    let column = |name: &str| ColumnMap {
        source: name.into(),
        target: name.into(),
        source_type: "INTEGER".into(),
        target_type: "INTEGER".into(),
    };
    let name = TableName::bare("t");
    let maps =
        [TableMap { source: name.clone(), target: name, columns: vec![column("id"), column("v")], key: vec![0] }];
    let compare = async |earlier: Option<TableResult>, watcher: &EndsAfter| {
        let comparison =
            Comparison { source: &source, target: &target, maps: &maps, barrier: &AtRest, watcher, range_rows: 100 };
        comparison.table(0, earlier).await.unwrap()
    };

    let ended = compare(None, &EndsAfter(3)).await;
    assert!(!ended.finished);
    assert_eq!(ended.verification.full_pass_at, None, "a pass that did not end is no full pass");
    let pass = ended.pass().unwrap();
    assert_eq!(pass.upto.len(), 1);
    assert!(matches!(pass.upto[0], Value::Int(300..310)), "{pass:?}");

    // Compared already, and so not seen again; and two rows that are still to come.
    run(&new, "UPDATE t SET v = 0 WHERE id = 150; UPDATE t SET v = 0 WHERE id = 850; DELETE FROM t WHERE id = 950")
        .await;
    let journaled: TablePass = serde_json::from_str(&serde_json::to_string(&pass).unwrap()).unwrap();
    let result = compare(Some(TableResult::resume(journaled)), &EndsAfter(u64::MAX)).await;
    let found = &result.verification;
    assert!(result.finished && found.resumed && found.full_pass_at.is_some());
    assert_eq!(found.rows_compared, 1000);
    assert_eq!(found.chunks_total, Some(found.chunks_done));
    assert_eq!((found.drift.missing, found.drift.changed, found.drift.total()), (2, 1, 3));
    assert_eq!(
        found.fresh_since(),
        found.began_at,
        "what was compared before the interruption is as old as its beginning"
    );
    assert_eq!(found.sample.iter().map(|row| row.key[0].as_str()).collect::<Vec<_>>(), ["50", "850", "950"]);

    // Another method has another order of keys: the place means nothing there.
    let strange = TablePass { method: "other".to_owned(), ..pass };
    let whole = compare(Some(TableResult::resume(strange)), &EndsAfter(u64::MAX)).await;
    assert_eq!((whole.verification.drift.total(), whole.verification.resumed), (4, false));
}

use super::*;
use std::time::Duration;

async fn count(connection: &mut SqliteConnection, table: &str) -> i64 {
    let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
    sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn the_demo_has_about_two_hundred_thousand_rows_and_no_broken_reference() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shop.db");
    make(&path, ShopSize::DEMO).await.unwrap();
    let mut connection = open(&path, Duration::from_secs(1)).await.unwrap();
    let mut rows = 0;
    for table in TABLES {
        rows += count(&mut connection, table.name).await;
    }
    assert!((190_000..=215_000).contains(&rows), "{rows} rows");
    let broken: Vec<(String,)> =
        sqlx::query_as("SELECT \"table\" FROM pragma_foreign_key_check").fetch_all(&mut connection).await.unwrap();
    assert!(broken.is_empty(), "{broken:?}");
    let integrity: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
    assert_eq!(integrity, "ok");
}

#[tokio::test]
async fn two_shops_are_equal_to_the_last_row() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (dir.path().join("one.db"), dir.path().join("other.db"));
    make(&one, ShopSize::SMALL).await.unwrap();
    make(&other, ShopSize::SMALL).await.unwrap();
    for table in TABLES {
        let drift = crate::cli::demo::drift::compare(&one, &other, &table).await.unwrap();
        assert_eq!(drift.total(), 0, "{}", table.name);
        assert!(drift.rows > 0, "{} is empty", table.name);
    }
}

#[tokio::test]
async fn the_table_list_names_every_column() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shop.db");
    make(&path, ShopSize::SMALL).await.unwrap();
    let mut connection = open(&path, Duration::from_secs(1)).await.unwrap();
    for table in TABLES {
        let mut known: Vec<String> = sqlx::query_scalar("SELECT name FROM pragma_table_info(?)")
            .bind(table.name)
            .fetch_all(&mut connection)
            .await
            .unwrap();
        let mut listed: Vec<String> = table.key.iter().chain(table.rest).map(|c| (*c).to_owned()).collect();
        known.sort();
        listed.sort();
        assert_eq!(known, listed, "{}", table.name);
    }
}

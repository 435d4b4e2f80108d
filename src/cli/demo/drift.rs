//! Drift between two databases: all rows of a table, column by column, with code of our own, so that the verdict does not rest on the
//! engine's opinion of itself.

use crate::cli::demo::shop::ShopTable;
use futures_util::TryStreamExt;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection};
use std::cmp::Ordering;
use std::path::Path;

/// Differing keys that are told one by one.
const SAMPLE: usize = 5;

/// How the rows of one table differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drift {
    /// Rows compared: those of the first database and the extra ones of the second.
    pub rows: u64,
    /// Rows of the first database that the second lacks.
    pub missing: u64,
    /// Rows of the second database that the first lacks.
    pub extra: u64,
    /// Rows with other values.
    pub changed: u64,
    /// The first few, each with how it differs.
    pub sample: Vec<String>,
}

impl Drift {
    /// All differing rows.
    pub fn total(&self) -> u64 {
        self.missing + self.extra + self.changed
    }

    fn note(&mut self, key: &[i64], how: &str) {
        if self.sample.len() < SAMPLE {
            self.sample.push(format!("{key:?} {how}"));
        }
    }
}

/// One row: its key, and all other columns in SQLite's own literal notation, which tells 1 from 1.0 from '1' from x'31' and NULL.
type Row = (Vec<i64>, String);

/// Opens a database for comparing only.
///
/// # Errors
/// When it cannot be opened.
pub async fn open(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(false).foreign_keys(false);
    SqliteConnection::connect_with(&options).await
}

/// The statement that reads a table in key order. Real numbers are written with all their digits.
fn select(table: &ShopTable) -> String {
    let literals: Vec<String> = table
        .rest
        .iter()
        .map(|column| {
            format!("CASE typeof({column}) WHEN 'real' THEN printf('%!.20g', {column}) ELSE quote({column}) END")
        })
        .collect();
    let key = table.key.join(", ");
    format!("SELECT {}, {key} FROM {} ORDER BY {key}", literals.join(" || ',' || "), table.name)
}

/// Compares a table of two databases in one pass over both, in key order.
///
/// # Errors
/// When one of them cannot be read, a table that is missing included.
pub async fn compare(first: &Path, second: &Path, table: &ShopTable) -> Result<Drift, sqlx::Error> {
    let (mut a, mut b) = (open(first).await?, open(second).await?);
    // The names are constants of the shop.
    let sql = select(table);
    let width = table.key.len();
    let mut drift = Drift::default();
    {
        let mut left = sqlx::query(AssertSqlSafe(sql.clone())).fetch(&mut a);
        let mut right = sqlx::query(AssertSqlSafe(sql)).fetch(&mut b);
        let mut from_left = read(left.try_next().await?, width)?;
        let mut from_right = read(right.try_next().await?, width)?;
        loop {
            let order = match (&from_left, &from_right) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((a, _)), Some((b, _))) => a.cmp(b),
            };
            drift.rows += 1;
            match (order, &from_left, &from_right) {
                (Ordering::Less, Some((key, _)), _) => {
                    drift.missing += 1;
                    drift.note(key, "missing");
                }
                (Ordering::Greater, _, Some((key, _))) => {
                    drift.extra += 1;
                    drift.note(key, "extra");
                }
                (_, Some((key, a)), Some((_, b))) if a != b => {
                    drift.changed += 1;
                    drift.note(key, &format!("changed: {a} against {b}"));
                }
                _ => {}
            }
            if order != Ordering::Greater {
                from_left = read(left.try_next().await?, width)?;
            }
            if order != Ordering::Less {
                from_right = read(right.try_next().await?, width)?;
            }
        }
    }
    a.close().await?;
    b.close().await?;
    Ok(drift)
}

fn read(row: Option<sqlx::sqlite::SqliteRow>, width: usize) -> Result<Option<Row>, sqlx::Error> {
    use sqlx::Row as _;
    let Some(row) = row else { return Ok(None) };
    let key = (1..=width).map(|column| row.try_get(column)).collect::<Result<_, _>>()?;
    Ok(Some((key, row.try_get(0)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::shop;
    use std::path::PathBuf;
    use std::time::Duration;

    async fn two_shops(dir: &Path, change: &'static str) -> (PathBuf, PathBuf) {
        let (one, other) = (dir.join("one.db"), dir.join("other.db"));
        shop::make(&one, shop::ShopSize::SMALL).await.unwrap();
        shop::make(&other, shop::ShopSize::SMALL).await.unwrap();
        let mut connection = open(&other).await.unwrap();
        sqlx::raw_sql(change).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let mut check = shop::open(&other, Duration::from_secs(1)).await.unwrap();
        check.ping().await.unwrap();
        (one, other)
    }

    fn table(name: &str) -> ShopTable {
        *shop::TABLES.iter().find(|t| t.name == name).unwrap()
    }

    #[tokio::test]
    async fn a_deleted_row_is_missing_and_an_inserted_one_is_extra() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = two_shops(
            dir.path(),
            "DELETE FROM order_lines WHERE order_id = 3 AND line = 1; INSERT INTO order_lines VALUES (3, 9, 1, 1, 1)",
        )
        .await;
        let drift = compare(&one, &other, &table("order_lines")).await.unwrap();
        assert_eq!((drift.missing, drift.extra, drift.changed), (1, 1, 0), "{drift:?}");
        assert_eq!(drift.sample, ["[3, 1] missing", "[3, 9] extra"]);
    }

    #[tokio::test]
    async fn a_value_of_another_type_is_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = two_shops(
            dir.path(),
            "UPDATE products SET weight_kg = 1.5 WHERE id = 8; UPDATE products SET picture = 'text' WHERE id = 9;
             UPDATE products SET weight_kg = weight_kg + 0.00000000000001 WHERE id = 10",
        )
        .await;
        let drift = compare(&one, &other, &table("products")).await.unwrap();
        assert_eq!((drift.missing, drift.extra, drift.changed), (0, 0, 3), "{drift:?}");
    }

    #[tokio::test]
    async fn a_table_that_is_not_there_is_an_error_and_never_equal() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = two_shops(dir.path(), "DROP TABLE payments").await;
        assert!(compare(&one, &other, &table("payments")).await.is_err());
    }
}

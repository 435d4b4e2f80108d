//! Stock levels.

use super::{Audit, Taken};
use sqlx::sqlite::SqliteConnection;
use std::collections::HashMap;

/// Stock levels and their move counters: a decrement that was applied twice or not at all shows here even when every order is there.
pub(super) async fn audit(
    audit: &mut Audit,
    taken: &Taken,
    orders: &mut SqliteConnection,
    first: &mut SqliteConnection,
) -> Result<(), sqlx::Error> {
    const SQL: &str = "SELECT product_id, level, moves FROM stock";
    let wanted: Vec<(i64, i64, i64)> = sqlx::query_as(SQL).fetch_all(first).await?;
    let found: Vec<(i64, i64, i64)> = sqlx::query_as(SQL).fetch_all(orders).await?;
    let mut found: HashMap<i64, (i64, i64)> = found.into_iter().map(|(p, level, moves)| (p, (level, moves))).collect();
    for (product, level, moves) in wanted {
        let (pieces, decrements) = taken.get(&product).copied().unwrap_or_default();
        let expected = (level - pieces, moves + decrements);
        match found.remove(&product) {
            None => audit.lost(format!("the stock of product {product} is not there")),
            Some(row) if row == expected => {}
            Some((level, moves)) if moves > expected.1 || (moves == expected.1 && level < expected.0) => {
                audit.duplicated(format!(
                    "the stock of product {product} is {level} after {moves} moves, expected {expected:?}"
                ));
            }
            Some((level, moves)) => {
                audit.lost(format!(
                    "the stock of product {product} is {level} after {moves} moves, expected {expected:?}"
                ));
            }
        }
    }
    for product in found.keys() {
        audit.duplicated(format!("product {product} has a stock that was not in the first data"));
    }
    Ok(())
}

//! Payments.

use super::{Audit, Claims, by_op, first_row, match_rows};
use crate::cli::demo::operation::Operation;
use sqlx::sqlite::SqliteConnection;

/// Compares the payments.
pub(super) async fn audit(
    audit: &mut Audit,
    claims: &Claims<'_>,
    payments: &mut SqliteConnection,
    first: &mut SqliteConnection,
) -> Result<(), sqlx::Error> {
    const SQL: &str = "SELECT ref, id, order_id, amount_cents, method, paid_at FROM payments";
    type Row = (i64, i64, i64, String, String);
    let read = |rows: Vec<(String, i64, i64, i64, String, String)>| -> Vec<(String, Row)> {
        rows.into_iter().map(|(op, id, order, amount, method, at)| (op, (id, order, amount, method, at))).collect()
    };
    let wanted = read(sqlx::query_as(SQL).fetch_all(first).await?);
    let found = read(sqlx::query_as(SQL).fetch_all(payments).await?);
    let (seeds, ours): (Vec<_>, Vec<_>) = found.into_iter().partition(|(op, _)| op.starts_with("seed-"));
    match_rows(audit, "payment", &claims.payments, &claims.in_doubt, &by_op(ours), |write| {
        let Operation::Pay { order_id, amount_cents, method, paid_at } = &write.operation else { return None };
        Some((write.key, *order_id, *amount_cents, method.clone(), paid_at.clone()))
    });
    let mut seeds = by_op(seeds);
    for (op, row) in wanted {
        first_row(audit, "payment", &op, &row, seeds.remove(&op));
    }
    for op in seeds.keys() {
        audit.duplicated(format!("payment {op} is there and was not in the first data"));
    }
    Ok(())
}

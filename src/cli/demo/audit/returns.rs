//! Returns: a table that was made on the new side after the first cutover and has been to the old side and back.

use super::{Audit, Claims, by_op, match_rows};
use crate::cli::demo::operation::Operation;
use sqlx::sqlite::SqliteConnection;

/// Compares the returns. Where nobody ever made the table, nothing must have been acknowledged.
pub(super) async fn audit(
    audit: &mut Audit,
    claims: &Claims<'_>,
    orders: &mut SqliteConnection,
) -> Result<(), sqlx::Error> {
    type Row = (i64, i64, String);
    let made: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE name = 'returns'").fetch_one(&mut *orders).await?;
    let rows: Vec<(String, i64, i64, String)> = match made {
        0 => Vec::new(),
        _ => sqlx::query_as("SELECT ref, id, order_id, why FROM returns").fetch_all(orders).await?,
    };
    let found: Vec<(String, Row)> = rows.into_iter().map(|(op, id, order, why)| (op, (id, order, why))).collect();
    match_rows(audit, "return", &claims.returns, &claims.in_doubt, &by_op(found), |write| {
        let Operation::Return { order_id, why } = &write.operation else { return None };
        Some((write.key, *order_id, why.clone()))
    });
    Ok(())
}

//! Customers and their changes.

use super::{Audit, Claims, by_op, first_row, match_rows};
use crate::cli::demo::ledger::Acknowledged;
use crate::cli::demo::operation::Operation;
use sqlx::sqlite::SqliteConnection;

/// Id, name, mail address, city, changes, last change, time.
type CustomerRow = (i64, String, String, String, i64, Option<String>, String);

/// Compares the customers.
pub(super) async fn audit(
    audit: &mut Audit,
    claims: &Claims<'_>,
    customers: &mut SqliteConnection,
    first: &mut SqliteConnection,
) -> Result<(), sqlx::Error> {
    const SQL: &str = "SELECT ref, id, name, email, city, changes, change_ref, registered_at FROM customers";
    type Columns = (String, i64, String, String, String, i64, Option<String>, String);
    let read = |rows: Vec<Columns>| -> Vec<(String, CustomerRow)> {
        rows.into_iter()
            .map(|(op, id, name, email, city, changes, change, at)| (op, (id, name, email, city, changes, change, at)))
            .collect()
    };
    let wanted = read(sqlx::query_as(SQL).fetch_all(first).await?);
    let found = read(sqlx::query_as(SQL).fetch_all(customers).await?);
    let (seeds, ours): (Vec<_>, Vec<_>) = found.into_iter().partition(|(op, _)| op.starts_with("seed-"));
    match_rows(audit, "customer", &claims.registrations, &claims.in_doubt, &by_op(ours), |write| {
        let Operation::RegisterCustomer { name, email, city, registered_at } = &write.operation else { return None };
        Some((write.key, name.clone(), email.clone(), city.clone(), 0, None, registered_at.clone()))
    });
    let mut seeds = by_op(seeds);
    for (op, row) in wanted {
        let found = seeds.remove(&op);
        match claims.changes.get(&row.0) {
            // A change in doubt may have been the last one: then the row may carry it.
            _ if found.iter().flatten().any(|r| r.5.as_ref().is_some_and(|op| claims.in_doubt.contains(op))) => {}
            None => first_row(audit, "customer", &op, &row, found),
            Some(changes) => audit_changes(audit, &row, changes, found),
        }
    }
    for op in seeds.keys() {
        audit.duplicated(format!("customer {op} is there and was not in the first data"));
    }
    Ok(())
}

/// A customer who moved: the last acknowledged city, and as many changes as were acknowledged.
fn audit_changes(audit: &mut Audit, first: &CustomerRow, changes: &[&Acknowledged], found: Option<Vec<CustomerRow>>) {
    let Some(last) = changes.last() else { return };
    let Operation::ChangeCustomer { city, .. } = &last.operation else { return };
    let count = i64::try_from(changes.len()).unwrap_or(i64::MAX);
    let mut expected = first.clone();
    expected.3.clone_from(city);
    expected.4 = first.4 + count;
    expected.5 = Some(last.op.clone());
    let rows = found.unwrap_or_default();
    for _ in rows.iter().skip(1) {
        audit.duplicated(format!("customer {} is there {} times", first.0, rows.len()));
    }
    match rows.first() {
        None => audit.lost(format!("customer {} is not there", first.0)),
        Some(row) if *row == expected => {}
        Some(row) if row.4 > expected.4 => {
            audit.duplicated(format!("customer {} was changed {} times and {count} were acknowledged", first.0, row.4));
        }
        Some(row) => audit.lost(format!("customer {} is {row:?} and was acknowledged as {expected:?}", first.0)),
    }
}

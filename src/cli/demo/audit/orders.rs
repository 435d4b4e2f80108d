//! Orders and their lines.

use super::{Audit, Claims, Taken, by_op, first_row, match_rows};
use crate::cli::demo::operation::{Operation, OrderLine, total_cents};
use sqlx::sqlite::SqliteConnection;
use std::collections::{BTreeMap, HashMap};

/// An order row without its id in the ledger: id, customer, total, time, status, status id.
type OrderRow = (i64, i64, i64, String, String, Option<String>);
/// The same with its id in the ledger in front, as it is selected.
type OrderColumns = (String, i64, i64, i64, String, String, Option<String>);

/// Compares orders and lines; returns what was taken from the stock: pieces and moves by product.
pub(super) async fn audit(
    audit: &mut Audit,
    claims: &Claims<'_>,
    orders: &mut SqliteConnection,
    first: &mut SqliteConnection,
) -> Result<Taken, sqlx::Error> {
    let columns: Vec<OrderColumns> =
        sqlx::query_as("SELECT ref, id, customer_id, total_cents, placed_at, status, status_ref FROM orders")
            .fetch_all(&mut *orders)
            .await?;
    let (seeds, ours): (Vec<_>, Vec<_>) = columns
        .into_iter()
        .map(|(op, id, customer, total, at, status, status_ref)| (op, (id, customer, total, at, status, status_ref)))
        .partition(|(op, _): &(String, OrderRow)| op.starts_with("seed-"));
    let found = by_op(ours);
    // The status is compared on its own below: an order whose payment mark is in doubt may have either.
    match_rows(audit, "order", &claims.orders, &claims.in_doubt, &strip_status(&found), |write| {
        let Operation::PlaceOrder { customer_id, lines, placed_at } = &write.operation else { return None };
        Some((write.key, *customer_id, total_cents(lines), placed_at.clone()))
    });
    for row in found.values().flatten() {
        audit_status(audit, claims, row);
    }
    audit_seed_orders(audit, seeds, first).await?;
    audit_lines(audit, claims, &found, orders, first).await
}

fn strip_status(found: &HashMap<String, Vec<OrderRow>>) -> HashMap<String, Vec<(i64, i64, i64, String)>> {
    found.iter().map(|(op, rows)| (op.clone(), rows.iter().map(|r| (r.0, r.1, r.2, r.3.clone())).collect())).collect()
}

fn audit_status(audit: &mut Audit, claims: &Claims<'_>, (id, _, _, _, status, status_ref): &OrderRow) {
    match (claims.paid.get(id), status_ref) {
        (Some(op), Some(found)) if status == "paid" && found == op => {}
        (Some(op), found) => {
            audit.lost(format!("order {id} was acknowledged as paid by {op} and is {status} by {found:?}"));
        }
        (None, None) if status == "placed" => {}
        (None, Some(found)) if claims.in_doubt.contains(found) => {}
        (None, found) => audit.duplicated(format!("order {id} is {status} by {found:?}, which was never acknowledged")),
    }
}

/// Orders of the first data never change.
async fn audit_seed_orders(
    audit: &mut Audit,
    seeds: Vec<(String, OrderRow)>,
    first: &mut SqliteConnection,
) -> Result<(), sqlx::Error> {
    let wanted: Vec<OrderColumns> =
        sqlx::query_as("SELECT ref, id, customer_id, total_cents, placed_at, status, status_ref FROM orders")
            .fetch_all(first)
            .await?;
    let mut found = by_op(seeds);
    for (op, id, customer, total, at, status, status_ref) in wanted {
        let row = (id, customer, total, at, status, status_ref);
        first_row(audit, "order", &op, &row, found.remove(&op));
    }
    for op in found.keys() {
        audit.duplicated(format!("order {op} is there and was not in the first data"));
    }
    Ok(())
}

type LineRow = (i64, i64, i64, i64, i64);

async fn audit_lines(
    audit: &mut Audit,
    claims: &Claims<'_>,
    orders: &HashMap<String, Vec<OrderRow>>,
    connection: &mut SqliteConnection,
    first: &mut SqliteConnection,
) -> Result<Taken, sqlx::Error> {
    const SQL: &str = "SELECT order_id, line, product_id, quantity, price_cents FROM order_lines";
    let wanted: Vec<LineRow> = sqlx::query_as(SQL).fetch_all(first).await?;
    let found: Vec<LineRow> = sqlx::query_as(SQL).fetch_all(connection).await?;
    let mut by_order: HashMap<i64, Vec<LineRow>> = HashMap::new();
    for line in found {
        by_order.entry(line.0).or_default().push(line);
    }
    let mut expected: BTreeMap<i64, Vec<LineRow>> = BTreeMap::new();
    for line in wanted {
        expected.entry(line.0).or_default().push(line);
    }
    let mut taken: Taken = BTreeMap::new();
    for write in claims.orders.values() {
        let Operation::PlaceOrder { lines, .. } = &write.operation else { continue };
        expected.insert(write.key, line_rows(write.key, lines));
        take(&mut taken, lines.iter().map(|l| (l.product_id, l.quantity)));
    }
    for (order, mut wanted) in expected {
        let mut found = by_order.remove(&order).unwrap_or_default();
        wanted.sort_unstable();
        found.sort_unstable();
        if wanted != found {
            audit.lost(format!("order {order} has the lines {found:?} and was acknowledged with {wanted:?}"));
        }
    }
    for (op, id) in orders.iter().flat_map(|(op, rows)| rows.iter().map(move |row| (op, row.0))) {
        if claims.in_doubt.contains(op) {
            let lines = by_order.remove(&id).unwrap_or_default();
            take(&mut taken, lines.iter().map(|l| (l.2, l.3)));
        }
    }
    for order in by_order.keys() {
        audit.duplicated(format!("order {order} has lines and was never acknowledged"));
    }
    Ok(taken)
}

fn line_rows(order: i64, lines: &[OrderLine]) -> Vec<LineRow> {
    (1_i64..).zip(lines).map(|(number, l)| (order, number, l.product_id, l.quantity, l.price_cents)).collect()
}

fn take(taken: &mut Taken, lines: impl Iterator<Item = (i64, i64)>) {
    for (product, quantity) in lines {
        let (pieces, moves) = taken.entry(product).or_default();
        *pieces += quantity;
        *moves += 1;
    }
}

//! What the shop's applications do: each operation is one transaction in one service's database, and may be tried again at any time
//! without happening twice, because its id is stored with what it wrote.

use serde::{Deserialize, Serialize};
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

/// One line of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OrderLine {
    /// Product.
    pub product_id: i64,
    /// Pieces; the stock falls by this.
    pub quantity: i64,
    /// Price of one piece.
    pub price_cents: i64,
}

/// A write with the values that must be found afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Operation {
    /// An order with its lines; takes the stock down.
    PlaceOrder {
        /// Who buys.
        customer_id: i64,
        /// What.
        lines: Vec<OrderLine>,
        /// When.
        placed_at: String,
    },
    /// Marks an order as paid.
    MarkPaid {
        /// Which.
        order_id: i64,
    },
    /// A new customer.
    RegisterCustomer {
        /// Name.
        name: String,
        /// Mail address.
        email: String,
        /// City.
        city: String,
        /// When.
        registered_at: String,
    },
    /// A customer moves; counts the changes of that customer.
    ChangeCustomer {
        /// Who.
        customer_id: i64,
        /// Where to.
        city: String,
    },
    /// A payment of an order.
    Pay {
        /// Which order.
        order_id: i64,
        /// How much.
        amount_cents: i64,
        /// How.
        method: String,
        /// When.
        paid_at: String,
    },
    /// An order comes back. The table for it came with a release after the cutover: the first return makes it.
    Return {
        /// Which order.
        order_id: i64,
        /// Why.
        why: String,
    },
}

/// The table that the release after the cutover brings; no profile names it.
const RETURNS: &str = "CREATE TABLE IF NOT EXISTS returns (id INTEGER PRIMARY KEY AUTOINCREMENT, ref TEXT NOT NULL UNIQUE, \
     order_id INTEGER NOT NULL REFERENCES orders (id), why TEXT NOT NULL)";

/// The total of some lines.
pub fn total_cents(lines: &[OrderLine]) -> i64 {
    lines.iter().map(|l| l.quantity * l.price_cents).sum()
}

impl Operation {
    /// The service that it belongs to.
    pub fn service(&self) -> &'static str {
        match self {
            Self::PlaceOrder { .. } | Self::MarkPaid { .. } | Self::Return { .. } => "orders",
            Self::RegisterCustomer { .. } | Self::ChangeCustomer { .. } => "customers",
            Self::Pay { .. } => "payments",
        }
    }

    /// The table that carries its id.
    pub fn table(&self) -> &'static str {
        match self {
            Self::PlaceOrder { .. } | Self::MarkPaid { .. } => "orders",
            Self::RegisterCustomer { .. } | Self::ChangeCustomer { .. } => "customers",
            Self::Pay { .. } => "payments",
            Self::Return { .. } => "returns",
        }
    }

    /// Carries it out in one transaction and returns the row's key. If it has happened already (an earlier attempt whose outcome
    /// was not known), nothing is written and the key is returned.
    ///
    /// # Errors
    /// The database's; nothing is written then, unless the connection was lost at the commit.
    pub async fn carry_out(&self, op: &str, connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
        // A writer takes its place at the start: a read transaction that turns into a writing one fails instead of waiting.
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let key = match self {
            Self::PlaceOrder { customer_id, lines, placed_at } => {
                place_order(&mut transaction, op, *customer_id, lines, placed_at).await?
            }
            Self::MarkPaid { order_id } => {
                let done = sqlx::query("UPDATE orders SET status = 'paid', status_ref = ? WHERE id = ?")
                    .bind(op)
                    .bind(order_id)
                    .execute(&mut *transaction)
                    .await?;
                one_row(done.rows_affected())?;
                *order_id
            }
            Self::RegisterCustomer { name, email, city, registered_at } => {
                match find(&mut transaction, "SELECT id FROM customers WHERE ref = ?", op).await? {
                    Some(id) => id,
                    None => sqlx::query(
                        "INSERT INTO customers (ref, name, email, city, changes, registered_at) VALUES (?, ?, ?, ?, 0, ?)",
                    )
                    .bind(op)
                    .bind(name)
                    .bind(email)
                    .bind(city)
                    .bind(registered_at)
                    .execute(&mut *transaction)
                    .await?
                    .last_insert_rowid(),
                }
            }
            Self::ChangeCustomer { customer_id, city } => {
                let last: Option<String> = sqlx::query_scalar("SELECT change_ref FROM customers WHERE id = ?")
                    .bind(customer_id)
                    .fetch_one(&mut *transaction)
                    .await?;
                if last.as_deref() != Some(op) {
                    sqlx::query("UPDATE customers SET city = ?, change_ref = ?, changes = changes + 1 WHERE id = ?")
                        .bind(city)
                        .bind(op)
                        .bind(customer_id)
                        .execute(&mut *transaction)
                        .await?;
                }
                *customer_id
            }
            Self::Pay { order_id, amount_cents, method, paid_at } => {
                match find(&mut transaction, "SELECT id FROM payments WHERE ref = ?", op).await? {
                    Some(id) => id,
                    None => sqlx::query(
                        "INSERT INTO payments (ref, order_id, amount_cents, method, paid_at) VALUES (?, ?, ?, ?, ?)",
                    )
                    .bind(op)
                    .bind(order_id)
                    .bind(amount_cents)
                    .bind(method)
                    .bind(paid_at)
                    .execute(&mut *transaction)
                    .await?
                    .last_insert_rowid(),
                }
            }
            Self::Return { order_id, why } => {
                sqlx::query(RETURNS).execute(&mut *transaction).await?;
                match find(&mut transaction, "SELECT id FROM returns WHERE ref = ?", op).await? {
                    Some(id) => id,
                    None => sqlx::query("INSERT INTO returns (ref, order_id, why) VALUES (?, ?, ?)")
                        .bind(op)
                        .bind(order_id)
                        .bind(why)
                        .execute(&mut *transaction)
                        .await?
                        .last_insert_rowid(),
                }
            }
        };
        transaction.commit().await?;
        Ok(key)
    }
}

async fn place_order(
    connection: &mut SqliteConnection,
    op: &str,
    customer_id: i64,
    lines: &[OrderLine],
    placed_at: &str,
) -> Result<i64, sqlx::Error> {
    if let Some(id) = find(connection, "SELECT id FROM orders WHERE ref = ?", op).await? {
        return Ok(id);
    }
    let id = sqlx::query(
        "INSERT INTO orders (ref, customer_id, status, total_cents, placed_at) VALUES (?, ?, 'placed', ?, ?)",
    )
    .bind(op)
    .bind(customer_id)
    .bind(total_cents(lines))
    .bind(placed_at)
    .execute(&mut *connection)
    .await?
    .last_insert_rowid();
    for (number, line) in (1_i64..).zip(lines) {
        sqlx::query(
            "INSERT INTO order_lines (order_id, line, product_id, quantity, price_cents) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(id)
        .bind(number)
        .bind(line.product_id)
        .bind(line.quantity)
        .bind(line.price_cents)
        .execute(&mut *connection)
        .await?;
        let taken = sqlx::query("UPDATE stock SET level = level - ?, moves = moves + 1 WHERE product_id = ?")
            .bind(line.quantity)
            .bind(line.product_id)
            .execute(&mut *connection)
            .await?;
        one_row(taken.rows_affected())?;
    }
    Ok(id)
}

async fn find(connection: &mut SqliteConnection, sql: &'static str, op: &str) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar(sql).bind(op).fetch_optional(connection).await
}

/// An update that meets no row is a lost row, not a success.
fn one_row(rows: u64) -> Result<(), sqlx::Error> {
    if rows == 1 { Ok(()) } else { Err(sqlx::Error::RowNotFound) }
}

//! The monolith: a shop in one SQLite file, the same bytes of data on every machine (own chance, no clock).

use crate::cli::demo::chance::Chance;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, QueryBuilder, Sqlite};
use std::path::Path;

/// One table of the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShopTable {
    /// Its name.
    pub name: &'static str,
    /// The service that owns it after the split.
    pub service: &'static str,
    /// Primary key columns; all are integers.
    pub key: &'static [&'static str],
    /// The other columns.
    pub rest: &'static [&'static str],
}

/// All tables, parents first.
pub const TABLES: [ShopTable; 6] = [
    ShopTable {
        name: "customers",
        service: "customers",
        key: &["id"],
        rest: &["ref", "name", "email", "city", "changes", "change_ref", "registered_at"],
    },
    ShopTable {
        name: "products",
        service: "orders",
        key: &["id"],
        rest: &["sku", "title", "price_cents", "weight_kg", "picture"],
    },
    ShopTable { name: "stock", service: "orders", key: &["product_id"], rest: &["level", "moves"] },
    ShopTable {
        name: "orders",
        service: "orders",
        key: &["id"],
        rest: &["ref", "customer_id", "status", "status_ref", "total_cents", "placed_at"],
    },
    ShopTable {
        name: "order_lines",
        service: "orders",
        key: &["order_id", "line"],
        rest: &["product_id", "quantity", "price_cents"],
    },
    ShopTable {
        name: "payments",
        service: "payments",
        key: &["id"],
        rest: &["ref", "order_id", "amount_cents", "method", "paid_at"],
    },
];

/// The services of the shop, each of which gets a database of its own.
pub const SERVICES: [&str; 3] = ["customers", "orders", "payments"];

/// How much data the shop begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShopSize {
    /// Customers.
    pub customers: i64,
    /// Products, each with a stock row.
    pub products: i64,
    /// Orders; each has one to four lines, nine in ten are paid.
    pub orders: i64,
}

impl ShopSize {
    /// The demo's: about 200,000 rows in all.
    pub const DEMO: Self = Self { customers: 20_000, products: 2_000, orders: 40_000 };
    /// A small one for tests.
    pub const SMALL: Self = Self { customers: 50, products: 20, orders: 80 };
}

/// Tables as the shop's developers made them: foreign keys across what will become services, AUTOINCREMENT where numbers must
/// never be used again, a composite key, a real number, a blob.
const SCHEMA: &str = "
CREATE TABLE customers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    ref TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    city TEXT NOT NULL,
    changes INTEGER NOT NULL DEFAULT 0,
    change_ref TEXT,
    registered_at TEXT NOT NULL
);
CREATE TABLE products (
    id INTEGER PRIMARY KEY,
    sku TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    price_cents INTEGER NOT NULL CHECK (price_cents > 0),
    weight_kg REAL,
    picture BLOB
);
CREATE TABLE stock (
    product_id INTEGER PRIMARY KEY REFERENCES products (id),
    level INTEGER NOT NULL CHECK (level >= 0),
    moves INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    ref TEXT NOT NULL UNIQUE,
    customer_id INTEGER NOT NULL REFERENCES customers (id),
    status TEXT NOT NULL,
    status_ref TEXT,
    total_cents INTEGER NOT NULL,
    placed_at TEXT NOT NULL
);
CREATE TABLE order_lines (
    order_id INTEGER NOT NULL REFERENCES orders (id),
    line INTEGER NOT NULL,
    product_id INTEGER NOT NULL REFERENCES products (id),
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    price_cents INTEGER NOT NULL,
    PRIMARY KEY (order_id, line)
);
CREATE TABLE payments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    ref TEXT NOT NULL UNIQUE,
    order_id INTEGER NOT NULL REFERENCES orders (id),
    amount_cents INTEGER NOT NULL,
    method TEXT NOT NULL,
    paid_at TEXT NOT NULL
);
";

/// Made after the load, as a bulk load should.
const INDEXES: &str = "
CREATE INDEX customers_city ON customers (city);
CREATE INDEX orders_customer ON orders (customer_id, placed_at);
CREATE INDEX orders_open ON orders (placed_at) WHERE status = 'placed';
CREATE INDEX order_lines_product ON order_lines (product_id);
CREATE INDEX payments_order ON payments (order_id);
";

/// The shop opened on this day, whatever the machine's clock says.
const OPENED: DateTime<Utc> = DateTime::from_timestamp_nanos(1_767_225_600_000_000_000);
/// Rows of one INSERT: within SQLite's limit of 32,766 parameters for every table.
const ROWS_PER_INSERT: usize = 1_000;

const FIRST_NAMES: [&str; 12] =
    ["Ada", "Björn", "Chidi", "Dóra", "Émile", "Fatima", "Grace", "Hyun-woo", "Ínes", "Jürgen", "김", "Zoë"];
const LAST_NAMES: [&str; 10] =
    ["Lovelace", "Åkesson", "O'Brien", "Müller", "Nakamura", "van der Berg", "Łukasik", "Silva", "Øster", "Kaya"];
const CITIES: [&str; 8] = ["Oslo", "Séoul", "Lima", "Gdańsk", "Nairobi", "Köln", "Austin", "Osaka"];
const GOODS: [&str; 8] = ["kettle", "lamp", "notebook", "bicycle bell", "scarf", "compass", "tent", "mug"];
const METHODS: [&str; 3] = ["card", "transfer", "invoice"];

/// A city for a new customer.
pub fn city(chance: &mut Chance) -> &'static str {
    chance.pick(&CITIES)
}

/// A name for a new customer.
pub fn name(chance: &mut Chance) -> String {
    format!("{} {}", chance.pick(&FIRST_NAMES), chance.pick(&LAST_NAMES))
}

/// A way to pay.
pub fn method(chance: &mut Chance) -> &'static str {
    chance.pick(&METHODS)
}

/// The text form of a time in the shop's tables.
pub fn time_text(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

/// Opens a database of the demo as its applications do: WAL, foreign keys enforced, and waiting rather than failing when it is locked.
///
/// # Errors
/// When the file cannot be opened; it is not made.
pub async fn open(path: &Path, busy: std::time::Duration) -> Result<SqliteConnection, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .foreign_keys(true)
        .busy_timeout(busy);
    SqliteConnection::connect_with(&options).await
}

/// Makes an empty database in WAL mode for a service.
///
/// # Errors
/// When the file cannot be made.
pub async fn make_empty(path: &Path) -> Result<(), sqlx::Error> {
    let options =
        SqliteConnectOptions::new().filename(path).create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
    SqliteConnection::connect_with(&options).await?.close().await
}

/// Makes the monolith. The file must not exist.
///
/// # Errors
/// When the file cannot be made or written.
pub async fn make(path: &Path, size: ShopSize) -> Result<(), sqlx::Error> {
    // Nobody reads the file before it is whole, so nothing needs to survive a crash while it is being made.
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Memory)
        .synchronous(SqliteSynchronous::Off)
        .foreign_keys(false);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql(SCHEMA).execute(&mut *transaction).await?;
    let mut chance = Chance::new(0x0060_D817);
    load_customers(&mut transaction, size, &mut chance).await?;
    let prices = load_products(&mut transaction, size, &mut chance).await?;
    load_orders(&mut transaction, size, &mut chance, &prices).await?;
    sqlx::raw_sql(INDEXES).execute(&mut *transaction).await?;
    transaction.commit().await?;
    sqlx::raw_sql("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL").execute(&mut connection).await?;
    connection.close().await
}

/// Inserts rows in pieces; `push` binds one row's values.
async fn insert<T>(
    connection: &mut SqliteConnection,
    table: &'static str,
    rows: &[T],
    push: impl Fn(&mut sqlx::query_builder::Separated<'_, Sqlite, &'static str>, &T),
) -> Result<(), sqlx::Error> {
    for piece in rows.chunks(ROWS_PER_INSERT) {
        let mut builder = QueryBuilder::<Sqlite>::new("INSERT INTO ");
        builder.push(table).push(" ");
        builder.push_values(piece, |mut values, row| push(&mut values, row));
        builder.build().execute(&mut *connection).await?;
    }
    Ok(())
}

async fn load_customers(
    connection: &mut SqliteConnection,
    size: ShopSize,
    chance: &mut Chance,
) -> Result<(), sqlx::Error> {
    let rows: Vec<(i64, String, &str)> = (1..=size.customers).map(|id| (id, name(chance), city(chance))).collect();
    insert(connection, "customers", &rows, |values, (id, name, city)| {
        values
            .push_bind(*id)
            .push_bind(format!("seed-c{id}"))
            .push_bind(name.clone())
            .push_bind(format!("customer{id}@shop.example"))
            .push_bind(*city)
            .push_bind(0_i64)
            .push_bind(None::<String>)
            .push_bind(time_text(OPENED + TimeDelta::minutes(*id)));
    })
    .await
}

/// Loads products and their stock; returns each product's price.
async fn load_products(
    connection: &mut SqliteConnection,
    size: ShopSize,
    chance: &mut Chance,
) -> Result<Vec<i64>, sqlx::Error> {
    let prices: Vec<i64> = (0..size.products).map(|_| chance.between(99, 19_999)).collect();
    let rows: Vec<(i64, i64, &str, u64)> =
        (1..=size.products).zip(&prices).map(|(id, price)| (id, *price, chance.pick(&GOODS), chance.bits())).collect();
    insert(connection, "products", &rows, |values, (id, price, good, bits)| {
        // One product in eight has neither weight nor picture: NULLs travel too.
        let known = *id % 8 != 0;
        values
            .push_bind(*id)
            .push_bind(format!("SKU-{id:05}"))
            .push_bind(format!("{good} No. {id}"))
            .push_bind(*price)
            .push_bind(known.then(|| (bits % 5_000) as f64 / 1_000.0))
            .push_bind(known.then(|| bits.to_be_bytes().to_vec()));
    })
    .await?;
    let levels: Vec<(i64, i64)> = (1..=size.products).map(|id| (id, chance.between(5_000, 9_999))).collect();
    insert(connection, "stock", &levels, |values, (id, level)| {
        values.push_bind(*id).push_bind(*level).push_bind(0_i64);
    })
    .await?;
    Ok(prices)
}

/// Loads orders, their lines and their payments.
async fn load_orders(
    connection: &mut SqliteConnection,
    size: ShopSize,
    chance: &mut Chance,
    prices: &[i64],
) -> Result<(), sqlx::Error> {
    let mut orders = Vec::new();
    let mut lines = Vec::new();
    let mut payments = Vec::new();
    for id in 1..=size.orders {
        let at = OPENED + TimeDelta::minutes(size.customers + id);
        let mut total = 0;
        for line in 1..=chance.between(1, 4) {
            let product = chance.between(1, size.products);
            let quantity = chance.between(1, 3);
            let price = usize::try_from(product - 1).ok().and_then(|at| prices.get(at)).copied().unwrap_or(1);
            total += quantity * price;
            lines.push((id, line, product, quantity, price));
        }
        let paid = chance.in_hundred(90);
        orders.push((id, chance.between(1, size.customers), paid, total, time_text(at)));
        if paid {
            payments.push((id, total, method(chance), time_text(at + TimeDelta::seconds(40))));
        }
    }
    insert(connection, "orders", &orders, |values, (id, customer, paid, total, at)| {
        values
            .push_bind(*id)
            .push_bind(format!("seed-o{id}"))
            .push_bind(*customer)
            .push_bind(if *paid { "paid" } else { "placed" })
            .push_bind(None::<String>)
            .push_bind(*total)
            .push_bind(at.clone());
    })
    .await?;
    insert(connection, "order_lines", &lines, |values, (order, line, product, quantity, price)| {
        values.push_bind(*order).push_bind(*line).push_bind(*product).push_bind(*quantity).push_bind(*price);
    })
    .await?;
    let numbered: Vec<_> = (1_i64..).zip(payments).collect();
    insert(connection, "payments", &numbered, |values, (id, (order, amount, method, at))| {
        values
            .push_bind(*id)
            .push_bind(format!("seed-p{id}"))
            .push_bind(*order)
            .push_bind(*amount)
            .push_bind(*method)
            .push_bind(at.clone());
    })
    .await
}

#[cfg(test)]
mod tests;

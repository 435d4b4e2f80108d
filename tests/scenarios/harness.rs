//! A migration in a temporary directory: a small monolith, a profile, an engine in this process, a client.

pub use crate::driver::{Client, Engine, Home, PHASES, Process};
use godwit::config::profile::StoreConfig;
use godwit::engine::core::open_store;
use godwit::engine::serve_with;
use godwit::stores::fault::{FaultScript, FaultStore};
use godwit::wire::client::Connection;
use godwit::wire::place::Place;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Executor, Row, SqliteConnection};
use std::path::Path;
use std::time::Duration;

/// A monolith with two services' tables and targets for both.
pub struct Shop {
    pub dir: tempfile::TempDir,
}

impl Shop {
    /// Makes the monolith with some rows.
    pub async fn new() -> Self {
        let shop = Self { dir: tempfile::tempdir().unwrap() };
        let mut db = shop.open("monolith").await;
        db.execute(
            "CREATE TABLE customers(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, photo BLOB);
             CREATE TABLE orders(id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers(id), total REAL, note TEXT);
             CREATE INDEX orders_by_customer ON orders(customer_id);
             CREATE TABLE order_lines(order_id INTEGER REFERENCES orders(id), line INTEGER, what TEXT, PRIMARY KEY(order_id, line));
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
             INSERT INTO customers(id, name, photo) SELECT i, 'customer ' || i, randomblob(i % 20) FROM n;
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900)
             INSERT INTO orders SELECT i, 1 + i % 300, i * 0.1, CASE WHEN i % 7 = 0 THEN NULL ELSE 'note ' || i END FROM n;
             INSERT INTO order_lines SELECT id, 1, 'thing' FROM orders;",
        )
        .await
        .unwrap();
        let profile = format!(
            r#"
[migration]
name = "shop"
downtime_budget = "5s"

[stores.monolith]
engine = "sqlite"
url = "sqlite:{dir}/monolith.db"

[stores.customers-db]
engine = "sqlite"
url = "sqlite:{dir}/customers.db"

[stores.orders-db]
engine = "sqlite"
url = "sqlite:{dir}/orders.db"

[services.customers]
store = "customers-db"
owns = ["customers"]

[services.orders]
store = "orders-db"
owns = ["orders", "order_lines"]

[pipelines.customers]
kind = "copier"
from = "monolith"
to = "customers-db"
tables = ["customers"]

[pipelines.orders]
kind = "copier"
from = "monolith"
to = "orders-db"
tables = ["orders", "order_lines"]

[phases.cutover]
gates = {{ lag = "5s", verified_within = "10m", drift = 0 }}
route = {{ file = "{dir}/route.json" }}

[phases.watch]
soak = "1s"
"#,
            dir = shop.path().display()
        );
        std::fs::write(shop.path().join("shop.toml"), profile).unwrap();
        shop
    }

    /// A connection to one of the shop's files, with a busy timeout as applications have it.
    pub async fn open(&self, name: &str) -> SqliteConnection {
        SqliteConnectOptions::new()
            .filename(self.path().join(format!("{name}.db")))
            .create_if_missing(true)
            .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
            .busy_timeout(Duration::from_secs(20))
            .connect()
            .await
            .unwrap()
    }

    /// All rows of a table as text, in key order.
    pub async fn rows(&self, db: &str, table: &str) -> Vec<String> {
        let mut connection = self.open(db).await;
        let columns: Vec<String> =
            sqlx::query(sqlx::AssertSqlSafe(format!("SELECT name FROM pragma_table_info('{table}')")))
                .fetch_all(&mut connection)
                .await
                .unwrap()
                .iter()
                .map(|r| r.get(0))
                .collect();
        let list = columns.iter().map(|c| format!("quote(\"{c}\")")).collect::<Vec<_>>().join(" || '|' || ");
        sqlx::query(sqlx::AssertSqlSafe(format!("SELECT {list} FROM \"{table}\" ORDER BY 1")))
            .fetch_all(&mut connection)
            .await
            .unwrap()
            .iter()
            .map(|r| r.get(0))
            .collect()
    }

    /// Asserts that every moved table is equal on both sides.
    pub async fn assert_equal(&self) {
        for (target, table) in [("customers", "customers"), ("orders", "orders"), ("orders", "order_lines")] {
            let (old, new) = (self.rows("monolith", table).await, self.rows(target, table).await);
            assert!(old == new, "{table}: {} rows on the source, {} on the target", old.len(), new.len());
        }
    }
}

impl Home for Shop {
    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn name(&self) -> &'static str {
        "shop"
    }
}

impl Engine {
    /// With every store's calls under a script.
    pub fn start_with(shop: &Shop, script: &FaultScript) -> Self {
        let script = script.clone();
        let open = move |config: &StoreConfig| Ok(FaultStore::wrap(open_store(config)?, script.clone()));
        let task = tokio::spawn(serve_with(shop.options(), open));
        Self { task, place: shop.place() }
    }

    /// Ends it without a word, as a crash does: the lock is free, what was being done is never finished.
    pub async fn abandon(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
        // Its tasks still listen, because this process lives on: nobody may find them.
        std::fs::remove_file(&self.place.socket).unwrap();
    }
}

impl Client {
    /// The same client on a new connection: it keeps what it knows and asks for the rest.
    pub async fn reconnect(mut self, place: &Place) -> Self {
        self.connection = Connection::open(&place.socket, "test").await.unwrap();
        self.catch_up().await;
        self
    }
}

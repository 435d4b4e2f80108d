//! An application that keeps writing through the routing file, and what must be true of its writes.

use crate::driver::{Home, poll};
use crate::harness::Shop;
use sqlx::{Connection, Row, SqliteConnection};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use tokio::task::JoinHandle;

/// Every moved table with the target that serves it after the switch.
const TABLES: [(&str, &str); 3] = [("customers", "customers"), ("orders", "orders"), ("order_lines", "orders")];

/// Pace of the writer: a load, not a wait.
const PACE: Duration = Duration::from_millis(4);

/// Which side serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Source,
    Target,
}

impl Side {
    /// The file that serves a table.
    fn file(self, target: &'static str) -> &'static str {
        match self {
            Self::Source => "monolith",
            Self::Target => target,
        }
    }

    /// What the routing file says; without one the source serves.
    pub fn routed(shop: &Shop) -> Self {
        match std::fs::read_to_string(shop.path().join("route.json")) {
            Ok(text) if text.contains("\"serves\": \"target\"") => Self::Target,
            Ok(_) | Err(_) => Self::Source,
        }
    }
}

/// Names of the rows whose insert was acknowledged, by table.
type Ledger = Arc<Mutex<[BTreeSet<String>; 2]>>;

/// The application: one insert after the other, alternately into two services' tables. An insert that failed is not in the ledger
/// and must not be in a table either; the application goes on with another row.
pub struct Writer {
    ledger: Ledger,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Writer {
    /// Starts writing. `run` makes its rows' names differ from an earlier writer's.
    pub fn start(shop: &Shop, run: usize) -> Self {
        let ledger = Ledger::default();
        let (stop, stopped) = watch::channel(false);
        let desk = Desk { path: shop.path().to_owned() };
        let task = tokio::spawn(write(desk, run, ledger.clone(), stopped));
        Self { ledger, stop, task }
    }

    /// Waits until `more` further writes were acknowledged.
    pub async fn acknowledges(&self, more: usize) {
        let count = |ledger: &[BTreeSet<String>; 2]| ledger.iter().map(BTreeSet::len).sum::<usize>();
        let wanted = count(&*self.ledger.lock().await) + more;
        poll("writes to be acknowledged", async || {
            let found = count(&*self.ledger.lock().await);
            if found >= wanted { Ok(()) } else { Err(format!("{found} of {wanted}")) }
        })
        .await;
    }

    /// Holds the writer between two writes, for as long as the guard lives.
    pub async fn hold(&self) -> OwnedMutexGuard<[BTreeSet<String>; 2]> {
        self.ledger.clone().lock_owned().await
    }

    /// Ends it.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        self.task.await.unwrap();
    }
}

/// Where the application finds its databases.
struct Desk {
    path: std::path::PathBuf,
}

impl Desk {
    async fn open(&self, table: usize) -> Result<SqliteConnection, sqlx::Error> {
        use sqlx::ConnectOptions;
        let route = std::fs::read_to_string(self.path.join("route.json")).unwrap_or_default();
        let side = if route.contains("\"serves\": \"target\"") { Side::Target } else { Side::Source };
        sqlx::sqlite::SqliteConnectOptions::new()
            .filename(self.path.join(format!("{}.db", side.file(TABLES[table].1))))
            .busy_timeout(Duration::from_secs(20))
            .connect()
            .await
    }
}

async fn write(desk: Desk, run: usize, ledger: Ledger, stopped: watch::Receiver<bool>) {
    let mut pace = tokio::time::interval(PACE);
    let mut connections: [Option<SqliteConnection>; 2] = [None, None];
    for number in 0_u64.. {
        pace.tick().await;
        if *stopped.borrow() {
            return;
        }
        let table = usize::from(number % 2 == 1);
        let name = format!("w-{run}-{number}");
        // Held across the write, so that nobody counts while one is under way.
        let mut known = ledger.lock().await;
        let outcome = async {
            let connection = match &mut connections[table] {
                Some(connection) => connection,
                none => none.insert(desk.open(table).await?),
            };
            let insert = match table {
                0 => "INSERT INTO customers(name) VALUES (?)",
                _ => "INSERT INTO orders(id, note) VALUES ((SELECT max(id) + 1 FROM orders), ?)",
            };
            sqlx::query(insert).bind(&name).execute(connection).await
        }
        .await;
        match outcome {
            Ok(_) => {
                known[table].insert(name);
            }
            // Moved, or not open yet: reconnect by the present route, as the fence's sentence says.
            Err(_) => connections[table] = None,
        }
    }
}

/// Asserts what must be true at every standstill: the routing file names the side that serves, that side takes writes and the
/// other does not, both sides are equal once the pipelines drained, and every acknowledged write is there exactly once.
pub async fn assert_sound(shop: &Shop, serves: Side, writer: &Writer, at: &str) {
    let ledger = writer.hold().await;
    assert_eq!(Side::routed(shop), serves, "{at}: the routing file");
    for (table, target) in TABLES {
        for (side, file) in [(Side::Source, "monolith"), (Side::Target, target)] {
            let refused = refusal(shop, file, table).await;
            assert_eq!(refused.is_none(), side == serves, "{at}: {table} on {file}: {refused:?}, {serves:?} serves");
        }
        poll(&format!("{at}: {table} is equal on both sides"), async || {
            let (old, new) = (shop.rows("monolith", table).await, shop.rows(target, table).await);
            if old == new {
                Ok(())
            } else {
                Err(format!("{} rows on the source, {} on the target", old.len(), new.len()))
            }
        })
        .await;
    }
    for (at_table, (table, column)) in [("customers", "name"), ("orders", "note")].into_iter().enumerate() {
        let mut db = shop.open(serves.file(TABLES[at_table].1)).await;
        let query = format!("SELECT {column} FROM {table} WHERE {column} LIKE 'w-%' ORDER BY 1");
        let found: Vec<String> = sqlx::query(sqlx::AssertSqlSafe(query))
            .fetch_all(&mut db)
            .await
            .unwrap()
            .iter()
            .map(|r| r.get(0))
            .collect();
        let known: Vec<&String> = ledger[at_table].iter().collect();
        let lost: Vec<_> = known.iter().filter(|n| !found.contains(n)).collect();
        assert!(lost.is_empty(), "{at}: {table} lost acknowledged writes: {lost:?}");
        assert_eq!(found.len(), known.len(), "{at}: {table} has writes twice, or ones that were refused");
    }
}

/// Why a table does not take a write; nothing is written.
async fn refusal(shop: &Shop, file: &str, table: &str) -> Option<String> {
    let mut db = shop.open(file).await;
    let mut tx = db.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let insert = match table {
        "customers" => "INSERT INTO customers(name) VALUES ('never')",
        "orders" => "INSERT INTO orders(id) VALUES (-1)",
        _ => "INSERT INTO order_lines(order_id, line) VALUES (NULL, -1)",
    };
    let outcome = sqlx::query(insert).execute(&mut *tx).await;
    tx.rollback().await.unwrap();
    outcome.err().map(|e| e.to_string())
}

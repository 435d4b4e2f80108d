//! An application that keeps writing by the present route, and what must be true of its writes.

use crate::driver::{Home, poll};
use crate::migration::ledger::{Ledger, Told, Version};
use crate::migration::shop::{Shop, TABLES, routed};
use crate::pooler::Pooler;
use godwit::model::pipeline::Traffic;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use tokio::task::JoinHandle;

/// Pace of the writer: a load, not a wait.
const PACE: Duration = Duration::from_millis(5);

/// How the application finds its database.
#[derive(Clone)]
enum Way {
    /// By a routing file: URLs of the source and of the target.
    File(PathBuf, [String; 2]),
    /// By a pooler, always the same.
    Pooler(String),
}

impl Way {
    fn url(&self) -> &str {
        match self {
            Self::File(path, [source, target]) => match routed(path) {
                Traffic::Source => source,
                Traffic::Target => target,
            },
            Self::Pooler(url) => url,
        }
    }
}

/// What the application has seen.
#[derive(Default)]
pub struct Desk {
    /// What it knows of its rows.
    pub ledger: Ledger,
    /// Writes that were not acknowledged.
    pub failed: usize,
    /// The longest time that a write took.
    pub longest: Duration,
    /// Sentences that no application should ever see.
    surprises: Vec<String>,
}

/// The application: inserts an order with its lines, changes an earlier one, deletes an earlier one, and so on.
pub struct Writer {
    desk: Arc<Mutex<Desk>>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Writer {
    /// Starts one that follows the routing file.
    pub fn by_file(shop: &Shop) -> Self {
        let urls = [Traffic::Source, Traffic::Target].map(|side| shop.url(side).to_owned());
        Self::start(Way::File(shop.path().join("route.json"), urls))
    }

    /// Starts one that knows nothing but its pooler.
    pub fn by_pooler(pooler: &Pooler) -> Self {
        Self::start(Way::Pooler(pooler.url("shop")))
    }

    fn start(way: Way) -> Self {
        let desk = Arc::new(Mutex::new(Desk::default()));
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(write(way, desk.clone(), stopped));
        Self { desk, stop, task }
    }

    /// Waits until `more` further writes were acknowledged.
    pub async fn acknowledges(&self, more: usize) {
        let wanted = self.desk.lock().await.ledger.acknowledged() + more;
        poll("writes to be acknowledged", async || {
            let found = self.desk.lock().await.ledger.acknowledged();
            if found >= wanted { Ok(()) } else { Err(format!("{found} of {wanted}")) }
        })
        .await;
    }

    /// Holds the writer between two writes, for as long as the guard lives.
    pub async fn hold(&self) -> OwnedMutexGuard<Desk> {
        self.desk.clone().lock_owned().await
    }

    /// Ends it.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        self.task.await.unwrap();
    }
}

/// One write: the row's name, its version before and after, and the statement.
struct Write {
    name: String,
    before: Version,
    after: Version,
    sql: String,
}

/// The `number`-th write; `None` when the row that it is about is not known any more.
fn nth(number: u64, ledger: &Ledger) -> Option<Write> {
    let name = |n: u64| format!("w-{n}");
    if number % 3 == 0 {
        let name = name(number);
        let sql = format!(
            "WITH c AS (INSERT INTO customers(name) VALUES ('of {name}') RETURNING id),
                  o AS (INSERT INTO orders(customer_id, name, total) SELECT id, '{name}', 1.5 FROM c RETURNING id)
             INSERT INTO order_lines SELECT id, l, 'line of {name}' FROM o, generate_series(1, 2) l"
        );
        return Some(Write { name, before: None, after: Some(0), sql });
    }
    // Inserts have numbers that are divisible by three; one of about four is deleted a while later.
    let (name, deletes) = match number % 12 {
        11 => (name((number - 11).saturating_sub(12)), true),
        _ => (name(number - number % 3), false),
    };
    let before = ledger.known(&name)??;
    if deletes {
        return Some(Write {
            sql: format!("DELETE FROM orders WHERE name = '{name}'"),
            name,
            before: Some(before),
            after: None,
        });
    }
    let sql = format!("UPDATE orders SET version = version + 1, note = repeat('n', version) WHERE name = '{name}'");
    Some(Write { name, before: Some(before), after: Some(before + 1), sql })
}

async fn write(way: Way, desk: Arc<Mutex<Desk>>, stopped: watch::Receiver<bool>) {
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut connection: Option<PgConnection> = None;
    for number in 0.. {
        pace.tick().await;
        if *stopped.borrow() {
            return;
        }
        // Held across the write, so that nobody counts while one is under way.
        let mut desk = desk.lock().await;
        let Some(write) = nth(number, &desk.ledger) else { continue };
        let asked = Instant::now();
        let outcome = async {
            let session = match &mut connection {
                Some(session) => session,
                none => match PgConnection::connect(way.url()).await {
                    Ok(session) => none.insert(session),
                    // Nothing was sent.
                    Err(_) => return Told::Refused,
                },
            };
            // Simple queries: a pooler in transaction mode knows no prepared statements of ours.
            match sqlx::raw_sql(AssertSqlSafe(write.sql.clone())).execute(session).await {
                Ok(done) if done.rows_affected() > 0 => Told::Acknowledged,
                Ok(_) => {
                    desk.surprises.push(format!("{}: the row is gone: {}", write.name, write.sql));
                    Told::Acknowledged
                }
                Err(sqlx::Error::Database(error)) => match error.code().as_deref() {
                    Some("25006") => Told::Refused,
                    // The server or the pooler ends the session.
                    Some(code) if code.starts_with("57P") || code.starts_with("08") => Told::Nothing,
                    _ => {
                        desk.surprises.push(format!("{}: {error}", write.name));
                        Told::Refused
                    }
                },
                Err(_) => Told::Nothing,
            }
        }
        .await;
        if outcome != Told::Acknowledged {
            // Moved, or not open yet: reconnect by the present route, as the fence's sentence says.
            connection = None;
            desk.failed += 1;
        }
        desk.longest = desk.longest.max(asked.elapsed());
        desk.ledger.note(&write.name, write.before, write.after, outcome);
    }
}

/// Asserts what must be true at every standstill: `serves` takes writes and the other side does not, both sides are equal once the
/// pipeline drained, the rows are what the application was told, and the next number is a new one.
pub async fn assert_sound(shop: &Shop, serves: Traffic, writer: &Writer, at: &str) {
    let desk = writer.hold().await;
    assert!(desk.surprises.is_empty(), "{at}: {:?}", desk.surprises);
    for side in [Traffic::Source, Traffic::Target] {
        for (table, _) in TABLES {
            let refused = refusal(shop, side, table).await;
            assert_eq!(refused.is_none(), side == serves, "{at}: {table} on the {}: {refused:?}", side.word());
        }
    }
    poll(&format!("{at}: both sides are equal"), async || shop.difference().await.map_or(Ok(()), Err)).await;
    for side in [Traffic::Source, Traffic::Target] {
        let faults = desk.ledger.faults(&written(shop, side).await);
        assert!(faults.is_empty(), "{at}: on the {}: {faults:#?}", side.word());
    }
    for table in ["customers", "orders"] {
        let ids =
            format!("SELECT nextval(pg_get_serial_sequence('{table}', 'id')) - coalesce(max(id), 0) FROM {table}");
        let ahead: i64 = shop.column(serves, &ids).await[0].parse().unwrap();
        assert!(ahead > 0, "{at}: the next id of {table} is {ahead} ahead of the last");
    }
}

/// The application's rows on one side.
async fn written(shop: &Shop, side: Traffic) -> Vec<(String, i64)> {
    let mut session = shop.session(side).await;
    let rows =
        sqlx::query("SELECT name, version::int8 FROM orders WHERE name LIKE 'w-%'").fetch_all(&mut session).await;
    rows.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// Why a table does not take a write; nothing is written: the fence fires for statements, whatever rows they find.
async fn refusal(shop: &Shop, side: Traffic, table: &str) -> Option<String> {
    let mut session = shop.session(side).await;
    let outcome = sqlx::query(AssertSqlSafe(format!("DELETE FROM {table} WHERE false"))).execute(&mut session).await;
    outcome.err().map(|e| e.to_string())
}

//! A migration in a temporary directory: a small monolith, a profile, an engine in this process, a client.

use godwit::config;
use godwit::engine::{EngineOptions, serve};
use godwit::model::command::{Action, Answer, Command};
use godwit::model::event::Entry;
use godwit::model::fold::Migration;
use godwit::model::ids::PhaseId;
use godwit::model::phase::PhaseStatus;
use godwit::model::plan::Direction;
use godwit::wire::client::Connection;
use godwit::wire::frame::ServerFrame;
use godwit::wire::place::Place;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Executor, Row, SqliteConnection};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Longest wait for anything; only a hang reaches it.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub const PHASES: [&str; 10] =
    ["assess", "build", "backfill", "sync", "verify", "tune", "secure", "cutover", "watch", "retire"];

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

    pub fn path(&self) -> &Path {
        self.dir.path()
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

    pub fn place(&self) -> Place {
        Place { state_dir: self.path().join("state"), socket: self.path().join("run").join("shop.sock") }
    }

    pub fn profile(&self) -> PathBuf {
        self.path().join("shop.toml")
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

/// An engine in this process.
pub struct Engine {
    task: JoinHandle<Result<(), godwit::engine::EngineError>>,
    place: Place,
}

impl Engine {
    pub async fn start(shop: &Shop) -> Self {
        let profile = config::load(&shop.profile()).unwrap();
        let place = shop.place();
        let options = EngineOptions { profile, place: place.clone(), detached: false };
        let task = tokio::spawn(serve(options));
        Self { task, place }
    }

    pub async fn client(&self) -> Client {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            assert!(!self.task.is_finished(), "the engine ended");
            match Connection::open(&self.place.socket, "test").await {
                Ok(connection) => {
                    let mut client = Client { connection, state: Migration::default(), log: Vec::new() };
                    client.connection.subscribe(client.state.head, false).await.unwrap();
                    let head = client.connection.welcome.head;
                    client.until("the journal's head", |m| m.head >= head).await;
                    return client;
                }
                Err(error) => assert!(tokio::time::Instant::now() < deadline, "{error}"),
            }
            tokio::task::yield_now().await;
        }
    }

    /// Orderly stop.
    pub async fn down(self, client: &mut Client) {
        client.act(Action::Down).await.unwrap();
        self.task.await.unwrap().unwrap();
    }
}

/// A client that folds the journal.
pub struct Client {
    connection: Connection,
    pub state: Migration,
    pub log: Vec<Entry>,
}

impl Client {
    async fn next(&mut self) -> Option<Answer> {
        match tokio::time::timeout(PATIENCE, self.connection.next()).await.expect("the engine is silent").unwrap() {
            ServerFrame::Entries { entries } => {
                for entry in entries {
                    self.state.apply(&entry).unwrap();
                    self.log.push(entry);
                }
                None
            }
            ServerFrame::Answer { answer, .. } => Some(*answer),
            _ => None,
        }
    }

    /// Waits until the folded state satisfies a condition.
    pub async fn until(&mut self, what: &str, mut holds: impl FnMut(&Migration) -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !holds(&self.state) {
            assert!(tokio::time::Instant::now() < deadline, "{what} did not happen: {:#?}", self.state.phases);
            self.next().await;
        }
    }

    /// Sends a command as an operator who saw the present state.
    pub async fn act(&mut self, action: Action) -> Result<Answer, String> {
        let expected_seq = Some(self.state.head);
        self.ask(Command { expected_seq, confirm: None, action }).await
    }

    pub async fn ask(&mut self, command: Command) -> Result<Answer, String> {
        self.connection.send(command).await.unwrap();
        loop {
            match self.next().await {
                Some(Answer::Rejected { why }) => return Err(why),
                Some(answer) => return Ok(answer),
                None => {}
            }
        }
    }

    pub fn status(&self, phase: &str) -> PhaseStatus {
        self.state.phase(&PhaseId::from(phase)).unwrap().status.clone()
    }

    /// Asks for a phase and approves its plan.
    pub async fn begin(&mut self, phase: &str) -> Result<(), String> {
        let id = PhaseId::from(phase);
        let Answer::Planned { plan, .. } = self.act(Action::Run { phase: id.clone() }).await? else {
            return Err("no plan".to_owned());
        };
        self.until("the request", |m| {
            matches!(&m.phase(&id).unwrap().status, PhaseStatus::AwaitingApproval { plan: p, .. } if *p == plan.hash)
        })
        .await;
        self.act(Action::Approve { phase: id, plan: plan.hash }).await.map(|_| ())
    }

    /// Runs a phase to its end and asserts that it succeeded. A gate that needs a first reading is asked again.
    pub async fn run(&mut self, phase: &str) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while let Err(why) = self.begin(phase).await {
            assert!(tokio::time::Instant::now() < deadline, "{phase}: {why}");
            assert!(why.contains("not known") || why.contains("lag"), "{phase}: {why}");
        }
        self.ended(phase).await;
        assert_eq!(
            self.status(phase),
            PhaseStatus::Succeeded,
            "{:#?}",
            self.state.phase(&PhaseId::from(phase)).unwrap().steps
        );
    }

    /// Waits until a phase stands still after it was started.
    pub async fn ended(&mut self, phase: &str) {
        let id = PhaseId::from(phase);
        self.until(&format!("the end of {phase}"), |m| {
            matches!(
                m.phase(&id).unwrap().status,
                PhaseStatus::Succeeded
                    | PhaseStatus::Failed { .. }
                    | PhaseStatus::Stuck { .. }
                    | PhaseStatus::RolledBack
            )
        })
        .await;
    }

    /// Prints the roll back plan and carries it out.
    pub async fn roll_back(&mut self, phase: &str) -> Result<(), String> {
        let id = PhaseId::from(phase);
        let plan = self.act(Action::Plan { phase: id.clone(), direction: Direction::Rollback }).await?;
        let Answer::Planned { plan, .. } = plan else { return Err("no plan".to_owned()) };
        self.act(Action::Rollback { phase: id.clone(), plan: plan.hash }).await?;
        self.until("the roll back's end", |m| {
            !m.phases.iter().any(|p| p.status == PhaseStatus::RollingBack)
                && matches!(
                    m.phase(&id).unwrap().status,
                    PhaseStatus::RolledBack | PhaseStatus::Stuck { .. } | PhaseStatus::Ready | PhaseStatus::Pending
                )
        })
        .await;
        Ok(())
    }
}

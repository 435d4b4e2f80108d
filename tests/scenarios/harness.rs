//! A migration in a temporary directory: a small monolith, a profile, an engine in this process, a client.

use godwit::config;
use godwit::config::profile::StoreConfig;
use godwit::engine::core::open_store;
use godwit::engine::{EngineError, EngineOptions, serve, serve_with};
use godwit::model::command::{Action, Answer, Command};
use godwit::model::event::Entry;
use godwit::model::fold::Migration;
use godwit::model::ids::PhaseId;
use godwit::model::phase::PhaseStatus;
use godwit::model::plan::Direction;
use godwit::stores::StoreRef;
use godwit::stores::fault::{FaultScript, FaultStore};
use godwit::wire::client::Connection;
use godwit::wire::frame::ServerFrame;
use godwit::wire::place::Place;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Executor, Row, SqliteConnection};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::{Child, Command as Program};
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
        // The same as `Place::of` with XDG_STATE_HOME and XDG_RUNTIME_DIR set as `Process` sets them.
        Place { state_dir: self.path().join("state/godwit/shop"), socket: self.path().join("run/godwit/shop.sock") }
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

/// What an engine of a shop is started with.
pub fn options(shop: &Shop) -> EngineOptions {
    EngineOptions { profile: config::load(&shop.profile()).unwrap(), place: shop.place(), detached: false }
}

/// An engine in this process.
pub struct Engine {
    task: JoinHandle<Result<(), godwit::engine::EngineError>>,
    place: Place,
}

impl Engine {
    pub fn start(shop: &Shop) -> Self {
        let task = tokio::spawn(serve(options(shop)));
        Self { task, place: shop.place() }
    }

    /// With every store's calls under a script.
    pub fn start_with(shop: &Shop, script: &FaultScript) -> Self {
        let script = script.clone();
        let open = move |config: &StoreConfig| Ok(FaultStore::wrap(open_store(config)?, script.clone()));
        let task = tokio::spawn(serve_with(options(shop), open));
        Self { task, place: shop.place() }
    }

    /// With stores that `open` makes.
    pub fn start_opening(
        shop: &Shop,
        open: impl Fn(&StoreConfig) -> Result<StoreRef, EngineError> + Send + 'static,
    ) -> Self {
        let task = tokio::spawn(serve_with(options(shop), open));
        Self { task, place: shop.place() }
    }

    /// Waits for its orderly end.
    pub async fn ended(self) {
        self.task.await.unwrap().unwrap();
    }

    /// Ends it without a word, as a crash does: the lock is free, what was being done is never finished.
    pub async fn abandon(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
        // Its tasks still listen, because this process lives on: nobody may find them.
        std::fs::remove_file(&self.place.socket).unwrap();
    }

    pub async fn client(&self) -> Client {
        Client::connect(&self.place, || !self.task.is_finished()).await
    }

    /// Orderly stop.
    pub async fn down(self, client: &mut Client) {
        client.act(Action::Down).await.unwrap();
        self.task.await.unwrap().unwrap();
    }
}

/// An engine in a process of its own, which can be killed at any moment.
pub struct Process {
    child: Child,
    place: Place,
}

impl Process {
    pub fn start(shop: &Shop) -> Self {
        let child = Program::new(env!("CARGO_BIN_EXE_godwit"))
            .args(["engine", "-p"])
            .arg(shop.profile())
            .env("XDG_STATE_HOME", shop.path().join("state"))
            .env("XDG_RUNTIME_DIR", shop.path().join("run"))
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { child, place: shop.place() }
    }

    pub async fn client(&mut self) -> Client {
        let (child, place) = (&mut self.child, &self.place);
        Client::connect(place, || child.try_wait().unwrap().is_none()).await
    }

    /// SIGKILL: nothing of the engine gets to say goodbye.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Orderly stop.
    pub async fn down(mut self, client: &mut Client) {
        client.act(Action::Down).await.unwrap();
        assert!(self.child.wait().await.unwrap().success());
    }
}

/// A client that folds the journal.
pub struct Client {
    connection: Connection,
    pub state: Migration,
    pub log: Vec<Entry>,
}

impl Client {
    /// Connects as soon as the engine listens and reads the journal up to its present head.
    pub async fn connect(place: &Place, mut lives: impl FnMut() -> bool) -> Self {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            assert!(lives(), "the engine ended");
            match Connection::open(&place.socket, "test").await {
                Ok(connection) => {
                    let mut client = Self { connection, state: Migration::default(), log: Vec::new() };
                    client.catch_up().await;
                    return client;
                }
                Err(error) => assert!(tokio::time::Instant::now() < deadline, "{error}"),
            }
            tokio::task::yield_now().await;
        }
    }

    /// Subscribes behind the last row that this client has, and waits for the rest.
    async fn catch_up(&mut self) {
        self.connection.subscribe(self.state.head, false).await.unwrap();
        let head = self.connection.welcome.head;
        self.until("the journal's head", |m| m.head >= head).await;
    }

    /// The same client on a new connection: it keeps what it knows and asks for the rest.
    pub async fn reconnect(mut self, place: &Place) -> Self {
        self.connection = Connection::open(&place.socket, "test").await.unwrap();
        self.catch_up().await;
        self
    }

    /// Sends a command that changes a phase and waits until that change is folded in.
    pub async fn accepted(&mut self, action: Action) -> Result<(), String> {
        match self.act(action).await? {
            Answer::Accepted { seq, .. } => {
                self.until("the change", |m| m.phases.iter().any(|p| p.changed_seq >= seq)).await;
            }
            Answer::Planned { .. } | Answer::Checked { .. } | Answer::Ending { .. } | Answer::Rejected { .. } => {}
        }
        Ok(())
    }

    /// Takes one frame in.
    pub async fn next(&mut self) -> Option<Answer> {
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
        self.start(phase).await;
        self.ended(phase).await;
        assert_eq!(
            self.status(phase),
            PhaseStatus::Succeeded,
            "{:#?}",
            self.state.phase(&PhaseId::from(phase)).unwrap().steps
        );
    }

    /// Gets a phase started. A gate that needs a first reading, or pipelines that are just starting, are asked again.
    pub async fn start(&mut self, phase: &str) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while let Err(why) = self.begin(phase).await {
            assert!(tokio::time::Instant::now() < deadline, "{phase}: {why}");
            // "meanwhile" is our own last question's refusal.
            let passes = ["not known", "lag", "state starting", "meanwhile"].iter().any(|word| why.contains(word));
            assert!(passes, "{phase}: {why}");
        }
        let id = PhaseId::from(phase);
        self.until("the start", |m| !matches!(m.phase(&id).unwrap().status, PhaseStatus::AwaitingApproval { .. }))
            .await;
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
        self.begin_roll_back(phase).await?;
        self.taken_back(phase).await;
        Ok(())
    }

    /// Prints the roll back plan and names it.
    pub async fn begin_roll_back(&mut self, phase: &str) -> Result<(), String> {
        let id = PhaseId::from(phase);
        let plan = self.act(Action::Plan { phase: id.clone(), direction: Direction::Rollback }).await?;
        let Answer::Planned { plan, .. } = plan else { return Err("no plan".to_owned()) };
        self.accepted(Action::Rollback { phase: id, plan: plan.hash }).await
    }

    /// Waits until a roll back stands still.
    pub async fn taken_back(&mut self, phase: &str) {
        let id = PhaseId::from(phase);
        self.until("the roll back's end", |m| {
            !m.phases.iter().any(|p| p.status == PhaseStatus::RollingBack)
                && matches!(
                    m.phase(&id).unwrap().status,
                    PhaseStatus::RolledBack | PhaseStatus::Stuck { .. } | PhaseStatus::Ready | PhaseStatus::Pending
                )
        })
        .await;
    }
}

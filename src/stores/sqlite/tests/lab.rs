//! A temporary directory with stores, applications and a small pump.

use crate::model::change::{CaptureItem, Position, RowChange};
use crate::model::table::{ColumnMap, Generation, RowIdentity, TableMap, TableName};
use crate::model::value::Row;
use crate::stores::error::ErrorKind;
use crate::stores::sqlite::store::SqliteStore;
use crate::stores::{
    ApplySpec, Capture, CaptureSpec, ChangeApplier, ChangeStream, ChunkRange, Inventory, OpenOptions, Snapshot, Target,
};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A directory that is removed at the end.
pub struct Lab {
    dir: TempDir,
}

/// Longest wait for a state that must come.
pub const PATIENCE: Duration = Duration::from_secs(20);

impl Lab {
    pub fn new() -> Self {
        // In memory where the system has such a place: the tests commit thousands of times, and every commit is synced.
        let shared_memory = std::path::Path::new("/dev/shm");
        let place = if shared_memory.is_dir() { shared_memory.to_path_buf() } else { std::env::temp_dir() };
        Self { dir: tempfile::tempdir_in(place).unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A store on the file `name`, which need not exist.
    pub fn store(&self, name: &str) -> SqliteStore {
        let options = OpenOptions {
            id: name.into(),
            statement_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(10),
        };
        SqliteStore::new(options, self.path(name))
    }

    /// An application's connection to the file `name`, which is made if need be.
    pub async fn app(&self, name: &str) -> App {
        let options = SqliteConnectOptions::new()
            .filename(self.path(name))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .foreign_keys(true)
            .busy_timeout(PATIENCE)
            .disable_statement_logging();
        App { conn: options.connect().await.unwrap() }
    }
}

/// An application's connection.
pub struct App {
    pub conn: SqliteConnection,
}

impl App {
    /// Runs statements that must succeed.
    pub async fn run(&mut self, sql: &str) {
        if let Err(e) = self.try_run(sql).await {
            panic!("{sql}: {e}");
        }
    }

    /// Runs statements that must succeed once other connections have closed, which they do in their own time.
    pub async fn run_alone(&mut self, sql: &str) {
        let started = Instant::now();
        while let Err(e) = self.try_run(sql).await {
            assert!(e.to_string().contains("locked") && started.elapsed() < PATIENCE, "{sql}: {e}");
            tokio::task::yield_now().await;
        }
    }

    pub async fn try_run(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        self.conn.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.map(|_| ())
    }

    /// The single text that a query gives.
    pub async fn text(&mut self, sql: &str) -> String {
        let (text,): (Option<String>,) = sqlx::query_as(AssertSqlSafe(sql)).fetch_one(&mut self.conn).await.unwrap();
        text.unwrap_or_default()
    }

    /// The single number that a query gives.
    pub async fn number(&mut self, sql: &str) -> i64 {
        let (number,): (i64,) = sqlx::query_as(AssertSqlSafe(sql)).fetch_one(&mut self.conn).await.unwrap();
        number
    }

    /// All rows of a table as text with classes, sorted.
    pub async fn dump(&mut self, table: &str, columns: &[&str]) -> Vec<String> {
        let parts = columns
            .iter()
            .map(|c| format!("typeof(\"{c}\") || ':' || quote(CAST(\"{c}\" AS BLOB)) "))
            .collect::<Vec<_>>();
        let sql = format!("SELECT {} AS r FROM \"{table}\" ORDER BY r", parts.join(" || '|' || "));
        let rows: Vec<(String,)> = sqlx::query_as(AssertSqlSafe(sql)).fetch_all(&mut self.conn).await.unwrap();
        rows.into_iter().map(|(row,)| row).collect()
    }
}

/// The identity mapping of a table.
pub async fn map_of(store: &SqliteStore, table: &str) -> TableMap {
    let found = store.table(&TableName::bare(table)).await.unwrap();
    let carried: Vec<_> = found.columns.iter().filter(|c| c.generation != Generation::Computed).collect();
    let columns = carried.iter().map(|c| ColumnMap {
        source: c.name.clone(),
        target: c.name.clone(),
        source_type: c.type_name.clone(),
        target_type: c.type_name.clone(),
    });
    let key = match &found.identity {
        RowIdentity::Key(names) => {
            names.iter().map(|name| carried.iter().position(|c| c.name == *name).unwrap()).collect()
        }
        RowIdentity::FullRow | RowIdentity::Missing => Vec::new(),
    };
    TableMap { source: found.name.clone(), target: found.name, columns: columns.collect(), key }
}

/// A pipeline between two stores, pumped by hand.
pub struct Pipeline<'a> {
    pub source: &'a SqliteStore,
    pub target: &'a SqliteStore,
    pub capture: CaptureSpec,
    pub apply: ApplySpec,
}

impl<'a> Pipeline<'a> {
    pub fn new(name: &str, source: &'a SqliteStore, target: &'a SqliteStore, tables: Vec<TableMap>) -> Self {
        let capture =
            CaptureSpec { name: name.to_owned(), ignore_origin: format!("{name}_back"), tables: tables.clone() };
        Self { source, target, capture, apply: ApplySpec { name: name.to_owned(), tables } }
    }

    /// The pipeline that carries changes back.
    pub fn reversed(&self) -> Self {
        let name = self.capture.ignore_origin.clone();
        let tables: Vec<TableMap> = self.capture.tables.iter().map(TableMap::reversed).collect();
        let capture =
            CaptureSpec { name: name.clone(), ignore_origin: self.capture.name.clone(), tables: tables.clone() };
        Self { source: self.target, target: self.source, capture, apply: ApplySpec { name, tables } }
    }

    /// Builds the schema on the target, all parts.
    pub async fn build(&self) {
        use crate::stores::Schema;
        for statement in self.source.script(&self.capture.tables).await.unwrap().statements {
            self.target.execute(&statement.statement).await.unwrap();
            assert!(self.target.exists(&statement).await.unwrap(), "{}", statement.object);
        }
    }

    /// Starts without a copy.
    pub async fn start_empty(&self) {
        let (origin, none) = self.source.prepare(&self.capture, false).await.unwrap();
        assert!(none.is_none());
        self.target.begin(&self.apply, &origin).await.unwrap();
    }

    /// Makes the capture and copies everything.
    pub async fn start(&self) {
        let (origin, snapshot) = self.source.prepare(&self.capture, true).await.unwrap();
        self.target.begin(&self.apply, &origin).await.unwrap();
        let snapshot = snapshot.unwrap();
        for table in 0..self.apply.tables.len() {
            self.copy_table(snapshot.as_ref(), table, usize::MAX).await;
        }
    }

    /// Copies at most `most` missing chunks of one table; returns how many were missing.
    pub async fn copy_table(&self, snapshot: &dyn Snapshot, table: usize, most: usize) -> usize {
        let state = self.target.state(&self.apply).await.unwrap();
        let source = &self.apply.tables[table].source;
        let planned = state.plans.iter().find(|(name, _)| name == source).map(|(_, plan)| plan.clone());
        let plan = match planned {
            Some(plan) => plan,
            None => {
                // The smallest chunks that there are.
                let plan = snapshot.plan(table, 1).await.unwrap();
                self.target.save_plan(&self.apply, table, &plan).await.unwrap();
                plan
            }
        };
        let done: Vec<u64> = state.chunks.iter().filter(|(name, _, _)| name == source).map(|(_, n, _)| *n).collect();
        let missing: Vec<_> = plan.chunks.iter().filter(|chunk| !done.contains(&chunk.ordinal)).collect();
        let mut reader = snapshot.reader().await.unwrap();
        let mut loader = self.target.loader(&self.apply).await.unwrap();
        for chunk in missing.iter().take(most) {
            assert!(matches!(chunk.range, ChunkRange::Keys(_)));
            reader.start(chunk).await.unwrap();
            loader.start(chunk).await.unwrap();
            while let Some(data) = reader.next().await.unwrap() {
                loader.push(data).await.unwrap();
            }
            loader.finish().await.unwrap();
        }
        missing.len()
    }

    /// Where the target is.
    pub async fn position(&self) -> Position {
        let state = self.target.state(&self.apply).await.unwrap();
        state.applied.or(state.origin.map(|o| o.position)).unwrap()
    }

    /// Opens both ends.
    pub async fn pump(&self) -> Pump {
        Pump {
            stream: self.source.stream(&self.capture, self.position().await).await.unwrap(),
            applier: self.target.applier(&self.apply).await.unwrap(),
            waiting: Vec::new(),
            anomalies: 0,
        }
    }

    /// Applies everything that is in the log now; returns the number of anomalies.
    pub async fn drain(&self) -> u64 {
        let token = format!("drain-{:?}", Instant::now());
        self.source.probe_marker(&self.capture, &token).await.unwrap();
        let mut pump = self.pump().await;
        pump.until_marker(&token).await;
        pump.anomalies
    }
}

/// An open stream and applier.
pub struct Pump {
    stream: Box<dyn ChangeStream>,
    applier: Box<dyn ChangeApplier>,
    waiting: Vec<RowChange>,
    pub anomalies: u64,
}

impl Pump {
    /// Takes one batch; returns its markers.
    pub async fn step(&mut self) -> Vec<String> {
        let mut markers = Vec::new();
        for item in self.stream.next().await.unwrap() {
            match item {
                CaptureItem::Change(change) => self.waiting.push(change),
                CaptureItem::Commit { position, .. } | CaptureItem::Progress { position } => {
                    self.push().await;
                    self.applier.commit(position).await.unwrap();
                    self.stream.confirm(position).await.unwrap();
                }
                CaptureItem::Marker { token, .. } => {
                    assert!(self.waiting.is_empty(), "a marker inside a transaction");
                    markers.push(token);
                }
                CaptureItem::SchemaChange(change) => panic!("{change}"),
            }
        }
        self.push().await;
        markers
    }

    async fn push(&mut self) {
        if !self.waiting.is_empty() {
            let done = self.applier.push(std::mem::take(&mut self.waiting)).await.unwrap();
            self.anomalies += done.anomalies;
        }
    }

    pub async fn until_marker(&mut self, token: &str) {
        let started = Instant::now();
        while !self.step().await.iter().any(|seen| seen == token) {
            assert!(started.elapsed() < PATIENCE, "the marker {token} did not come");
        }
    }
}

/// All items of a log from `from` to its end, in one list.
pub async fn items(store: &SqliteStore, spec: &CaptureSpec, from: Position) -> Vec<CaptureItem> {
    let mut stream = store.stream(spec, from).await.unwrap();
    let mut all = Vec::new();
    loop {
        let batch = stream.next().await.unwrap();
        if batch.is_empty() {
            return all;
        }
        all.extend(batch);
    }
}

/// The changes among items.
pub fn changes(items: Vec<CaptureItem>) -> Vec<RowChange> {
    items
        .into_iter()
        .filter_map(|item| match item {
            CaptureItem::Change(change) => Some(change),
            _ => None,
        })
        .collect()
}

/// Shorthand for rows of integers.
pub fn ints(values: &[i64]) -> Row {
    values.iter().map(|v| crate::model::value::Value::Int(*v)).collect()
}

/// The kind of an error.
pub fn kind<T>(result: crate::stores::Result<T>) -> ErrorKind {
    match result {
        Ok(_) => panic!("this must fail"),
        Err(e) => e.kind,
    }
}

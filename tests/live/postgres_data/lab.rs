//! Databases for one test, a mapping read from their catalogue, and the smallest pump that a test can drive by hand.

use godwit::model::change::{CaptureItem, Position, RowChange};
use godwit::model::ids::StoreId;
use godwit::model::table::{ColumnMap, TableMap, TableName};
use godwit::stores::postgres::address::Address;
use godwit::stores::postgres::capture::PgCapture;
use godwit::stores::postgres::quote;
use godwit::stores::postgres::target::PgTarget;
use godwit::stores::postgres::wire::connection::Connection;
use godwit::stores::postgres::wire::link::Link;
use godwit::stores::postgres::wire::query::Answer;
use godwit::stores::postgres::wire::startup::Purpose;
use godwit::stores::{
    Applied, ApplySpec, Capture, CaptureOrigin, CaptureSpec, ChangeApplier, ChangeStream, Chunk, OpenOptions, Snapshot,
    Target,
};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const CONNECT: Duration = Duration::from_secs(10);

/// One database on one server.
pub struct Database {
    pub link: Link,
    admin: Address,
    pub name: String,
}

impl Database {
    /// Makes an empty database on the server that the variable names.
    pub async fn create(variable: &str, tag: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let url = std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: run tests/run"));
        let admin = Address::parse(&url).unwrap();
        let name = format!("gw_{tag}_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let mut connection = open(&admin).await;
        connection.query(&format!("CREATE DATABASE {}", quote::ident(&name))).await.unwrap();
        let address = Address { database: name.clone(), ..admin.clone() };
        let id = StoreId::from(variable);
        let options = OpenOptions { id, statement_timeout: Duration::from_secs(60), connect_timeout: CONNECT };
        Self { link: Link::new(address, options), admin, name }
    }

    /// Runs statements and returns the last answer.
    pub async fn sql(&self, sql: &str) -> Answer {
        open(&self.link.address).await.query(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    /// A connection of the test's own.
    pub async fn connect(&self) -> Connection {
        open(&self.link.address).await
    }

    /// All rows of a query as one text, for comparing two sides.
    pub async fn dump(&self, query: &str) -> Vec<Vec<Option<String>>> {
        self.sql(query).await.rows
    }

    pub fn capture(&self) -> PgCapture {
        PgCapture::new(self.link.clone())
    }

    pub fn target(&self) -> PgTarget {
        PgTarget::new(self.link.clone())
    }

    /// Maps tables onto tables of the same name, by the catalogue: stored columns, primary key.
    pub async fn maps(&self, tables: &[&str]) -> Vec<TableMap> {
        let mut maps = Vec::new();
        for table in tables {
            let name = TableName::in_schema("public", table);
            let sql = format!(
                "SET search_path = pg_catalog;
                 SELECT a.attname, format_type(a.atttypid, a.atttypmod), coalesce(a.attnum = ANY (i.indkey), false)
                   FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
                  WHERE a.attrelid = {}::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
                  ORDER BY a.attnum",
                quote::literal(&quote::table(&name))
            );
            let rows = self.sql(&sql).await.rows;
            let text = |row: &Vec<Option<String>>, at: usize| row[at].clone().unwrap();
            let columns = rows
                .iter()
                .map(|row| ColumnMap {
                    source: text(row, 0),
                    target: text(row, 0),
                    source_type: text(row, 1),
                    target_type: text(row, 1),
                })
                .collect();
            let key = rows.iter().enumerate().filter(|(_, row)| text(row, 2) == "t").map(|(at, _)| at).collect();
            maps.push(TableMap { source: name.clone(), target: name, columns, key });
        }
        maps
    }

    /// Drops the database, whoever is still connected.
    pub async fn drop(self) {
        let name = quote::literal(&self.name);
        let mut connection = open(&self.admin).await;
        let slots = format!(
            "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = {name} AND active"
        );
        connection.query(&slots).await.unwrap();
        wait_until("slots of the test are free", async || {
            let sql = format!("SELECT count(*) AS n FROM pg_replication_slots WHERE database = {name} AND active");
            open(&self.admin).await.query(&sql).await.unwrap().value("n") == Some("0")
        })
        .await;
        let sql =
            format!("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = {name}");
        connection.query(&sql).await.unwrap();
        connection.query(&format!("DROP DATABASE {} WITH (FORCE)", quote::ident(&self.name))).await.unwrap();
    }
}

async fn open(address: &Address) -> Connection {
    let purpose = Purpose::Statements { timeout: Duration::ZERO };
    let mut connection =
        Connection::open(address, purpose, CONNECT).await.unwrap_or_else(|e| panic!("{}: {e}", address.redacted()));
    // Tests write names as an application would; Godwit itself pins the path to pg_catalog.
    connection.query("SET search_path = public").await.unwrap();
    connection
}

/// Polls a state for up to 30 s.
pub async fn wait_until(what: &str, mut state: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !state().await {
        assert!(started.elapsed() < Duration::from_secs(30), "timed out waiting until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A source and a target with the same schema.
pub struct Pair {
    pub source: Database,
    pub target: Database,
    pub capture_spec: CaptureSpec,
    pub apply_spec: ApplySpec,
}

impl Pair {
    /// Makes both databases, runs `schema` on both, maps `tables`.
    pub async fn create(tag: &str, schema: &str, tables: &[&str]) -> Self {
        let source = Database::create("GODWIT_LAB_PG1", tag).await;
        let target = Database::create("GODWIT_LAB_PG2", tag).await;
        source.sql(schema).await;
        target.sql(schema).await;
        let maps = source.maps(tables).await;
        let name = source.name.clone();
        let capture_spec =
            CaptureSpec { name: name.clone(), ignore_origin: format!("{name}_back"), tables: maps.clone() };
        Self { source, target, capture_spec, apply_spec: ApplySpec { name, tables: maps } }
    }

    /// Prepares the capture, copies every table, and returns where changes go on.
    pub async fn copy(&self, chunk_bytes: u64) -> CaptureOrigin {
        let (origin, snapshot) = self.source.capture().prepare(&self.capture_spec, true).await.unwrap();
        let target = self.target.target();
        target.state(&self.apply_spec).await.unwrap();
        target.begin(&self.apply_spec, &origin).await.unwrap();
        copy_tables(snapshot.unwrap().as_ref(), &target, &self.apply_spec, chunk_bytes).await;
        origin
    }

    /// Opens the stream at `from` and an applier.
    pub async fn pump(&self, from: Position) -> Pump {
        let stream = self.source.capture().stream(&self.capture_spec, from).await.unwrap();
        let applier = self.target.target().applier(&self.apply_spec).await.unwrap();
        Pump { stream, applier, total: Applied::default(), applied: from }
    }

    /// Writes a marker on the source and pumps until it comes out.
    pub async fn drain(&self, pump: &mut Pump) {
        let token = format!("drain-{:?}", Instant::now());
        self.source.capture().probe_marker(&self.capture_spec, &token).await.unwrap();
        pump.until_marker(&token).await;
    }

    /// Asserts that a query gives the same rows on both sides.
    pub async fn assert_same(&self, query: &str) {
        assert_eq!(self.source.dump(query).await, self.target.dump(query).await, "{query}");
    }

    pub async fn drop(self) {
        self.target.target().forget(&self.apply_spec).await.unwrap();
        self.source.drop().await;
        self.target.drop().await;
    }
}

/// Copies every table of a snapshot.
pub async fn copy_tables(snapshot: &dyn Snapshot, target: &PgTarget, spec: &ApplySpec, chunk_bytes: u64) {
    for table in 0..spec.tables.len() {
        let plan = snapshot.plan(table, chunk_bytes).await.unwrap();
        target.save_plan(spec, table, &plan).await.unwrap();
        load(snapshot, target, spec, &plan.chunks).await;
    }
}

/// Copies chunks with one reader and one loader.
pub async fn load(snapshot: &dyn Snapshot, target: &PgTarget, spec: &ApplySpec, chunks: &[Chunk]) {
    let (mut reader, mut loader) = (snapshot.reader().await.unwrap(), target.loader(spec).await.unwrap());
    for chunk in chunks {
        reader.start(chunk).await.unwrap();
        loader.start(chunk).await.unwrap();
        while let Some(data) = reader.next().await.unwrap() {
            loader.push(data).await.unwrap();
        }
        loader.finish().await.unwrap();
    }
}

/// Applies what a stream yields, committing with each source commit.
pub struct Pump {
    pub stream: Box<dyn ChangeStream>,
    pub applier: Box<dyn ChangeApplier>,
    pub total: Applied,
    pub applied: Position,
}

impl Pump {
    /// Pumps until the marker, and past the transaction that carries it.
    pub async fn until_marker(&mut self, token: &str) {
        let started = Instant::now();
        let mut seen = false;
        loop {
            assert!(started.elapsed() < Duration::from_secs(120), "the marker {token} never came");
            let items = self.stream.next().await.unwrap();
            let mut changes: Vec<RowChange> = Vec::new();
            for item in items {
                match item {
                    CaptureItem::Change(change) => changes.push(change),
                    CaptureItem::Commit { position, .. } | CaptureItem::Progress { position } => {
                        // Changes of many source transactions go together: one push for a batch, not one for a commit.
                        self.applied = position;
                        if seen {
                            self.push(&mut changes).await;
                            self.commit().await;
                            return;
                        }
                    }
                    CaptureItem::Marker { token: found, .. } => seen |= found == token,
                    CaptureItem::SchemaChange(change) => panic!("schema change: {change}"),
                }
            }
            self.push(&mut changes).await;
        }
    }

    async fn push(&mut self, changes: &mut Vec<RowChange>) {
        let applied = self.applier.push(std::mem::take(changes)).await.unwrap();
        self.total.changes += applied.changes;
        self.total.anomalies += applied.anomalies;
    }

    async fn commit(&mut self) {
        self.applier.commit(self.applied).await.unwrap();
        self.stream.confirm(self.applied).await.unwrap();
    }
}

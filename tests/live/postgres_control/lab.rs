//! A database of one's own on a lab server, opened as a store and as a plain client.

use godwit::model::table::{ColumnMap, TableMap, TableName};
use godwit::stores::OpenOptions;
use godwit::stores::postgres::store::PostgresStore;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Environment variables with the superuser URLs of the two lab servers.
pub const SERVER_1: &str = "GODWIT_LAB_PG1";
pub const SERVER_2: &str = "GODWIT_LAB_PG2";

static COUNTER: AtomicU32 = AtomicU32::new(0);

pub struct Lab {
    server: PgConnectOptions,
    url: String,
    pub name: String,
    pub sql: PgConnection,
    pub store: PostgresStore,
}

impl Lab {
    /// A new database on the server that `variable` names.
    pub async fn create(variable: &str) -> Self {
        let url = std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: run tests/run"));
        let server = PgConnectOptions::from_str(&url).unwrap().disable_statement_logging();
        let name = format!("godwit_ctl_{}_{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let mut admin = PgConnection::connect_with(&server).await.unwrap();
        admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
        admin.close().await.unwrap();
        let sql = PgConnection::connect_with(&server.clone().database(&name).application_name("lab")).await.unwrap();
        let url = in_database(&url, &name);
        let store = open(&url);
        Self { server, url, name, sql, store }
    }

    /// Runs statements.
    pub async fn run(&mut self, sql: &str) {
        self.sql.execute(AssertSqlSafe(sql.to_owned())).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    }

    /// The first column of the first row, as text.
    pub async fn text(&mut self, sql: &str) -> String {
        let row: (Option<String>,) = sqlx::query_as(AssertSqlSafe(format!("SELECT x::text FROM ({sql}) AS q (x)")))
            .fetch_one(&mut self.sql)
            .await
            .unwrap_or_else(|e| panic!("{sql}: {e}"));
        row.0.unwrap_or_default()
    }

    /// Another plain client.
    pub async fn client(&self, application: &str) -> PgConnection {
        let options = self.server.clone().database(&self.name).application_name(application);
        PgConnection::connect_with(&options).await.unwrap()
    }

    /// A session of another login without a password.
    pub async fn client_as(&self, login: &str, application: &str) -> PgConnection {
        let options = self.server.clone().database(&self.name).username(login).password("");
        PgConnection::connect_with(&options.application_name(application)).await.unwrap()
    }

    /// The same database as another store object: another engine's view.
    pub fn another_store(&self) -> PostgresStore {
        open(&self.url)
    }

    /// The same database as another login without a password.
    pub fn store_as(&self, login: &str) -> PostgresStore {
        let (_, place) = self.url.split_once('@').unwrap();
        open(&format!("postgres://{login}@{place}"))
    }

    /// Removes the database; what still runs in it is ended.
    pub async fn finish(self) {
        let Self { server, name, sql, store, .. } = self;
        sql.close().await.unwrap();
        drop(store);
        let mut admin = PgConnection::connect_with(&server).await.unwrap();
        admin.execute(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).await.unwrap();
        admin.close().await.unwrap();
    }
}

fn in_database(url: &str, name: &str) -> String {
    let (base, parameters) = url.split_once('?').map_or((url, String::new()), |(b, p)| (b, format!("?{p}")));
    let start = base.find("://").unwrap() + 3;
    let end = base[start..].find('/').map_or(base.len(), |i| start + i);
    format!("{}/{name}{parameters}", &base[..end])
}

fn open(url: &str) -> PostgresStore {
    let options = OpenOptions {
        id: "lab".into(),
        statement_timeout: Duration::from_secs(20),
        connect_timeout: Duration::from_secs(5),
    };
    PostgresStore::open(options, url).unwrap()
}

/// A name in `public`.
pub fn public(name: &str) -> TableName {
    TableName::in_schema("public", name)
}

/// A mapping of a table onto itself, with `(name, type)` columns and key positions.
pub fn same(table: &str, columns: &[(&str, &str)], key: &[usize]) -> TableMap {
    let column = |&(name, kind): &(&str, &str)| ColumnMap {
        source: name.into(),
        target: name.into(),
        source_type: kind.into(),
        target_type: kind.into(),
    };
    TableMap {
        source: public(table),
        target: public(table),
        columns: columns.iter().map(column).collect(),
        key: key.to_vec(),
    }
}

/// Waits until a session of this application waits for a lock.
pub async fn waits_for_a_lock(lab: &mut Lab, application: &str) {
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = '{application}' AND wait_event_type = 'Lock'"
    );
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while lab.text(&sql).await == "0" {
        assert!(tokio::time::Instant::now() < deadline, "{application} does not wait for a lock");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

//! PgBouncer's admin console: looking at pools, and holding clients back while the server behind them is exchanged.
//!
//! Known traps, and what is done about them: a RESUME that meets a waiting PAUSE leaves that PAUSE hanging for ever (C13), so the two
//! are serialised here and a PAUSE that runs out of time is given up together with its connection; in session pooling PAUSE waits for
//! clients to leave (C14), so the pool mode is shown to the pre-flight check; the time-out is on the statement (C16); and PAUSE is
//! believed only when no server connection is in use any more (C18).

use crate::model::ids::StoreId;
use crate::stores::error::{ErrorKind, Operation, StoreError};
use crate::stores::postgres::address::Address;
use crate::stores::postgres::quote;
use crate::stores::postgres::wire::connection::Connection;
use crate::stores::postgres::wire::failure::Failure;
use crate::stores::postgres::wire::query::{Answer, TextRow};
use crate::stores::postgres::wire::startup::Purpose;
use crate::stores::{Pooler, Result};
use async_trait::async_trait;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Longest time for a console command that only looks or resumes.
const COMMAND_LIMIT: Duration = Duration::from_secs(5);
/// Pause between two looks at the pools.
const POLL: Duration = Duration::from_millis(10);

/// One pool: the connections of one login to one database entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Database entry.
    pub database: String,
    /// Login.
    pub user: String,
    /// `session`, `transaction` or `statement`.
    pub mode: String,
    /// Clients that are served now.
    pub clients_active: u64,
    /// Clients that wait for a server connection: while paused, all that want something.
    pub clients_waiting: u64,
    /// Server connections that a client uses now, or that are being checked or opened.
    pub servers_active: u64,
    /// Server connections at rest.
    pub servers_idle: u64,
}

/// One entry of `[databases]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name that clients use.
    pub name: String,
    /// Host that it leads to; empty for a Unix socket.
    pub host: String,
    /// Port that it leads to.
    pub port: u16,
    /// Database that it leads to.
    pub database: String,
    /// Pool mode of this entry, or the default.
    pub mode: String,
    /// True while PAUSE holds its clients.
    pub paused: bool,
}

/// One PgBouncer.
pub struct Bouncer {
    id: StoreId,
    address: Address,
    /// Held by PAUSE and RESUME, which must not meet.
    switching: Mutex<()>,
}

impl Bouncer {
    /// For the admin console at `address`, whose database is always `pgbouncer`. `id` names it in errors.
    pub fn new(id: StoreId, address: Address) -> Self {
        let address = Address { database: "pgbouncer".to_owned(), ..address };
        Self { id, address, switching: Mutex::new(()) }
    }

    fn error(&self, kind: ErrorKind, message: impl Into<String>) -> StoreError {
        StoreError::new(&self.id, Operation::Freeze, kind, message)
    }

    async fn console(&self) -> Result<Connection> {
        Connection::open(&self.address, Purpose::Console, COMMAND_LIMIT)
            .await
            .map_err(|f| f.at(&self.id, Operation::Connect).about(self.address.redacted()))
    }

    /// Runs one command on a connection of its own within `limit`.
    async fn command(&self, command: &str, operation: Operation, limit: Duration) -> Result<Answer> {
        let mut console = self.console().await?;
        match tokio::time::timeout(limit, console.query(command)).await {
            Ok(answer) => answer.map_err(|f| self.refused(f, operation).about(command)),
            Err(_) => {
                Err(StoreError { operation, ..self.error(ErrorKind::TimedOut, format!("no answer within {limit:?}")) }
                    .about(command))
            }
        }
    }

    /// PgBouncer's own refusals (not an admin, no such database) come with SQLSTATE 08P01, which elsewhere means a broken connection.
    fn refused(&self, failure: Failure, operation: Operation) -> StoreError {
        let console = matches!(failure.sqlstate(), Some("08P01"));
        let error = failure.at(&self.id, operation);
        if console { StoreError { kind: ErrorKind::Rejected, ..error } } else { error }
    }

    /// The pools of a database entry.
    pub async fn pools(&self, database: &str) -> Result<Vec<Pool>> {
        let answer = self.command("SHOW POOLS", Operation::Inspect, COMMAND_LIMIT).await?;
        let pools = answer.rows.iter().map(|row| pool(&Fields { columns: &answer.columns, row }));
        Ok(pools.filter(|pool| pool.database == database).collect())
    }

    /// All database entries.
    pub async fn databases(&self) -> Result<Vec<Entry>> {
        let answer = self.command("SHOW DATABASES", Operation::Inspect, COMMAND_LIMIT).await?;
        let mut entries: Vec<Entry> =
            answer.rows.iter().map(|row| entry(&Fields { columns: &answer.columns, row })).collect();
        if entries.iter().any(|entry| entry.mode.is_empty()) {
            let config = self.command("SHOW CONFIG", Operation::Inspect, COMMAND_LIMIT).await?;
            let fields = config.rows.iter().map(|row| Fields { columns: &config.columns, row });
            let default =
                fields.filter(|f| f.text("key") == "pool_mode").map(|f| f.text("value")).next().unwrap_or_default();
            entries.iter_mut().filter(|entry| entry.mode.is_empty()).for_each(|entry| entry.mode.clone_from(&default));
        }
        Ok(entries)
    }

    async fn find(&self, database: &str) -> Result<Entry> {
        let found = self.databases().await?.into_iter().find(|entry| entry.name == database);
        found.ok_or_else(|| {
            self.error(ErrorKind::NotFound, format!("there is no entry {database} in [databases]")).about(database)
        })
    }

    /// Holds the clients of a database back: returns once no server connection is in use. Running transactions are waited for; after
    /// `timeout` the clients go on, and the error says what was still running.
    pub async fn pause(&self, database: &str, timeout: Duration) -> Result<()> {
        let _switching = self.switching.lock().await;
        let deadline = Instant::now() + timeout;
        let outcome = self.pause_until(database, deadline).await;
        let Err(error) = outcome else { return Ok(()) };
        let still = self.in_use(database).await;
        // A second connection, because the first one may hang in PAUSE for ever.
        match self.resume_now(database).await {
            Ok(()) => Err(StoreError { message: format!("{}{still}; the clients go on", error.message), ..error }),
            Err(worse) => {
                let message = format!(
                    "{}{still}; and RESUME failed ({}): clients may still be held: run RESUME {database} on the console",
                    error.message, worse.message
                );
                Err(StoreError { message, ..error })
            }
        }
    }

    async fn pause_until(&self, database: &str, deadline: Instant) -> Result<()> {
        let left = || deadline.saturating_duration_since(Instant::now());
        if !self.find(database).await?.paused {
            self.command(&format!("PAUSE {}", quote::ident(database)), Operation::Freeze, left()).await?;
        }
        loop {
            if self.pools(database).await?.iter().all(|pool| pool.servers_active == 0) {
                return Ok(());
            }
            if left().is_zero() {
                let text = "PAUSE has returned and server connections are still in use";
                return Err(self.error(ErrorKind::TimedOut, text).about(database));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// What keeps a PAUSE from ending, as the end of a sentence.
    async fn in_use(&self, database: &str) -> String {
        let Ok(pools) = self.pools(database).await else { return String::new() };
        let busy: Vec<String> = pools
            .iter()
            .filter(|pool| pool.servers_active > 0)
            .map(|pool| format!("{} connections of {} in {} pooling", pool.servers_active, pool.user, pool.mode))
            .collect();
        if busy.is_empty() { String::new() } else { format!("; still in use: {}", busy.join(", ")) }
    }

    /// Lets the clients of a database go on. Succeeds if they are not held.
    pub async fn resume(&self, database: &str) -> Result<()> {
        let _switching = self.switching.lock().await;
        self.resume_now(database).await
    }

    async fn resume_now(&self, database: &str) -> Result<()> {
        if !self.find(database).await?.paused {
            return Ok(());
        }
        self.command(&format!("RESUME {}", quote::ident(database)), Operation::Freeze, COMMAND_LIMIT).await?;
        if self.find(database).await?.paused {
            return Err(self
                .error(ErrorKind::Protocol, "RESUME has returned and clients are still held")
                .about(database));
        }
        Ok(())
    }

    /// Makes the pooler read its configuration again. An entry that is broken there keeps its old meaning; look at
    /// [`Bouncer::databases`] for what holds.
    pub async fn reload(&self) -> Result<()> {
        self.command("RELOAD", Operation::Freeze, COMMAND_LIMIT).await.map(|_| ())
    }
}

/// A row whose columns differ between versions: found by name, absent ones empty.
struct Fields<'a> {
    columns: &'a [String],
    row: &'a TextRow,
}

impl Fields<'_> {
    fn text(&self, name: &str) -> String {
        let at = self.columns.iter().position(|column| column == name);
        at.and_then(|at| self.row.get(at)).cloned().flatten().unwrap_or_default()
    }

    fn number(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or(0)
    }
}

fn pool(fields: &Fields<'_>) -> Pool {
    // Version 1.21 splits cancelling connections off; a column that a version does not have counts nothing.
    let busy = ["sv_active", "sv_active_cancel", "sv_being_canceled", "sv_tested", "sv_login"];
    Pool {
        database: fields.text("database"),
        user: fields.text("user"),
        mode: fields.text("pool_mode"),
        clients_active: fields.number("cl_active"),
        clients_waiting: fields.number("cl_waiting"),
        servers_active: busy.iter().map(|name| fields.number(name)).sum(),
        servers_idle: fields.number("sv_idle") + fields.number("sv_used"),
    }
}

fn entry(fields: &Fields<'_>) -> Entry {
    Entry {
        name: fields.text("name"),
        host: fields.text("host"),
        port: fields.text("port").parse().unwrap_or(0),
        database: fields.text("database"),
        mode: fields.text("pool_mode"),
        paused: fields.number("paused") > 0,
    }
}

#[async_trait]
impl Pooler for Bouncer {
    async fn pause(&self, database: &str, timeout: Duration) -> Result<()> {
        Self::pause(self, database, timeout).await
    }

    async fn resume(&self, database: &str) -> Result<()> {
        Self::resume(self, database).await
    }

    async fn reload(&self) -> Result<()> {
        Self::reload(self).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name_whatever_the_version() {
        let columns: Vec<String> =
            ["pool_mode", "sv_active", "user", "sv_used", "sv_idle", "database", "sv_login"].map(Into::into).into();
        let row: TextRow = ["session", "2", "app", "1", "3", "shop", "1"].map(|v| Some(v.to_owned())).into();
        let pool = pool(&Fields { columns: &columns, row: &row });
        assert_eq!((pool.servers_active, pool.servers_idle, pool.clients_waiting), (3, 4, 0));
        assert_eq!((pool.database.as_str(), pool.mode.as_str()), ("shop", "session"));
    }
}

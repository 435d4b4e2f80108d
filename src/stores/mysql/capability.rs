//! What a server is and has, probed once for each looking session; and its facts.

use crate::stores::mysql::connect::lines;
use crate::stores::mysql::line::Line;
use crate::stores::mysql::store::MysqlStore;
use crate::stores::{Probe, Result, ServerFacts};
use async_trait::async_trait;
use chrono::Utc;
use sqlx::mysql::MySqlConnection;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Which of the two products answers. Only what cannot be probed asks for it: how `KILL`, `SHOW` and `GRANT` are spelt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// MariaDB.
    Mariadb,
    /// MySQL, Percona Server and what else calls itself so.
    Mysql,
}

impl Flavour {
    /// The engine's word, with which ids of what is missing begin.
    pub fn word(self) -> &'static str {
        match self {
            Self::Mariadb => "mariadb",
            Self::Mysql => "mysql",
        }
    }
}

/// Where metadata locks can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataSource {
    /// `performance_schema.metadata_locks`: held and wanted locks.
    PerformanceSchema,
    /// MariaDB's plugin METADATA_LOCK_INFO: held locks only.
    Plugin,
    /// Nowhere.
    Nowhere,
}

/// What was probed.
#[derive(Clone, Debug)]
pub struct Capability {
    /// Which product.
    pub flavour: Flavour,
    /// Version as the server says it.
    pub version: String,
    /// Connection id of the looking session.
    pub connection: u64,
    /// `performance_schema` is on.
    pub performance_schema: bool,
    /// When the server started, in seconds since the epoch; its uptime is in whole seconds.
    pub started_s: u64,
    /// Where metadata locks can be read.
    pub metadata: MetadataSource,
    /// `schema.table.column`, lower case, of what this account may see of the probed tables.
    columns: BTreeSet<String>,
    /// Global variables.
    variables: BTreeMap<String, String>,
}

/// Tables that differ between versions, or that need a right.
const PROBED: &str = "SELECT LOWER(CONCAT(TABLE_SCHEMA, '.', TABLE_NAME, '.', COLUMN_NAME)) AS name
   FROM information_schema.columns
  WHERE TABLE_SCHEMA IN ('information_schema', 'performance_schema') AND TABLE_NAME IN (
        'processlist', 'PROCESSLIST', 'threads', 'session_connect_attrs', 'metadata_locks', 'data_lock_waits', 'data_locks', 'setup_instruments',
        'setup_consumers', 'INNODB_TRX', 'INNODB_LOCK_WAITS', 'INNODB_LOCKS', 'METADATA_LOCK_INFO', 'STATISTICS', 'INDEX_STATISTICS', 'TABLE_STATISTICS',
        'events_statements_summary_by_digest', 'table_io_waits_summary_by_index_usage', 'table_io_waits_summary_by_table', 'global_status')";

const SERVER: &str = "SELECT VERSION() AS version, CONNECTION_ID() AS connection, UNIX_TIMESTAMP(NOW(6)) AS now";

const UPTIME: &str = "SHOW GLOBAL STATUS LIKE 'Uptime'";

const VARIABLES: &str = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('performance_schema', 'max_connections', 'log_bin', 'binlog_expire_logs_seconds',
        'expire_logs_days', 'max_binlog_total_size', 'read_only', 'super_read_only', 'server_uuid', 'server_id', 'hostname', 'port', 'datadir')";

const INSTRUMENT: &str =
    "SELECT ENABLED AS enabled FROM performance_schema.setup_instruments WHERE NAME = 'wait/lock/metadata/sql/mdl'";

impl Capability {
    /// Asks the server.
    ///
    /// # Errors
    /// The driver's.
    pub async fn probe(connection: &mut MySqlConnection, limit: Duration) -> std::result::Result<Self, sqlx::Error> {
        let server = lines(connection, limit, SERVER.to_owned()).await?.pop().unwrap_or_default();
        let uptime = lines(connection, limit, UPTIME.to_owned()).await?;
        let variables = lines(connection, limit, VARIABLES.to_owned()).await?;
        let columns = lines(connection, limit, PROBED.to_owned()).await?;
        let mut capability = Self::of(&server, &uptime, &variables, &columns);
        if capability.performance_schema && capability.has("performance_schema.metadata_locks.lock_status") {
            let instrument = lines(connection, limit, INSTRUMENT.to_owned()).await?;
            if instrument.first().is_some_and(|line| line.is_set("enabled")) {
                capability.metadata = MetadataSource::PerformanceSchema;
            }
        }
        Ok(capability)
    }

    /// From the rows of the probing statements.
    pub fn of(server: &Line, uptime: &[Line], variables: &[Line], columns: &[Line]) -> Self {
        let version = server.text("version");
        let now = server.real("now").unwrap_or_default() as u64;
        let uptime = uptime.first().and_then(|line| line.number("value")).unwrap_or_default();
        let variables: BTreeMap<String, String> =
            variables.iter().map(|line| (line.text("variable_name").to_lowercase(), line.text("value"))).collect();
        let columns: BTreeSet<String> = columns.iter().map(|line| line.text("name")).collect();
        let has_plugin = columns.contains("information_schema.metadata_lock_info.thread_id");
        Self {
            flavour: if version.to_lowercase().contains("mariadb") { Flavour::Mariadb } else { Flavour::Mysql },
            version,
            connection: server.number("connection").unwrap_or_default(),
            performance_schema: variables.get("performance_schema").is_some_and(|v| v == "ON" || v == "1"),
            started_s: now.saturating_sub(uptime),
            metadata: if has_plugin { MetadataSource::Plugin } else { MetadataSource::Nowhere },
            columns,
            variables,
        }
    }

    /// True when the account sees a column, written `schema.table.column` in lower case.
    pub fn has(&self, column: &str) -> bool {
        self.columns.contains(column)
    }

    /// True when the account may read the Performance Schema and it is on.
    pub fn reads_performance_schema(&self) -> bool {
        self.performance_schema && self.columns.iter().any(|name| name.starts_with("performance_schema."))
    }

    /// A global variable; `None`: this version has none of that name.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }
}

/// The server's identity: MySQL's `server_uuid`; MariaDB has none, so host, port and data directory stand for it.
fn identity(capability: &Capability, database: Option<&str>) -> String {
    let of = |name: &str| capability.variable(name).unwrap_or_default();
    let server = match capability.variable("server_uuid") {
        Some(uuid) => format!("server {uuid}"),
        None => format!("server {}:{} at {}", of("hostname"), of("port"), of("datadir")),
    };
    match database {
        Some(database) => format!("{server} database {database}"),
        None => server,
    }
}

#[async_trait]
impl Probe for MysqlStore {
    async fn facts(&self) -> Result<ServerFacts> {
        let read = self
            .watch()
            .look(async |reader| {
                let (before, started) = (Utc::now(), Instant::now());
                let row = reader.lines("SELECT UNIX_TIMESTAMP(NOW(6)) AS now").await?.pop().unwrap_or_default();
                let halfway = before + started.elapsed() / 2;
                let server_ms = (row.real("now").unwrap_or_default() * 1_000.0) as i64;
                Ok((reader.server().clone(), server_ms - halfway.timestamp_millis()))
            })
            .await?;
        let (capability, clock_difference_ms) = read.value;
        Ok(ServerFacts {
            identity: identity(&capability, self.connector().address().database.as_deref()),
            version: capability.version,
            clock_difference_ms,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::mysql::line::recorded;

    #[test]
    fn mysql_8_is_told_from_mariadb_by_what_it_has() {
        let of = |list: &str| recorded::lines("mysql-8.0-probe", list);
        let server = of("server").remove(0);
        let capability = Capability::of(&server, &of("uptime"), &of("variables"), &of("columns"));
        assert_eq!(capability.flavour, Flavour::Mysql);
        assert!(capability.reads_performance_schema());
        assert!(capability.has("performance_schema.data_lock_waits.requesting_engine_lock_id"));
        assert!(!capability.has("information_schema.innodb_lock_waits.requesting_trx_id"));
        assert_eq!(capability.metadata, MetadataSource::Nowhere, "until the instrument was asked for");
        assert_eq!(identity(&capability, Some("shop")), "server 3e11fa47-71ca-11e1-9e33-c80aa9429562 database shop");
    }

    #[test]
    fn without_a_right_nothing_of_the_performance_schema_is_there() {
        let variables = [recorded::line(&serde_json::json!({ "Variable_name": "performance_schema", "Value": "ON" }))];
        let server =
            recorded::line(&serde_json::json!({ "version": "10.11.19-MariaDB", "connection": 4, "now": "1000.5" }));
        let uptime = [recorded::line(&serde_json::json!({ "Value": "400" }))];
        let capability = Capability::of(&server, &uptime, &variables, &[]);
        assert_eq!((capability.flavour, capability.started_s), (Flavour::Mariadb, 600));
        assert!(capability.performance_schema && !capability.reads_performance_schema());
    }
}

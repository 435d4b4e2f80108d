//! Sessions, their transactions, lock waits and tables in use, in one look.

use crate::model::observation::Observation;
use crate::model::session::{Activity, Ending, Session, SessionKey, SessionKind, SessionState, TableTouch};
use crate::stores::Result;
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::mysql::capability::{Capability, Flavour, MetadataSource};
use crate::stores::mysql::connect::lines;
use crate::stores::mysql::line::Line;
use crate::stores::mysql::locks;
use crate::stores::mysql::metadata_locks::{self, MetadataLock};
use crate::stores::mysql::missing;
use crate::stores::mysql::store::MysqlStore;
use crate::stores::mysql::watch::{Read, Reader, START_TOLERANCE_S, ago};
use crate::stores::observe::Sessions;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// Logins of Godwit's monitoring roles begin with this: the protocol gives a connection no name of its own.
pub(super) const OWN_LOGINS: &str = "godwit_";

/// Characters of a statement that are asked for: more never reaches a screen.
const STATEMENT_CHARS: u32 = 2_000;

/// An InnoDB transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Transaction {
    /// InnoDB's id of it.
    pub id: u64,
    /// Connection id; 0 for a prepared XA transaction that no session has.
    pub session: u64,
    /// It waits for a row lock.
    pub waits: bool,
    /// Seconds since it began.
    pub age_s: Option<f64>,
    /// Seconds since it waits.
    pub waits_s: Option<f64>,
}

/// InnoDB shows a copy that it renews when nobody has read it for 0.1 s: what one look reads of transactions and locks is of one moment.
/// Times are ages by the server's own clock: `innodb_trx` writes them in the server's zone, whatever the session's is.
const TRANSACTIONS: &str = "SELECT trx_id, trx_mysql_thread_id AS session, trx_state AS state,
        TIMESTAMPDIFF(SECOND, trx_started, NOW()) AS age_s, TIMESTAMPDIFF(SECOND, trx_wait_started, NOW()) AS waits_s
   FROM information_schema.innodb_trx";

/// MySQL's own list does not stop connections from coming and going while it is read; MariaDB has only the old one, with milliseconds.
fn sessions_sql(server: &Capability) -> String {
    let (table, time) = match server.flavour {
        Flavour::Mariadb => ("information_schema.processlist", "TIME_MS"),
        Flavour::Mysql if server.reads_performance_schema() && server.has("performance_schema.processlist.id") => {
            ("performance_schema.processlist", "TIME * 1000")
        }
        Flavour::Mysql => ("information_schema.processlist", "TIME * 1000"),
    };
    format!(
        "SELECT ID AS id, USER AS login, HOST AS host, DB AS db, COMMAND AS command, {time} AS time_ms, STATE AS state,
                LEFT(INFO, {STATEMENT_CHARS}) AS info, UNIX_TIMESTAMP(NOW(6)) AS now FROM {table}"
    )
}

/// Of sessions whose name is not known yet.
const PROGRAMS: &str = "SELECT PROCESSLIST_ID AS id, ATTR_VALUE AS name FROM performance_schema.session_connect_attrs WHERE ATTR_NAME = 'program_name'";

const ROW_WAITS: &str = "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'";

async fn read(reader: &mut Reader<'_>) -> Read<Activity> {
    let server = reader.server().clone();
    let rows = reader.lines(sessions_sql(&server)).await?;
    let flavour = server.flavour;
    let told = reader.lines_or(|| missing::process(flavour), TRANSACTIONS).await?;
    let transactions_told = told.is_some();
    let transactions: Vec<Transaction> = told.unwrap_or_default().iter().map(transaction).collect();
    programs(reader, &server, &rows).await?;
    let mut activity =
        Activity { limit: server.variable("max_connections").and_then(|n| n.parse().ok()), ..Activity::default() };
    let started = reader.started_s();
    for row in rows.iter().filter(|row| row.number("id") != Some(server.connection)) {
        let program = row.number("id").and_then(|id| reader.programs().get(&id).cloned()).unwrap_or_default();
        activity.sessions.push(session(row, &transactions, started, program));
    }
    activity.sessions.sort_by_key(|s| (s.transaction_since.is_none(), s.transaction_since, s.key.clone()));
    let row_waits = reader.lines(ROW_WAITS).await?.first().and_then(|line| line.number("value")).unwrap_or(0);
    // The gate: what tells of row locks is asked only when somebody waits for one.
    if row_waits > 0 && !transactions_told {
        reader.lacks(missing::row_locks_slow(flavour));
    } else if row_waits > 0 || transactions.iter().any(|t| t.waits) {
        activity.waits = locks::row_edges(reader, &transactions, &activity.sessions).await?;
    }
    let held = metadata(reader, &server).await?;
    activity.waits.extend(metadata_locks::edges(&held, &activity.sessions));
    activity.touches = touches(&held, &activity.sessions);
    Ok(activity)
}

/// Asks for the names of applications when there is a session without one: not at every look.
async fn programs(reader: &mut Reader<'_>, server: &Capability, rows: &[Line]) -> Read<()> {
    if !server.has("performance_schema.session_connect_attrs.attr_value") || !server.performance_schema {
        reader.lacks(missing::programs(server.flavour, !server.performance_schema));
        return Ok(());
    }
    let known = reader.programs();
    if rows.iter().filter_map(|row| row.number("id")).all(|id| known.contains_key(&id)) {
        return Ok(());
    }
    let flavour = server.flavour;
    let named = reader.lines_or(|| missing::programs(flavour, false), PROGRAMS).await?.unwrap_or_default();
    let known = reader.programs();
    known.extend(named.iter().filter_map(|line| Some((line.number("id")?, line.text("name")))));
    for id in rows.iter().filter_map(|row| row.number("id")) {
        known.entry(id).or_default();
    }
    Ok(())
}

/// Metadata locks, from where this server shows them.
async fn metadata(reader: &mut Reader<'_>, server: &Capability) -> Read<Vec<MetadataLock>> {
    let flavour = server.flavour;
    let on = server.performance_schema;
    let Some(sql) = metadata_locks::sql(server.metadata) else {
        reader.lacks(missing::metadata_locks(flavour, on));
        return Ok(Vec::new());
    };
    let rows = reader.lines_or(|| missing::metadata_locks(flavour, on), sql).await?.unwrap_or_default();
    Ok(rows
        .iter()
        .filter_map(match server.metadata {
            MetadataSource::PerformanceSchema => MetadataLock::of_performance_schema,
            MetadataSource::Plugin | MetadataSource::Nowhere => MetadataLock::of_plugin,
        })
        .filter(|lock| lock.session != server.connection)
        .collect())
}

/// A row of `innodb_trx`.
pub fn transaction(row: &Line) -> Transaction {
    Transaction {
        id: row.number("trx_id").unwrap_or_default(),
        session: row.number("session").unwrap_or_default(),
        waits: row.raw("state") == Some("LOCK WAIT"),
        age_s: row.real("age_s"),
        waits_s: row.real("waits_s"),
    }
}

/// A row of the process list.
pub fn session(row: &Line, transactions: &[Transaction], started_s: u64, application: String) -> Session {
    let id = row.number("id").unwrap_or_default();
    let now =
        row.real("now").and_then(|now| DateTime::from_timestamp_micros((now * 1e6) as i64)).unwrap_or_else(Utc::now);
    let mine = transactions.iter().find(|t| t.session == id && id != 0);
    let (command, wait) = (row.text("command"), row.text("state"));
    let (login, host) = (row.text("login"), row.text("host"));
    let since = ago(now, row.real("time_ms").map(|ms| ms / 1_000.0));
    let idle = command == "Sleep";
    let state = match (idle, mine) {
        (true, Some(_)) => SessionState::IdleInTransaction,
        (true, None) => SessionState::Idle,
        (false, Some(transaction)) if transaction.waits => SessionState::Waiting,
        (false, _) if metadata_locks::is_wait(&wait) => SessionState::Waiting,
        (false, _) => SessionState::Active,
    };
    let is_row_wait = mine.is_some_and(|t| t.waits);
    Session {
        key: SessionKey { id: id.to_string(), born: born(&login, &host, started_s) },
        kind: kind(&login, &command),
        database: row.text("db"),
        application,
        client: client(&host),
        state,
        wait: match state {
            SessionState::Waiting if is_row_wait => "row lock".to_owned(),
            SessionState::Waiting => wait,
            SessionState::Active if command == "Killed" => "being killed".to_owned(),
            _ => String::new(),
        },
        connected_at: None,
        transaction_since: mine.and_then(|t| ago(now, t.age_s)),
        statement_since: if idle { None } else { since },
        state_since: since,
        statement: row.text("info"),
        holds_back: None,
        login,
    }
}

/// The server tells no connect time. Connection ids count up and are not used again while it runs, and the client's port tells two
/// runs apart, so login, address and the server's start are a birth certificate.
fn born(login: &str, host: &str, started_s: u64) -> String {
    format!("{login}@{host} run {started_s}")
}

/// True for the same birth, where the server's start may have been computed a few seconds apart.
fn same_birth(one: &str, other: &str) -> bool {
    let parts = |text: &str| {
        let (who, run) = text.rsplit_once(" run ")?;
        Some((who.to_owned(), run.parse::<u64>().ok()?))
    };
    match (parts(one), parts(other)) {
        (Some((who, run)), Some((other, other_run))) => who == other && run.abs_diff(other_run) <= START_TOLERANCE_S,
        _ => false,
    }
}

fn kind(login: &str, command: &str) -> SessionKind {
    match command {
        "Binlog Dump" | "Binlog Dump GTID" | "Slave_IO" | "Slave_SQL" | "Slave_worker" => SessionKind::Replication,
        "Daemon" => SessionKind::Background,
        // MySQL's applier threads have this command and the server's own login.
        "Connect" if login == "system user" => SessionKind::Replication,
        _ if login == "system user" || login == "event_scheduler" => SessionKind::Background,
        _ if login.starts_with(OWN_LOGINS) => SessionKind::Own,
        _ => SessionKind::Client,
    }
}

/// `10.0.0.7:51344` without the port; `localhost` without one is a Unix socket.
pub(super) fn client(host: &str) -> String {
    match host.rsplit_once(':') {
        Some((address, _)) => address.to_owned(),
        None if host == "localhost" => "local".to_owned(),
        None => host.to_owned(),
    }
}

/// Tables that client sessions have locked.
fn touches(held: &[MetadataLock], sessions: &[Session]) -> Vec<TableTouch> {
    let by_id: BTreeMap<&str, &Session> = sessions.iter().map(|session| (session.key.id.as_str(), session)).collect();
    let mut found: BTreeMap<(String, String), TableTouch> = BTreeMap::new();
    for lock in held.iter().filter(|lock| lock.granted) {
        let (Some(table), Some(session)) = (lock.table(), by_id.get(lock.session.to_string().as_str())) else {
            continue;
        };
        if session.kind != SessionKind::Client {
            continue;
        }
        let touch = found.entry((session.key.id.clone(), table.clone())).or_insert_with(|| TableTouch {
            session: session.key.clone(),
            login: session.login.clone(),
            application: session.application.clone(),
            client: session.client.clone(),
            table,
            writes: false,
            statement: session.statement.clone(),
        });
        touch.writes |= lock.writes();
    }
    found.into_values().collect()
}

#[async_trait]
impl Sessions for MysqlStore {
    async fn activity(&self) -> Result<Observation<Activity>> {
        self.watch().look(async |reader| read(reader).await).await
    }

    fn ending(&self, session: &SessionKey, how: Ending) -> String {
        let id = session.id.parse::<u64>().unwrap_or(0);
        match how {
            Ending::Cancel => format!("KILL QUERY {id}"),
            Ending::Kill => format!("KILL CONNECTION {id}"),
        }
    }

    async fn end(&self, session: &SessionKey, how: Ending) -> Result<()> {
        let connector = self.connector();
        let failed = connector.failed(Operation::EndSession);
        let gone = || {
            connector.error(
                Operation::EndSession,
                ErrorKind::NotFound,
                format!(
                    "the session {session} is gone, or its number belongs to another session now; nothing was done"
                ),
            )
        };
        let mut connection = connector.dedicated(Operation::EndSession).await?;
        let limit = connector.limit();
        let capability = Capability::probe(&mut connection, limit).await.map_err(&failed)?;
        // The identity and the end are two statements, because KILL takes no condition. Nobody can take the number in between: it counts
        // up, and is not given again before the server is started anew, which would end this connection too.
        let id = session.id.parse::<u64>().unwrap_or(0);
        let sql = format!("{} WHERE ID = {id}", sessions_sql(&capability));
        let bearer = lines(&mut connection, limit, sql).await.map_err(&failed)?;
        let is_same = bearer.first().is_some_and(|row| {
            same_birth(&session.born, &born(&row.text("login"), &row.text("host"), capability.started_s))
        });
        let outcome = match is_same {
            true => lines(&mut connection, limit, self.ending(session, how)).await.map(|_| ()).map_err(&failed),
            false => Err(gone()),
        };
        connector.close(connection).await;
        // Error 1094: it ended in the meantime.
        outcome.map_err(|error| if error.kind == ErrorKind::NotFound { gone() } else { error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::mysql::line::recorded;

    #[test]
    fn a_birth_is_the_same_within_the_tolerance() {
        let at = |start| born("app", "10.0.0.1:4711", start);
        assert!(same_birth(&at(1_000), &at(1_002)));
        assert!(!same_birth(&at(1_000), &at(1_090)), "another run of the server");
        assert!(!same_birth(&at(1_000), &born("app", "10.0.0.1:4712", 1_000)), "another connection");
        assert!(!same_birth("", ""));
    }

    #[test]
    fn mysql_8_sessions_are_mapped() {
        let transactions: Vec<_> =
            recorded::lines("mysql-8.0-activity", "innodb_trx").iter().map(transaction).collect();
        let sessions: Vec<_> = recorded::lines("mysql-8.0-activity", "processlist")
            .iter()
            .map(|row| session(row, &transactions, 1_000, "shop".to_owned()))
            .collect();
        let seen: Vec<_> = sessions.iter().map(|s| (s.key.id.as_str(), s.kind, s.state, s.wait.as_str())).collect();
        assert_eq!(
            seen,
            [
                ("5", SessionKind::Background, SessionState::Active, ""),
                ("11", SessionKind::Client, SessionState::IdleInTransaction, ""),
                ("12", SessionKind::Client, SessionState::Waiting, "row lock"),
                ("13", SessionKind::Client, SessionState::Waiting, "row lock"),
                ("14", SessionKind::Client, SessionState::Waiting, "Waiting for table metadata lock"),
                ("15", SessionKind::Client, SessionState::Waiting, "Waiting for table metadata lock"),
                ("16", SessionKind::Replication, SessionState::Active, ""),
                ("17", SessionKind::Own, SessionState::Active, ""),
            ]
        );
        let idle = &sessions[1];
        assert_eq!((idle.client.as_str(), idle.database.as_str()), ("10.0.0.7", "shop"));
        assert!(idle.transaction_since < idle.state_since && idle.statement_since.is_none());
    }
}

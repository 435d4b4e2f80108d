//! Sessions, lock waits and tables in use, in one look.

use crate::model::literal::without_literals;
use crate::model::observation::{Missing, Observation};
use crate::model::session::{Activity, Ending, Session, SessionKey, SessionKind, SessionState, TableTouch};
use crate::stores::Result;
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::observe::Sessions;
use crate::stores::postgres::connect::APPLICATION;
use crate::stores::postgres::locks;
use crate::stores::postgres::store::PostgresStore;
use crate::stores::postgres::told::Told;
use crate::stores::postgres::watch::{Look, Reader};
use crate::stores::sanitise::clean;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{Connection, Row};

/// Bytes of a statement that are asked for: 2,000 characters, and more never reaches a screen.
///
/// Asked for as bytes: `left()` of a text that another database's session put there in another encoding is an error, and the whole look with it.
const STATEMENT_BYTES: u32 = 8_000;

/// Modes of `pg_locks` that change rows or the table. `RowShareLock` is SELECT FOR UPDATE: it writes nothing, and it stands in a writer's way.
const WRITING_MODES: &str =
    "'RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'";

fn sessions_sql(server: &Look) -> String {
    let leader = server.or("pg_stat_activity", "leader_pid", "NULL::int4");
    format!(
        "SELECT a.pid, a.backend_start, a.datname::text AS database, a.usename::text AS login, a.application_name AS application,
                coalesce(host(a.client_addr), CASE WHEN a.backend_type = 'client backend' THEN 'local' ELSE '' END) AS client,
                a.xact_start, a.query_start, a.state_change, a.state, a.wait_event_type, a.wait_event,
                CASE WHEN a.backend_xmin IS NOT NULL THEN age(a.backend_xmin) END AS held_back,
                a.backend_type, substring(textsend(a.query) FROM 1 FOR {STATEMENT_BYTES}) AS query, {leader} AS leader,
                a.pid = pg_backend_pid() AS is_looking, (SELECT current_setting('max_connections')::int8) AS most
           FROM pg_stat_activity a
          ORDER BY a.xact_start NULLS LAST, a.pid"
    )
}

/// Tables that client sessions have locked. Ordinary tables and partitioned ones of this database, the server's own left out.
fn touches_sql() -> String {
    format!(
        "SELECT a.pid, a.backend_start, a.usename::text AS login, a.application_name AS application, coalesce(host(a.client_addr), 'local') AS client,
                quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS relation, bool_or(l.mode IN ({WRITING_MODES})) AS writes,
                substring(textsend((array_agg(a.query))[1]) FROM 1 FOR {STATEMENT_BYTES}) AS query
           FROM pg_locks l
           JOIN pg_stat_activity a ON a.pid = l.pid AND a.backend_type = 'client backend'
           JOIN pg_class c ON c.oid = l.relation AND c.relkind IN ('r', 'p')
           JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE l.locktype = 'relation' AND l.granted
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'godwit')
            AND a.application_name NOT LIKE '{APPLICATION}%'
          GROUP BY 1, 2, 3, 4, 5, 6
          ORDER BY 1, 6"
    )
}

async fn read(reader: &mut Reader<'_>) -> std::result::Result<Activity, sqlx::Error> {
    let rows = reader.rows(sessions_sql(reader.server())).await?;
    let mut activity = Activity::default();
    let mut hidden = 0;
    let mut waiters = Vec::new();
    for row in &rows {
        if row.try_get::<bool, _>("is_looking")? {
            activity.limit = row.try_get::<Option<i64>, _>("most")?.and_then(|n| u64::try_from(n).ok());
            continue;
        }
        let session = session(row)?;
        if session.state == SessionState::Hidden && session.kind == SessionKind::Client {
            hidden += 1;
        }
        if row.try_get::<Option<String>, _>("wait_event_type")?.as_deref() == Some("Lock") {
            waiters.push(row.try_get::<i32, _>("pid")?);
        }
        activity.sessions.push(session);
    }
    if hidden > 0 {
        reader.lacks(Missing {
            id: "postgres.sessions.right".to_owned(),
            what: "what other logins' sessions do".to_owned(),
            why: format!("the monitoring account may not see the state and statement of {hidden} sessions"),
            enable: Some("GRANT pg_read_all_stats TO godwit_watch".to_owned()),
            price: "none for the server; the account can then read every statement's text".to_owned(),
        });
    }
    if !waiters.is_empty() {
        activity.waits = locks::edges(reader, &waiters, &activity.sessions).await?;
    }
    for row in reader.rows(touches_sql()).await? {
        activity.touches.push(touch(&row)?);
    }
    Ok(activity)
}

fn key(row: &PgRow) -> std::result::Result<SessionKey, sqlx::Error> {
    let born: Option<DateTime<Utc>> = row.try_get("backend_start")?;
    Ok(SessionKey {
        id: row.try_get::<i32, _>("pid")?.to_string(),
        born: born.map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)).unwrap_or_default(),
    })
}

fn text(row: &PgRow, column: &str) -> std::result::Result<String, sqlx::Error> {
    row.told(column)
}

fn session(row: &PgRow) -> std::result::Result<Session, sqlx::Error> {
    let wait_class: Option<String> = row.try_get("wait_event_type")?;
    let wait_event: Option<String> = row.try_get("wait_event")?;
    let state: Option<String> = row.try_get("state")?;
    let application = text(row, "application")?;
    let backend: Option<String> = row.try_get("backend_type")?;
    // A client that reads its socket waits for nothing that somebody could mend.
    let wait = match (&wait_class, &wait_event) {
        (Some(class), Some(event)) if class != "Client" && class != "Activity" => format!("{class}: {event}"),
        _ => String::new(),
    };
    let state = match state.as_deref() {
        Some("active" | "fastpath function call") if wait_class.as_deref() == Some("Lock") => SessionState::Waiting,
        Some("active" | "fastpath function call") => SessionState::Active,
        Some("idle in transaction") => SessionState::IdleInTransaction,
        Some("idle in transaction (aborted)") => SessionState::FailedTransaction,
        Some("idle") => SessionState::Idle,
        _ => SessionState::Hidden,
    };
    let kind = match backend.as_deref() {
        _ if application.starts_with(APPLICATION) => SessionKind::Own,
        Some("client backend" | "parallel worker") => SessionKind::Client,
        Some(
            "walsender"
            | "walreceiver"
            | "logical replication worker"
            | "logical replication apply worker"
            | "logical replication launcher"
            | "logical replication parallel worker"
            | "logical replication tablesync worker",
        ) => SessionKind::Replication,
        // Without the right to see it the type is hidden as well; only clients have logins.
        None => SessionKind::Client,
        Some(_) => SessionKind::Background,
    };
    let held_back: Option<i32> = row.try_get("held_back")?;
    Ok(Session {
        key: key(row)?,
        kind,
        login: text(row, "login")?,
        database: text(row, "database")?,
        application,
        client: text(row, "client")?,
        state: if kind == SessionKind::Background && state == SessionState::Hidden {
            SessionState::Active
        } else {
            state
        },
        wait: clean(&wait),
        connected_at: row.try_get("backend_start")?,
        transaction_since: row.try_get("xact_start")?,
        statement_since: row.try_get("query_start")?,
        state_since: row.try_get("state_change")?,
        statement: text(row, "query")?,
        holds_back: held_back.and_then(|age| u64::try_from(age).ok()),
    })
}

fn touch(row: &PgRow) -> std::result::Result<TableTouch, sqlx::Error> {
    Ok(TableTouch {
        session: key(row)?,
        login: text(row, "login")?,
        application: text(row, "application")?,
        client: text(row, "client")?,
        table: text(row, "relation")?,
        writes: row.try_get("writes")?,
        statement: text(row, "query")?,
    })
}

#[async_trait]
impl Sessions for PostgresStore {
    async fn activity(&self) -> Result<Observation<Activity>> {
        self.watch().look(async |reader| read(reader).await).await
    }

    fn ending(&self, session: &SessionKey, how: Ending) -> String {
        let function = match how {
            Ending::Cancel => "pg_cancel_backend",
            Ending::Kill => "pg_terminate_backend",
        };
        // The identity is asked in the same statement that acts: nobody else can take the number in between.
        let pid = session.id.parse::<i32>().unwrap_or(0);
        let born = session.born.replace('\'', "''");
        format!("SELECT {function}(pid) FROM pg_stat_activity WHERE pid = {pid} AND backend_start = '{born}'")
    }

    fn without_values(&self, statement: &str) -> String {
        without_literals(statement, true)
    }

    async fn end(&self, session: &SessionKey, how: Ending) -> Result<()> {
        let connector = self.connector();
        let mut connection = connector.dedicated(Operation::EndSession, "act").await?;
        let signalled: std::result::Result<Option<bool>, sqlx::Error> =
            sqlx::query_scalar(sqlx::AssertSqlSafe(self.ending(session, how))).fetch_optional(&mut connection).await;
        if let Err(error) = connection.close().await {
            tracing::debug!(store = %connector.id(), %error, "the acting connection was gone before it was closed");
        }
        match signalled.map_err(connector.failed(Operation::EndSession))? {
            Some(true) => Ok(()),
            Some(false) => Err(connector.error(
                Operation::EndSession,
                ErrorKind::NotFound,
                format!("the session {session} ended before the signal reached it"),
            )),
            None => Err(connector.error(
                Operation::EndSession,
                ErrorKind::NotFound,
                format!(
                    "the session {session} is gone, or its number belongs to another session now; nothing was done"
                ),
            )),
        }
    }
}

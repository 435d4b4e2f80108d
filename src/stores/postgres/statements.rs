//! Statement statistics from `pg_stat_statements`.
//!
//! Texts are read once for each new statement: the view reads its whole text file for every query that asks for them.

use crate::model::observation::{Missing, Observation, Window};
use crate::model::statement::{Coverage, StatementCounter, StatementSource, Statements};
use crate::stores::Result;
use crate::stores::observe::StatementStats;
use crate::stores::postgres::store::PostgresStore;
use crate::stores::postgres::told::Told;
use crate::stores::postgres::watch::Reader;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::postgres::PgRow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Texts that are remembered; more than any server keeps by default.
const TEXTS_KEPT: usize = 20_000;

/// Texts that the server refused are asked for again after this time: each refusal is a line in its log.
const REFUSED_PAUSE: Duration = Duration::from_secs(600);

/// Texts by statement id, so that each is asked for once.
#[derive(Debug, Default)]
pub struct Texts {
    known: Mutex<BTreeMap<String, String>>,
    refused_at: Mutex<Option<Instant>>,
}

impl Texts {
    fn known(&self, id: &str) -> Option<String> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn refuse(&self) {
        *self.refused_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn are_refused(&self) -> bool {
        let at = *self.refused_at.lock().unwrap_or_else(PoisonError::into_inner);
        at.is_some_and(|at| at.elapsed() < REFUSED_PAUSE)
    }

    fn learn(&self, texts: Vec<(String, String)>, still_listed: &BTreeSet<String>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(texts);
        if known.len() > TEXTS_KEPT {
            known.retain(|id, _| still_listed.contains(id));
        }
    }
}

/// Where the extension lives, what its view has, and whether its library is loaded: a plain login may not read the list of libraries, but a
/// loaded one's settings are everybody's to see. No row: the extension is not in this database.
const EXTENSION: &str = "SELECT quote_ident(n.nspname) AS home,
        ARRAY(SELECT a.attname::text FROM pg_attribute a
               WHERE a.attrelid = (quote_ident(n.nspname) || '.pg_stat_statements')::regclass AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
        to_regclass(quote_ident(n.nspname) || '.pg_stat_statements_info') IS NOT NULL AS has_info,
        CASE WHEN pg_has_role(current_user, 'pg_read_all_settings', 'USAGE') THEN current_setting('shared_preload_libraries') LIKE '%pg_stat_statements%'
             ELSE current_setting('pg_stat_statements.max', true) IS NOT NULL END AS loaded
   FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements'";

fn not_created() -> Missing {
    Missing {
        id: "postgres.statements.extension".to_owned(),
        what: "query statistics".to_owned(),
        why: "the extension pg_stat_statements is not created in this database".to_owned(),
        enable: Some("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'; restart the server; CREATE EXTENSION pg_stat_statements".to_owned()),
        price: "a restart unless the library is loaded already; a few percent of throughput with many unlike statements".to_owned(),
    }
}

fn not_loaded() -> Missing {
    Missing {
        id: "postgres.statements.preload".to_owned(),
        what: "query statistics".to_owned(),
        why: "pg_stat_statements is created, but the server was started without its library".to_owned(),
        enable: Some("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'; restart the server".to_owned()),
        price: "a restart; a few percent of throughput with many unlike statements".to_owned(),
    }
}

fn hidden(count: usize) -> Missing {
    Missing {
        id: "postgres.statements.right".to_owned(),
        what: "the text of other logins' statements".to_owned(),
        why: format!("the monitoring account may not see {count} of them"),
        enable: Some("GRANT pg_read_all_stats TO godwit_watch".to_owned()),
        price: "none for the server; the account can then read every statement's text".to_owned(),
    }
}

fn no_texts() -> Missing {
    Missing {
        id: "postgres.statements.text".to_owned(),
        what: "the text of statements that were not seen before".to_owned(),
        why: "the server could not put all texts in this database's encoding: one in another database is no text in it"
            .to_owned(),
        enable: None,
        price: "none: it is asked again every 10 minutes; the server forgets such a statement in time".to_owned(),
    }
}

/// The columns' names as this version has them.
struct Names {
    columns: BTreeSet<String>,
}

impl Names {
    fn or<'a>(&self, column: &'a str, otherwise: &'a str) -> &'a str {
        if self.columns.contains(column) { column } else { otherwise }
    }
}

async fn read(reader: &mut Reader<'_>, texts: &Texts) -> std::result::Result<Option<Statements>, sqlx::Error> {
    let found = reader.rows(EXTENSION.to_owned()).await?;
    let Some(row) = found.first() else {
        reader.lacks(not_created());
        return Ok(None);
    };
    if !row.try_get::<bool, _>("loaded")? {
        reader.lacks(not_loaded());
        return Ok(None);
    }
    let home: String = row.try_get("home")?;
    let names = Names { columns: row.try_get::<Vec<String>, _>("columns")?.into_iter().collect() };
    let has_info: bool = row.try_get("has_info")?;
    let info = if has_info {
        format!(
            "SELECT dealloc, stats_reset, pg_postmaster_start_time() AS started_at FROM {home}.pg_stat_statements_info"
        )
    } else {
        "SELECT NULL::int8 AS dealloc, NULL::timestamptz AS stats_reset, pg_postmaster_start_time() AS started_at"
            .to_owned()
    };
    let (mut evicted, mut reset, mut started) = (None, None, None);
    if let Some(row) = reader.rows(info).await?.first() {
        evicted = row.try_get::<Option<i64>, _>("dealloc")?.and_then(|n| u64::try_from(n).ok());
        reset = row.try_get::<Option<DateTime<Utc>>, _>("stats_reset")?;
        started = row.try_get::<Option<DateTime<Utc>>, _>("started_at")?;
    }
    let rows = reader.rows(counters_sql(&home, &names)).await?;
    let mut counters = Vec::with_capacity(rows.len());
    for row in &rows {
        counters.push(counter(row)?);
    }
    learn(reader, &home, &mut counters, texts).await?;
    let unseen = counters.iter().filter(|c| c.text == INSUFFICIENT).count();
    if unseen > 0 {
        reader.lacks(hidden(unseen));
    }
    // pg_stat_statements writes its file at an orderly stop and loses everything at a crash: both begin a new epoch for rates.
    let (since, proof) = match (reset, started) {
        (Some(reset), Some(started)) if started > reset => (started, "the server started then"),
        (Some(reset), _) => (reset, "its statistics were reset then"),
        (None, Some(started)) => (started, "the server started then"),
        (None, None) => (Utc::now(), "Godwit looked for the first time"),
    };
    Ok(Some(Statements {
        source: StatementSource::PgStatStatements,
        window: Window { since, proof: proof.to_owned() },
        epoch: format!("{reset:?}/{started:?}"),
        coverage: Coverage {
            evicted,
            unlisted_share: None,
            note: match evicted {
                Some(0) => None,
                Some(n) => Some(format!("the list was full {n} times and the rarest statements were thrown out; raise pg_stat_statements.max (needs a restart)")),
                None => Some("this version does not count how often the list was full, so rare statements may have been thrown out (pg_stat_statements 1.9 of PostgreSQL 14 does)".to_owned()),
            },
        },
        counters,
    }))
}

/// What the server puts where a text may not be seen.
const INSUFFICIENT: &str = "<insufficient privilege>";

fn counters_sql(home: &str, names: &Names) -> String {
    let time = names.or("total_exec_time", "total_time");
    let deviation = names.or("stddev_exec_time", "stddev_time");
    let toplevel = names.or("toplevel", "true");
    format!(
        "SELECT s.userid::int8 AS user_id, s.dbid::int8 AS database_id, s.queryid, {toplevel} AS toplevel,
                (SELECT rolname::text FROM pg_roles r WHERE r.oid = s.userid) AS login, d.datname::text AS database,
                s.calls, s.{time} * 1000.0 AS total_us, s.{deviation} * 1000.0 AS deviation_us, s.rows, s.shared_blks_read
           FROM {home}.pg_stat_statements(false) s LEFT JOIN pg_database d ON d.oid = s.dbid
          WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
}

fn counter(row: &PgRow) -> std::result::Result<StatementCounter, sqlx::Error> {
    let user: i64 = row.try_get("user_id")?;
    let database: i64 = row.try_get("database_id")?;
    let query: Option<i64> = row.try_get("queryid")?;
    let calls = u64::try_from(row.try_get::<i64, _>("calls")?).unwrap_or(0);
    let deviation: f64 = row.try_get("deviation_us")?;
    Ok(StatementCounter {
        id: match query {
            Some(query) => format!("{query}/{database}/{user}/{}", row.try_get::<bool, _>("toplevel")?),
            None => String::new(),
        },
        login: row.told_or_null("login")?,
        database: row.told("database")?,
        text: if query.is_none() { INSUFFICIENT.to_owned() } else { String::new() },
        calls,
        total_us: row.try_get("total_us")?,
        squares_us2: Some(deviation * deviation * calls as f64),
        rows: u64::try_from(row.try_get::<i64, _>("rows")?).ok(),
        examined: None,
        errors: None,
        without_index: None,
        blocks_read: u64::try_from(row.try_get::<i64, _>("shared_blks_read")?).ok(),
        percentiles: None,
    })
}

/// Puts texts to the counters; those that were never seen are asked for in one query.
async fn learn(
    reader: &mut Reader<'_>,
    home: &str,
    counters: &mut Vec<StatementCounter>,
    texts: &Texts,
) -> std::result::Result<(), sqlx::Error> {
    let is_new = counters.iter().any(|c| c.text.is_empty() && texts.known(&c.id).is_none());
    if is_new && texts.are_refused() {
        reader.lacks(no_texts());
    } else if is_new {
        let sql = format!(
            "SELECT s.queryid, s.dbid::int8 AS database_id, s.userid::int8 AS user_id, left(s.query, 8000) AS query FROM {home}.pg_stat_statements s
              WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND s.queryid IS NOT NULL"
        );
        let mut learnt = Vec::new();
        let rows = reader.rows_or_refusal(sql).await?;
        if rows.is_none() {
            reader.lacks(no_texts());
            texts.refuse();
        }
        for row in rows.unwrap_or_default() {
            let (query, database, user): (i64, i64, i64) =
                (row.try_get("queryid")?, row.try_get("database_id")?, row.try_get("user_id")?);
            let text = row.told("query")?;
            for toplevel in [true, false] {
                learnt.push((format!("{query}/{database}/{user}/{toplevel}"), text.clone()));
            }
        }
        texts.learn(learnt, &counters.iter().map(|c| c.id.clone()).collect());
    }
    for counter in counters.iter_mut().filter(|c| c.text.is_empty()) {
        counter.text = texts.known(&counter.id).unwrap_or_default();
    }
    // A statement that was thrown out between the two queries has no text and is of no use.
    counters.retain(|c| !c.text.is_empty());
    Ok(())
}

#[async_trait]
impl StatementStats for PostgresStore {
    async fn statements(&self) -> Result<Observation<Option<Statements>>> {
        let texts = self.statement_texts();
        self.watch().look(async |reader| read(reader, texts).await).await
    }
}

//! Statement statistics: digests of the Performance Schema; without them the slow log, labelled as what it is.
//!
//! Texts are read once for each new digest. Godwit never truncates the table.

use crate::model::observation::{Observation, Window};
use crate::model::statement::{Coverage, Percentiles, StatementCounter, StatementSource, Statements};
use crate::stores::Result;
use crate::stores::mysql::capability::{Capability, Flavour};
use crate::stores::mysql::line::Line;
use crate::stores::mysql::missing;
use crate::stores::mysql::slow_log::{self, SlowLog};
use crate::stores::mysql::store::MysqlStore;
use crate::stores::mysql::watch::{Read, Reader, literal};
use crate::stores::observe::StatementStats;
use crate::stores::sanitise::clean;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// Texts that are remembered; more than any server keeps by default.
const TEXTS_KEPT: usize = 20_000;

/// Picoseconds in a microsecond.
const PICO: f64 = 1e6;

/// Texts by digest, so that each is asked for once.
#[derive(Debug, Default)]
pub struct Texts(Mutex<BTreeMap<String, String>>);

impl Texts {
    fn known(&self, digest: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()
    }

    fn learn(&self, texts: Vec<(String, String)>, still_listed: &BTreeSet<String>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(texts);
        if known.len() > TEXTS_KEPT {
            known.retain(|digest, _| still_listed.contains(digest));
        }
    }
}

const CONSUMERS: &str = "SELECT COUNT(*) AS off FROM performance_schema.setup_consumers
  WHERE NAME IN ('global_instrumentation', 'statements_digest') AND ENABLED = 'NO'";

const LOST: &str = "SHOW GLOBAL STATUS LIKE 'Performance_schema_digest_lost'";

const TEXTS: &str = "SELECT DISTINCT DIGEST AS digest, LEFT(DIGEST_TEXT, 8000) AS digest_text FROM performance_schema.events_statements_summary_by_digest
  WHERE DIGEST IS NOT NULL";

/// Digests of the store's database; those without one may be about it, and the line of all that found no room belongs to everybody.
fn digests_sql(server: &Capability, scope: Option<&str>) -> String {
    let table = "performance_schema.events_statements_summary_by_digest";
    let or_null = |column: &str| match server.has(&format!("{table}.{}", column.to_lowercase())) {
        true => column.to_owned(),
        false => "NULL".to_owned(),
    };
    let condition = scope.map_or_else(String::new, |database| {
        format!(" WHERE SCHEMA_NAME = {} OR SCHEMA_NAME IS NULL", literal(database))
    });
    format!(
        "SELECT SCHEMA_NAME AS database_name, DIGEST AS digest, COUNT_STAR AS calls, SUM_TIMER_WAIT AS sum_ps, MIN_TIMER_WAIT AS min_ps,
                SUM_ERRORS AS errors, SUM_ROWS_AFFECTED AS affected, SUM_ROWS_SENT AS sent, SUM_ROWS_EXAMINED AS examined,
                SUM_NO_INDEX_USED AS no_index, UNIX_TIMESTAMP(FIRST_SEEN) AS first_seen_s,
                {} AS p95_ps, {} AS p99_ps FROM {table}{condition}",
        or_null("QUANTILE_95"),
        or_null("QUANTILE_99"),
    )
}

async fn read(reader: &mut Reader<'_>, texts: &Texts, log: &SlowLog) -> Read<Option<Statements>> {
    let server = reader.server().clone();
    if !digests_are_kept(reader, &server).await? {
        return slow_log::read(reader, log).await;
    }
    let scope = reader.scope();
    let rows = reader.lines(digests_sql(&server, scope.as_deref())).await?;
    let lost = reader.lines(LOST).await?.first().and_then(|line| line.number("value"));
    let is_new = |row: &Line| row.some("digest").is_some_and(|digest| texts.known(&digest).is_none());
    if rows.iter().any(is_new) {
        let learnt = reader.lines(TEXTS).await?;
        let listed = rows.iter().filter_map(|row| row.some("digest")).collect();
        texts.learn(learnt.iter().map(|line| (line.text("digest"), line.text("digest_text"))).collect(), &listed);
    }
    Ok(Some(digests(&rows, lost, reader.started_s(), |digest| texts.known(digest).unwrap_or_default())))
}

/// False: they are not, and what is missing was noted.
async fn digests_are_kept(reader: &mut Reader<'_>, server: &Capability) -> Read<bool> {
    let flavour: Flavour = server.flavour;
    let is_listed = server.has("performance_schema.events_statements_summary_by_digest.digest");
    if !server.performance_schema || !is_listed {
        reader.lacks(missing::digests(flavour, !server.performance_schema));
        return Ok(false);
    }
    let off = reader.lines(CONSUMERS).await?.first().and_then(|line| line.number("off")).unwrap_or(0);
    if off > 0 {
        reader.lacks(missing::digest_consumer(flavour));
    }
    Ok(off == 0)
}

/// From rows of the digest table.
pub fn digests(rows: &[Line], lost: Option<u64>, started_s: u64, text_of: impl Fn(&str) -> String) -> Statements {
    let time = |row: &Line| row.real("sum_ps").unwrap_or_default();
    let all: f64 = rows.iter().map(time).sum();
    let unlisted: f64 = rows.iter().filter(|row| row.raw("digest").is_none()).map(time).sum();
    let wrapped = rows.iter().filter(|row| has_wrapped(row)).count();
    let first_s = rows.iter().filter_map(|row| row.number("first_seen_s")).min();
    let mut notes = Vec::new();
    if lost.unwrap_or(0) > 0 || unlisted > 0.0 {
        notes.push(
            "the digest table is full and what came later is in one line; raise performance_schema_digests_size (needs a restart)"
                .to_owned(),
        );
    }
    if wrapped > 0 {
        notes.push(format!(
            "the time of {wrapped} statements has outgrown the server's counter and began anew: it is larger than shown"
        ));
    }
    // The table only grows until it is emptied, so its oldest line tells apart two times of counting; nothing older is proved.
    let (since_s, proof) = match first_s {
        Some(first) => (first, "the oldest listed statement was first seen then"),
        None => (started_s, "the server started then, and has counted nothing since"),
    };
    Statements {
        source: StatementSource::PerformanceSchema,
        window: Window { since: at(since_s), proof: proof.to_owned() },
        epoch: format!("{started_s}/{}", first_s.unwrap_or_default()),
        coverage: Coverage {
            evicted: lost,
            unlisted_share: (all > 0.0).then(|| unlisted / all),
            note: (!notes.is_empty()).then(|| notes.join("; ")),
        },
        counters: rows.iter().filter_map(|row| counter(row, &text_of)).collect(),
    }
}

fn at(seconds: u64) -> DateTime<Utc> {
    i64::try_from(seconds).ok().and_then(|s| DateTime::from_timestamp(s, 0)).unwrap_or(DateTime::UNIX_EPOCH)
}

/// The sum is 64 bits of picoseconds: 213 days of accumulated time. A sum that is less than calls times the least call has begun anew.
fn has_wrapped(row: &Line) -> bool {
    let (sum, least) = (row.real("sum_ps").unwrap_or_default(), row.real("min_ps").unwrap_or_default());
    row.real("calls").is_some_and(|calls| calls * least > sum * 1.001)
}

fn counter(row: &Line, text_of: impl Fn(&str) -> String) -> Option<StatementCounter> {
    let digest = row.some("digest")?;
    let database = row.text("database_name");
    let micros = |column: &str| row.real(column).map(|ps| ps / PICO);
    let sent = row.number("sent").unwrap_or(0);
    Some(StatementCounter {
        id: format!("{database}/{digest}"),
        login: None,
        text: clean(&text_of(&digest)),
        calls: row.number("calls")?,
        total_us: micros("sum_ps").unwrap_or_default(),
        squares_us2: None,
        rows: row.number("affected").map(|affected| affected + sent),
        examined: row.number("examined"),
        errors: row.number("errors"),
        without_index: row.number("no_index"),
        blocks_read: None,
        percentiles: micros("p95_ps").map(|p95| Percentiles {
            p50_us: None,
            p95_us: Some(p95),
            p99_us: micros("p99_ps"),
        }),
        database,
    })
    .filter(|counter| !counter.text.is_empty())
}

#[async_trait]
impl StatementStats for MysqlStore {
    async fn statements(&self) -> Result<Observation<Option<Statements>>> {
        let (texts, log) = (self.statement_texts(), self.slow_log());
        self.watch().look(async |reader| read(reader, texts, log).await).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::mysql::line::recorded;

    #[test]
    fn mysql_8_digests_have_percentiles_and_an_overflow_line() {
        let rows = recorded::lines("mysql-8.0-digests", "digests");
        let read = digests(&rows, Some(12), 1_700_000_000, |digest| format!("text of {digest}"));
        assert_eq!(read.counters.len(), 3, "the line of what found no room is no statement");
        assert_eq!(read.coverage.evicted, Some(12));
        assert_eq!(read.coverage.unlisted_share, Some(0.25));
        let first = &read.counters[0];
        assert_eq!((first.database.as_str(), first.calls, first.rows), ("shop", 1_000, Some(1_000)));
        assert!((first.total_us - 2_000_000.0).abs() < 1.0, "{}", first.total_us);
        assert_eq!(first.percentiles.and_then(|p| p.p95_us), Some(2_089.296));
        assert_eq!((first.examined, first.errors, first.without_index), (Some(50_000), Some(3), Some(1_000)));
        assert_eq!(read.window.since.timestamp(), 1_700_000_100);
        let note = read.coverage.note.unwrap();
        assert!(note.contains("digests_size") && note.contains("time of 1 statements has outgrown"), "{note}");
    }

    #[test]
    fn emptying_the_table_is_a_new_epoch() {
        let rows = recorded::lines("mysql-8.0-digests", "digests");
        let epoch = |rows: &[Line], started| digests(rows, None, started, |_| "x".to_owned()).epoch;
        assert_eq!(epoch(&rows, 1), epoch(&rows, 1));
        assert_ne!(epoch(&rows, 1), epoch(&rows[1..], 1));
        assert_ne!(epoch(&rows, 1), epoch(&rows, 9));
        assert_ne!(epoch(&rows, 1), epoch(&[], 1));
    }

    #[test]
    fn quantiles_are_asked_for_where_they_are() {
        let of = |list: &str| recorded::lines("mysql-8.0-probe", list);
        let server = Capability::of(&of("server")[0], &of("uptime"), &of("variables"), &of("columns"));
        let sql = digests_sql(&server, Some("sh'op"));
        assert!(sql.contains("QUANTILE_95 AS p95_ps") && sql.contains("SCHEMA_NAME = 'sh''op'"), "{sql}");
        let server = Capability::of(&of("server")[0], &of("uptime"), &of("variables"), &[]);
        assert!(digests_sql(&server, None).contains("NULL AS p95_ps"));
    }
}

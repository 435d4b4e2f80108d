//! Statement statistics without digests: the slow log, when it goes into its table.
//!
//! Only slow statements are in it, with their values; they are folded by shape here and the values go no further. The table is a text
//! file to the server, so it is read rarely and from a fixed time on.

use crate::model::observation::Window;
use crate::model::statement::{Coverage, StatementCounter, StatementSource, Statements};
use crate::stores::mysql::line::Line;
use crate::stores::mysql::missing;
use crate::stores::mysql::watch::{Read, Reader, literal};
use crate::stores::sanitise::clean;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// How far back the first reading goes.
const FIRST_WINDOW_S: u64 = 3_600;

/// Lines that are read at most.
const LINES: u32 = 20_000;

/// Since when the log is read, so that the counts of two readings begin at the same moment.
#[derive(Debug, Default)]
pub struct SlowLog(Mutex<Option<DateTime<Utc>>>);

impl SlowLog {
    fn since(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = now - chrono::Duration::seconds(FIRST_WINDOW_S as i64);
        *since.get_or_insert(first)
    }
}

const SETTINGS: &str = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('slow_query_log', 'log_output', 'long_query_time', 'log_slow_rate_limit')";

fn lines_sql(since: DateTime<Utc>, scope: Option<&str>) -> String {
    let condition = scope.map_or_else(String::new, |database| format!(" AND db = {}", literal(database)));
    format!(
        "SELECT user_host, db, TIME_TO_SEC(query_time) + MICROSECOND(query_time) / 1000000 AS seconds, rows_sent, rows_examined,
                LEFT(CONVERT(sql_text USING utf8mb4), 8000) AS statement
           FROM mysql.slow_log WHERE start_time >= FROM_UNIXTIME({}){condition} ORDER BY start_time LIMIT {LINES}",
        since.timestamp()
    )
}

/// The slow log as statement statistics; `None`: it is off, not in a table, or not readable, and that was noted.
///
/// # Errors
/// The driver's.
pub async fn read(reader: &mut Reader<'_>, log: &SlowLog) -> Read<Option<Statements>> {
    let flavour = reader.server().flavour;
    let settings: BTreeMap<String, String> = reader
        .lines(SETTINGS)
        .await?
        .iter()
        .map(|line| (line.text("variable_name").to_lowercase(), line.text("value")))
        .collect();
    let of = |name: &str| settings.get(name).map(String::as_str).unwrap_or_default();
    let in_table = of("log_output").to_uppercase().split(',').any(|output| output == "TABLE");
    if !matches!(of("slow_query_log"), "ON" | "1") || !in_table {
        reader.lacks(missing::slow_log(flavour, "the slow log is off or does not go into its table"));
        return Ok(None);
    }
    let since = log.since(Utc::now());
    let sql = lines_sql(since, reader.scope().as_deref());
    let denied = || missing::slow_log(flavour, "the monitoring account may not read mysql.slow_log");
    let Some(lines) = reader.lines_or(denied, sql).await? else { return Ok(None) };
    let started = reader.started_s();
    let mut note = format!("only statements that took longer than {} s", of("long_query_time"));
    if let Some(rate) = settings.get("log_slow_rate_limit").filter(|rate| *rate != "1") {
        note.push_str(&format!(", and of them one of {rate}"));
    }
    if lines.len() >= LINES as usize {
        note.push_str(&format!("; only the first {LINES} lines were read"));
    }
    Ok(Some(Statements {
        source: StatementSource::SlowLog,
        window: Window { since, proof: "Godwit reads the log from then on".to_owned() },
        epoch: format!("{started}/{}", since.timestamp()),
        coverage: Coverage { evicted: None, unlisted_share: None, note: Some(note) },
        counters: fold(&lines),
    }))
}

/// One counter for each database, login and shape.
pub fn fold(lines: &[Line]) -> Vec<StatementCounter> {
    let mut counters: BTreeMap<(String, String, String), StatementCounter> = BTreeMap::new();
    for line in lines {
        let (database, text) = (line.text("db"), shape(line.raw("statement").unwrap_or_default()));
        let login = line.text("user_host");
        let login = login.split('[').next().unwrap_or_default().trim().to_owned();
        let key = (database.clone(), login.clone(), text.clone());
        let counter = counters.entry(key).or_insert_with(|| StatementCounter {
            id: format!("{database}/{login}/{text}"),
            login: Some(login),
            database,
            text,
            calls: 0,
            total_us: 0.0,
            squares_us2: None,
            rows: Some(0),
            examined: Some(0),
            errors: None,
            without_index: None,
            blocks_read: None,
            percentiles: None,
        });
        counter.calls += 1;
        counter.total_us += line.real("seconds").unwrap_or_default() * 1e6;
        counter.rows = counter.rows.map(|rows| rows + line.number("rows_sent").unwrap_or(0));
        counter.examined = counter.examined.map(|rows| rows + line.number("rows_examined").unwrap_or(0));
    }
    counters.into_values().collect()
}

/// The statement with `?` for its texts and numbers, white space folded, comments left out. Digits in names stay.
fn shape(statement: &str) -> String {
    let mut out = String::new();
    let mut chars = statement.chars().peekable();
    let mut in_name = false;
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                while let Some(next) = chars.next() {
                    if next == '\\' {
                        chars.next();
                    } else if next == c && chars.next_if_eq(&c).is_none() {
                        break;
                    }
                }
                out.push('?');
            }
            '/' if chars.next_if_eq(&'*').is_some() => {
                let mut last = ' ';
                for next in chars.by_ref() {
                    if last == '*' && next == '/' {
                        break;
                    }
                    last = next;
                }
                out.push(' ');
            }
            '#' => while chars.next().is_some_and(|next| next != '\n') {},
            '-' if chars.next_if_eq(&'-').is_some() => while chars.next().is_some_and(|next| next != '\n') {},
            '0'..='9' if !in_name => {
                while chars.next_if(|next| next.is_ascii_alphanumeric() || *next == '.').is_some() {}
                out.push('?');
            }
            c => out.push(c),
        }
        in_name = c.is_alphanumeric() && (in_name || !c.is_ascii_digit()) || matches!(c, '_' | '$' | '`');
    }
    clean(&out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::mysql::line::recorded::line;
    use serde_json::json;

    #[test]
    fn values_do_not_outlive_the_shape() {
        assert_eq!(
            shape("SELECT /* hint 1 */ * FROM t2 WHERE a = 'it''s \\' 5' AND b=0x1F AND c IN (1,\n 22.5)"),
            "SELECT * FROM t2 WHERE a = ? AND b=? AND c IN (?, ?)"
        );
    }

    proptest::proptest! {
        #[test]
        fn a_quoted_secret_never_survives(before in "[a-z =(]{0,12}", secret in "[A-Z]{8}[ -&(-~]{0,4}", after in "\\PC{0,12}") {
            let secret = secret.replace('\\', "");
            let folded = shape(&format!("{before}'{secret}' {after}"));
            proptest::prop_assert!(!folded.contains(&secret[..8]) || after.contains(&secret[..8]), "{}", folded);
        }
    }

    #[test]
    fn lines_of_one_shape_are_one_counter() {
        let row = |text: &str, seconds: f64| {
            line(&json!({ "user_host": "app[app] @ web [10.0.0.7]", "db": "shop", "seconds": seconds, "rows_sent": 1,
                          "rows_examined": 100, "statement": text }))
        };
        let counters = fold(&[row("select 1", 0.5), row("select 2", 1.5), row("select a", 1.0)]);
        assert_eq!(counters.len(), 2);
        let first = &counters[0];
        assert_eq!((first.text.as_str(), first.calls, first.total_us), ("select ?", 2, 2e6));
        assert_eq!((first.login.as_deref(), first.examined), (Some("app"), Some(200)));
    }
}

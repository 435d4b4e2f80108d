//! Operations by shape: from the profiler where it is on and may be read, else from the log's slow lines, else by looking at what runs.
//! The three are never mixed: a change of source begins anew.

use crate::model::observation::{Missing, Observation, Window};
use crate::model::statement::{Coverage, StatementSource, Statements};
use crate::stores::Result;
use crate::stores::mongodb::connect::Connector;
use crate::stores::mongodb::fields::{count, inner, integer, text, time};
use crate::stores::mongodb::inventory::databases;
use crate::stores::mongodb::latency;
use crate::stores::mongodb::operation::{Operation, logged, profiled};
use crate::stores::mongodb::sessions::running;
use crate::stores::mongodb::shape;
use crate::stores::mongodb::slow::Gathered;
use crate::stores::mongodb::store::MongoStore;
use crate::stores::mongodb::watch::{Reader, database_of, is_internal};
use crate::stores::observe::StatementStats;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::Error;
use std::sync::{Mutex, PoisonError};

/// Entries of one database's profile that are read in one look.
const PROFILE_ENTRIES: i64 = 5_000;

/// What was gathered so far.
#[derive(Debug, Default)]
pub struct Gathering(Mutex<Option<Gathered>>);

impl Gathering {
    /// What was gathered of this run from this source; the rest is forgotten.
    fn of(&self, run: &str, source: StatementSource) -> Gathered {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let kept = kept.filter(|gathered| gathered.run == run && gathered.source == source);
        kept.unwrap_or_else(|| Gathered::new(run, source, Utc::now()))
    }

    fn keep(&self, gathered: &Gathered) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(gathered.clone());
    }
}

fn profiler_off() -> Missing {
    Missing {
        id: "mongodb.statements.profiler".to_owned(),
        what: "operations faster than slowms, with their login".to_owned(),
        why: "the profiler is off in all databases that are looked at".to_owned(),
        enable: Some("db.getSiblingDB(\"DATABASE\").setProfilingLevel(1, { slowms: 20 })".to_owned()),
        price: "each recorded operation is one more write into a capped collection of 1 MB; slowms is shared by all databases, and the account that reads it sees the operations' values".to_owned(),
    }
}

fn profiler_right() -> Missing {
    Missing {
        id: "mongodb.statements.profiler_right".to_owned(),
        what: "the profiler's level and its operations".to_owned(),
        why: "the monitoring account may not read system.profile; slow operations come from the log instead".to_owned(),
        enable: Some("db.getSiblingDB(\"admin\").grantPrivilegesToRole(\"godwit_watch\", [{ resource: { db: \"\", collection: \"system.profile\" }, actions: [\"find\"] }])".to_owned()),
        price: "the account can then read the values in every profiled operation; Godwit masks them".to_owned(),
    }
}

fn log_right() -> Missing {
    Missing {
        id: "mongodb.statements.log".to_owned(),
        what: "slow operations".to_owned(),
        why: "the monitoring account may not run getLog; only operations that happen to run at a look are seen".to_owned(),
        enable: Some("db.getSiblingDB(\"admin\").grantPrivilegesToRole(\"godwit_watch\", [{ resource: { cluster: true }, actions: [\"getLog\"] }])".to_owned()),
        price: "none for the server; the account can then read the last 1,024 lines of the log, with the values of slow operations, which Godwit masks".to_owned(),
    }
}

/// The profiler in the databases that are looked at.
enum Profiler {
    /// It is on in these.
    On(Vec<String>),
    /// It is off, or cannot be asked about; why is noted.
    Off,
}

async fn profiler(reader: &mut Reader, connector: &Connector) -> std::result::Result<Profiler, Error> {
    let mut on = Vec::new();
    for database in databases(reader, connector).await? {
        // -1 asks for the level and changes nothing.
        match reader.run_or(&database, doc! { "profile": -1 }, profiler_right).await? {
            Some(level) if integer(&level, "was").is_some_and(|level| level > 0) => on.push(database),
            Some(_) => {}
            None => return Ok(Profiler::Off),
        }
    }
    if on.is_empty() {
        reader.lacks(profiler_off());
        return Ok(Profiler::Off);
    }
    Ok(Profiler::On(on))
}

/// Reads what is new in one database's profile.
async fn read_profile(reader: &mut Reader, database: &str, gathered: &mut Gathered) -> std::result::Result<(), Error> {
    let (last, with_last) = gathered.profile.get(database).copied().unwrap_or((DateTime::UNIX_EPOCH, 0));
    let since = mongodb::bson::DateTime::from_millis(last.timestamp_millis());
    let command = doc! {
        "find": "system.profile", "filter": { "ts": { "$gte": since } }, "sort": { "$natural": 1 }, "limit": PROFILE_ENTRIES,
        "projection": { "execStats": 0, "locks": 0, "flowControl": 0 },
    };
    let entries = reader.all(database, command).await?;
    // The collection is capped: when the last entry that was read is gone, others went with it, nobody knows how many.
    if with_last > 0 && !entries.iter().any(|entry| time(entry, "ts") == Some(last)) {
        gathered.lost += 1;
    }
    take_profile(&entries, database, (last, with_last), gathered);
    Ok(())
}

fn take_profile(entries: &[Document], database: &str, read: (DateTime<Utc>, usize), gathered: &mut Gathered) {
    let (mut last, mut with_last) = read;
    let mut skipped = 0;
    for entry in entries {
        let Some(at) = time(entry, "ts") else { continue };
        if at == read.0 && skipped < read.1 {
            skipped += 1;
            continue;
        }
        with_last = if at == last { with_last + 1 } else { 1 };
        last = at;
        if let Some(operation) = profiled(entry) {
            gathered.count(&operation);
        }
    }
    gathered.profile.insert(database.to_owned(), (last, with_last));
}

/// Takes the new lines of the log's ring in. The server counts all lines that it ever wrote.
fn take_log(answer: &Document, gathered: &mut Gathered) {
    let lines: Vec<&str> =
        answer.get_array("log").map(|lines| lines.iter().filter_map(Bson::as_str).collect()).unwrap_or_default();
    let written = count(answer, "totalLinesWritten").unwrap_or(lines.len() as u64);
    let new = match gathered.lines {
        Some(before) => usize::try_from(written.saturating_sub(before)).unwrap_or(usize::MAX),
        None => lines.len(),
    };
    gathered.lost += new.saturating_sub(lines.len()) as u64;
    gathered.lines = Some(written);
    let old = lines.len().saturating_sub(new);
    for line in lines.iter().skip(old) {
        match logged(line) {
            Ok(Some(operation)) => gathered.count(&operation),
            Ok(None) => {}
            Err(_) => gathered.lost += 1,
        }
    }
}

/// Takes what runs now in.
fn take_running(operations: &[Document], gathered: &mut Gathered) {
    for entry in operations {
        let namespace = text(entry, "ns");
        let command = inner(entry, "cursor")
            .and_then(|cursor| inner(cursor, "originatingCommand"))
            .or_else(|| inner(entry, "command"));
        let (Some(command), Some(micros)) = (command, count(entry, "microsecs_running")) else { continue };
        let is_own = text(entry, "appName").starts_with(super::connect::APPLICATION);
        if is_own
            || is_internal(database_of(&namespace))
            || !namespace.contains('.')
            || command.contains_key("$truncated")
        {
            continue;
        }
        let id = entry.get("opid").map(ToString::to_string).unwrap_or_default();
        gathered.sample(
            &id,
            &Operation {
                hash: text(entry, "queryHash"),
                shape: shape::shape(command),
                login: None,
                at: None,
                micros,
                documents: 0,
                examined: 0,
                failed: false,
                full_scan: text(entry, "planSummary").contains("COLLSCAN"),
                namespace,
            },
        );
    }
    let seen: Vec<String> = operations.iter().filter_map(|entry| Some(entry.get("opid")?.to_string())).collect();
    gathered.running.retain(|id, _| seen.contains(id));
}

async fn read(
    reader: &mut Reader,
    connector: &Connector,
    gathering: &Gathering,
) -> std::result::Result<Option<Statements>, Error> {
    let (_, run) = reader.hello().await?;
    let (gathered, note) = match profiler(reader, connector).await? {
        Profiler::On(databases) => {
            let mut gathered = gathering.of(&run.id, StatementSource::Profiler);
            for database in &databases {
                read_profile(reader, database, &mut gathered).await?;
            }
            (gathered, format!("only what the profiler records in {}, in whole milliseconds", databases.join(", ")))
        }
        Profiler::Off => match reader.run_or("admin", doc! { "getLog": "global" }, log_right).await? {
            Some(answer) => {
                let mut gathered = gathering.of(&run.id, StatementSource::SlowLog);
                take_log(&answer, &mut gathered);
                (gathered, "only operations over slowms (100 ms unless it was changed)".to_owned())
            }
            None => {
                let mut gathered = gathering.of(&run.id, StatementSource::Sampled);
                take_running(&running(reader).await?, &mut gathered);
                (gathered, "only operations that ran at a look; their time is what was seen of it".to_owned())
            }
        },
    };
    gathering.keep(&gathered);
    let note = match (gathered.lost, gathered.source) {
        (0, _) => note,
        (lost, StatementSource::SlowLog) => format!("{note}; {lost} lines of the log went by unread"),
        (lost, _) => format!("{note}; the profile was overwritten before it was read, {lost} times"),
    };
    let proof = match gathered.source {
        StatementSource::Sampled => "Godwit looked for the first time",
        _ => "the oldest operation that was read is from then",
    };
    Ok(Some(Statements {
        source: gathered.source,
        window: Window { since: gathered.since, proof: proof.to_owned() },
        epoch: format!("{}/{}", run.id, gathered.source.word()),
        coverage: Coverage { evicted: Some(gathered.lost), unlisted_share: None, note: Some(note) },
        counters: gathered.counters.into_values().collect(),
    }))
}

#[async_trait]
impl StatementStats for MongoStore {
    async fn statements(&self) -> Result<Observation<Option<Statements>>> {
        let (connector, gathering) = (self.connector(), self.gathering());
        self.watch().look(async |reader| read(reader, connector, gathering).await).await
    }

    async fn beside(&self) -> Result<Observation<Option<Statements>>> {
        let connector = self.connector();
        self.watch().look(async |reader| latency::read(reader, connector).await).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(n: u32) -> String {
        format!(
            r#"{{"t":{{"$date":"2026-11-23T15:52:55.493+00:00"}},"msg":"Slow query","attr":{{"type":"command","ns":"shop.orders","command":{{"find":"orders","filter":{{"a":{n}}}}},"durationMillis":101}}}}"#
        )
    }

    fn log(lines: std::ops::Range<u32>) -> Document {
        let written = i32::try_from(lines.end).unwrap();
        doc! { "totalLinesWritten": written, "log": lines.map(line).collect::<Vec<_>>() }
    }

    #[test]
    fn a_line_of_the_log_counts_once_and_what_went_by_is_said() {
        let mut gathered = Gathered::new("a", StatementSource::SlowLog, Utc::now());
        take_log(&log(0..5), &mut gathered);
        take_log(&log(2..7), &mut gathered);
        assert_eq!((gathered.counters.values().map(|c| c.calls).sum::<u64>(), gathered.lost), (7, 0));
        take_log(&log(9..12), &mut gathered);
        assert_eq!((gathered.counters.values().map(|c| c.calls).sum::<u64>(), gathered.lost), (10, 2));
        assert_eq!(gathered.counters.len(), 1);
    }

    #[test]
    fn entries_of_the_same_millisecond_are_counted_once() {
        let entry = |ms| {
            doc! { "op": "query", "ns": "shop.orders", "command": { "find": "orders" }, "millis": 1, "ts": mongodb::bson::DateTime::from_millis(ms) }
        };
        let mut gathered = Gathered::new("a", StatementSource::Profiler, Utc::now());
        take_profile(&[entry(5), entry(6), entry(6)], "shop", (DateTime::UNIX_EPOCH, 0), &mut gathered);
        let read = gathered.profile["shop"];
        assert_eq!(read.1, 2);
        take_profile(&[entry(6), entry(6), entry(6), entry(7)], "shop", read, &mut gathered);
        assert_eq!(gathered.counters.values().map(|c| c.calls).sum::<u64>(), 5);
        assert_eq!(gathered.profile["shop"].1, 1);
    }
}

//! One finished operation, as the profiler and the log's slow lines describe it: the same fields under partly different names.

use crate::stores::mongodb::fields::{count, inner, text, time};
use crate::stores::mongodb::shape;
use crate::stores::mongodb::watch::{database_of, is_internal};
use chrono::{DateTime, Utc};
use mongodb::bson::Document;
use std::borrow::Cow;

/// One operation without its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// Collection with its database.
    pub namespace: String,
    /// The server's hash of the query's shape; empty: it has none (inserts, commands).
    pub hash: String,
    /// The command's shape.
    pub shape: String,
    /// Who ran it; only the profiler tells.
    pub login: Option<String>,
    /// When it ended.
    pub at: Option<DateTime<Utc>>,
    /// How long it took.
    pub micros: u64,
    /// Documents returned or changed.
    pub documents: u64,
    /// Documents looked at.
    pub examined: u64,
    /// It ended in an error.
    pub failed: bool,
    /// It read the whole collection.
    pub full_scan: bool,
}

/// An operation of the profiler's collection. `None`: one of the server's or Godwit's own.
pub fn profiled(entry: &Document) -> Option<Operation> {
    let user = text(entry, "user");
    let kind = text(entry, "op");
    let operation = described(entry, &kind, count(entry, "millis")?)?;
    let login = user.split('@').next().filter(|login| !login.is_empty()).map(str::to_owned);
    Some(Operation { login, at: time(entry, "ts"), ..operation })
}

/// An operation of a line of the log. `None`: another line, or an operation of the server's or Godwit's own.
///
/// # Errors
/// A line of a slow operation that is no document: cut, or in a form that is not known.
pub fn logged(line: &str) -> Result<Option<Operation>, serde_json::Error> {
    // Most lines are no operations, and a look at them is cheaper than reading their JSON.
    if !line.contains("\"Slow query\"") {
        return Ok(None);
    }
    let line: Document = serde_json::from_str(&with_whole_subtypes(line))?;
    Ok(slow_line(&line))
}

fn slow_line(line: &Document) -> Option<Operation> {
    let attributes = inner(line, "attr")?;
    let kind = text(attributes, "type");
    let operation = described(attributes, &kind, count(attributes, "durationMillis")?)?;
    Some(Operation { at: time(line, "t"), ..operation })
}

/// The log writes the kind of binary data with one digit where extended JSON has two.
fn with_whole_subtypes(line: &str) -> Cow<'_, str> {
    const KIND: &str = "\"subType\":\"";
    if !line.contains(KIND) {
        return Cow::Borrowed(line);
    }
    let mut out = String::with_capacity(line.len() + 8);
    for (at, part) in line.split(KIND).enumerate() {
        if at > 0 {
            out.push_str(KIND);
            if part.as_bytes().get(1) == Some(&b'"') {
                out.push('0');
            }
        }
        out.push_str(part);
    }
    Cow::Owned(out)
}

fn described(entry: &Document, kind: &str, millis: u64) -> Option<Operation> {
    let namespace = text(entry, "ns");
    let collection = namespace.split_once('.').map(|(_, collection)| collection)?;
    if is_internal(database_of(&namespace)) || collection.starts_with("system.") || collection == "$cmd" {
        return None;
    }
    if text(entry, "appName").starts_with(super::connect::APPLICATION) {
        return None;
    }
    // What a cursor goes on with is part of what it began with.
    let command = inner(entry, "originatingCommand").or_else(|| inner(entry, "command"))?;
    // A batch of updates is described once for each update, and once more as a whole.
    if kind == "command" && matches!(shape::name(command), "update" | "delete") {
        return None;
    }
    let changed =
        ["nModified", "ndeleted", "ninserted", "nUpserted"].iter().filter_map(|name| count(entry, name)).sum();
    Some(Operation {
        hash: ["queryShapeHash", "planCacheShapeHash", "queryHash"]
            .iter()
            .map(|name| text(entry, name))
            .find(|hash| !hash.is_empty())
            .unwrap_or_default(),
        shape: described_shape(command, kind, collection),
        login: None,
        at: None,
        micros: millis.saturating_mul(1_000),
        documents: count(entry, "nreturned").unwrap_or(changed),
        examined: count(entry, "docsExamined").unwrap_or(0),
        failed: entry.contains_key("errCode") || entry.contains_key("errMsg"),
        full_scan: text(entry, "planSummary").contains("COLLSCAN"),
        namespace,
    })
}

/// The shape; the description of one update or delete gets its command's name, which it lacks.
fn described_shape(command: &Document, kind: &str, collection: &str) -> String {
    if !command.contains_key("q") {
        return shape::shape(command);
    }
    let mut named = Document::new();
    named.insert(if kind == "remove" { "delete" } else { "update" }, collection);
    named.extend(command.clone());
    shape::shape(&named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::doc;

    /// Recorded on MongoDB 6.0.5, shortened.
    const GET_MORE: &str = r#"{"t":{"$date":"2026-11-23T15:52:55.493+00:00"},"s":"I","c":"COMMAND","id":51803,"ctx":"conn27","msg":"Slow query","attr":{"type":"command","ns":"shop.orders","appName":"slowapp","command":{"getMore":2736095504378809466,"collection":"orders","lsid":{"id":{"$uuid":"dae62432-861d-4a53-a4ad-184c8349f638"}},"$db":"shop"},"originatingCommand":{"find":"orders","filter":{"a":{"$in":[1,2,3]},"$comment":"secret 42"},"$clusterTime":{"clusterTime":{"$timestamp":{"t":1795449174,"i":23}},"signature":{"hash":{"$binary":{"base64":"jsJ1cpWmZcCgjMU0wxahjBb7KLE=","subType":"0"}},"keyId":7711395269211848708}},"$db":"shop"},"planSummary":"IXSCAN { a: 1, b: -1 }","docsExamined":499,"nreturned":499,"queryHash":"6D89EA41","reslen":16581,"remote":"127.0.0.1:51764","protocol":"op_msg","durationMillis":660}}"#;
    const KEYS: &str = r#"{"t":{"$date":"2026-11-23T15:52:04.341+00:00"},"msg":"Slow query","attr":{"type":"command","ns":"admin.system.keys","command":{"insert":"system.keys","documents":[{"purpose":"HMAC","key":"A1lr"}],"$db":"admin"},"durationMillis":183}}"#;

    #[test]
    fn a_cursors_line_counts_for_the_query_that_it_began_with() {
        let read = logged(GET_MORE).unwrap().unwrap();
        assert_eq!(read.shape, r#"{"find":"orders","filter":{"a":{"$in":["?"]},"$comment":"?"}}"#);
        assert_eq!((read.namespace.as_str(), read.hash.as_str()), ("shop.orders", "6D89EA41"));
        assert_eq!((read.micros, read.documents, read.examined, read.full_scan), (660_000, 499, 499, false));
        assert!(read.at.is_some());
    }

    #[test]
    fn the_servers_own_lines_are_left_out() {
        assert_eq!(logged(KEYS).unwrap(), None);
        assert_eq!(logged("{\"msg\":\"Connection accepted\"}").unwrap(), None);
        assert!(logged("\"Slow query\" and no JSON").is_err());
        let own = GET_MORE.replace("slowapp", "godwit");
        assert_eq!(logged(&own).unwrap(), None);
    }

    #[test]
    fn a_profiled_update_has_a_name_and_a_login() {
        let entry = doc! {
            "op": "update", "ns": "shop.orders", "command": { "q": { "a": 7 }, "u": { "$set": { "z": "secret" } }, "multi": true },
            "docsExamined": 2000, "nMatched": 3, "nModified": 3, "millis": 12, "planSummary": "COLLSCAN", "queryHash": "AB",
            "ts": mongodb::bson::DateTime::from_millis(0), "user": "app@admin",
        };
        let read = profiled(&entry).unwrap();
        assert_eq!(read.shape, r#"{"update":"orders","q":{"a":"?"},"u":{"$set":{"z":"?"}},"multi":"?"}"#);
        assert_eq!((read.documents, read.examined, read.full_scan), (3, 2_000, true));
        assert_eq!(read.login.as_deref(), Some("app"));
        let whole = doc! { "op": "command", "ns": "shop.orders", "command": { "update": "orders" }, "millis": 12 };
        assert_eq!(profiled(&whole), None);
    }
}

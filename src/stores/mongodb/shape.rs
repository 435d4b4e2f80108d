//! The shape of a command: what it does without the values that it does it with, as JSON with `?` in their place.
//!
//! Invariant: a value reaches a shape only where it is structure: the command's collection, the directions of a sort, the 0 and 1 of a
//! projection, a `$field` path in a pipeline, a collection that a pipeline names. Everything in a filter, an update or a document is `?`.

use crate::stores::sanitise::clean;
use mongodb::bson::{Bson, Document};
use std::fmt::Write;

/// Fields of a command that belong to the driver and say nothing of what the command does.
const NOISE: [&str; 27] = [
    "$clusterTime",
    "$configServerState",
    "$configTime",
    "$db",
    "$readPreference",
    "$topologyTime",
    "apiDeprecationErrors",
    "apiStrict",
    "apiVersion",
    "autocommit",
    "batchSize",
    "bypassDocumentValidation",
    "clientOperationKey",
    "comment",
    "cursor",
    "lsid",
    "maxTimeMS",
    "mayBypassWriteBlocking",
    "noCursorTimeout",
    "ordered",
    "readConcern",
    "shardVersion",
    "singleBatch",
    "startTransaction",
    "stmtId",
    "txnNumber",
    "writeConcern",
];

/// Commands whose content is or may hold a secret: only their name is ever shown.
const SECRET: [&str; 12] = [
    "authenticate",
    "copydbsaslstart",
    "createUser",
    "createuser",
    "getLog",
    "getnonce",
    "saslContinue",
    "saslStart",
    "setParameter",
    "updateUser",
    "usersInfo",
    "_mergeAuthzCollections",
];

/// Levels that are followed; deeper ones are cut.
const DEEPEST: usize = 16;
/// Elements of an array that are followed.
const LONGEST: usize = 50;

/// What becomes of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    /// Everything, for what a session runs now.
    All,
    /// Nothing.
    Nothing,
    /// Small numbers, booleans and words: sorts, hints, index keys, projections.
    Structure,
    /// `$field` paths, and what [`Keep::of`] knows: pipelines.
    Paths,
    /// Names of collections and fields in the stages that join or write: `$lookup`, `$merge`.
    Join,
    /// A name.
    Name,
}

impl Keep {
    /// What becomes of the value of `key` inside something that keeps `self`.
    fn of(self, key: &str) -> Self {
        match (self, key) {
            (Self::All, _) => Self::All,
            (Self::Nothing | Self::Name, _) => Self::Nothing,
            (
                _,
                "filter" | "q" | "query" | "u" | "update" | "updates" | "deletes" | "documents" | "$match" | "let"
                | "limit" | "skip" | "$limit" | "$skip",
            ) => Self::Nothing,
            (Self::Structure, _) => Self::Structure,
            (_, "sort" | "$sort" | "hint" | "key" | "projection" | "fields" | "indexes" | "$project" | "collation") => {
                Self::Structure
            }
            (Self::Join, "from" | "into" | "coll" | "localField" | "foreignField" | "as") => Self::Name,
            (_, "$lookup" | "$graphLookup" | "$unionWith" | "$merge" | "$out") => Self::Join,
            (_, _) => Self::Paths,
        }
    }
}

/// The command with its values, without the driver's fields, made safe.
pub fn plain(command: &Document) -> String {
    if let Some(secret) = secret(command) {
        return secret;
    }
    let mut out = String::new();
    document(&mut out, &essence(command), Keep::All, 0);
    clean(&out)
}

/// The command's shape, made safe.
pub fn shape(command: &Document) -> String {
    if let Some(secret) = secret(command) {
        return secret;
    }
    let mut out = String::new();
    document(&mut out, &essence(command), Keep::Paths, 0);
    clean(&out)
}

/// A filter or specification as canonical JSON with its values, for definitions of indexes.
pub fn json(specification: &Document) -> String {
    let mut out = String::new();
    document(&mut out, specification, Keep::All, 0);
    clean(&out)
}

/// The name of a command; empty for an update's or delete's description, which has none.
pub fn name(command: &Document) -> &str {
    command.keys().next().map_or("", String::as_str)
}

fn secret(command: &Document) -> Option<String> {
    let name = name(command);
    SECRET.contains(&name).then(|| format!("{{{}:\"?\"}}", quoted(name)))
}

fn essence(command: &Document) -> Document {
    command.iter().filter(|(key, _)| !NOISE.contains(&key.as_str())).map(|(k, v)| (k.clone(), v.clone())).collect()
}

fn quoted(text: &str) -> String {
    // JSON's own escapes; a text always has a JSON form.
    serde_json::Value::from(text).to_string()
}

fn document(out: &mut String, document: &Document, keep: Keep, depth: usize) {
    if depth > DEEPEST {
        out.push('…');
        return;
    }
    out.push('{');
    for (at, (key, inner)) in document.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(&quoted(key));
        out.push(':');
        // The first field of a command is its name with the collection.
        let keep = if depth == 0 && keep == Keep::Paths && (at == 0 && key != "q" || key == "collection") {
            Keep::Name
        } else {
            keep.of(key)
        };
        value(out, inner, keep, depth + 1);
    }
    out.push('}');
}

fn value(out: &mut String, bson: &Bson, keep: Keep, depth: usize) {
    match bson {
        Bson::Document(inner) => document(out, inner, if keep == Keep::Name { Keep::Paths } else { keep }, depth),
        Bson::Array(elements) => array(out, elements, keep, depth),
        Bson::Int32(n @ -1..=1) if keep == Keep::Structure => write_to(out, format_args!("{n}")),
        Bson::Int64(n @ -1..=1) if keep == Keep::Structure => write_to(out, format_args!("{n}")),
        Bson::Double(n) if keep == Keep::Structure && [-1.0, 0.0, 1.0].contains(n) => {
            write_to(out, format_args!("{n}"))
        }
        Bson::Boolean(set) if keep == Keep::Structure => write_to(out, format_args!("{set}")),
        Bson::String(text) if matches!(keep, Keep::Name | Keep::Join) => out.push_str(&quoted(text)),
        Bson::String(text) if keep == Keep::Structure && is_word(text) => out.push_str(&quoted(text)),
        Bson::String(text) if matches!(keep, Keep::Paths | Keep::Structure) && is_path(text) => {
            out.push_str(&quoted(text))
        }
        scalar if keep == Keep::All => literal(out, scalar),
        _ => out.push_str("\"?\""),
    }
}

fn array(out: &mut String, elements: &[Bson], keep: Keep, depth: usize) {
    let holds_documents = elements.iter().any(|e| matches!(e, Bson::Document(_) | Bson::Array(_)));
    // A list of values has the same shape whatever its length.
    if !holds_documents && keep == Keep::Nothing {
        out.push_str("[\"?\"]");
        return;
    }
    out.push('[');
    for (at, element) in elements.iter().take(LONGEST).enumerate() {
        if at > 0 {
            out.push(',');
        }
        if depth > DEEPEST {
            out.push('…');
            break;
        }
        value(out, element, keep, depth + 1);
    }
    out.push(']');
}

/// `$a.b`, `$$ROOT`: a field, and no value that happens to begin with a dollar.
fn is_path(text: &str) -> bool {
    let name = text.strip_prefix("$$").or_else(|| text.strip_prefix('$')).unwrap_or_default();
    !name.is_empty() && name.len() <= 100 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._".contains(&b))
}

/// The kinds of index keys.
fn is_word(text: &str) -> bool {
    matches!(text, "text" | "2d" | "2dsphere" | "hashed" | "textScore")
}

fn literal(out: &mut String, scalar: &Bson) {
    match scalar {
        Bson::String(text) => out.push_str(&quoted(text)),
        Bson::Int32(n) => write_to(out, format_args!("{n}")),
        Bson::Int64(n) => write_to(out, format_args!("{n}")),
        Bson::Double(n) => write_to(out, format_args!("{n}")),
        Bson::Boolean(b) => write_to(out, format_args!("{b}")),
        Bson::Null => out.push_str("null"),
        Bson::ObjectId(id) => write_to(out, format_args!("ObjectId(\"{id}\")")),
        Bson::DateTime(at) => write_to(out, format_args!("Date({})", at.timestamp_millis())),
        Bson::RegularExpression(regex) => write_to(out, format_args!("/{}/{}", regex.pattern, regex.options)),
        // Binary data is no reading, and may be a key.
        Bson::Binary(binary) => write_to(out, format_args!("BinData({} bytes)", binary.bytes.len())),
        other => write_to(out, format_args!("{other}")),
    }
}

fn write_to(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a text cannot fail.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::doc;
    use proptest::prelude::*;

    #[test]
    fn values_go_and_structure_stays() {
        for (command, shown) in [
            (
                doc! { "find": "orders", "filter": { "a": { "$in": [1, 2, 3] }, "s": "secret" }, "sort": { "b": -1 }, "limit": 7, "lsid": { "id": 1 }, "$db": "shop" },
                r#"{"find":"orders","filter":{"a":{"$in":["?"]},"s":"?"},"sort":{"b":-1},"limit":"?"}"#,
            ),
            (
                doc! { "q": { "_id": 1 }, "u": { "$set": { "z": "secret" } }, "multi": false },
                r#"{"q":{"_id":"?"},"u":{"$set":{"z":"?"}},"multi":"?"}"#,
            ),
            (
                doc! { "aggregate": "orders", "pipeline": [
                { "$match": { "p": "$ecret" } },
                { "$lookup": { "from": "customers", "localField": "c", "foreignField": "_id", "as": "c" } },
                { "$group": { "_id": "$a", "n": { "$sum": 1 } } }, { "$sort": { "n": -1 } }, { "$limit": 5 } ], "cursor": {} },
                r#"{"aggregate":"orders","pipeline":[{"$match":{"p":"?"}},{"$lookup":{"from":"customers","localField":"c","foreignField":"_id","as":"c"}},{"$group":{"_id":"$a","n":{"$sum":"?"}}},{"$sort":{"n":-1}},{"$limit":"?"}]}"#,
            ),
            (
                doc! { "find": "o", "filter": { "$or": [{ "a": 1 }, { "b": 2 }] }, "projection": { "a": 1, "_id": 0 } },
                r#"{"find":"o","filter":{"$or":[{"a":"?"},{"b":"?"}]},"projection":{"a":1,"_id":0}}"#,
            ),
            (doc! { "createUser": "x", "pwd": "hunter2" }, r#"{"createUser":"?"}"#),
        ] {
            assert_eq!(shape(&command), shown);
        }
    }

    #[test]
    fn what_a_session_runs_keeps_its_values_but_no_keys() {
        let command = doc! { "find": "o", "filter": { "a": 1 }, "$clusterTime": { "signature": { "hash": "x" } } };
        assert_eq!(plain(&command), r#"{"find":"o","filter":{"a":1}}"#);
        let binary =
            mongodb::bson::Binary { subtype: mongodb::bson::spec::BinarySubtype::Generic, bytes: vec![1, 2, 3] };
        assert_eq!(plain(&doc! { "x": 1, "k": binary }), r#"{"x":1,"k":BinData(3 bytes)}"#);
        assert!(!plain(&doc! { "saslStart": 1, "payload": "n,,n=app" }).contains("app"));
    }

    proptest! {
        #[test]
        fn no_value_of_a_filter_or_update_is_in_the_shape(secret in "[A-Z]{9}", number in 1_000_000i64..) {
            let commands = [
                doc! { "find": "o", "filter": { "a": &secret, "b": { "$gt": number }, "$expr": { "$eq": ["$x", &secret] } } },
                doc! { "update": "o", "updates": [{ "q": { "a": &secret }, "u": { "$push": { "l": { "$each": [&secret, number] } } } }] },
                doc! { "insert": "o", "documents": [{ "a": &secret, "n": number }] },
                doc! { "aggregate": "o", "pipeline": [{ "$addFields": { "x": &secret, "from": &secret, "n": number } }, { "$match": { "a": [&secret] } }] },
                doc! { "findAndModify": "o", "query": { "a": &secret }, "update": { "$set": { "n": number } }, "sort": { "a": 1 } },
            ];
            for command in commands {
                let shape = shape(&command);
                prop_assert!(!shape.contains(&secret) && !shape.contains(&number.to_string()), "{}", shape);
            }
        }
    }
}

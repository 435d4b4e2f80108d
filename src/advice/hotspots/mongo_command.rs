//! The canonical form of MongoDB commands: namespace, filter keys with their operators, sort, projection.
//!
//! A command is read as the server logs it: `{"find": "orders", "filter": {...}, "sort": {...}, "projection": {...}}`, with or
//! without words before it. Fields of a filter are sorted (the server's own queryHash does not depend on their order); keys of a sort are not.

use crate::advice::hotspots::document::Document;
use crate::advice::hotspots::fingerprint::Canonical;
use crate::advice::ownership::Ownership;
use crate::model::hotspot::StatementKind;
use std::collections::BTreeMap;

/// A command's parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// `find`, `aggregate`, `update`, ... in lower case.
    pub verb: String,
    /// `database.collection`.
    pub namespace: String,
    /// What it does.
    pub kind: StatementKind,
    /// The filter (of an aggregation: the leading `$match`).
    pub filter: Document,
    /// Keys of the sort with their directions.
    pub sort: Vec<(String, bool)>,
    /// Fields that are asked for; empty: all.
    pub projection: Vec<String>,
    /// Fields that an update sets.
    pub set: Vec<String>,
    /// Names of the stages of an aggregation.
    pub stages: Vec<String>,
    /// Collections that stages look into.
    pub others: Vec<String>,
    /// Whether only some of the found documents are given out.
    pub is_limited: bool,
}

/// The commands that name a collection, and where their filter is.
const VERBS: &[(&str, &str, StatementKind)] = &[
    ("find", "filter", StatementKind::Read),
    ("count", "query", StatementKind::Read),
    ("distinct", "query", StatementKind::Read),
    ("aggregate", "pipeline", StatementKind::Read),
    ("findandmodify", "query", StatementKind::Update),
    ("update", "q", StatementKind::Update),
    ("delete", "q", StatementKind::Delete),
    ("remove", "q", StatementKind::Delete),
    ("insert", "", StatementKind::Insert),
];

/// Reads a command. `database` is where it ran, or the whole namespace.
pub fn read(database: &str, text: &str) -> Option<Command> {
    let document = Document::find(text)?;
    // A getMore carries the command that it goes on with.
    let document = document.get("originatingCommand").unwrap_or(&document);
    let (verb, at, kind, collection) = document.fields().iter().find_map(|(key, value)| {
        let verb = key.to_lowercase();
        let (_, at, kind) = VERBS.iter().find(|(name, ..)| *name == verb)?;
        Some((verb, *at, *kind, value.text()?))
    })?;
    let empty = Document::Object(Vec::new());
    // Profiler entries of writes have `q` and `u` beside each other; commands have them in a list.
    let statement =
        ["updates", "deletes"].iter().find_map(|key| document.get(key)?.members().first()).unwrap_or(document);
    let stages = document.get("pipeline").map(Document::members).unwrap_or_default();
    let filter = match stages.first() {
        Some(stage) => stage.get("$match").unwrap_or(&empty),
        None => statement.get(at).or_else(|| document.get("filter")).unwrap_or(&empty),
    };
    let sort = document.get("sort").or_else(|| sort_before_group(stages)).map(sort_keys).unwrap_or_default();
    let update = statement.get("u").or_else(|| document.get("update").filter(|update| update.text().is_none()));
    let is_limited = document.get("limit").is_some_and(|limit| limit.number() != Some(0.0))
        || stages.iter().any(|stage| stage.get("$limit").is_some());
    Some(Command {
        namespace: namespace(database, collection),
        kind,
        filter: filter.clone(),
        sort,
        projection: document.get("projection").or_else(|| document.get("fields")).map(shown_fields).unwrap_or_default(),
        set: update.map(set_fields).unwrap_or_default(),
        stages: stages.iter().flat_map(Document::fields).map(|(name, _)| name.clone()).collect(),
        others: stages.iter().filter_map(looked_into).map(|name| namespace(database, name)).collect(),
        is_limited,
        verb,
    })
}

/// The canonical form; `None`: it is no command of a collection.
pub fn canonical(database: &str, text: &str, ownership: &Ownership) -> Option<Canonical> {
    let command = read(database, text)?;
    let mut tables = BTreeMap::new();
    for name in std::iter::once(&command.namespace).chain(&command.others) {
        let owned = ownership.of(name);
        tables.insert(owned.logical.clone(), owned);
    }
    let mut form = vec![command.verb.clone(), ownership.of(&command.namespace).logical];
    if !command.filter.fields().is_empty() {
        form.push(format!("filter {}", shape(&command.filter)));
    }
    if !command.sort.is_empty() {
        let keys: Vec<String> =
            command.sort.iter().map(|(key, down)| format!("{key} {}", if *down { -1 } else { 1 })).collect();
        form.push(format!("sort {{{}}}", keys.join(", ")));
    }
    if !command.projection.is_empty() {
        form.push(format!("projection {{{}}}", command.projection.join(", ")));
    }
    if !command.set.is_empty() {
        form.push(format!("set {{{}}}", command.set.join(", ")));
    }
    if !command.stages.is_empty() {
        let others: Vec<String> = command.others.iter().map(|name| ownership.of(name).logical).collect();
        form.push(format!("stages [{}] {}", command.stages.join(", "), others.join(", ")).trim_end().to_owned());
    }
    if command.is_limited {
        form.push("limit ?".to_owned());
    }
    Some(Canonical { text: form.join(" "), kind: command.kind, tables, service: None })
}

fn namespace(database: &str, collection: &str) -> String {
    let database = database.split('.').next().unwrap_or_default();
    if database.is_empty() { collection.to_owned() } else { format!("{database}.{collection}") }
}

/// The shape of a filter: fields sorted, values gone, lists of any length alike.
fn shape(filter: &Document) -> String {
    let mut parts: Vec<String> = Vec::new();
    for (key, value) in filter.fields() {
        parts.push(match value {
            Document::List(branches) if ["$or", "$and", "$nor"].contains(&key.as_str()) => {
                let mut shapes: Vec<String> = branches.iter().map(shape).collect();
                shapes.sort();
                shapes.dedup();
                format!("{key} [{}]", shapes.join(", "))
            }
            // A masked list may have become a single mark.
            Document::List(_) => format!("{key} ?+"),
            _ if ["$in", "$nin", "$all"].contains(&key.as_str()) => format!("{key} ?+"),
            Document::Object(inner) if inner.first().is_some_and(|(name, _)| is_operator(name)) => {
                format!("{key} {}", shape(value))
            }
            // Two `$eq` spellings are one: a value, and an object that is a value in extended JSON.
            _ => format!("{key} ?"),
        });
    }
    parts.sort();
    format!("{{{}}}", parts.join(", ")).replace(" {$eq ?}", " ?")
}

/// A query operator, not the mark of a value in extended JSON.
pub fn is_operator(name: &str) -> bool {
    name.starts_with('$')
        && !name.starts_with("$number")
        && !["$oid", "$date", "$uuid", "$binary", "$timestamp", "$symbol", "$regularExpression"].contains(&name)
}

fn sort_keys(sort: &Document) -> Vec<(String, bool)> {
    let keys = sort.fields().iter();
    keys.map(|(key, direction)| (key.clone(), direction.number().is_some_and(|direction| direction < 0.0))).collect()
}

/// A `$sort` that an index can serve: nothing but filters stands before it.
fn sort_before_group(stages: &[Document]) -> Option<&Document> {
    stages
        .iter()
        .take_while(|stage| stage.get("$match").is_some() || stage.get("$sort").is_some())
        .find_map(|stage| stage.get("$sort"))
}

fn shown_fields(projection: &Document) -> Vec<String> {
    let mut fields: Vec<String> = Vec::new();
    for (key, shown) in projection.fields() {
        let is_hidden = *shown == Document::Bool(false) || shown.number() == Some(0.0);
        fields.push(if is_hidden { format!("-{key}") } else { key.clone() });
    }
    fields.sort();
    fields
}

/// Fields in `$set`, `$inc` and the like; of a whole new document none, since all may change.
fn set_fields(update: &Document) -> Vec<String> {
    let operators = update.fields().iter().filter(|(name, _)| is_operator(name));
    let mut fields: Vec<String> = operators.flat_map(|(_, inner)| inner.fields()).map(|(key, _)| key.clone()).collect();
    fields.sort();
    fields.dedup();
    fields
}

fn looked_into(stage: &Document) -> Option<&str> {
    ["$lookup", "$graphLookup", "$unionWith"].iter().find_map(|name| {
        let stage = stage.get(name)?;
        stage.text().or_else(|| stage.get("from")?.text()).or_else(|| stage.get("coll")?.text())
    })
}

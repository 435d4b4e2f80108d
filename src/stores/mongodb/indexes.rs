//! Indexes with their use on this server.
//!
//! The server counts from its start, and again from 0 for an index that is made, hidden or shown: such a counter proves nothing about the
//! time before, so a 0 in it is not given as one.

use crate::model::index::{Index, IndexDuty, IndexPart, Indexes, TableUse};
use crate::model::lag::Reading;
use crate::model::observation::{Missing, Observation, Window};
use crate::model::what_if::{Parameters, WhatIf};
use crate::stores::Result;
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::mongodb::fields::{count, inner, integer, is_set, text, time};
use crate::stores::mongodb::inventory::{collection_statistics, collections, databases};
use crate::stores::mongodb::shape;
use crate::stores::mongodb::store::MongoStore;
use crate::stores::mongodb::watch::Reader;
use crate::stores::observe::IndexStats;
use crate::stores::sanitise::clean;
use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::Error;
use std::collections::BTreeMap;

/// Collections that are read: about 3 ms of the server's time each.
const MOST_COLLECTIONS: usize = 1_000;

/// Counters of indexes that were there at the start begin within this time after it.
const START_UP: Duration = Duration::seconds(120);

fn right(id: &str, what: &str, action: &str, price: &str) -> Missing {
    Missing {
        id: id.to_owned(),
        what: what.to_owned(),
        why: format!("the monitoring account has no right to {action} on this collection"),
        enable: Some(format!(
            "db.getSiblingDB(\"admin\").grantPrivilegesToRole(\"godwit_watch\", [{{ resource: {{ db: \"\", collection: \"\" }}, actions: [\"{action}\"] }}])"
        )),
        price: price.to_owned(),
    }
}

fn no_columns() -> Missing {
    Missing {
        id: "mongodb.indexes.statistics".to_owned(),
        what: "how many distinct values a field has".to_owned(),
        why: "MongoDB keeps no statistics of fields: only reading documents would tell".to_owned(),
        enable: None,
        price: "reading documents needs find on the collection, which shows all of its data; Godwit does without"
            .to_owned(),
    }
}

fn one_node(router: bool) -> Missing {
    Missing {
        id: "mongodb.indexes.sharded".to_owned(),
        what: "use of the indexes on every member".to_owned(),
        why: if router {
            "mongos answers for one member of each shard"
        } else {
            "each member counts for itself, and this store is one of several"
        }
        .to_owned(),
        enable: Some("one store for each member in the profile, with directConnection=true in its url".to_owned()),
        price: "one connection for each member".to_owned(),
    }
}

async fn read(reader: &mut Reader, store: &MongoStore) -> std::result::Result<Indexes, Error> {
    let (hello, run) = reader.hello().await?;
    let now = Utc::now();
    let started = run.started_at.unwrap_or(now);
    let me = text(&hello, "me");
    let mut others: Vec<String> = ["hosts", "passives"]
        .iter()
        .filter_map(|list| hello.get_array(list).ok())
        .flatten()
        .filter_map(Bson::as_str)
        .map(clean)
        .filter(|host| *host != me)
        .collect();
    others.sort();
    let router = hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid");
    if router || !others.is_empty() {
        reader.lacks(one_node(router));
    }
    let mut found = Found::default();
    let mut asked = 0;
    for database in databases(reader, store.connector()).await? {
        for collection in collections(reader, &database).await? {
            asked += 1;
            if asked <= MOST_COLLECTIONS {
                found.collection(reader, &database, &collection, started).await?;
            }
        }
    }
    if asked > MOST_COLLECTIONS {
        reader.lacks(Missing {
            id: "mongodb.indexes.many".to_owned(),
            what: format!("indexes of {} further collections", asked - MOST_COLLECTIONS),
            why: format!("only the first {MOST_COLLECTIONS} collections are read in one look"),
            enable: Some("name one database in the store's url".to_owned()),
            price: "about 3 ms of the server for each collection".to_owned(),
        });
    }
    if !found.tables.is_empty() {
        reader.lacks(no_columns());
    }
    Ok(Indexes {
        window: Window {
            since: started,
            proof: "the server started then; an index that was made, hidden or shown later counts from then only"
                .to_owned(),
        },
        epoch: run.id,
        replicas_unread: others,
        follows_as: None,
        tables: found.tables,
        indexes: found.indexes,
        foreign_keys: Vec::new(),
    })
}

#[derive(Default)]
struct Found {
    tables: Vec<TableUse>,
    indexes: Vec<Index>,
}

/// One index's counter on this server.
struct Use {
    scans: u64,
    since: Option<DateTime<Utc>>,
    building: bool,
}

impl Found {
    async fn collection(
        &mut self,
        reader: &mut Reader,
        database: &str,
        collection: &str,
        started: DateTime<Utc>,
    ) -> std::result::Result<(), Error> {
        let no_list =
            || right("mongodb.indexes.list", "which indexes there are", "listIndexes", "none; definitions only");
        let listed = reader.all_or(database, doc! { "listIndexes": collection }, no_list).await?;
        // Without any index a collection is gone, or a time series for which there is nothing to say here.
        let Some(specifications) = listed.filter(|listed| !listed.is_empty()) else { return Ok(()) };
        let no_use = || {
            right(
                "mongodb.indexes.use",
                "how often an index is used",
                "indexStats",
                "under 1 ms of the server for each collection; no data is exposed",
            )
        };
        let command = doc! { "aggregate": collection, "pipeline": [{ "$indexStats": {} }], "cursor": {} };
        let uses = reader.all_or(database, command, no_use).await?.map(|uses| uses_of(&uses));
        let no_size = || {
            right(
                "mongodb.indexes.size",
                "how large collections and indexes are",
                "collStats",
                "about 2 ms of the server for each collection; no data is exposed",
            )
        };
        let command = collection_statistics(collection, doc! { "storageStats": {}, "queryExecStats": {} });
        let statistics = reader.all_or(database, command, no_size).await?.and_then(|answer| answer.into_iter().next());
        let storage = statistics.as_ref().and_then(|statistics| inner(statistics, "storageStats"));
        let table = clean(&format!("{database}.{collection}"));
        for specification in &specifications {
            let name = specification.get_str("name").unwrap_or_default();
            let size = storage.and_then(|storage| count(inner(storage, "indexSizes")?, name));
            let used = uses.as_ref().map(|uses| uses.get(name));
            self.indexes.push(index(&table, (database, collection), specification, size, used, started));
        }
        self.tables.push(table_use(&table, storage, statistics.as_ref(), uses.as_ref()));
        Ok(())
    }
}

fn uses_of(answers: &[Document]) -> BTreeMap<String, Use> {
    let mut uses: BTreeMap<String, Use> = BTreeMap::new();
    for answer in answers {
        let accesses = inner(answer, "accesses");
        let read = Use {
            scans: accesses.and_then(|accesses| count(accesses, "ops")).unwrap_or(0),
            since: accesses.and_then(|accesses| time(accesses, "since")),
            building: is_set(answer, "building"),
        };
        // Through mongos there is one answer for each shard: uses add up, and only the shortest time is covered by all.
        let all = uses.entry(answer.get_str("name").unwrap_or_default().to_owned()).or_insert(Use { scans: 0, ..read });
        all.scans += read.scans;
        all.since = all.since.max(read.since);
        all.building |= read.building;
    }
    uses
}

fn scans(used: Option<Option<&Use>>, started: DateTime<Utc>) -> Reading<u64> {
    match used {
        None => Reading::Unknown("the account may not run $indexStats".to_owned()),
        Some(None) => Reading::Unknown("the server keeps no counter for it".to_owned()),
        Some(Some(Use { scans: 0, since: Some(since), .. })) if *since > started + START_UP => {
            Reading::Unknown(format!(
                "not used since {}, when it was made, hidden or shown; before that nothing was counted",
                since.format("%Y-%m-%d %H:%M:%S UTC")
            ))
        }
        Some(Some(used)) => Reading::Known(used.scans),
    }
}

fn index(
    table: &str,
    (database, collection): (&str, &str),
    specification: &Document,
    size: Option<u64>,
    used: Option<Option<&Use>>,
    started: DateTime<Utc>,
) -> Index {
    let name = text(specification, "name");
    let parts = parts(specification);
    let kind = parts.iter().map(|part| part.operator_class.as_str()).find(|class| !class.is_empty());
    let building = used.flatten().is_some_and(|used| used.building);
    Index {
        table: table.to_owned(),
        method: match kind {
            Some(kind) => kind.to_owned(),
            None if parts.iter().any(|part| part.term.contains("$**")) => "wildcard".to_owned(),
            None => "btree".to_owned(),
        },
        parts,
        include: Vec::new(),
        predicate: predicate(specification),
        nulls_not_distinct: true,
        duty: IndexDuty {
            unique: is_set(specification, "unique") || name == "_id_",
            primary: name == "_id_",
            clustered: is_set(specification, "clustered"),
            expires: specification.contains_key("expireAfterSeconds"),
            ..IndexDuty::default()
        },
        valid: !building,
        being_built: building,
        hidden: is_set(specification, "hidden"),
        bytes: size.map_or_else(|| Reading::Unknown("the account may not run $collStats".to_owned()), Reading::Known),
        scans: scans(used, started),
        last_scan: None,
        definition: definition(database, collection, specification),
        name,
    }
}

fn parts(specification: &Document) -> Vec<IndexPart> {
    let collation = inner(specification, "collation").map(shape::json).unwrap_or_default();
    let part = |term: &str, direction: Option<&Bson>| {
        let descending = match direction {
            Some(Bson::Int32(n)) => *n < 0,
            Some(Bson::Int64(n)) => *n < 0,
            Some(Bson::Double(n)) => *n < 0.0,
            _ => false,
        };
        IndexPart {
            term: clean(term),
            is_expression: false,
            operator_class: match direction {
                Some(Bson::String(kind)) => clean(kind),
                _ => String::new(),
            },
            collation: collation.clone(),
            descending,
            nulls_first: !descending,
            prefix: None,
        }
    };
    let Some(key) = inner(specification, "key") else { return Vec::new() };
    let mut parts = Vec::new();
    for (term, direction) in key {
        match (term.as_str(), inner(specification, "weights")) {
            // A text index keeps its fields apart from its key.
            ("_fts", Some(weights)) => {
                let text = Bson::String("text".to_owned());
                parts.extend(weights.keys().map(|field| part(field, Some(&text))));
            }
            ("_ftsx", Some(_)) => {}
            _ => parts.push(part(term, Some(direction))),
        }
    }
    parts
}

/// What documents are in it, and of a wildcard index which fields.
fn predicate(specification: &Document) -> String {
    let mut words = Vec::new();
    if let Some(filter) = inner(specification, "partialFilterExpression") {
        words.push(shape::json(filter));
    }
    if is_set(specification, "sparse") {
        words.push("sparse".to_owned());
    }
    if let Some(projection) = inner(specification, "wildcardProjection") {
        words.push(format!("wildcardProjection {}", shape::json(projection)));
    }
    words.join(" ")
}

fn definition(database: &str, collection: &str, specification: &Document) -> String {
    let key = inner(specification, "key").map(shape::json).unwrap_or_default();
    let options: Document = specification
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "v" | "key" | "ns" | "textIndexVersion" | "2dsphereIndexVersion"))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let text = |text: &str| serde_json::Value::from(text).to_string();
    clean(&format!(
        "db.getSiblingDB({}).getCollection({}).createIndex({key}, {})",
        text(database),
        text(collection),
        shape::json(&options)
    ))
}

fn table_use(
    table: &str,
    storage: Option<&Document>,
    statistics: Option<&Document>,
    uses: Option<&BTreeMap<String, Use>>,
) -> TableUse {
    let of_storage = |name: &str| match storage.and_then(|storage| count(storage, name)) {
        Some(n) => Reading::Known(n),
        None => Reading::Unknown("the account may not run $collStats, or the server does not tell".to_owned()),
    };
    let full = statistics.and_then(|statistics| inner(inner(statistics, "queryExecStats")?, "collectionScans"));
    let not_kept = || Reading::Unknown("MongoDB does not count that by collection".to_owned());
    TableUse {
        table: table.to_owned(),
        rows: of_storage("count"),
        bytes: of_storage("storageSize"),
        // Scans of tailed capped collections are how those are read.
        full_scans: match full.and_then(|full| integer(full, "nonTailable")).and_then(|n| u64::try_from(n).ok()) {
            Some(scans) => Reading::Known(scans),
            None => {
                Reading::Unknown("the server does not count them, or the account may not run $collStats".to_owned())
            }
        },
        full_scan_rows: not_kept(),
        index_scans: match uses {
            Some(uses) => Reading::Known(uses.values().map(|used| used.scans).sum()),
            None => Reading::Unknown("the account may not run $indexStats".to_owned()),
        },
        inserted: not_kept(),
        updated: not_kept(),
        updated_in_place: not_kept(),
        deleted: not_kept(),
        columns: Vec::new(),
    }
}

#[async_trait]
impl IndexStats for MongoStore {
    async fn indexes(&self) -> Result<Observation<Indexes>> {
        self.watch().look(async |reader| read(reader, self).await).await
    }

    async fn what_if(&self, _statement: &str, _: &Parameters, _candidates: &[String]) -> Result<WhatIf> {
        Err(self.connector().error(
            Operation::Inspect,
            ErrorKind::Unsupported,
            "MongoDB has no hypothetical index: its planner tries plans by running them; build the index on a copy and measure",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(specification: Document, used: Option<Use>) -> Index {
        let started = DateTime::from_timestamp(1_000, 0).unwrap();
        index("shop.orders", ("shop", "orders"), &specification, Some(4_096), Some(used.as_ref()), started)
    }

    fn used(scans: u64, since: i64) -> Option<Use> {
        Some(Use { scans, since: DateTime::from_timestamp(since, 0), building: false })
    }

    #[test]
    fn each_kind_of_index_keeps_what_tells_it_apart() {
        let btree = read(doc! { "v": 2, "key": { "a": 1, "b": -1 }, "name": "a_1_b_-1" }, used(3, 1_001));
        assert_eq!(
            btree.parts.iter().map(|p| (p.term.as_str(), p.descending)).collect::<Vec<_>>(),
            [("a", false), ("b", true)]
        );
        assert_eq!((btree.method.as_str(), btree.scans.clone()), ("btree", Reading::Known(3)));
        assert_eq!(
            btree.definition,
            r#"db.getSiblingDB("shop").getCollection("orders").createIndex({"a":1,"b":-1}, {"name":"a_1_b_-1"})"#
        );
        let ttl = read(doc! { "key": { "b": 1 }, "name": "ttl", "expireAfterSeconds": 60, "sparse": true }, None);
        assert_eq!((ttl.duty.expires, ttl.predicate.as_str()), (true, "sparse"));
        let partial = read(
            doc! { "key": { "a": 1 }, "name": "p", "partialFilterExpression": { "b": { "$gt": 5 } }, "unique": true },
            None,
        );
        assert_eq!((partial.duty.unique, partial.predicate.as_str()), (true, r#"{"b":{"$gt":5}}"#));
        let wild = read(doc! { "key": { "$**": 1 }, "name": "w", "wildcardProjection": { "a": 0 } }, None);
        assert_eq!((wild.method.as_str(), wild.predicate.as_str()), ("wildcard", r#"wildcardProjection {"a":0}"#));
        let text = read(doc! { "key": { "_fts": "text", "_ftsx": 1 }, "name": "t", "weights": { "s": 1 } }, None);
        assert_eq!((text.method.as_str(), text.parts.len(), text.parts[0].term.as_str()), ("text", 1, "s"));
        let collated =
            read(doc! { "key": { "c": 1 }, "name": "c", "hidden": true, "collation": { "locale": "fr" } }, None);
        assert_eq!((collated.hidden, collated.parts[0].collation.as_str()), (true, r#"{"locale":"fr"}"#));
        let id = read(doc! { "key": { "_id": 1 }, "name": "_id_" }, used(0, 1_001));
        assert!(id.duty.primary && id.duty.unique);
    }

    #[test]
    fn a_counter_that_began_late_proves_no_disuse() {
        let specification = || doc! { "key": { "a": 1 }, "name": "a_1" };
        assert_eq!(read(specification(), used(0, 1_010)).scans, Reading::Known(0));
        assert!(read(specification(), used(0, 9_000)).scans.known().is_none());
        assert_eq!(read(specification(), used(4, 9_000)).scans, Reading::Known(4));
    }

    #[test]
    fn shards_add_up() {
        let answer = |ops: i64, since: i64| {
            doc! { "name": "a_1", "accesses": { "ops": ops, "since": mongodb::bson::DateTime::from_millis(since * 1_000) } }
        };
        let uses = uses_of(&[answer(2, 10), answer(3, 20)]);
        assert_eq!((uses["a_1"].scans, uses["a_1"].since), (5, DateTime::from_timestamp(20, 0)));
    }
}

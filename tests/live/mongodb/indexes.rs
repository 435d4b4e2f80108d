//! Indexes with their use.

use super::lab::{admin, ids, open, shop, url};
use godwit::model::index::Index;
use godwit::model::lag::Reading;
use godwit::model::what_if::Parameters;
use godwit::stores::error::ErrorKind;
use mongodb::bson::doc;

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn every_kind_of_index_is_read_with_its_size_and_use() {
    let admin = admin().await;
    let database = shop(&admin).await;
    let indexes = vec![
        doc! { "name": "a_b", "key": { "a": 1, "b": -1 } },
        doc! { "name": "ttl", "key": { "b": 1 }, "expireAfterSeconds": 999_999 },
        doc! { "name": "sparse", "key": { "t": 1 }, "sparse": true },
        doc! { "name": "partial", "key": { "a": 1 }, "partialFilterExpression": { "b": { "$gt": 5 } } },
        doc! { "name": "wild", "key": { "$**": 1 }, "wildcardProjection": { "a": 0 } },
        doc! { "name": "words", "key": { "s": "text" } },
        doc! { "name": "french", "key": { "c": 1 }, "collation": { "locale": "fr" }, "hidden": true },
        doc! { "name": "hashed", "key": { "h": "hashed" } },
        doc! { "name": "only", "key": { "u": 1, "_id": 1 }, "unique": true },
    ];
    database.run_command(doc! { "createIndexes": "orders", "indexes": indexes }).await.unwrap();
    for n in 0..5 {
        database.run_command(doc! { "find": "orders", "filter": { "a": n, "b": n }, "hint": "a_b" }).await.unwrap();
    }
    database
        .run_command(doc! { "find": "orders", "filter": { "nothing": 1 }, "hint": { "$natural": 1 } })
        .await
        .unwrap();
    database.run_command(doc! { "create": "seen", "viewOn": "orders" }).await.unwrap();

    let store = open(&url().replace("/?", &format!("/{}?", database.name())));
    let read = store.indexes().unwrap().indexes().await.unwrap();
    assert_eq!(ids(&read.missing), ["mongodb.indexes.statistics"]);
    let seen = read.value;
    let table = format!("{}.orders", database.name());
    assert_eq!(seen.tables.iter().map(|t| t.table.as_str()).collect::<Vec<_>>(), [table.as_str()]);
    assert_eq!(seen.tables[0].rows, Reading::Known(2_000));
    assert!(matches!(seen.tables[0].full_scans, Reading::Known(1..)));
    assert!(seen.replicas_unread.is_empty() && !seen.epoch.is_empty());
    let index = |name: &str| -> &Index {
        seen.indexes.iter().find(|index| index.name == name).unwrap_or_else(|| panic!("{name}"))
    };
    assert_eq!(seen.indexes.len(), 10);
    assert!(
        seen.indexes
            .iter()
            .all(|index| index.table == table && index.valid && matches!(index.bytes, Reading::Known(1..)))
    );
    assert_eq!(index("a_b").scans, Reading::Known(5));
    assert_eq!(
        index("a_b").parts.iter().map(|p| (p.term.as_str(), p.descending)).collect::<Vec<_>>(),
        [("a", false), ("b", true)]
    );
    assert!(
        index("_id_").duty.primary && index("only").duty.unique && index("ttl").duty.expires && index("french").hidden
    );
    assert_eq!(index("partial").predicate, r#"{"b":{"$gt":5}}"#);
    assert_eq!(index("sparse").predicate, "sparse");
    assert_eq!(
        (index("wild").method.as_str(), index("words").method.as_str(), index("hashed").method.as_str()),
        ("wildcard", "text", "hashed")
    );
    assert_eq!(index("words").parts[0].term, "s");
    assert!(index("french").parts[0].collation.contains("\"locale\":\"fr\""));
    assert!(index("ttl").definition.contains("createIndex({\"b\":1}, {"), "{}", index("ttl").definition);

    let error = store.indexes().unwrap().what_if("{}", &Parameters::default(), &[]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported);
    let tables = store.inventory().tables().await.unwrap();
    assert_eq!((tables.len(), tables[0].estimated_rows), (1, Some(2_000)));
    database.drop().await.unwrap();
}

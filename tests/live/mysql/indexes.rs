//! The catalogue of indexes with their use.

use super::lab::{Place, Product, each_product};
use crate::lab::Lab;
use godwit::model::index::{Index, Indexes};
use godwit::model::lag::Reading;
use godwit::model::what_if::Parameters;
use godwit::stores::error::ErrorKind;
use godwit::stores::observe::IndexStats;

/// `HIDDEN` is the product's word for an index that the planner does not see.
const TABLES: [&str; 2] = [
    "CREATE TABLE parent (id int PRIMARY KEY, number int, mail varchar(200) NOT NULL, note text, UNIQUE uq_number (number),
        KEY by_mail (mail(10), number), KEY hidden (number, mail) HIDDEN, FULLTEXT words (note)) ENGINE = InnoDB",
    "CREATE TABLE child (id int PRIMARY KEY, parent int, CONSTRAINT of_parent FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE CASCADE)",
];

fn named<'a>(read: &'a Indexes, name: &str) -> &'a Index {
    read.indexes.iter().find(|index| index.name == name).unwrap_or_else(|| panic!("no {name}: {:#?}", read.indexes))
}

async fn filled(place: &mut Place) {
    for sql in TABLES {
        place.sql.run(&sql.replace("HIDDEN", place.product.either("IGNORED", "INVISIBLE"))).await;
    }
    let rows = "WITH RECURSIVE seq AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM seq WHERE n < 200) SELECT n, n, CONCAT('m', n), 'note' FROM seq";
    place.sql.run(&format!("INSERT INTO parent {rows}")).await;
}

each_product!(definitions_and_counters_of_the_performance_schema);
async fn definitions_and_counters_of_the_performance_schema(product: Product) {
    let mut place = Place::shared(product, 1).await;
    filled(&mut place).await;
    place.sql.run("SELECT COUNT(note) FROM parent").await;
    place.sql.run("SELECT note FROM parent WHERE number = 7").await;
    place.sql.run("UPDATE parent SET note = 'x' WHERE id < 11").await;
    let store = place.store();
    let read = store.indexes().await.unwrap();
    assert_eq!(read.missing, [], "the superuser sees everything here");
    let read = read.value;
    let database = &place.database;
    assert_eq!(
        named(&read, "by_mail").definition,
        format!("CREATE INDEX `by_mail` ON `{database}`.`parent` (`mail`(10), `number`)")
    );
    assert_eq!(named(&read, "by_mail").parts[0].prefix, Some(10));
    assert!(named(&read, "hidden").hidden && !named(&read, "by_mail").hidden);
    assert_eq!(named(&read, "words").method, "fulltext");
    let unique = named(&read, "uq_number");
    assert!(unique.duty.unique && !unique.duty.primary);
    assert!(matches!(unique.bytes, Reading::Known(bytes) if bytes >= 16_384), "{:?}", unique.bytes);
    assert_eq!(unique.scans, Reading::Known(1));
    assert_eq!(named(&read, "by_mail").scans, Reading::Known(0));
    let key = read.foreign_keys.iter().find(|key| key.name == "of_parent").unwrap();
    assert_eq!(
        (key.columns.join(","), key.parent.clone(), key.cascades),
        ("parent".to_owned(), format!("{database}.parent"), true)
    );
    let table = read.tables.iter().find(|table| table.table == format!("{database}.parent")).unwrap();
    assert!(matches!(table.full_scan_rows, Reading::Known(rows) if rows >= 200), "{table:?}");
    assert_eq!(
        (&table.inserted, &table.updated, &table.deleted),
        (&Reading::Known(200), &Reading::Known(10), &Reading::Known(0))
    );
    assert_eq!(table.columns.len(), 4);
    // The definition makes the same index again.
    let mut sql = place.client().await;
    sql.run("DROP INDEX by_mail ON parent").await;
    sql.run(&named(&read, "by_mail").definition).await;
    let refused = store.what_if("SELECT 1", &Parameters::default(), &[]).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Unsupported);
    place.finish().await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run tests/run"]
async fn userstat_counts_where_the_performance_schema_is_off() {
    let lab = Lab::private(&["maria2"]);
    let mut place = Place::on(Product::MariaDb, &lab, 2).await;
    filled(&mut place).await;
    let store = place.store();
    let none = store.indexes().await.unwrap();
    assert_eq!(none.missing.iter().map(|m| m.id.as_str()).collect::<Vec<_>>(), ["mariadb.indexes.use"]);
    assert_eq!(none.missing[0].enable.as_deref(), Some("SET GLOBAL userstat = ON"));
    assert!(matches!(named(&none.value, "uq_number").scans, Reading::Unknown(_)));
    let before = chrono::Utc::now();
    place.sql.run(none.missing[0].enable.as_deref().unwrap()).await;
    let mut client = place.client().await;
    client.run("SELECT note FROM parent WHERE number = 7").await;
    // A session's counts are added when it ends.
    drop(client);
    crate::lab::wait_until(super::lab::PATIENCE, || async {
        let read = store.indexes().await.unwrap();
        assert_eq!(read.missing, []);
        assert!(read.value.window.since >= before, "nothing tells since when it is on");
        named(&read.value, "uq_number").scans == Reading::Known(1)
    })
    .await;
}

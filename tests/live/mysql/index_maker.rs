//! Making an index: it carries its maker, is refused under a taken name, waits no longer than it may, and is found while it is being built.

use crate::mysql::lab::{Place, Product, each_product};
use godwit::advice::dialect::Dialect;
use godwit::advice::indexes::definition::{self, Wanted};
use godwit::advice::indexes::shape::plain;
use godwit::model::index_order::IndexBuild;
use godwit::stores::error::ErrorKind;
use godwit::stores::index_maker::{IndexMaker, Maker};
use std::time::Duration;

/// Servers are shared by the tests, and a maker names its own builds wherever they run.
fn maker(place: &Place) -> String {
    format!("shop/tune/{}/index/", place.database)
}

fn build(place: &Place, name: &str) -> IndexBuild {
    let table = format!("{}.orders", place.database);
    let parts = [plain("note")];
    let wanted = Wanted { table: &table, name, parts: &parts, include: &[], predicate: "", unique: false };
    definition::build(place.product.either(Dialect::MariaDb, Dialect::MySql), &wanted).unwrap()
}

const PATIENCE: Option<Duration> = Some(Duration::from_secs(1));

each_product!(an_index_is_made_known_as_its_makers_and_removed);
async fn an_index_is_made_known_as_its_makers_and_removed(product: Product) {
    let mut place = Place::shared(product, 1).await;
    place.sql.run("CREATE TABLE orders(id int PRIMARY KEY, note varchar(40))").await;
    let (store, order, maker) = (place.store(), build(&place, "orders_note_idx"), maker(&place));
    assert_eq!(store.index_standing(&order, &maker).await.unwrap(), None);
    store.make_index(&order, &maker, PATIENCE).await.unwrap();
    let standing = store.index_standing(&order, &maker).await.unwrap().unwrap();
    assert!(standing.valid && standing.fits(&order));
    assert_eq!(standing.maker, Maker::Noted(maker.clone()));
    let again = store.make_index(&order, &maker, PATIENCE).await.unwrap_err();
    assert_eq!(again.kind, ErrorKind::Exists, "{again}");
    store.unmake_index(&order, &maker, PATIENCE).await.unwrap();
    assert_eq!(store.index_standing(&order, &maker).await.unwrap(), None);
    store.unmake_index(&order, &maker, PATIENCE).await.unwrap();

    place.sql.run("ALTER TABLE orders ADD INDEX orders_note_idx (note)").await;
    let standing = store.index_standing(&order, &maker).await.unwrap().unwrap();
    assert_eq!(standing.maker, Maker::Nobody, "somebody else made this one");
    place.finish().await;
}

each_product!(a_build_behind_an_open_transaction_gives_up_and_lets_the_queue_go);
async fn a_build_behind_an_open_transaction_gives_up_and_lets_the_queue_go(product: Product) {
    let mut place = Place::shared(product, 1).await;
    place.sql.run("CREATE TABLE orders(id int PRIMARY KEY, note varchar(40))").await;
    let mut open = place.client().await;
    open.run("START TRANSACTION").await;
    open.run("SELECT * FROM orders").await;
    let (store, order, maker) = (place.store(), build(&place, "orders_note_idx"), maker(&place));
    let late = store.make_index(&order, &maker, PATIENCE).await.unwrap_err();
    assert_eq!(late.kind, ErrorKind::Contention, "{late}");
    assert_eq!(store.index_standing(&order, &maker).await.unwrap(), None, "nothing is left behind");
    open.run("COMMIT").await;
    store.make_index(&order, &maker, PATIENCE).await.unwrap();
    place.finish().await;
}

each_product!(a_build_under_way_is_found_by_its_maker);
async fn a_build_under_way_is_found_by_its_maker(product: Product) {
    let mut place = Place::shared(product, 1).await;
    place.sql.run("CREATE TABLE orders(id int PRIMARY KEY, note varchar(40))").await;
    let mut open = place.client().await;
    open.run("START TRANSACTION").await;
    open.run("SELECT * FROM orders").await;
    let (store, order, maker) = (place.store(), build(&place, "orders_note_idx"), maker(&place));
    let (other, its, signed) = (place.store(), order.clone(), maker.clone());
    let building = tokio::spawn(async move { other.make_index(&its, &signed, Some(Duration::from_secs(60))).await });
    crate::lab::wait_until(Duration::from_secs(20), async || {
        store.index_standing(&order, &maker).await.unwrap().is_some_and(|standing| standing.being_built)
    })
    .await;
    assert_eq!(store.index_standing(&order, "shop/tune/other/").await.unwrap(), None, "it is not another maker's");
    store.unmake_index(&order, &maker, PATIENCE).await.unwrap();
    assert!(building.await.unwrap().is_err(), "taking it back ends it");
    open.run("COMMIT").await;
    assert_eq!(store.index_standing(&order, &maker).await.unwrap(), None);
    place.finish().await;
}

//! Making an index on a replica set: the keys in their order, found by name and keys, removed, and removed again.

use crate::mongodb::lab::{admin, name, open, url};
use godwit::advice::dialect::Dialect;
use godwit::advice::indexes::definition::{self, Wanted};
use godwit::advice::indexes::shape::plain;
use godwit::model::index::IndexPart;
use godwit::stores::index_maker::Maker;
use mongodb::bson::doc;

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn an_index_is_made_found_and_removed() {
    let admin = admin().await;
    let database = admin.database(&name("index"));
    database.collection("orders").insert_one(doc! { "customer": { "id": 1 }, "placed": 2 }).await.unwrap();
    let table = format!("{}.orders", database.name());
    let parts = [plain("customer.id"), IndexPart { descending: true, ..plain("placed") }];
    let wanted =
        Wanted { table: &table, name: "orders_idx", parts: &parts, include: &[], predicate: "", unique: false };
    let order = definition::build(Dialect::MongoDb, &wanted).unwrap();
    let store = open(&url());
    let maker = store.index_maker().unwrap();
    assert_eq!(maker.index_standing(&order, "m").await.unwrap(), None);
    maker.make_index(&order, "m", None).await.unwrap();
    let standing = maker.index_standing(&order, "m").await.unwrap().unwrap();
    assert!(standing.valid && !standing.being_built && standing.fits(&order), "{standing:?}");
    assert_eq!(standing.maker, Maker::Untold);
    // The same index again is no error for the server; another one under the name is.
    maker.make_index(&order, "m", None).await.unwrap();
    let mut other = order.clone();
    other.parts.truncate(1);
    maker.make_index(&other, "m", None).await.unwrap_err();
    maker.unmake_index(&order, "m", None).await.unwrap();
    assert_eq!(maker.index_standing(&order, "m").await.unwrap(), None);
    maker.unmake_index(&order, "m", None).await.unwrap();
    database.drop().await.unwrap();
}

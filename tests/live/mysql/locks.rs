//! Lock trees: row locks, metadata locks with their queue, and the whole server's.

use super::lab::{Place, Product, each_product, edge, look_until, pairs, session, sorted};
use crate::lab::Lab;
use godwit::model::lock::tree;
use godwit::model::session::{Blocking, SessionState};
use sqlx::Connection;

each_product!(row_locks_with_an_idle_blocker_and_a_queue);
async fn row_locks_with_an_idle_blocker_and_a_queue(product: Product) {
    let mut place = Place::shared(product, 1).await;
    place.with_orders().await;
    let store = place.store();
    let mut holder = place.client().await;
    holder.run("BEGIN").await;
    holder.run("UPDATE orders SET c = 10 WHERE id = 1").await;
    let second = place.client().await.runs("UPDATE orders SET c = 11 WHERE id = 1");
    look_until(&store, "the first wait", |a| !pairs(a, &[&second.id]).is_empty()).await;
    let third = place.client().await.runs("SELECT * FROM orders WHERE id = 1 FOR UPDATE");
    let among = [second.id.as_str(), third.id.as_str()];
    let expected = sorted(&[(&second.id, &holder.id), (&third.id, &holder.id), (&third.id, &second.id)]);
    let seen = look_until(&store, "the queue", |a| pairs(a, &among) == expected).await;
    assert_eq!(session(&seen, &holder.id).state, SessionState::IdleInTransaction, "the blocker does nothing");
    assert_eq!(session(&seen, &third.id).state, SessionState::Waiting);
    let held = edge(&seen, &third.id, &holder.id);
    let mode = product.either("X", "X,REC_NOT_GAP");
    assert_eq!((held.how, held.wanted.as_str(), held.held.as_str()), (Blocking::Holds, mode, mode));
    assert_eq!(held.object, format!("row of {}.orders by PRIMARY", place.database));
    assert_eq!(edge(&seen, &third.id, &second.id).how, Blocking::QueuedAhead);
    let root = tree(&seen.waits).into_iter().find(|node| node.depth == 0 && node.blocks >= 2).expect("one root");
    assert!(root.edge.is_none());
    holder.run("ROLLBACK").await;
    let (second, third) = (second.ended().await.0, third.ended().await.0);
    look_until(&store, "the end", |a| pairs(a, &[&second.id, &third.id]).is_empty()).await;
    place.finish().await;
}

each_product!(another_row_and_a_reader_are_not_accused);
async fn another_row_and_a_reader_are_not_accused(product: Product) {
    let mut place = Place::shared(product, 1).await;
    place.with_orders().await;
    let store = place.store();
    let (mut holder, mut other, mut reader) = (place.client().await, place.client().await, place.client().await);
    holder.run("BEGIN").await;
    holder.run("UPDATE orders SET c = 10 WHERE id = 1").await;
    other.run("BEGIN").await;
    other.run("UPDATE orders SET c = 20 WHERE id = 2").await;
    reader.run("START TRANSACTION WITH CONSISTENT SNAPSHOT").await;
    reader.run("SELECT * FROM orders").await;
    let waiter = place.client().await.runs("DELETE FROM orders WHERE id = 1");
    let seen = look_until(&store, "the wait", |a| !pairs(a, &[&waiter.id]).is_empty()).await;
    assert_eq!(pairs(&seen, &[&waiter.id]), sorted(&[(&waiter.id, &holder.id)]));
    for mut client in [holder, other, reader] {
        client.run("ROLLBACK").await;
    }
    let _ = waiter.ended().await;
    place.finish().await;
}

/// An open reader, an ALTER that waits for it, an insert and a select that wait behind the ALTER.
async fn definition_behind_a_reader(place: &mut Place) {
    place.with_orders().await;
    let store = place.store();
    let mut reader = place.client().await;
    reader.run("BEGIN").await;
    reader.run("SELECT * FROM orders").await;
    let alter = place.client().await.runs("ALTER TABLE orders ADD COLUMN z int");
    look_until(&store, "the ALTER", |a| !pairs(a, &[&alter.id]).is_empty()).await;
    let insert = place.client().await.runs("INSERT INTO orders (id, c) VALUES (50, 50)");
    let select = place.client().await.runs("SELECT * FROM orders WHERE id = 1");
    let among = [alter.id.as_str(), insert.id.as_str(), select.id.as_str()];
    let expected = sorted(&[(&alter.id, &reader.id), (&insert.id, &alter.id), (&select.id, &alter.id)]);
    let seen = look_until(&store, "the queue", |a| among.iter().all(|id| !pairs(a, &[id]).is_empty())).await;
    assert_eq!(pairs(&seen, &among), expected);
    let held = edge(&seen, &alter.id, &reader.id);
    assert_eq!((held.how, held.wanted.as_str(), held.held.as_str()), (Blocking::Holds, "EXCLUSIVE", "SHARED READ"));
    assert_eq!(held.object, format!("table {}.orders", place.database));
    assert_eq!(edge(&seen, &insert.id, &alter.id).how, Blocking::QueuedAhead);
    let root = tree(&seen.waits).into_iter().find(|node| node.depth == 0 && node.blocks >= 3);
    assert!(root.is_some(), "all stand below the reader");
    reader.run("COMMIT").await;
    for waiting in [alter, insert, select] {
        waiting.ended().await.1.unwrap();
    }
    look_until(&store, "the end", |a| pairs(a, &[]).is_empty()).await;
}

each_product!(a_definition_behind_a_reader_by_the_performance_schema);
async fn a_definition_behind_a_reader_by_the_performance_schema(product: Product) {
    let mut place = Place::shared(product, 1).await;
    definition_behind_a_reader(&mut place).await;
    place.finish().await;
}

#[tokio::test]
#[ignore = "needs MariaDB: run tests/run"]
async fn a_definition_behind_a_reader_by_the_plugin() {
    let lab = Lab::private(&["maria2"]);
    let mut place = Place::on(Product::MariaDb, &lab, 2).await;
    place.sql.run("INSTALL SONAME 'metadata_lock_info'").await;
    definition_behind_a_reader(&mut place).await;
}

each_product!(row_locks_and_metadata_locks_are_one_tree);
async fn row_locks_and_metadata_locks_are_one_tree(product: Product) {
    let mut place = Place::shared(product, 1).await;
    place.with_orders().await;
    let store = place.store();
    let mut holder = place.client().await;
    holder.run("BEGIN").await;
    holder.run("UPDATE orders SET c = 10 WHERE id = 1").await;
    let writer = place.client().await.runs("UPDATE orders SET c = 11 WHERE id = 1");
    look_until(&store, "the row wait", |a| !pairs(a, &[&writer.id]).is_empty()).await;
    let drop = place.client().await.runs("DROP TABLE orders");
    let among = [writer.id.as_str(), drop.id.as_str()];
    let expected = sorted(&[(&writer.id, &holder.id), (&drop.id, &holder.id), (&drop.id, &writer.id)]);
    look_until(&store, "the tree", |a| pairs(a, &among) == expected).await;
    holder.run("ROLLBACK").await;
    let _ = (writer.ended().await, drop.ended().await);
    place.finish().await;
}

async fn locks_of_names_and_of_the_server(place: &mut Place) {
    place.with_orders().await;
    let store = place.store();
    let mut holder = place.client().await;
    let name = format!("nightly_{}", place.database);
    holder.run(&format!("SELECT GET_LOCK('{name}', 1)")).await;
    let waiter = place.client().await.runs(&format!("SELECT GET_LOCK('{name}', 60)"));
    let expected = sorted(&[(&waiter.id, &holder.id)]);
    let seen = look_until(&store, "the user lock", |a| pairs(a, &[&waiter.id]) == expected).await;
    assert_eq!(edge(&seen, &waiter.id, &holder.id).object, format!("user lock {name}"));
    holder.run(&format!("SELECT RELEASE_LOCK('{name}')")).await;
    let _ = waiter.ended().await;

    holder.run("FLUSH TABLES WITH READ LOCK").await;
    let waiter = place.client().await.runs("INSERT INTO orders (id) VALUES (60)");
    let expected = sorted(&[(&waiter.id, &holder.id)]);
    look_until(&store, "the read lock", |a| pairs(a, &[&waiter.id]) == expected).await;
    holder.run("UNLOCK TABLES").await;
    waiter.ended().await.1.unwrap();
}

each_product!(names_and_the_whole_server_by_every_source);
async fn names_and_the_whole_server_by_every_source(product: Product) {
    let lab = Lab::private(&[product.server(1)]);
    locks_of_names_and_of_the_server(&mut Place::on(product, &lab, 1).await).await;
    // MySQL has no second source.
    if product == Product::MariaDb {
        let lab = Lab::private(&[product.server(2)]);
        let mut place = Place::on(product, &lab, 2).await;
        place.sql.run("INSTALL SONAME 'metadata_lock_info'").await;
        locks_of_names_and_of_the_server(&mut place).await;
    }
}

each_product!(without_a_source_the_queue_is_seen_and_the_holder_is_unknown);
async fn without_a_source_the_queue_is_seen_and_the_holder_is_unknown(product: Product) {
    let mut place = Place::shared(product, 2).await;
    place.with_orders().await;
    let store = place.store();
    let mut reader = place.client().await;
    reader.run("BEGIN").await;
    reader.run("SELECT * FROM orders").await;
    let drop = place.client().await.runs("DROP TABLE orders");
    look_until(&store, "the DROP", |a| !pairs(a, &[&drop.id]).is_empty()).await;
    let select = place.client().await.runs("SELECT * FROM orders");
    let expected = sorted(&[(&drop.id, "unknown"), (&select.id, &drop.id)]);
    look_until(&store, "the queue", |a| pairs(a, &[&drop.id, &select.id]) == expected).await;
    reader.run("COMMIT").await;
    let _ = (drop.ended().await, select.ended().await);
    place.finish().await;
}

each_product!(a_prepared_transaction_blocks_without_a_session);
async fn a_prepared_transaction_blocks_without_a_session(product: Product) {
    let mut place = Place::shared(product, 1).await;
    place.with_orders().await;
    let store = place.store();
    let name = place.database.clone();
    let mut holder = place.client().await;
    for sql in ["XA START 'NAME'", "UPDATE orders SET c = 10 WHERE id = 1", "XA END 'NAME'", "XA PREPARE 'NAME'"] {
        holder.run(&sql.replace("NAME", &name)).await;
    }
    holder.session.close().await.unwrap();
    let waiter = place.client().await.runs("UPDATE orders SET c = 11 WHERE id = 1");
    let seen = look_until(&store, "the wait", |a| !pairs(a, &[&waiter.id]).is_empty()).await;
    let [(_, blocker)] = &pairs(&seen, &[&waiter.id])[..] else { panic!("{:#?}", seen.waits) };
    assert!(blocker.starts_with("XA, transaction "), "{blocker}");
    place.sql.run(&format!("XA ROLLBACK '{name}'")).await;
    waiter.ended().await.1.unwrap();
    place.finish().await;
}

async fn a_table_that_is_locked_by_name(place: &mut Place) {
    place.with_orders().await;
    place.sql.run("CREATE TABLE others LIKE orders").await;
    let store = place.store();
    let (mut holder, mut decoy) = (place.client().await, place.client().await);
    holder.run("LOCK TABLES orders WRITE").await;
    decoy.run("LOCK TABLES others WRITE").await;
    let read = place.client().await.runs("SELECT /* others */ 'others' FROM orders");
    let rename = place.client().await.runs("TRUNCATE orders");
    let expected = sorted(&[(&read.id, &holder.id), (&rename.id, &holder.id)]);
    let seen = look_until(&store, "both waits", |a| {
        [&read.id, &rename.id].iter().all(|id| pairs(a, &[id]).iter().any(|(_, blocker)| *blocker == holder.id))
    })
    .await;
    // The read may have come behind the TRUNCATE, never behind the lock on another table.
    let shown = pairs(&seen, &[&read.id, &rename.id]);
    assert!(expected.iter().all(|pair| shown.contains(pair)), "{shown:?}");
    assert!(shown.iter().all(|(_, blocker)| *blocker != decoy.id), "{shown:?}");
    for client in [&mut holder, &mut decoy] {
        client.run("UNLOCK TABLES").await;
    }
    for waiting in [read, rename] {
        waiting.ended().await.1.unwrap();
    }
}

each_product!(tables_locked_by_name_by_every_source);
async fn tables_locked_by_name_by_every_source(product: Product) {
    let lab = Lab::private(&[product.server(1)]);
    a_table_that_is_locked_by_name(&mut Place::on(product, &lab, 1).await).await;
    // MySQL has no second source.
    if product == Product::MariaDb {
        let lab = Lab::private(&[product.server(2)]);
        let mut place = Place::on(product, &lab, 2).await;
        place.sql.run("INSTALL SONAME 'metadata_lock_info'").await;
        a_table_that_is_locked_by_name(&mut place).await;
    }
}

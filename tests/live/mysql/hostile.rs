//! What a server may do to whoever looks: huge texts, escape sequences in names, refusals.

use super::lab::{Client, Place, Product, each_product, look_until, session};
use crate::lab::Lab;
use godwit::model::session::Ending;
use godwit::stores::error::ErrorKind;
use godwit::stores::observe::{IndexStats, Sessions, StatementStats};
use std::time::Instant;

each_product!(a_statement_of_ten_megabytes_is_cut_by_the_server);
async fn a_statement_of_ten_megabytes_is_cut_by_the_server(product: Product) {
    let place = Place::shared(product, 1).await;
    let store = place.store();
    let huge = format!("SELECT SLEEP(60), LENGTH('{}')", "x".repeat(10 << 20));
    let busy = place.client().await.runs(&huge);
    let seen = look_until(&store, "the statement", |activity| {
        activity.sessions.iter().any(|s| s.key.id == busy.id && s.statement.starts_with("SELECT SLEEP"))
    })
    .await;
    let one = session(&seen, &busy.id);
    assert!(one.statement.chars().count() <= 2_000, "{}", one.statement.len());
    let started = Instant::now();
    let again = store.activity().await.unwrap();
    assert!(started.elapsed().as_millis() < 2_000, "{:?}", again.cost);
    store.end(&one.key, Ending::Kill).await.unwrap();
    let _ = busy.ended().await;
    place.finish().await;
}

each_product!(names_with_escape_sequences_are_cleaned_everywhere);
async fn names_with_escape_sequences_are_cleaned_everywhere(product: Product) {
    let mut place = Place::shared(product, 1).await;
    place.sql.run("CREATE TABLE `a\u{1b}[2Jb\u{202e}` (`c\u{1b}]0;x\u{7}` int PRIMARY KEY, KEY `i\u{9b}31m` (`c\u{1b}]0;x\u{7}`))").await;
    place.sql.run("SELECT * FROM `a\u{1b}[2Jb\u{202e}`").await;
    let store = place.store();
    let text = serde_json::to_string(&(
        store.activity().await.unwrap(),
        store.indexes().await.unwrap(),
        store.statements().await.unwrap(),
    ))
    .unwrap();
    assert!(text.contains(&format!("{}.ab", place.database)), "the table is listed by its cleaned name");
    for harm in ["\\u001b", "\u{1b}", "\u{9b}", "\u{202e}", "\\u0007"] {
        assert!(!text.contains(harm), "{harm:?}");
    }
    place.finish().await;
}

each_product!(a_wrong_password_and_a_full_server_are_told_apart);
async fn a_wrong_password_and_a_full_server_are_told_apart(product: Product) {
    let lab = Lab::private(&[product.server(2)]);
    let mut place = Place::on(product, &lab, 2).await;
    place.sql.run("CREATE USER 'plain'@'%' IDENTIFIED BY 'right'").await;
    let error = place.store_as("plain", "wrong-and-secret").activity().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied, "{error}");
    assert!(!error.to_string().contains("wrong-and-secret"), "{error}");
    place.sql.run("SET GLOBAL max_connections = 10").await;
    let (_, rest) = place.url.split_once('@').unwrap();
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(Client::connect(&format!("mysql://plain:right@{rest}"), "").await);
    }
    let store = place.store_as("plain", "right");
    held.push(place.client().await);
    let error = store.activity().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Exhausted, "{error}");
    drop(held);
    crate::lab::wait_until(super::lab::PATIENCE, || async { store.activity().await.is_ok() }).await;
}

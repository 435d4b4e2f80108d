//! What looking costs.

use super::lab::{Place, Product, each_product};
use crate::lab::Lab;
use godwit::stores::observe::Sessions;
use std::time::Duration;

#[tokio::test]
#[ignore = "measures: the time of one look at 200 sessions"]
async fn one_look_at_two_hundred_sessions() {
    let lab = Lab::private(&["maria1", "maria2"]);
    for number in [1, 2] {
        let mut place = Place::on(Product::MariaDb, &lab, number).await;
        place.sql.run("SET GLOBAL max_connections = 400").await;
        let mut clients = Vec::new();
        for _ in 0..200 {
            clients.push(place.client().await);
        }
        let store = place.store();
        let mut elapsed = Vec::new();
        let mut statements = 0;
        for _ in 0..30 {
            let read = store.activity().await.unwrap();
            elapsed.push(read.cost.elapsed_us);
            statements = read.cost.statements;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        elapsed.sort_unstable();
        println!("maria{number}: {} us (median of 30), {statements} statements", elapsed[15]);
    }
}

each_product!(a_look_is_a_handful_of_statements);
async fn a_look_is_a_handful_of_statements(product: Product) {
    let place = Place::shared(product, 1).await;
    let store = place.store();
    store.activity().await.unwrap();
    let steady = store.activity().await.unwrap();
    // Sessions, transactions, the gate, metadata locks; and the names of applications when somebody new has come.
    assert!(steady.cost.statements <= 5, "{:?}", steady.cost);
    place.finish().await;
}

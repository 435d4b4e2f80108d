//! Two servers, one following the other.

use super::lab::{Client, PATIENCE, Place, Product, each_product};
use crate::lab::{Lab, wait_until};
use godwit::model::lag::Reading;
use godwit::model::replication::{LinkDirection, Replication, ReplicationRole};
use godwit::stores::mysql::store::MysqlStore;
use godwit::stores::observe::Replicas;
use url::Url;

/// A statement of MariaDB's in the product's words.
pub fn words(product: Product, statement: &str) -> String {
    match product {
        Product::MariaDb => statement.to_owned(),
        // Without TLS the password is sent under the server's key, which the replica asks for.
        Product::Mysql => statement
            .replace("CHANGE MASTER", "CHANGE REPLICATION SOURCE")
            .replace("MASTER_CONNECT_RETRY", "GET_SOURCE_PUBLIC_KEY = 1, MASTER_CONNECT_RETRY")
            .replace("MASTER_", "SOURCE_")
            .replace("SLAVE", "REPLICA"),
    }
}

async fn read(store: &MysqlStore) -> Replication {
    store.replication().await.unwrap().value
}

each_product!(threads_and_errors_come_before_the_number);
async fn threads_and_errors_come_before_the_number(product: Product) {
    let lab = Lab::private(&[product.server(1), product.server(2)]);
    let mut primary = Place::on(product, &lab, 2).await;
    let (source, target) = (primary.store(), super::lab::open(&lab.url(product.server(1))));
    let alone = read(&target).await;
    assert_eq!((alone.role, alone.links.len()), (ReplicationRole::Primary, 0), "it keeps a binary log");
    primary.sql.run("CREATE USER 'repl'@'%' IDENTIFIED BY 'hush hush'").await;
    primary.sql.run("GRANT REPLICATION SLAVE ON *.* TO 'repl'@'%'").await;
    let place = Url::parse(&primary.url).unwrap();
    let mut replica = Client::connect(&lab.url(product.server(1)), "").await;
    let follow = "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = PORT, MASTER_USER = 'repl', MASTER_PASSWORD = 'hush hush',
        MASTER_LOG_FILE = 'binlog.000001', MASTER_LOG_POS = 4, MASTER_CONNECT_RETRY = 1";
    replica.run(&words(product, follow).replace("= PORT,", &format!("= {},", place.port().unwrap()))).await;
    replica
        .run(product.either("SET GLOBAL slave_exec_mode = 'IDEMPOTENT'", "SET GLOBAL replica_exec_mode = 'IDEMPOTENT'"))
        .await;
    replica.run(&words(product, "START SLAVE")).await;
    let healthy = |read: &Replication| {
        read.links.first().is_some_and(|link| link.healthy && link.lag[0].amount == Reading::Known(0))
    };
    wait_until(PATIENCE, || async { healthy(&read(&target).await) }).await;
    let seen = read(&target).await;
    assert_eq!(seen.role, ReplicationRole::Replica);
    assert_eq!(seen.links[0].direction, LinkDirection::Incoming);
    assert!(seen.links[0].state.starts_with("IO thread: Yes, SQL thread: Yes"), "{}", seen.links[0].state);
    let sends = source.replication().await.unwrap();
    let ids: Vec<&str> = sends.missing.iter().map(|missing| missing.id.as_str()).collect();
    assert_eq!(ids, product.ids(&["mariadb.replication.followers"]));
    let sends = sends.value;
    let link = sends.links.iter().find(|link| link.direction == LinkDirection::Outgoing).expect("it has a follower");
    assert!(link.name.starts_with("repl "), "{}", link.name);
    assert!(matches!(link.lag[0].amount, Reading::Unknown(_)), "only the replica knows");
    let log = sends.retention.iter().find(|log| log.name == "binary log").expect("it keeps a binary log");
    assert!(matches!(log.retained_bytes, Reading::Known(bytes) if bytes > 0));
    let shown = serde_json::to_string(&(&seen, &sends)).unwrap();
    assert!(!shown.contains("hush"), "{shown}");

    replica.run(&words(product, "STOP SLAVE SQL_THREAD")).await;
    let stopped = read(&target).await;
    assert!(!stopped.links[0].healthy);
    assert!(matches!(stopped.links[0].lag[0].amount, Reading::Unknown(_)), "{:?}", stopped.links[0].lag);
    replica.run(&words(product, "START SLAVE SQL_THREAD")).await;
    wait_until(PATIENCE, || async { healthy(&read(&target).await) }).await;
    // A change that cannot be applied: its table is not there.
    primary.with_orders().await;
    wait_until(PATIENCE, || async { healthy(&read(&target).await) }).await;
    let database = primary.database.clone();
    wait_until(PATIENCE, || async {
        let mut replica = Client::connect(&lab.url(product.server(1)), "").await;
        replica.attempt(&format!("DROP TABLE {database}.orders")).await.is_ok()
    })
    .await;
    primary.sql.run("INSERT INTO orders (id) VALUES (99)").await;
    wait_until(PATIENCE, || async { read(&target).await.links[0].error.is_some() }).await;
    let broken = read(&target).await;
    assert!(!broken.links[0].healthy);
    assert!(
        broken.links[0].error.as_deref().unwrap().starts_with("SQL thread, error 1146: "),
        "{:?}",
        broken.links[0].error
    );
    // Several apply at once on MySQL: which of them failed at what is told by them.
    assert_eq!(
        broken.links[0].error.as_deref().unwrap().contains("; worker 1, error 1146: "),
        product == Product::Mysql
    );
    // The source goes away: a number of 0 would be a lie.
    replica.run(&format!("CREATE TABLE {database}.orders (id int PRIMARY KEY, c int, note varchar(200))")).await;
    replica.run(&words(product, "START SLAVE")).await;
    wait_until(PATIENCE, || async { healthy(&read(&target).await) }).await;
    lab.server("kill", product.server(2));
    wait_until(PATIENCE, || async { !read(&target).await.links[0].healthy }).await;
    let cut = read(&target).await;
    assert!(matches!(cut.links[0].lag[0].amount, Reading::Unknown(_)), "{:?}", cut.links[0]);
}

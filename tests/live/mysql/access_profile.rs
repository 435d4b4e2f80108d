//! The access audit of what only the profile makes a defect: who is named in it, what has moved, that the last day is over, and what nobody
//! was seen using. Readings are the server's, two maps are laid over them.

use super::access::Shop;
use super::lab::{Client, PATIENCE, Product, each_product};
use super::replication::words;
use crate::lab::wait_until;
use crate::planted::{compared, of_findings, of_rule, today};
use chrono::{DateTime, Duration};
use godwit::model::access::observed::ObservedAccess;
use godwit::stores::observe::Sessions;
use url::Url;

const NOBODY: [&str; 0] = [];

each_product!(a_shared_login_and_a_table_that_moved_are_told_by_the_profile);
async fn a_shared_login_and_a_table_that_moved_are_told_by_the_profile(product: Product) {
    let mut shop = Shop::open(product).await;
    // Whoever moves it writes it too, and a login of two services that is not here is nobody's.
    shop.run("CREATE USER mover@'10.1.%' IDENTIFIED VIA ed25519 USING PASSWORD('mover'); GRANT INSERT ON orders.orders TO mover@'10.1.%'").await;
    for service in &mut shop.map.services {
        service.accounts.push("gone".to_owned());
    }
    let sound = shop.judged().await;
    assert_eq!(of_findings(&sound, "OWN-03"), ["pass lab"]);
    assert!(!of_findings(&sound, "OWN-06").iter().any(|f| f.starts_with("fail")));

    shop.map.tables[0].moved_at = Some(DateTime::UNIX_EPOCH);
    assert_eq!(of_findings(&shop.judged().await, "OWN-06"), ["fail orders_app on orders.orders"]);
    shop.run("REVOKE INSERT, UPDATE, DELETE ON orders.* FROM orders_app@'10.1.%'").await;
    assert_eq!(of_findings(&shop.judged().await, "OWN-06"), ["pass lab"], "reading it does no harm");

    shop.map.services[1].accounts.push("orders_app".to_owned());
    assert_eq!(of_findings(&shop.judged().await, "OWN-03"), ["fail orders_app"]);
}

each_product!(an_administrator_whom_nobody_named_is_told_while_it_works);
async fn an_administrator_whom_nobody_named_is_told_while_it_works(product: Product) {
    let mut shop = Shop::open(product).await;
    shop.run("CREATE USER boss@127.0.0.1 IDENTIFIED BY 'here'; GRANT ALL ON *.* TO boss@127.0.0.1 WITH GRANT OPTION")
        .await;
    // All rights, on one database.
    shop.run("CREATE USER chief@127.0.0.1 IDENTIFIED BY 'here'; GRANT ALL ON orders.* TO chief@127.0.0.1").await;
    let _chief = shop.client_as("chief").await;
    let sound = shop.look().await.value;
    for login in ["root", "chief"] {
        assert!(sound.live.iter().any(|live| live.login == login), "{login} works all the time");
    }
    assert_eq!(of_rule(&shop.map, &sound, "OWN-24"), NOBODY);
    let boss = shop.client_as("boss").await;
    let reading = shop.look().await.value;
    assert_eq!(of_rule(&shop.map, &reading, "OWN-24"), ["boss"]);
    shop.map.break_glass.push("boss".to_owned());
    assert_eq!(of_rule(&shop.map, &reading, "OWN-24"), NOBODY);
    shop.map.break_glass.pop();
    drop(boss);
    wait_until(PATIENCE, async || of_rule(&shop.map, &shop.look().await.value, "OWN-24").is_empty()).await;
}

each_product!(after_the_last_day_whoever_still_reads_the_log_is_told);
async fn after_the_last_day_whoever_still_reads_the_log_is_told(product: Product) {
    let mut shop = Shop::with_servers(product, &[1, 2]).await;
    shop.run("CREATE USER mover@127.0.0.1 IDENTIFIED BY 'here'; GRANT REPLICATION SLAVE ON *.* TO mover@127.0.0.1")
        .await;
    shop.run("CREATE USER standby@127.0.0.1 IDENTIFIED BY 'here'; GRANT REPLICATION SLAVE ON *.* TO standby@127.0.0.1")
        .await;
    shop.map.until = today().pred_opt();
    let _plain = shop.client_as("mover").await;
    let mut replica = Client::connect(&shop.other_url(), "").await;
    let port = Url::parse(&shop.url).unwrap().port().unwrap();
    // A replica of somebody else, and a session of the mover that follows nothing; then a replica of the mover.
    for (login, told) in [("standby", vec![]), ("mover", vec!["mover from 127.0.0.1"])] {
        let follow = format!(
            "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {port}, MASTER_USER = '{login}', MASTER_PASSWORD = 'here', MASTER_LOG_FILE = 'binlog.000001', MASTER_LOG_POS = 4, MASTER_CONNECT_RETRY = 1"
        );
        replica.run(&words(product, "STOP SLAVE")).await;
        replica.run(&words(product, &follow)).await;
        replica.run(&words(product, "START SLAVE IO_THREAD")).await;
        wait_until(PATIENCE, async || {
            shop.look().await.value.live.iter().any(|live| live.replicates && live.login == login)
        })
        .await;
        assert_eq!(of_rule(&shop.map, &shop.look().await.value, "OWN-13"), told, "{login}");
    }
    let reading = shop.look().await.value;
    shop.map.until = Some(today());
    assert_eq!(of_rule(&shop.map, &reading, "OWN-13"), NOBODY, "the last day is not over");
}

each_product!(a_right_that_was_seen_in_use_is_not_told_as_unused);
async fn a_right_that_was_seen_in_use_is_not_told_as_unused(product: Product) {
    let mut shop = Shop::open(product).await;
    shop.run(
        "CREATE USER billing_app@127.0.0.1 IDENTIFIED BY 'here'; GRANT SELECT ON orders.* TO billing_app@127.0.0.1",
    )
    .await;
    let mut billing = shop.client_as("billing_app").await;
    let mut observed = ObservedAccess::default();
    let unused = async |shop: &Shop, observed: &ObservedAccess| {
        of_findings(&crate::planted::judged(&shop.map, observed, &shop.look().await.value), "OWN-22")
    };
    assert_eq!(unused(&shop, &observed).await, ["not checkable lab"]);
    billing.run("START TRANSACTION").await;
    billing.run("SELECT * FROM orders.`lines`").await;
    let look = shop.audit.activity().await.unwrap();
    assert!(look.value.touches.iter().any(|t| t.login == "billing_app" && t.table == "orders.lines"), "{look:?}");
    observed.take(&look.value.touches, look.at);
    assert_eq!(unused(&shop, &observed).await, ["not checkable lab"], "it was looked at once");
    // The same a month later, by a clock that has gone on.
    let later = shop.audit.activity().await.unwrap();
    observed.take(&later.value.touches, later.at + Duration::days(31));
    assert_eq!(unused(&shop, &observed).await, ["fail billing_app on orders.orders"]);
    billing.run("SELECT * FROM orders.orders").await;
    let again = shop.audit.activity().await.unwrap();
    observed.take(&again.value.touches, again.at + Duration::days(31));
    assert_eq!(unused(&shop, &observed).await, ["pass lab"], "it has used both");
}

each_product!(rights_that_the_target_lacks_are_told_and_given);
async fn rights_that_the_target_lacks_are_told_and_given(product: Product) {
    let mut shop = Shop::open(product).await;
    let source = shop.look().await.value;
    // More than there is no lack, nor is it who has the right by another way.
    shop.run("GRANT DROP ON orders.* TO orders_app@'10.1.%'; REVOKE DELETE ON billing.* FROM billing_app@'10.1.%'; GRANT DELETE ON billing.invoices TO billing_app@'10.1.%'").await;
    assert_eq!(of_findings(&compared(&shop.map, &source, &shop.look().await.value), "OWN-25"), ["pass lab"]);
    shop.run("REVOKE DELETE ON orders.* FROM orders_app@'10.1.%'").await;
    let lacking = compared(&shop.map, &source, &shop.look().await.value);
    let told = ["fail orders_app on orders.lines", "fail orders_app on orders.orders"];
    assert_eq!(of_findings(&lacking, "OWN-25"), told);
    for finding in &lacking {
        shop.run(finding.statement.as_deref().unwrap()).await;
    }
    assert_eq!(of_findings(&compared(&shop.map, &source, &shop.look().await.value), "OWN-25"), ["pass lab"]);
    for finding in &lacking {
        shop.run(finding.undo.as_deref().unwrap()).await;
    }
    assert_eq!(of_findings(&compared(&shop.map, &source, &shop.look().await.value), "OWN-25"), told);
}

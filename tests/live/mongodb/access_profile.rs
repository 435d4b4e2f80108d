//! The access audit of what only the profile makes a defect: who is named in it, what has moved, that the last day is over, and what nobody
//! was seen using. Readings are the server's, two maps are laid over them.

use super::access::{PASSWORD, Shop};
use super::lab::{client, url_as};
use crate::lab::wait_until;
use crate::planted::{compared, judged, of_findings, of_rule, today};
use chrono::DateTime;
use godwit::model::access::observed::ObservedAccess;
use godwit::model::access::reading::AccessReading;
use godwit::model::session::TableTouch;
use mongodb::bson::{Document, doc};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);
const NOBODY: [&str; 0] = [];

/// Subjects of one rule that fail and are of this test: others use the set as well.
fn own(shop: &Shop, reading: &AccessReading, rule: &str) -> Vec<String> {
    let mut subjects = of_rule(&shop.map, reading, rule);
    subjects.retain(|subject| subject.contains(&shop.name));
    subjects
}

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn a_shared_login_and_a_collection_that_moved_are_told_by_the_profile() {
    let mut shop = Shop::open().await;
    // Whoever moves it writes it too, and a login of two services that is not here is nobody's.
    shop.run(r#"admin {"grantRolesToUser": "@_mover", "roles": [{"role": "readWrite", "db": "@_orders"}]}"#).await;
    for service in &mut shop.map.services {
        service.accounts.push("gone".to_owned());
    }
    let sound = shop.look().await.value;
    let of = |shop: &Shop, reading: &AccessReading, rule: &str| own(shop, reading, rule);
    assert_eq!((of(&shop, &sound, "OWN-03"), of(&shop, &sound, "OWN-06")), (vec![], vec![]));
    let findings = judged(&shop.map, &ObservedAccess::default(), &sound);
    assert_eq!(of_findings(&findings, "OWN-03"), ["pass lab"]);

    shop.map.tables[0].moved_at = Some(DateTime::UNIX_EPOCH);
    assert_eq!(of(&shop, &sound, "OWN-06"), [shop.own("@_app_orders on @_orders.orders")]);
    shop.run(r#"admin {"revokePrivilegesFromRole": "@_own_orders", "privileges": [{"resource": {"db": "@_orders", "collection": "orders"}, "actions": ["insert", "update", "remove"]}]}"#).await;
    assert_eq!(of(&shop, &shop.look().await.value, "OWN-06"), NOBODY, "reading it does no harm");

    let login = shop.own("@_app_orders");
    shop.map.services[1].accounts.push(login.clone());
    assert_eq!(of(&shop, &shop.look().await.value, "OWN-03"), [login]);
    shop.close().await;
}

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn an_administrator_whom_nobody_named_is_told_while_it_works() {
    let mut shop = Shop::open().await;
    shop.run(
        r#"admin {"createUser": "@_boss", "pwd": "geheim-9942", "roles": ["root"]}
admin {"grantRolesToUser": "@_loose", "roles": [{"role": "dbOwner", "db": "@_orders"}]}"#,
    )
    .await;
    let ping = async |login: String, password: &str| {
        let client = client(&url_as(&login, password), "somebody").await;
        client.database("admin").run_command(doc! { "ping": 1 }).await.unwrap();
        client
    };
    // All of one database.
    let loose = ping(shop.own("@_loose"), PASSWORD).await;
    let sound = shop.look().await.value;
    for login in ["root", &shop.own("@_loose")] {
        assert!(sound.live.iter().any(|live| live.login == login), "{login} works: {:?}", sound.live);
    }
    assert_eq!(own(&shop, &sound, "OWN-24"), NOBODY);
    assert!(!of_rule(&shop.map, &sound, "OWN-24").contains(&"root".to_owned()), "a named one works all the time");
    let boss_name = shop.own("@_boss");
    let boss = ping(boss_name.clone(), "geheim-9942").await;
    let reading = shop.look().await.value;
    assert_eq!(own(&shop, &reading, "OWN-24"), std::slice::from_ref(&boss_name));
    shop.map.break_glass.push(boss_name);
    assert_eq!(own(&shop, &reading, "OWN-24"), NOBODY);
    shop.map.break_glass.pop();
    boss.shutdown().immediate(true).await;
    wait_until(PATIENCE, async || own(&shop, &shop.look().await.value, "OWN-24").is_empty()).await;
    loose.shutdown().immediate(true).await;
    shop.run(r#"admin {"dropUser": "@_boss"}"#).await;
    shop.close().await;
}

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn after_the_last_day_leftovers_of_the_migration_are_told() {
    let mut shop = Shop::open().await;
    // The second of the two may only read.
    shop.map.migration.push(shop.own("@_glass"));
    shop.run(r#"admin {"grantRolesToUser": "@_mover", "roles": ["restore", {"role": "read", "db": "@_orders"}]}"#)
        .await;
    let follow = async |login: &str| {
        let client = client(&url_as(&shop.own(login), PASSWORD), "follower").await;
        let changes = client.database(&shop.own("@_orders")).collection::<Document>("orders").watch().await.unwrap();
        let mut changes = Box::pin(changes);
        let follower = tokio::spawn(async move { while changes.next_if_any().await.is_ok() {} });
        (client, follower)
    };
    shop.run(r#"admin {"grantPrivilegesToRole": "@_own_orders", "privileges": [{"resource": {"db": "@_orders", "collection": "orders"}, "actions": ["changeStream"]}]}"#).await;
    let last_day = today().pred_opt();
    let later = |shop: &Shop, reading: &AccessReading, rule: &str| {
        let map = godwit::model::access::declared::StoreMap { until: last_day, ..shop.map.clone() };
        let mut subjects = of_rule(&map, reading, rule);
        subjects.retain(|subject| subject.contains(&shop.name));
        subjects
    };
    // Between two commands a stream is an idle connection: it is looked until it is seen.
    let following = async |login: String| {
        wait_until(PATIENCE, async || {
            shop.look().await.value.live.iter().any(|live| live.replicates && live.login == login)
        })
        .await;
    };
    let seen = async |login: &str| {
        let login = shop.own(login);
        let mut reading = shop.look().await.value;
        while !reading.live.iter().any(|live| live.replicates && live.login == login) {
            following(login.clone()).await;
            reading = shop.look().await.value;
        }
        reading
    };
    // A service follows its own collections, and a session of the mover follows nothing.
    let (service, service_task) = follow("@_app_orders").await;
    let plain = client(&url_as(&shop.own("@_mover"), PASSWORD), "somebody").await;
    plain.database("admin").run_command(doc! { "ping": 1 }).await.unwrap();
    let reading = seen("@_app_orders").await;
    assert_eq!(later(&shop, &reading, "OWN-13"), NOBODY);
    assert_eq!(later(&shop, &reading, "OWN-20"), [shop.own("@_mover@admin")]);

    let (mover, mover_task) = follow("@_mover").await;
    let reading = seen("@_mover").await;
    assert_eq!(later(&shop, &reading, "OWN-13"), [shop.own("@_mover from 127.0.0.1")]);
    for rule in ["OWN-13", "OWN-20"] {
        assert_eq!(own(&shop, &reading, rule), NOBODY, "{rule} before the last day is over");
    }
    for (client, task) in [(service, service_task), (mover, mover_task)] {
        task.abort();
        client.shutdown().immediate(true).await;
    }
    plain.shutdown().immediate(true).await;
    shop.run(r#"admin {"revokeRolesFromUser": "@_mover", "roles": ["restore"]}"#).await;
    wait_until(PATIENCE, async || later(&shop, &shop.look().await.value, "OWN-13").is_empty()).await;
    assert_eq!(later(&shop, &shop.look().await.value, "OWN-20"), NOBODY);
    shop.close().await;
}

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn a_right_that_was_seen_in_use_is_not_told_as_unused() {
    let shop = Shop::open().await;
    shop.run(r#"admin {"createRole": "@_peek", "roles": [], "privileges": [{"resource": {"db": "@_orders", "collection": "lines"}, "actions": ["find"]}, {"resource": {"db": "@_orders", "collection": "orders"}, "actions": ["find"]}]}
admin {"grantRolesToUser": "@_app_billing", "roles": ["@_peek"]}"#).await;
    let (login, database) = (shop.own("@_app_billing"), shop.own("@_orders"));
    let mut observed = ObservedAccess::default();
    // Other tests' logins have rights, too: only this one's findings are compared.
    let unused = async |observed: &ObservedAccess| {
        let findings = judged(&shop.map, observed, &shop.look().await.value);
        let mut told = of_findings(&findings, "OWN-22");
        told.retain(|told| told.starts_with(&shop.own("fail @_")) || told.starts_with("not checkable"));
        told
    };
    let used = async |collection: &str| -> (Vec<TableTouch>, DateTime<chrono::Utc>) {
        let documents = shop.admin.database(&database).collection::<Document>(collection);
        documents.insert_one(doc! { "s": 1 }).await.unwrap();
        let billing = client(&url_as(&login, PASSWORD), "billing worker").await.database(&database);
        let find = doc! { "find": collection, "filter": { "$where": "sleep(1500) || true" } };
        let running = tokio::spawn(async move { billing.run_command(find).await });
        let name = format!("{database}.{collection}");
        let found = loop {
            let look = shop.audit.sessions().unwrap().activity().await.unwrap();
            let is_it = |touch: &TableTouch| touch.login == login && touch.table == name;
            if look.value.touches.iter().any(is_it) {
                break (look.value.touches, look.at);
            }
            assert!(!running.is_finished(), "{name} was not seen in use");
        };
        running.await.unwrap().unwrap();
        found
    };
    let (touches, at) = used("lines").await;
    observed.take(&touches, at);
    assert_eq!(unused(&observed).await, ["not checkable lab"], "it was looked at once");
    // The same a month later, by a clock that has gone on.
    observed.take(&touches, at + chrono::Duration::days(31));
    assert_eq!(unused(&observed).await, [shop.own("fail @_app_billing on @_orders.orders")]);
    let (touches, at) = used("orders").await;
    observed.take(&touches, at + chrono::Duration::days(31));
    assert_eq!(unused(&observed).await, NOBODY, "it has used both");
    shop.run(r#"admin {"dropRole": "@_peek"}"#).await;
    shop.close().await;
}

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn rights_that_the_target_lacks_are_told_and_given() {
    let shop = Shop::open().await;
    let source = shop.look().await.value;
    let told = async || of_findings(&compared(&shop.map, &source, &shop.look().await.value), "OWN-25");
    // More than there is no lack, nor is what comes by another way.
    shop.run(r#"admin {"grantRolesToUser": "@_app_orders", "roles": [{"role": "readWrite", "db": "@_orders"}]}
admin {"revokePrivilegesFromRole": "@_own_orders", "privileges": [{"resource": {"db": "@_orders", "collection": "orders"}, "actions": ["update", "remove"]}]}"#).await;
    assert_eq!(told().await, ["pass lab"]);
    shop.run(r#"admin {"revokeRolesFromUser": "@_app_orders", "roles": [{"role": "readWrite", "db": "@_orders"}]}"#)
        .await;
    let lacks = [shop.own("fail @_app_orders on @_orders.orders")];
    let lacking = compared(&shop.map, &source, &shop.look().await.value);
    assert_eq!(of_findings(&lacking, "OWN-25"), lacks);
    shop.printed(lacking[0].statement.as_deref().unwrap()).await;
    assert_eq!(told().await, ["pass lab"]);
    shop.printed(lacking[0].undo.as_deref().unwrap()).await;
    assert_eq!(told().await, lacks);
    shop.close().await;
}

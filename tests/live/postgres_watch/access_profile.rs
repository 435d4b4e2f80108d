//! The access audit of what only the profile makes a defect: who is named in it, and what nobody was seen using. Readings are the server's,
//! two maps are laid over them.

use super::access::Shop;
use crate::lab::wait_until;
use crate::planted::{of_findings, subjects};
use chrono::Duration;
use godwit::stores::observe::Sessions;
use sqlx::{Connection, Executor};

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_login_of_two_services_is_told_by_the_profile() {
    let mut shop = Shop::open().await;
    // One that is not here is nobody's.
    for service in &mut shop.map.services {
        service.accounts.push("gone".to_owned());
    }
    let reading = shop.look().await.value;
    assert_eq!(of_findings(&shop.judge(&reading, &[]), "OWN-03"), ["pass lab"]);
    let account = shop.own("@_orders");
    shop.map.services[1].accounts.push(account.clone());
    assert_eq!(of_findings(&shop.judge(&reading, &[]), "OWN-03"), [format!("fail {account}")]);
    shop.close().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn an_administrator_whom_nobody_named_is_told_while_it_works() {
    let mut shop = Shop::open().await;
    shop.run("CREATE ROLE @_boss LOGIN SUPERUSER; CREATE ROLE @_chief LOGIN CREATEROLE CREATEDB; GRANT CONNECT ON DATABASE @ TO @_chief").await;
    let (boss_name, chief_name) = (shop.own("@_boss"), shop.own("@_chief"));
    let chief = shop.lab.client_as(&chief_name, "psql").await;
    let administrator = shop.lab.client("psql").await;
    let sound = shop.look().await.value;
    for login in ["postgres", &chief_name] {
        assert!(sound.live.iter().any(|live| live.login == login), "{login} works: {:?}", sound.live);
    }
    assert_eq!(of_findings(&shop.judge(&sound, &[]), "OWN-24"), ["pass lab"]);
    let boss = shop.lab.client_as(&boss_name, "psql").await;
    let reading = shop.look().await.value;
    assert_eq!(of_findings(&shop.judge(&reading, &[]), "OWN-24"), [format!("fail {boss_name}")]);
    shop.map.break_glass.push(boss_name);
    assert_eq!(of_findings(&shop.judge(&reading, &[]), "OWN-24"), ["pass lab"]);
    shop.map.break_glass.pop();
    boss.close().await.unwrap();
    wait_until(PATIENCE, async || subjects(&shop.judge(&shop.look().await.value, &[]), "OWN-24").is_empty()).await;
    for session in [chief, administrator] {
        session.close().await.unwrap();
    }
    shop.close().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_right_that_was_seen_in_use_is_not_told_as_unused() {
    let mut shop = Shop::open().await;
    shop.run("GRANT SELECT ON orders.orders TO @_billing").await;
    let mut billing = shop.lab.client_as(&shop.own("@_billing"), "billing worker").await;
    billing.execute("BEGIN; SELECT * FROM orders.lines").await.unwrap();
    let reading = shop.look().await.value;
    let look = shop.lab.store.activity().await.unwrap();
    let login = shop.own("@_billing");
    assert!(look.value.touches.iter().any(|t| t.login == login && t.table == "orders.lines"), "{look:?}");
    shop.observed.take(&look.value.touches, look.at);
    assert_eq!(of_findings(&shop.judge(&reading, &[]), "OWN-22"), ["not checkable lab"], "it was looked at once");
    // The same a month later, by a clock that has gone on.
    let later = shop.lab.store.activity().await.unwrap();
    shop.observed.take(&later.value.touches, later.at + Duration::days(31));
    let told = of_findings(&shop.judge(&reading, &[]), "OWN-22");
    assert_eq!(told, [shop.own("fail @_billing on orders.orders")]);
    billing.execute("SELECT * FROM orders.orders").await.unwrap();
    let again = shop.lab.store.activity().await.unwrap();
    shop.observed.take(&again.value.touches, again.at + Duration::days(31));
    assert_eq!(of_findings(&shop.judge(&reading, &[]), "OWN-22"), ["pass lab"], "it has used both");
    billing.close().await.unwrap();
    shop.close().await;
}

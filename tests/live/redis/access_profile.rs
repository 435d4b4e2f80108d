//! The access audit of what only the profile makes a defect: who is named in it, what has moved, and that the last day is over. Readings are
//! the server's, two maps are laid over them.

use super::access::Shop;
use super::lab::{Server, on_redis_and_valkey, send};
use crate::lab::wait_until;
use crate::planted::{compared, of_findings, of_rule, today};
use chrono::DateTime;
use std::time::Duration;

const NOBODY: [&str; 0] = [];

async fn a_shared_login_and_keys_that_moved_are_told_by_the_profile(server: Server) {
    let mut shop = Shop::open(server, &[server.name(1)]).await;
    // Whoever moves them writes them too, and a login of two services that is not here is nobody's.
    shop.run("ACL SETUSER mover on >mover ~orders:* +restore").await;
    for service in &mut shop.map.services {
        service.accounts.push("gone".to_owned());
    }
    let sound = shop.judged().await;
    assert_eq!(of_findings(&sound, "OWN-03"), ["pass lab"]);
    assert!(!of_findings(&sound, "OWN-06").iter().any(|f| f.starts_with("fail")));

    shop.map.tables[0].moved_at = Some(DateTime::UNIX_EPOCH);
    assert_eq!(of_findings(&shop.judged().await, "OWN-06"), ["fail orders on orders:*"]);
    shop.run("ACL SETUSER orders resetkeys %R~orders:* ~lines:*").await;
    assert_eq!(of_findings(&shop.judged().await, "OWN-06"), ["pass lab"], "reading it does no harm");

    shop.map.services[1].accounts.push("orders".to_owned());
    assert_eq!(of_findings(&shop.judged().await, "OWN-03"), ["fail orders"]);
}

async fn an_administrator_whom_nobody_named_is_told_while_it_works(server: Server) {
    let mut shop = Shop::open(server, &[server.name(1)]).await;
    shop.run("ACL SETUSER boss on >boss ~* &* +@all").await;
    let sound = shop.look().await.value;
    assert!(sound.live.iter().any(|live| live.login == "default"), "a named one works all the time");
    assert_eq!(of_rule(&shop.map, &sound, "OWN-24"), NOBODY);
    let boss = shop.client_as("boss").await;
    let reading = shop.look().await.value;
    assert_eq!(of_rule(&shop.map, &reading, "OWN-24"), ["boss"]);
    shop.map.break_glass.push("boss".to_owned());
    assert_eq!(of_rule(&shop.map, &reading, "OWN-24"), NOBODY);
    shop.map.break_glass.pop();
    drop(boss);
    wait_until(Duration::from_secs(20), async || {
        let reading = shop.look().await.value;
        of_rule(&shop.map, &reading, "OWN-24").is_empty()
    })
    .await;
}

async fn after_the_last_day_leftovers_of_the_migration_are_told(server: Server) {
    let mut shop = Shop::open(server, &[server.name(1), server.name(2)]).await;
    shop.map.migration.push("copier".to_owned());
    shop.run("ACL SETUSER mover on >mover +ping +replconf +psync; ACL SETUSER copier on >copier ~orders:* +get +set")
        .await;
    let _plain = shop.client_as("mover").await;
    wait_until(Duration::from_secs(20), async || {
        shop.look().await.value.live.iter().any(|live| live.replicates && live.login == "default")
    })
    .await;
    let before = shop.look().await.value;
    let last_day = shop.map.until;
    shop.map.until = today().pred_opt();
    assert_eq!(
        of_rule(&shop.map, &before, "OWN-13"),
        NOBODY,
        "a session that follows nothing, and somebody else's replica"
    );
    assert_eq!(of_rule(&shop.map, &before, "OWN-20"), ["mover"], "a login that may get and set is left alone");
    shop.run("ACL SETUSER copier +restore").await;
    let copying = shop.judged().await;
    assert_eq!(of_findings(&copying, "OWN-20"), ["fail copier", "fail mover"]);
    let finding = copying.iter().find(|f| f.rule == "OWN-20" && f.subject == "copier").unwrap();
    shop.run(finding.statement.as_deref().unwrap()).await;
    assert_eq!(of_findings(&shop.judged().await, "OWN-20"), ["fail mover"]);

    let mut replica = shop.replica().await;
    for words in ["CONFIG SET masteruser mover", "CONFIG SET masterauth mover"] {
        send(&mut replica, words).await.unwrap();
    }
    shop.run("CLIENT KILL TYPE replica").await;
    wait_until(Duration::from_secs(20), async || {
        shop.look().await.value.live.iter().any(|live| live.replicates && live.login == "mover")
    })
    .await;
    let reading = shop.look().await.value;
    assert_eq!(of_rule(&shop.map, &reading, "OWN-13"), ["mover from 127.0.0.1"]);
    assert_eq!(of_findings(&shop.judged().await, "RD-18"), ["pass lab"], "it may follow and nothing else");
    shop.map.until = last_day;
    for rule in ["OWN-13", "OWN-20"] {
        assert_eq!(of_rule(&shop.map, &reading, rule), NOBODY, "{rule} before the last day is over");
    }
}

async fn rights_that_the_target_lacks_are_told_and_given(server: Server) {
    let mut shop = Shop::open(server, &[server.name(1)]).await;
    let source = shop.look().await.value;
    // More than there is no lack, nor is what an administrator has.
    shop.run("ACL SETUSER orders ~more:*; ACL SETUSER boss on >boss ~* &* +@all").await;
    shop.map.services[0].accounts.push("boss".to_owned());
    assert_eq!(of_findings(&compared(&shop.map, &source, &shop.look().await.value), "OWN-25"), ["pass lab"]);
    shop.run("ACL SETUSER orders resetkeys %R~orders:* ~lines:*").await;
    let lacking = compared(&shop.map, &source, &shop.look().await.value);
    assert_eq!(of_findings(&lacking, "OWN-25"), ["fail orders on orders:*"]);
    shop.run(lacking[0].statement.as_deref().unwrap()).await;
    assert_eq!(of_findings(&compared(&shop.map, &source, &shop.look().await.value), "OWN-25"), ["pass lab"]);
}

on_redis_and_valkey!(
    rights_that_the_target_lacks_are_told_and_given,
    a_shared_login_and_keys_that_moved_are_told_by_the_profile,
    an_administrator_whom_nobody_named_is_told_while_it_works,
    after_the_last_day_leftovers_of_the_migration_are_told
);

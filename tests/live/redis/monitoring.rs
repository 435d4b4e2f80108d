//! The printed roles: everything works with them, and nothing more.

use super::lab::{Server, ids, name, on_redis_and_valkey, send};
use godwit::model::monitor::MonitorRole;
use godwit::model::session::Ending;
use godwit::stores::StoreRef;
use godwit::stores::error::ErrorKind;
use redis::aio::MultiplexedConnection;

const PASSWORD: &str = "Wachs0mkeit-7781";

/// Makes the role's account from the printed statements, under a name that no other test has.
async fn account(
    server: Server,
    admin: &mut MultiplexedConnection,
    role: MonitorRole,
    optional: bool,
) -> (String, String) {
    let account = name(role.account());
    for grant in server.open(&server.url(1)).monitoring().unwrap().grants(role) {
        if grant.statement == "ACL SAVE" || (!grant.required && !optional) {
            continue;
        }
        let statement = grant.statement.replace(role.account(), &account).replace("PASSWORD", PASSWORD);
        send(admin, &statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    let url = server.url_as(1, &account, PASSWORD);
    (account, url)
}

/// Everything that a store shows, as JSON, and what it says is missing.
async fn everything(store: &StoreRef) -> (String, Vec<String>) {
    let facts = store.probe().facts().await.unwrap();
    let tables = store.inventory().tables().await.unwrap();
    let activity = store.sessions().unwrap().activity().await.unwrap();
    let replication = store.replicas().unwrap().replication().await.unwrap();
    let statements = store.statements().unwrap().statements().await.unwrap();
    let slow = store.statements().unwrap().beside().await.unwrap();
    let missing = [&activity.missing, &replication.missing, &statements.missing, &slow.missing];
    let missing = missing.iter().flat_map(|missing| ids(missing)).map(str::to_owned).collect();
    (serde_json::to_string(&(facts, tables, activity, replication, statements, slow)).unwrap(), missing)
}

async fn denied(url: &str, commands: &[&str]) {
    let mut connection = redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
    for command in commands {
        let error = send(&mut connection, command).await.expect_err(command);
        assert_eq!(error.code(), Some("NOPERM"), "{command}: {error}");
    }
}

async fn the_watching_account_sees_everything_and_may_do_nothing(server: Server) {
    let mut admin = server.client(1).await;
    send(&mut admin, "SET godwit:secret geheim-9942").await.unwrap();
    let (account, watch) = account(server, &mut admin, MonitorRole::Watch, false).await;
    let (json, missing) = everything(&server.open(&watch)).await;
    let missing: Vec<&String> = missing.iter().filter(|id| *id != "redis.slowlog.empty").collect();
    assert_eq!(missing, ["redis.sessions.keys"]);
    // Nothing was refused on the way: a refusal would stand in the server's ACL log.
    let log = format!("{:?}", send(&mut admin, "ACL LOG 128").await.unwrap());
    assert!(!log.contains(&account), "{log}");

    let lab_url = server.url(1);
    let required = lab_url.split_once("://:").unwrap().1.split_once('@').unwrap().0;
    let hashes = format!("{:?}", send(&mut admin, &format!("ACL GETUSER {account}")).await.unwrap());
    let hash = hashes
        .split("bulk-string('\"")
        .find(|part| part.len() >= 64 && part.as_bytes()[..64].iter().all(u8::is_ascii_hexdigit));
    let hash = hash.expect("the account has a password").get(..64).unwrap();
    for secret in [PASSWORD, required, hash, "geheim-9942"] {
        assert!(!json.contains(secret), "a secret is in the readings");
    }
    denied(
        &watch,
        &[
            "GET godwit:secret",
            "SET godwit:secret x",
            "KEYS *",
            "SCAN 0",
            "CONFIG GET requirepass",
            "CONFIG RESETSTAT",
            "MONITOR",
            "ACL LIST",
            "ACL LOG",
            "CLIENT KILL ID 1",
            "FLUSHALL",
            "SLOWLOG RESET",
            "REPLICAOF NO ONE",
            "SHUTDOWN",
            "EVAL return(1) 0",
        ],
    )
    .await;
    // With it an action is refused, and says so.
    let store = server.open(&watch);
    let activity = store.sessions().unwrap().activity().await.unwrap().value;
    let some = activity.sessions.first().unwrap();
    let error = store.sessions().unwrap().end(&some.key, Ending::Kill).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
    send(&mut admin, &format!("ACL DELUSER {account}")).await.unwrap();
}

async fn the_acting_account_ends_clients_and_sees_no_statistics(server: Server) {
    let mut admin = server.client(1).await;
    let (account, act) = account(server, &mut admin, MonitorRole::Act, false).await;
    let application = name("victim");
    let mut victim = server.client(1).await;
    send(&mut victim, &format!("CLIENT SETNAME {application}")).await.unwrap();
    let activity = server.open(&server.url(1)).sessions().unwrap().activity().await.unwrap().value;
    let session = activity.sessions.into_iter().find(|session| session.application == application).unwrap();
    server.open(&act).sessions().unwrap().end(&session.key, Ending::Kill).await.unwrap();
    send(&mut victim, "PING").await.unwrap_err();
    denied(&act, &["INFO", "GET godwit:secret", "SLOWLOG GET", "CONFIG GET requirepass", "ACL LIST"]).await;
    send(&mut admin, &format!("ACL DELUSER {account}")).await.unwrap();
}

async fn the_auditing_account_reads_rules_and_still_no_key(server: Server) {
    let mut admin = server.client(1).await;
    let (account, audit) = account(server, &mut admin, MonitorRole::Audit, false).await;
    let mut connection = redis::Client::open(audit.as_str()).unwrap().get_multiplexed_async_connection().await.unwrap();
    send(&mut connection, "ACL LIST").await.unwrap();
    send(&mut connection, "ACL GETUSER default").await.unwrap();
    denied(&audit, &["GET godwit:secret", "CONFIG GET requirepass", "ACL LOG", "ACL SETUSER x on", "CLIENT KILL ID 1"])
        .await;
    send(&mut admin, &format!("ACL DELUSER {account}")).await.unwrap();
}

on_redis_and_valkey!(
    the_watching_account_sees_everything_and_may_do_nothing,
    the_acting_account_ends_clients_and_sees_no_statistics,
    the_auditing_account_reads_rules_and_still_no_key
);

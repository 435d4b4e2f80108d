//! The printed grants are enough, and no more than is needed; what is missing without them is said with the statement that mends it.

use crate::postgres_control::lab::{Lab, SERVER_1};
use godwit::model::monitor::MonitorRole;
use godwit::model::session::{Ending, SessionState};
use godwit::stores::error::ErrorKind;
use godwit::stores::observe::{IndexStats, Monitoring, Replicas, Sessions, StatementStats};

/// Makes the role under a name of this test's own; returns the name.
async fn grant(lab: &mut Lab, role: MonitorRole) -> String {
    let name = format!("{}_{}", lab.name, role.word());
    for statement in lab.store.grants(role) {
        lab.run(&statement.statement.replace(role.account(), &name)).await;
    }
    name
}

async fn revoke(lab: &mut Lab, role: MonitorRole, name: &str) {
    for statement in lab.store.grants(role).iter().rev() {
        lab.run(&statement.undo.replace(role.account(), name)).await;
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn the_watch_role_sees_everything_and_may_do_nothing() {
    let mut lab = Lab::create(SERVER_1).await;
    lab.run("CREATE TABLE secrets (id int PRIMARY KEY, card text); INSERT INTO secrets VALUES (1, '4111')").await;
    let name = grant(&mut lab, MonitorRole::Watch).await;
    let mut client = lab.client("app").await;
    sqlx::Executor::execute(&mut client, "BEGIN; UPDATE secrets SET card = 'x'").await.unwrap();

    let store = lab.store_as(&name);
    let activity = store.activity().await.unwrap();
    assert_eq!(activity.missing, []);
    let app = activity.value.sessions.iter().find(|s| s.application == "app").unwrap();
    assert_eq!(app.state, SessionState::IdleInTransaction);
    assert!(app.statement.contains("UPDATE secrets"));
    assert!(activity.value.touches.iter().any(|t| t.table == "public.secrets" && t.writes));
    assert_eq!(store.replication().await.unwrap().missing, []);
    let indexes = store.indexes().await.unwrap();
    assert!(indexes.value.indexes.iter().any(|i| i.name == "public.secrets_pkey" && i.duty.primary));
    // It sees that the table is there, and not one of its rows.
    let readable = lab.text(&format!("SELECT has_table_privilege('{name}', 'public.secrets', 'SELECT')")).await;
    assert_eq!(readable, "false");
    revoke(&mut lab, MonitorRole::Watch, &name).await;
    lab.finish().await;
}

/// Ending a session is the acting role's alone, and it may do nothing else; nobody of the three resets statistics.
#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn the_acting_role_ends_sessions_and_reads_no_row() {
    let mut lab = Lab::create(SERVER_1).await;
    lab.run("CREATE TABLE secrets (id int PRIMARY KEY, card text); CREATE EXTENSION pg_stat_statements").await;
    // A superuser's sessions are nobody's to end: the application has a login of its own.
    let service = format!("{}_app", lab.name);
    lab.run(&format!("CREATE ROLE {service} LOGIN; GRANT ALL ON secrets TO {service}")).await;
    let mut names = Vec::new();
    for role in [MonitorRole::Watch, MonitorRole::Audit, MonitorRole::Act] {
        names.push((role, grant(&mut lab, role).await));
    }
    let mut client = lab.client_as(&service, "app").await;
    sqlx::Executor::execute(&mut client, "BEGIN; UPDATE secrets SET card = 'x'").await.unwrap();
    let looked = lab.store.activity().await.unwrap();
    let key = looked.value.sessions.iter().find(|s| s.login == service).unwrap().key.clone();

    for (role, name) in &names {
        for statement in [
            "SELECT * FROM secrets",
            "SELECT pg_stat_statements_reset()",
            "SELECT pg_stat_reset()",
            "CREATE TABLE theirs (id int)",
        ] {
            let mut session = lab.client_as(name, "curious").await;
            let outcome = sqlx::Executor::execute(&mut session, statement).await;
            // Both refusals are right: no privilege, and a session that is read-only by its role.
            let code = outcome.err().and_then(|e| e.as_database_error()?.code().map(|code| code.into_owned()));
            assert!(matches!(code.as_deref(), Some("42501" | "25006")), "{role:?} may {statement}: {code:?}");
        }
        let ended = lab.store_as(name).end(&key, Ending::Kill).await;
        match role {
            MonitorRole::Act => ended.unwrap(),
            _ => {
                let why = ended.unwrap_err();
                assert_eq!(why.kind, ErrorKind::Denied, "{role:?}: {why}");
            }
        }
    }
    assert!(sqlx::Executor::execute(&mut client, "COMMIT").await.is_err(), "the session was ended");
    for (role, name) in &names {
        revoke(&mut lab, *role, name).await;
    }
    lab.run(&format!("DROP OWNED BY {service}; DROP ROLE {service}")).await;
    lab.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn without_the_role_each_gap_is_named_with_its_remedy() {
    let mut lab = Lab::create(SERVER_1).await;
    let name = format!("{}_plain", lab.name);
    lab.run(&format!(
        "CREATE ROLE {name} LOGIN; CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); ANALYZE t"
    ))
    .await;
    let store = lab.store_as(&name);
    let activity = store.activity().await.unwrap();
    let ids: Vec<&str> = activity.missing.iter().map(|m| m.id.as_str()).collect();
    assert_eq!(ids, ["postgres.sessions.right"]);
    assert!(activity.missing[0].enable.as_deref().unwrap().contains("pg_read_all_stats"));
    let indexes = store.indexes().await.unwrap();
    assert_eq!(indexes.missing[0].id, "postgres.indexes.statistics");
    let statements = store.statements().await.unwrap();
    assert!(statements.value.is_none());
    assert_eq!(statements.missing[0].id, "postgres.statements.extension");
    lab.run(&format!("DROP ROLE {name}")).await;
    lab.finish().await;
}

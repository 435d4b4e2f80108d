//! Sessions: what is told of them, what is hidden, and that the right one is ended.

use crate::postgres_control::lab::{Lab, SERVER_1};
use godwit::model::session::{Ending, Session, SessionKey, SessionKind, SessionState};
use godwit::stores::error::ErrorKind;
use godwit::stores::observe::Sessions;
use sqlx::{AssertSqlSafe, Executor};

async fn session(lab: &Lab, application: &str) -> Option<Session> {
    let activity = lab.store.activity().await.unwrap().value;
    activity.sessions.into_iter().find(|s| s.application == application)
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_session_is_told_with_state_transaction_and_clean_text() {
    let mut lab = Lab::create(SERVER_1).await;
    lab.run("CREATE TABLE t (id int)").await;
    let mut client = lab.client("shop\u{7}").await;
    client.execute("BEGIN; INSERT INTO t VALUES (1); SELECT 'a\u{1b}[31mred', E'x'\n\r\n").await.unwrap();
    let found = session(&lab, "shop").await.or(session(&lab, "shop?").await).unwrap();
    assert_eq!((found.kind, found.state), (SessionKind::Client, SessionState::IdleInTransaction));
    assert_eq!(found.database, lab.name);
    assert!(found.transaction_since.is_some() && found.connected_at.is_some());
    assert!(!found.statement.chars().any(char::is_control), "{:?}", found.statement);
    let activity = lab.store.activity().await.unwrap();
    let touch = activity.value.touches.iter().find(|t| t.table == "public.t").unwrap();
    assert!(touch.writes && touch.session == found.key);
    assert!(activity.value.limit.unwrap() > 10);
    assert!(activity.cost.server_us.unwrap() > 0 && activity.cost.elapsed_us >= activity.cost.server_us.unwrap());
    assert!(activity.value.sessions.iter().all(|s| s.application != "godwit watch"), "the look itself is not shown");
    lab.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_long_text_is_cut_and_does_not_choke_anybody() {
    let lab = Lab::create(SERVER_1).await;
    let mut client = lab.client("long").await;
    let text = "x".repeat(10_000_000);
    client.execute(AssertSqlSafe(format!("SELECT '{text}'"))).await.unwrap();
    let found = session(&lab, "long").await.unwrap();
    assert!(found.statement.chars().count() <= 2_001);
    lab.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn cancel_ends_the_statement_and_kill_the_session() {
    let mut lab = Lab::create(SERVER_1).await;
    lab.run("CREATE TABLE t (id int)").await;
    let mut holder = lab.client("holder").await;
    holder.execute("BEGIN; LOCK TABLE t").await.unwrap();
    let mut victim = lab.client("victim").await;
    let waits = tokio::spawn(async move {
        let refused = victim.execute("SELECT * FROM t").await.unwrap_err().to_string();
        victim.execute("SELECT 1").await.unwrap();
        (victim, refused)
    });
    crate::postgres_control::lab::waits_for_a_lock(&mut lab, "victim").await;
    let key = session(&lab, "victim").await.unwrap().key;
    lab.store.end(&key, Ending::Cancel).await.unwrap();
    let (mut victim, refused) = waits.await.unwrap();
    assert!(refused.contains("canceling statement due to user request"), "{refused}");
    lab.store.end(&key, Ending::Kill).await.unwrap();
    assert!(victim.execute("SELECT 1").await.is_err());
    lab.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn somebody_else_with_the_same_number_is_left_alone() {
    let lab = Lab::create(SERVER_1).await;
    let mut client = lab.client("innocent").await;
    let key = session(&lab, "innocent").await.unwrap().key;
    let earlier = SessionKey { born: "2001-01-01T00:00:00.000000Z".to_owned(), ..key };
    for how in [Ending::Cancel, Ending::Kill] {
        let refused = lab.store.end(&earlier, how).await.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::NotFound);
        assert!(refused.to_string().contains("nothing was done"), "{refused}");
    }
    client.execute("SELECT 1").await.unwrap();
    lab.finish().await;
}

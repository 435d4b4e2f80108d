//! Sessions of every engine are ended by an operator's command: the store is asked for the very session that was seen, the journal has who asked,
//! whose session it was, the statement without values, and how it ended; in production the number is typed.

use crate::driver::{Client, Engine, Home, PATIENCE, poll};
use crate::lab::{Database, Lab, fresh_database};
use godwit::model::command::{Action, Command};
use godwit::model::ending::{EndingOutcome, SessionEvent};
use godwit::model::event::Event;
use godwit::model::ids::StoreId;
use godwit::model::observation::ByStore;
use godwit::model::session::{Activity, Ending, Session, SessionKey};
use godwit::model::view::{View, ViewKind};
use godwit::wire::client::Connection;
use godwit::wire::frame::ServerFrame;
use mongodb::bson::doc;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A migration in production whose services live on four engines.
struct Scene {
    dir: tempfile::TempDir,
    source: Database,
    _target: Database,
}

impl Home for Scene {
    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn name(&self) -> &'static str {
        "endings"
    }
}

impl Scene {
    async fn new() -> Self {
        let lab = Lab::shared();
        let source = fresh_database(&lab.postgres(1), "endings").await;
        let target = fresh_database(&lab.postgres(2), "endings").await;
        crate::mongodb::lab::admin().await;
        let stores = [
            ("legacy", "postgres", source.url().to_owned()),
            ("target", "postgres", target.url().to_owned()),
            ("maria", "mariadb", lab.mariadb(1)),
            ("docs", "mongodb", crate::mongodb::lab::url()),
            ("cache", "redis", crate::redis::lab::Server::Redis.url(1)),
        ];
        let scene = Self { dir: tempfile::tempdir().unwrap(), source, _target: target };
        let mut profile = "[migration]\nname = \"endings\"\nenv = \"production\"\n\n".to_owned();
        for (name, engine, url) in stores {
            let file = scene.path().join(format!("{name}.url"));
            private(&file, &url);
            profile += &format!("[stores.{name}]\nengine = \"{engine}\"\nurl = \"file:{}\"\n\n", file.display());
        }
        profile += "[services.shop]\nstore = \"target\"\nowns = [\"orders\"]\n\n\
                    [pipelines.shop]\nfrom = \"legacy\"\nto = \"target\"\ntables = [\"public.orders\"]\n";
        std::fs::write(scene.profile(), profile).unwrap();
        scene
    }
}

fn private(path: &Path, text: &str) {
    use std::io::Write;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// The session of a store that the condition means, as soon as the engine has seen it.
async fn seen(scene: &Scene, store: &str, what: impl Fn(&Session) -> bool) -> Session {
    let mut connection = Connection::open(&scene.place().socket, "test").await.unwrap();
    connection.watch(vec![ViewKind::Activity]).await.unwrap();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut last = ByStore::<Activity>::default();
    loop {
        let reading = last.get(&StoreId::from(store)).and_then(|reading| reading.latest.as_ref());
        if let Some(session) = reading.and_then(|read| read.value.sessions.iter().find(|session| what(session))) {
            return session.clone();
        }
        let frame = tokio::time::timeout_at(deadline, connection.next()).await;
        let frame = frame.unwrap_or_else(|_| panic!("{store} does not show it: {:?}", last.get(&StoreId::from(store))));
        if let ServerFrame::View { view } = frame.unwrap()
            && let View::Activity(stores) = *view
        {
            last = stores;
        }
    }
}

/// Kills it as an operator does: a stranger's birth is refused by the engine, a kill without the typed number too.
async fn kill(client: &mut Client, store: &str, session: &Session) {
    let action = |key: SessionKey| Action::EndSession { store: StoreId::from(store), session: key, how: Ending::Kill };
    let confirm = Some(session.key.id.clone());
    let stranger = SessionKey { born: "another".to_owned(), ..session.key.clone() };
    let command = |action, confirm| Command { expected_seq: None, confirm, action };
    let why = client.ask(command(action(stranger), confirm.clone())).await.unwrap_err();
    assert!(why.contains("look again"), "{store}: {why}");
    let why = client.ask(command(action(session.key.clone()), None)).await.unwrap_err();
    assert!(why.contains("this is production"), "{store}: {why}");
    client.ask(command(action(session.key.clone()), confirm)).await.unwrap_or_else(|why| panic!("{store}: {why}"));
    client
        .until("the outcome", |m| {
            m.endings.iter().any(|e| e.session == session.key && e.outcome == EndingOutcome::Ended)
        })
        .await;
    let told: Vec<&SessionEvent> = client
        .log
        .iter()
        .filter_map(|entry| match &entry.event {
            Event::Session { store: at, event, .. } if at.as_str() == store => Some(event),
            _ => None,
        })
        .collect();
    let [SessionEvent::EndIntended { by, login, statement, doing, .. }, SessionEvent::Ended { .. }] = told.as_slice()
    else {
        panic!("{store}: {told:?}")
    };
    assert!(!by.as_str().is_empty() && *login == session.login, "{store}: {told:?}");
    assert!(statement.contains(session.key.id.trim_start_matches("txn-")), "{store}: {statement}");
    assert!(!doing.contains("4711"), "{store}: the journal keeps no values: {doing}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, MariaDB, MongoDB and Redis: run tests/run"]
async fn a_session_of_every_engine_is_ended_and_journaled() {
    let scene = Scene::new().await;
    let engine = Engine::start(&scene);
    let mut client = engine.client().await;

    let busy = sqlx::postgres::PgPoolOptions::new().max_connections(1).connect(scene.source.url()).await.unwrap();
    let query = tokio::spawn(async move { sqlx::query("SELECT pg_sleep(60), 4711").execute(&busy).await });
    let session = seen(&scene, "legacy", |s| s.statement.contains("pg_sleep(60)")).await;
    kill(&mut client, "legacy", &session).await;
    assert!(query.await.unwrap().is_err());

    let maria = crate::mysql::lab::Place::shared(crate::mysql::lab::Product::MariaDb, 1).await;
    let busy = maria.client().await.runs("SELECT SLEEP(60), 4711");
    let id = busy.id.clone();
    let session = seen(&scene, "maria", |s| s.key.id == id && s.statement.contains("SLEEP")).await;
    kill(&mut client, "maria", &session).await;
    assert!(busy.ended().await.1.is_err());
    maria.finish().await;

    let name = crate::redis::lab::name("ending");
    let mut waiter = crate::redis::lab::Server::Redis.client(1).await;
    crate::redis::lab::send(&mut waiter, &format!("CLIENT SETNAME {name}")).await.unwrap();
    let session = seen(&scene, "cache", |s| s.application.contains(&name)).await;
    kill(&mut client, "cache", &session).await;
    assert!(crate::redis::lab::send(&mut waiter, "PING").await.is_err());

    let admin = crate::mongodb::lab::admin().await;
    let shop = crate::mongodb::lab::shop(&admin).await;
    let docs = crate::mongodb::lab::client(&crate::mongodb::lab::url(), &name).await.database(shop.name());
    let query = tokio::spawn(async move {
        let filter = doc! { "$where": "sleep(500) || true", "b": { "$gte": 0 }, "_id": { "$ne": 4711 } };
        docs.run_command(doc! { "find": "orders", "filter": filter, "limit": 200, "batchSize": 200 }).await
    });
    crate::mongodb::lab::is_planned(&admin, &shop, &name).await;
    let is_slow = |s: &Session| s.application == name && s.statement.contains("sleep(500)");
    let session = seen(&scene, "docs", is_slow).await;
    kill(&mut client, "docs", &session).await;
    assert!(query.await.unwrap().is_err());
    shop.drop().await.unwrap();

    let down = Command { expected_seq: None, confirm: Some("endings".to_owned()), action: Action::Down };
    client.ask(down).await.unwrap();
    poll("the engine ends", async || if engine.task.is_finished() { Ok(()) } else { Err("it runs".to_owned()) }).await;
}

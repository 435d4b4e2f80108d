//! Looking at stores and ending their sessions, with a store whose sessions are scripted: one that is in trouble delays no other, the
//! view says what is wrong, and nothing is ended that was not seen and journaled before.

use crate::driver::{Client, Engine, Home, PATIENCE, poll};
use crate::harness::Shop;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use godwit::config::profile::StoreConfig;
use godwit::engine::core::open_store;
use godwit::engine::serve_with;
use godwit::model::command::{Action, Answer, Command};
use godwit::model::ending::{EndingOutcome, SessionEvent};
use godwit::model::event::Event;
use godwit::model::ids::StoreId;
use godwit::model::observation::{ByStore, Cost, Observation};
use godwit::model::session::{Activity, Ending, Session, SessionKey, SessionKind, SessionState};
use godwit::model::view::{View, ViewKind};
use godwit::stores::error::{ErrorKind, Operation, StoreError};
use godwit::stores::observe::Sessions;
use godwit::stores::{self, Store, StoreRef};
use godwit::wire::client::Connection;
use godwit::wire::frame::ServerFrame;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// How the scripted server is.
#[derive(Clone, Debug, PartialEq)]
enum Mood {
    Well,
    /// It answers nothing at all, as after SIGSTOP.
    Frozen,
    Failing(ErrorKind, &'static str),
    /// Every statement is ten megabytes long.
    Verbose,
}

/// A server with one session.
struct Server {
    id: StoreId,
    mood: watch::Sender<Mood>,
    /// Sessions that were ended, in order.
    ended: Mutex<Vec<(SessionKey, Ending)>>,
    /// While true, an ending waits.
    holds: watch::Sender<bool>,
    looks: AtomicU64,
    /// What a look costs the server, in microseconds.
    price: AtomicU64,
}

const STATEMENT: &str = "UPDATE accounts SET iban = 'DE02 1203' WHERE id = 4711";

fn key() -> SessionKey {
    SessionKey { id: "18231".into(), born: "2026-03-07T20:00:00Z".into() }
}

fn session(statement: &str) -> Session {
    Session {
        key: key(),
        kind: SessionKind::Client,
        login: "app_rw".into(),
        database: "shop".into(),
        application: "shop-api".into(),
        client: "10.0.0.7".into(),
        state: SessionState::Active,
        wait: String::new(),
        connected_at: None,
        transaction_since: Some(Utc::now()),
        statement_since: Some(Utc::now()),
        state_since: None,
        statement: statement.into(),
        holds_back: None,
    }
}

impl Server {
    fn new(id: &str) -> Arc<Self> {
        Arc::new(Self {
            id: id.into(),
            mood: watch::Sender::new(Mood::Well),
            ended: Mutex::default(),
            holds: watch::Sender::new(false),
            looks: AtomicU64::new(0),
            price: AtomicU64::new(0),
        })
    }

    fn error(&self, operation: Operation, kind: ErrorKind, why: &str) -> StoreError {
        StoreError::new(&self.id, operation, kind, why)
    }
}

#[async_trait]
impl Sessions for Server {
    async fn activity(&self) -> stores::Result<Observation<Activity>> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        let mood = self.mood.borrow().clone();
        let statement = match mood {
            Mood::Well => STATEMENT.to_owned(),
            Mood::Verbose => "x".repeat(10_000_000),
            Mood::Frozen => std::future::pending().await,
            Mood::Failing(kind, why) => return Err(self.error(Operation::Connect, kind, why)),
        };
        let activity = Activity { sessions: vec![session(&statement)], ..Activity::default() };
        let price = self.price.load(Ordering::SeqCst);
        let cost = Cost { server_us: Some(price), elapsed_us: price, statements: 1 };
        Ok(Observation { cost, ..Observation::whole(activity, Utc::now()) })
    }

    fn ending(&self, session: &SessionKey, how: Ending) -> String {
        format!("END {} {} {}", how.word(), session.id, session.born)
    }

    async fn end(&self, session: &SessionKey, how: Ending) -> stores::Result<()> {
        self.holds.subscribe().wait_for(|holds| !holds).await.unwrap();
        if let Mood::Failing(kind, why) = *self.mood.borrow() {
            return Err(self.error(Operation::EndSession, kind, why));
        }
        self.ended.lock().unwrap().push((session.clone(), how));
        Ok(())
    }
}

/// The shop's SQLite file with a scripted server's sessions.
struct Watched {
    inner: StoreRef,
    server: Arc<Server>,
}

impl Store for Watched {
    fn id(&self) -> &StoreId {
        self.inner.id()
    }
    fn engine(&self) -> &'static str {
        self.inner.engine()
    }
    fn address(&self) -> String {
        self.inner.address()
    }
    fn probe(&self) -> &dyn stores::Probe {
        self.inner.probe()
    }
    fn inventory(&self) -> &dyn stores::Inventory {
        self.inner.inventory()
    }
    fn preflight(&self) -> &dyn stores::Preflight {
        self.inner.preflight()
    }
    fn schema(&self) -> &dyn stores::Schema {
        self.inner.schema()
    }
    fn capture(&self) -> &dyn stores::Capture {
        self.inner.capture()
    }
    fn target(&self) -> &dyn stores::Target {
        self.inner.target()
    }
    fn checksum(&self) -> &dyn stores::Checksum {
        self.inner.checksum()
    }
    fn freeze(&self) -> &dyn stores::Freeze {
        self.inner.freeze()
    }
    fn sequences(&self) -> &dyn stores::Sequences {
        self.inner.sequences()
    }
    fn access(&self) -> &dyn stores::Access {
        self.inner.access()
    }
    fn activity(&self) -> &dyn stores::Activity {
        self.inner.activity()
    }
    fn sessions(&self) -> Option<&dyn Sessions> {
        Some(self.server.as_ref())
    }
}

/// A shop whose first two stores have scripted sessions; the third is plain SQLite.
struct Scene {
    shop: Shop,
    sick: Arc<Server>,
    well: Arc<Server>,
}

impl Scene {
    async fn new() -> Self {
        Self { shop: Shop::new().await, sick: Server::new("monolith"), well: Server::new("customers-db") }
    }

    fn production(&self) {
        let path = self.shop.profile();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("name = \"shop\"\n", "name = \"shop\"\nenv = \"production\"\n")).unwrap();
    }

    fn engine(&self) -> Engine {
        let servers = [self.sick.clone(), self.well.clone()];
        let open = move |config: &StoreConfig| {
            let inner = open_store(config)?;
            Ok(match servers.iter().find(|server| server.id == config.id) {
                Some(server) => Arc::new(Watched { inner, server: server.clone() }) as StoreRef,
                None => inner,
            })
        };
        Engine { task: tokio::spawn(serve_with(self.shop.options(), open)), place: self.shop.place() }
    }
}

/// A client that watches sessions.
struct Watcher {
    connection: Connection,
    last: ByStore<Activity>,
}

impl Watcher {
    async fn new(scene: &Scene) -> Self {
        let mut connection = Connection::open(&scene.shop.place().socket, "test").await.unwrap();
        connection.watch(vec![ViewKind::Activity]).await.unwrap();
        Self { connection, last: ByStore::default() }
    }

    async fn until(&mut self, what: &str, holds: impl Fn(&ByStore<Activity>) -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !holds(&self.last) {
            let frame = tokio::time::timeout_at(deadline, self.connection.next()).await;
            let frame = frame.unwrap_or_else(|_| panic!("{what} did not happen: {:?}", self.last));
            if let ServerFrame::View { view } = frame.unwrap()
                && let View::Activity(stores) = *view
            {
                self.last = stores;
            }
        }
    }
}

fn read_at(view: &ByStore<Activity>, store: &str) -> Option<DateTime<Utc>> {
    view.get(&StoreId::from(store))?.latest.as_ref().map(|read| read.at)
}

fn problem<'a>(view: &'a ByStore<Activity>, store: &str) -> &'a str {
    view.get(&StoreId::from(store)).and_then(|reading| reading.problem.as_deref()).unwrap_or_default()
}

/// Waits for both stores, makes one sick, waits for its words while the other is read on, heals it, and looks at the age.
async fn falls_ill(mood: Mood, words: &str) {
    let scene = Scene::new().await;
    let engine = scene.engine();
    let mut client = engine.client().await;
    let mut watcher = Watcher::new(&scene).await;
    watcher
        .until("both are read", |view| read_at(view, "monolith").is_some() && read_at(view, "customers-db").is_some())
        .await;
    scene.sick.mood.send_replace(mood);
    watcher.until("the problem is told", |view| problem(view, "monolith").contains(words)).await;
    let told = Utc::now();
    let last_seen = read_at(&watcher.last, "monolith").unwrap();
    watcher.until("the other is read on", |view| read_at(view, "customers-db").is_some_and(|at| at > told)).await;
    assert_eq!(problem(&watcher.last, "customers-db"), "");
    assert_eq!(read_at(&watcher.last, "monolith"), Some(last_seen), "the last reading stays, with its age");
    let healed = Utc::now();
    scene.sick.mood.send_replace(Mood::Well);
    watcher.until("it is read again", |view| problem(view, "monolith").is_empty()).await;
    assert!(read_at(&watcher.last, "monolith").unwrap() > healed);
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_store_delays_no_other() {
    falls_ill(Mood::Frozen, "no answer within").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_store_is_told_and_comes_back() {
    falls_ill(Mood::Failing(ErrorKind::Unreachable, "connection refused"), "connection refused").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_free_connections_is_told() {
    falls_ill(Mood::Failing(ErrorKind::Exhausted, "too many clients already"), "too many clients").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejected_password_is_told_and_not_tried_at_every_tick() {
    let scene = Scene::new().await;
    scene.sick.mood.send_replace(Mood::Failing(ErrorKind::Denied, "password authentication failed"));
    let engine = scene.engine();
    let mut client = engine.client().await;
    let mut watcher = Watcher::new(&scene).await;
    watcher.until("the refusal", |view| problem(view, "monolith").contains("password authentication failed")).await;
    let before = scene.well.looks.load(Ordering::SeqCst);
    watcher.until("the other goes on", |_| scene.well.looks.load(Ordering::SeqCst) > before + 2).await;
    assert_eq!(scene.sick.looks.load(Ordering::SeqCst), 1, "each refusal is a line in the server's log");
    engine.down(&mut client).await;
}

/// A look that costs 40 ms is worth its price every 2 s to somebody who looks (2 % of a core), and every 40 s to nobody (0.1 %).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_looks_at_is_read_often_and_else_within_its_allowance() {
    let scene = Scene::new().await;
    scene.sick.price.store(40_000, Ordering::SeqCst);
    let engine = scene.engine();
    let mut client = engine.client().await;
    let looks = |server: &Server| server.looks.load(Ordering::SeqCst);
    // The other store goes on every 2 s and is the clock: while nobody looks, the dear one stops after the two readings that tell its price.
    let clock = async || if looks(&scene.well) >= 6 { Ok(()) } else { Err(looks(&scene.well).to_string()) };
    poll("the cheap one's pace", clock).await;
    assert_eq!(looks(&scene.sick), 2, "the third would be due 40 s after the second");
    let mut watcher = Watcher::new(&scene).await;
    watcher.until("it is read again and again", |_| looks(&scene.sick) >= 5).await;
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_texts_do_not_end_the_connection() {
    let scene = Scene::new().await;
    scene.sick.mood.send_replace(Mood::Verbose);
    let engine = scene.engine();
    let mut client = engine.client().await;
    let mut watcher = Watcher::new(&scene).await;
    watcher
        .until("both are read", |view| read_at(view, "monolith").is_some() && read_at(view, "customers-db").is_some())
        .await;
    let reading = watcher.last.get(&StoreId::from("monolith")).unwrap().latest.as_ref().unwrap();
    assert!(reading.value.sessions[0].statement.len() < 3_000_000);
    let plain = watcher.last.get(&StoreId::from("orders-db")).unwrap();
    assert_eq!(plain.absent.as_deref(), Some("sqlite has no activity to show"));
    engine.down(&mut client).await;
}

fn end(how: Ending) -> Action {
    Action::EndSession { store: "monolith".into(), session: key(), how }
}

/// A client that saw the session.
async fn ready(scene: &Scene, engine: &Engine) -> Client {
    let client = engine.client().await;
    let mut watcher = Watcher::new(scene).await;
    watcher.until("the session is seen", |view| read_at(view, "monolith").is_some()).await;
    client
}

fn session_events(client: &Client) -> Vec<SessionEvent> {
    client
        .log
        .iter()
        .filter_map(|entry| if let Event::Session { event, .. } = &entry.event { Some(event.clone()) } else { None })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_intent_is_journaled_before_the_store_is_asked_and_the_outcome_after() {
    let scene = Scene::new().await;
    let engine = scene.engine();
    let mut client = ready(&scene, &engine).await;
    scene.sick.holds.send_replace(true);
    let mut other = engine.client().await;
    let asked = tokio::spawn(async move {
        let answer = other.act(end(Ending::Kill)).await;
        (other, answer)
    });
    client.until("the intent", |m| !m.endings.is_empty()).await;
    assert!(scene.sick.ended.lock().unwrap().is_empty());
    let events = session_events(&client);
    let [SessionEvent::EndIntended { by, how, login, doing, statement, .. }] = events.as_slice() else {
        panic!("{:?}", client.log)
    };
    assert_eq!((by.as_str(), *how, login.as_str()), (client.state.endings[0].by.as_str(), Ending::Kill, "app_rw"));
    assert_eq!(doing, "UPDATE accounts SET iban = ? WHERE id = ?", "the journal keeps no values");
    assert_eq!(statement, "END kill 18231 2026-03-07T20:00:00Z");

    scene.sick.holds.send_replace(false);
    client.until("the outcome", |m| m.endings[0].outcome == EndingOutcome::Ended).await;
    let (_, answer) = asked.await.unwrap();
    assert!(matches!(answer.unwrap(), Answer::Accepted { .. }));
    assert_eq!(*scene.sick.ended.lock().unwrap(), [(key(), Ending::Kill)]);
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_store_refuses_is_journaled_and_answered() {
    let scene = Scene::new().await;
    let engine = scene.engine();
    let mut client = ready(&scene, &engine).await;
    scene.sick.mood.send_replace(Mood::Failing(ErrorKind::NotFound, "its number belongs to another session now"));
    let why = client.act(end(Ending::Cancel)).await.unwrap_err();
    assert!(why.contains("belongs to another session") && why.contains("look at the sessions again"), "{why}");
    client.until("the outcome", |m| matches!(m.endings[0].outcome, EndingOutcome::Failed { .. })).await;
    assert!(client.log.iter().all(|entry| !matches!(entry.event, Event::CommandRejected { .. })), "told once");
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_seen_is_not_ended() {
    let scene = Scene::new().await;
    let engine = scene.engine();
    let mut client = ready(&scene, &engine).await;
    let reborn = SessionKey { born: "2026-03-07T21:00:00Z".into(), ..key() };
    let other = Action::EndSession { store: "monolith".into(), session: reborn, how: Ending::Kill };
    let why = client.act(other).await.unwrap_err();
    assert!(why.contains("the last reading of monolith has no session 18231"), "{why}");
    let nowhere = Action::EndSession { store: "nosuch".into(), session: key(), how: Ending::Kill };
    assert!(client.act(nowhere).await.unwrap_err().contains("there is no store nosuch"));
    let plain = Action::EndSession { store: "orders-db".into(), session: key(), how: Ending::Kill };
    assert!(client.act(plain).await.unwrap_err().contains("it has no sessions to end"));
    assert!(client.state.endings.is_empty() && scene.sick.ended.lock().unwrap().is_empty());
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_production_the_number_is_typed() {
    let scene = Scene::new().await;
    scene.production();
    let engine = scene.engine();
    let mut client = ready(&scene, &engine).await;
    let show = Action::ShowEnding { store: "monolith".into(), session: key(), how: Ending::Kill };
    let Ok(Answer::Ending { ending }) = client.act(show).await else { panic!("not shown") };
    assert_eq!(ending.statement, "END kill 18231 2026-03-07T20:00:00Z");
    assert_eq!(ending.doing, "UPDATE accounts SET iban = ? WHERE id = ?");
    for confirm in [None, Some("shop"), Some("1823")] {
        let confirm = confirm.map(str::to_owned);
        let why = client.ask(Command { expected_seq: None, confirm, action: end(Ending::Kill) }).await.unwrap_err();
        assert!(why.contains("confirm by typing `18231`"), "{why}");
    }
    assert!(scene.sick.ended.lock().unwrap().is_empty());
    let confirm = Some("18231".to_owned());
    client.ask(Command { expected_seq: None, confirm, action: end(Ending::Kill) }).await.unwrap();
    assert_eq!(scene.sick.ended.lock().unwrap().len(), 1);
    let confirm = Some("shop".to_owned());
    client.ask(Command { expected_seq: None, confirm, action: Action::Down }).await.unwrap();
    engine.task.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_dies_in_between_leaves_the_outcome_unknown() {
    let scene = Scene::new().await;
    let engine = scene.engine();
    let mut client = ready(&scene, &engine).await;
    scene.sick.holds.send_replace(true);
    let mut other = engine.client().await;
    let asked = tokio::spawn(async move { tokio::time::timeout(PATIENCE, other.act(end(Ending::Kill))).await });
    client.until("the intent", |m| !m.endings.is_empty()).await;
    engine.abandon().await;
    asked.abort();
    let engine = scene.engine();
    let mut client = engine.client().await;
    client.until("the verdict", |m| m.endings[0].outcome == EndingOutcome::Unknown).await;
    engine.down(&mut client).await;
}

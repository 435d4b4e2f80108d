//! Looking at two servers of which one is in trouble: the other is read on, the view says what is wrong, and after recovery the
//! reading's age is right. Through a whole engine and its socket.

use crate::driver::{Engine, Home, PATIENCE};
use crate::lab::Lab;
use chrono::{DateTime, Utc};
use godwit::model::ids::StoreId;
use godwit::model::observation::ByStore;
use godwit::model::session::Activity;
use godwit::model::view::{View, ViewKind};
use godwit::wire::client::Connection;
use godwit::wire::frame::ServerFrame;
use sqlx::{AssertSqlSafe, Connection as _, Executor, PgConnection};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Two private servers, and an engine that watches both.
struct Scene {
    dir: tempfile::TempDir,
    lab: Lab,
}

impl Home for Scene {
    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn name(&self) -> &'static str {
        "watch"
    }
}

impl Scene {
    /// `sick` logs in as an ordinary account, because a superuser is let in by every limit.
    async fn new() -> Self {
        let scene = Self { dir: tempfile::tempdir().unwrap(), lab: Lab::private(&["pg1", "pg2"]) };
        let mut admin = scene.admin().await;
        admin.execute("CREATE ROLE watcher LOGIN; GRANT pg_read_all_stats TO watcher").await.unwrap();
        admin.close().await.unwrap();
        let place = scene.lab.postgres(2);
        let (_, place) = place.split_once('@').unwrap();
        scene.secret("well", &scene.lab.postgres(1));
        scene.secret("sick", &format!("postgres://watcher@{place}"));
        let dir = scene.path().display();
        let profile = format!(
            "[migration]\nname = \"watch\"\n\n[stores.well]\nengine = \"postgres\"\nurl = \"file:{dir}/well.url\"\n\n\
             [stores.sick]\nengine = \"postgres\"\nurl = \"file:{dir}/sick.url\"\nconnect_timeout = \"2s\"\n\n\
             [services.orders]\nstore = \"sick\"\nowns = [\"orders\"]\n\n\
             [pipelines.orders]\nfrom = \"well\"\nto = \"sick\"\ntables = [\"public.orders\"]\n\n\
             [phases.cutover]\nroute = {{ file = \"{dir}/route.json\" }}\n"
        );
        std::fs::write(scene.profile(), profile).unwrap();
        scene
    }

    async fn admin(&self) -> PgConnection {
        PgConnection::connect(&self.lab.postgres(2)).await.unwrap()
    }

    fn secret(&self, name: &str, url: &str) {
        use std::io::Write;
        let path = self.path().join(format!("{name}.url"));
        let mut file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
        file.write_all(url.as_bytes()).unwrap();
    }
}

struct Watcher {
    connection: Connection,
    last: ByStore<Activity>,
}

impl Watcher {
    async fn new(scene: &Scene) -> Self {
        let mut connection = Connection::open(&scene.place().socket, "test").await.unwrap();
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

    /// Waits until the sick store's problem holds one of the words while the other store is read on.
    async fn told(&mut self, words: &[&str]) {
        self.until(words[0], |view| words.iter().any(|word| problem(view).contains(word))).await;
        let told = Utc::now();
        self.until("the other is read on", |view| read_at(view, "well").is_some_and(|at| at > told)).await;
        let well = self.last.get(&StoreId::from("well")).unwrap();
        assert_eq!(well.problem, None);
    }

    /// Waits until the sick store is read again.
    async fn healed(&mut self, since: DateTime<Utc>) {
        self.until("it is read again", |view| problem(view).is_empty()).await;
        assert!(read_at(&self.last, "sick").unwrap() > since);
    }
}

fn read_at(view: &ByStore<Activity>, store: &str) -> Option<DateTime<Utc>> {
    view.get(&StoreId::from(store))?.latest.as_ref().map(|read| read.at)
}

fn problem(view: &ByStore<Activity>) -> &str {
    view.get(&StoreId::from("sick")).and_then(|reading| reading.problem.as_deref()).unwrap_or_default()
}

async fn run(sql: &str, admin: &mut PgConnection) {
    admin.execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_server_frozen_killed_full_or_refusing_delays_no_other_and_comes_back() {
    let scene = Scene::new().await;
    let engine = Engine::start(&scene);
    let mut client = engine.client().await;
    let mut watcher = Watcher::new(&scene).await;
    watcher.until("both are read", |v| read_at(v, "well").is_some() && read_at(v, "sick").is_some()).await;

    scene.lab.server("pause", "pg2");
    watcher.told(&["no answer within", "timed out", "did not answer"]).await;
    let since = Utc::now();
    scene.lab.server("continue", "pg2");
    watcher.healed(since).await;

    scene.lab.server("kill", "pg2");
    watcher.told(&["refused", "closed", "reset", "unexpected", "eof"]).await;
    let since = Utc::now();
    scene.lab.server("start", "pg2");
    watcher.healed(since).await;

    let mut admin = scene.admin().await;
    run("ALTER ROLE watcher CONNECTION LIMIT 0", &mut admin).await;
    run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'watcher'", &mut admin).await;
    watcher.told(&["too many connections"]).await;
    let since = Utc::now();
    run("ALTER ROLE watcher CONNECTION LIMIT -1", &mut admin).await;
    watcher.healed(since).await;

    run("ALTER ROLE watcher NOLOGIN", &mut admin).await;
    run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'watcher'", &mut admin).await;
    watcher.told(&["not permitted to log in"]).await;
    admin.close().await.unwrap();
    engine.down(&mut client).await;
}

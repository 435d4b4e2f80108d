//! Servers of six engines for one test alone, and an engine that watches them.

use crate::driver::Home;
use crate::lab::Lab;
use godwit::model::ids::StoreId;
use godwit::model::observation::ByStore;
use godwit::model::session::Activity;
use godwit::model::view::{CollectorCost, View, ViewKind};
use godwit::wire::client::Connection;
use godwit::wire::frame::ServerFrame;
use std::collections::BTreeMap;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Output, Stdio};
use tokio::process::{Child, Command};

use crate::driver::PATIENCE;

/// Store names, which are engines' names, with the lab's name of their server.
pub const STORES: [(&str, &str); 6] = [
    ("postgres", "pg1"),
    ("mariadb", "maria1"),
    ("mysql", "mysql1"),
    ("mongodb", "mongo2"),
    ("redis", "redis1"),
    ("valkey", "valkey1"),
];

/// A profile that watches them all; what it moves lies in two small files beside it.
pub struct Scene {
    dir: tempfile::TempDir,
    pub lab: Lab,
}

impl Home for Scene {
    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn name(&self) -> &'static str {
        "estate"
    }
}

impl Scene {
    /// `urls` by store name.
    pub async fn new(lab: Lab, urls: &[(&str, String)]) -> Self {
        use std::io::Write;
        let scene = Self { dir: tempfile::tempdir().unwrap(), lab };
        let dir = scene.path().display().to_string();
        let mut profile = format!(
            "[migration]\nname = \"estate\"\n\n[stores.old]\nengine = \"sqlite\"\nurl = \"sqlite:{dir}/old.db\"\n\n\
             [stores.new]\nengine = \"sqlite\"\nurl = \"sqlite:{dir}/new.db\"\n\n\
             [services.orders]\nstore = \"new\"\nowns = [\"orders\"]\n\n\
             [pipelines.orders]\nfrom = \"old\"\nto = \"new\"\ntables = [\"orders\"]\n\n\
             [phases.cutover]\nroute = {{ file = \"{dir}/route.json\" }}\n"
        );
        for (store, url) in urls {
            let path = scene.path().join(format!("{store}.url"));
            let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap();
            file.write_all(url.as_bytes()).unwrap();
            profile.push_str(&format!(
                "\n[stores.{store}]\nengine = \"{store}\"\nurl = \"file:{}\"\nconnect_timeout = \"2s\"\n",
                path.display()
            ));
        }
        std::fs::write(scene.profile(), profile).unwrap();
        for file in ["old", "new"] {
            let url = format!("sqlite:{dir}/{file}.db?mode=rwc");
            let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
            sqlx::query("CREATE TABLE orders (id INTEGER PRIMARY KEY)").execute(&pool).await.unwrap();
            pool.close().await;
        }
        scene
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_godwit"));
        command.args(words).arg("-p").arg(self.profile());
        command.env("XDG_STATE_HOME", self.state()).env("XDG_RUNTIME_DIR", self.run());
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// An engine in a process of its own that logs all that it can log; what it says goes to `engine.out`.
    pub fn engine(&self) -> Child {
        let out = std::fs::File::create(self.path().join("engine.out")).unwrap();
        let mut command = self.command(&["engine"]);
        command.env("GODWIT_LOG", "debug").stdout(out.try_clone().unwrap()).stderr(out);
        command.spawn().unwrap()
    }

    /// Runs a command to its end.
    pub async fn godwit(&self, words: &[&str]) -> Output {
        let run = self.command(words).output();
        tokio::time::timeout(PATIENCE, run).await.unwrap_or_else(|_| panic!("{words:?} hangs")).unwrap()
    }
}

/// A client that watches sessions and costs.
pub struct Watcher {
    connection: Connection,
    pub activity: ByStore<Activity>,
    pub cost: BTreeMap<(String, String), CollectorCost>,
}

impl Watcher {
    /// Connects as soon as the engine listens.
    pub async fn new(scene: &Scene) -> Self {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut connection = loop {
            match Connection::open(&scene.place().socket, "test").await {
                Ok(connection) => break connection,
                Err(error) => assert!(tokio::time::Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        };
        connection.watch(vec![ViewKind::Activity, ViewKind::Cost]).await.unwrap();
        Self { connection, activity: ByStore::default(), cost: BTreeMap::new() }
    }

    /// Takes views in until something holds.
    pub async fn until(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !holds(self) {
            let frame = tokio::time::timeout_at(deadline, self.connection.next()).await;
            let frame = frame.unwrap_or_else(|_| panic!("{what} did not happen: {:#?}", self.activity));
            if let ServerFrame::View { view } = frame.unwrap() {
                match *view {
                    View::Activity(stores) => self.activity = stores,
                    View::Cost(lines) => {
                        self.cost = lines
                            .into_iter()
                            .map(|line| ((line.store.clone(), line.collector.clone()), line))
                            .collect();
                    }
                    _ => {}
                }
            }
        }
    }

    /// When a store's sessions were last read.
    pub fn read_at(&self, store: &str) -> Option<chrono::DateTime<chrono::Utc>> {
        self.activity.get(&StoreId::from(store))?.latest.as_ref().map(|read| read.at)
    }

    /// What is wrong with a store; empty: nothing.
    pub fn problem(&self, store: &str) -> &str {
        self.activity.get(&StoreId::from(store)).and_then(|reading| reading.problem.as_deref()).unwrap_or_default()
    }
}

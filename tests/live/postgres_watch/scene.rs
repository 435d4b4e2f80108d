//! Servers of a test's own, an engine over some of their databases, and what it shows of them.

use crate::driver::Home;
use crate::lab::{Database, Lab, fresh_database};
use crate::shown::Watcher;
use godwit::model::view::ViewKind;
use sqlx::{AssertSqlSafe, Connection as _, Executor, PgConnection};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The directory of a migration `hot` from `legacy` to `orders-db`, which moves `public.orders` to `sales.orders`.
pub struct Scene {
    dir: tempfile::TempDir,
    /// On server 1.
    pub legacy: Database,
    /// On server 2, with the schema `sales`.
    pub orders: Database,
    /// Its own servers; they end after the databases.
    pub lab: Lab,
}

impl Home for Scene {
    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn name(&self) -> &'static str {
        "hot"
    }
}

impl Scene {
    /// Starts two PostgreSQL servers, and `more`.
    pub async fn new(more: &[&str]) -> Self {
        let lab = Lab::private(&[&["pg1", "pg2"], more].concat());
        let legacy = fresh_database(&lab.postgres(1), "legacy").await;
        let orders = fresh_database(&lab.postgres(2), "orders").await;
        Self { dir: tempfile::tempdir().unwrap(), legacy, orders, lab }
    }

    /// Writes the profile; `stores`: further ones by name, engine and URL.
    pub fn declare(&self, stores: &[(&str, &str, &str)]) {
        let own = [("legacy", "postgres", self.legacy.url()), ("orders-db", "postgres", self.orders.url())];
        let mut text = "[migration]\nname = \"hot\"\n\n".to_owned();
        for (name, engine, url) in own.iter().chain(stores) {
            let file = self.path().join(format!("{name}.url"));
            secret(&file, url);
            text += &format!("[stores.{name}]\nengine = \"{engine}\"\nurl = \"file:{}\"\n\n", file.display());
        }
        text += &format!(
            "[services.orders]\nstore = \"orders-db\"\nowns = [\"orders\"]\n\n\
             [services.stock]\nstore = \"legacy\"\nowns = [\"items\"]\n\n\
             [pipelines.orders]\nfrom = \"legacy\"\nto = \"orders-db\"\n\
             tables = [{{ from = \"public.orders\", to = \"sales.orders\" }}]\n\n\
             [phases.cutover]\nroute = {{ file = \"{}/route.json\" }}\n",
            self.path().display()
        );
        std::fs::write(self.profile(), text).unwrap();
    }

    /// A watcher of one view of the running engine.
    pub async fn watcher(&self, kind: ViewKind) -> Watcher {
        Watcher::open(self, kind).await
    }
}

fn secret(path: &Path, url: &str) {
    use std::io::Write;
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
    file.write_all(url.as_bytes()).unwrap();
}

/// Runs SQL on a database.
pub async fn sql(session: &mut PgConnection, text: &str) {
    session.execute(AssertSqlSafe(text.to_owned())).await.unwrap();
}

/// Closes a session.
pub async fn close(session: PgConnection) {
    session.close().await.unwrap();
}

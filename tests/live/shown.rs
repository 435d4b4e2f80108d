//! What an engine shows to a client, and a workload for it to show.

use crate::driver::{Home, PATIENCE};
use godwit::model::view::{View, ViewKind};
use godwit::wire::client::Connection;
use godwit::wire::frame::ServerFrame;
use sqlx::{AssertSqlSafe, PgConnection};

/// A client that watches one view.
pub struct Watcher {
    connection: Connection,
    /// Everything that was shown, oldest first.
    shown: Vec<View>,
}

impl Watcher {
    /// Of the engine that runs at `home`.
    pub async fn open(home: &impl Home, kind: ViewKind) -> Self {
        let mut connection = Connection::open(&home.place().socket, "test").await.unwrap();
        connection.watch(vec![kind]).await.unwrap();
        Self { connection, shown: Vec::new() }
    }

    /// What `found` finds in what is shown now, or later.
    pub async fn until<T>(&mut self, what: &str, mut found: impl FnMut(&View) -> Option<T>) -> T {
        let mut now = self.shown.last().and_then(&mut found);
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while now.is_none() {
            let frame = tokio::time::timeout_at(deadline, self.connection.next()).await;
            let frame = frame.unwrap_or_else(|_| panic!("{what} did not happen: {:#?}", self.shown.last()));
            if let ServerFrame::View { view } = frame.unwrap() {
                now = found(&view);
                self.shown.push(*view);
            }
        }
        now.unwrap()
    }

    /// What `found` finds in anything that was ever shown, or will be.
    pub async fn ever<T>(&mut self, what: &str, mut found: impl FnMut(&View) -> Option<T>) -> T {
        match self.shown.iter().find_map(&mut found) {
            Some(found) => found,
            None => self.until(what, found).await,
        }
    }
}

/// Runs a statement with one number in it many times.
pub async fn repeat(session: &mut PgConnection, statement: &str, times: i64) {
    for n in 0..times {
        sqlx::query(AssertSqlSafe(statement.to_owned())).bind(n).fetch_all(&mut *session).await.unwrap();
    }
}

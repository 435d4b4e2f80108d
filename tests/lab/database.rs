//! A database for one test.

use sqlx::{Connection, PgConnection};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use url::Url;

/// An empty database. Dropping it drops the database with all sessions and replication slots on it.
pub struct Database {
    name: String,
    url: String,
    /// URL of the server's database `postgres`, from which this one is made and dropped.
    server: String,
}

/// Makes a database with a new name on the server of this URL. The name starts with `prefix`.
pub async fn fresh_database(url: &str, prefix: &str) -> Database {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let name = format!("{prefix}_{}_{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
    let mut session = PgConnection::connect(url).await.expect("the server of the lab must answer");
    execute(&mut session, &format!("create database {}", quoted(&name))).await.expect("the database must be new");
    let mut own = Url::parse(url).expect("the lab's URLs are well-formed");
    own.set_path(&name);
    Database { name, url: own.into(), server: url.to_owned() }
}

impl Database {
    /// Its name on the server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// URL of the superuser on it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A new session on it.
    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.expect("the fresh database must answer")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (name, server) = (self.name.clone(), self.server.clone());
        // The test's own runtime cannot be waited for from here.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(drop_database(&server, &name)).map_err(std::io::Error::other)
        });
        // A test that killed its server has nothing to clean up; one that failed must show its own reason.
        match dropped.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => eprintln!("database {} was left behind: {error}", self.name),
            Err(_) => eprintln!("database {} was left behind: dropping it panicked", self.name),
        }
    }
}

async fn drop_database(server: &str, name: &str) -> Result<(), sqlx::Error> {
    let mut session = PgConnection::connect(server).await?;
    // A slot keeps its database from being dropped, and its reader keeps the slot; a reader may come back meanwhile.
    for _ in 0..50 {
        let literal = name.replace('\'', "''");
        let slots = format!(
            "select pg_terminate_backend(active_pid) from pg_replication_slots where database = '{literal}' and active;
             select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = '{literal}' and not active;"
        );
        // A slot that was taken in between fails here, and is met in the next round.
        if execute(&mut session, &slots).await.is_ok()
            && execute(&mut session, &format!("drop database if exists {} with (force)", quoted(name))).await.is_ok()
        {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    execute(&mut session, &format!("drop database if exists {} with (force)", quoted(name))).await
}

async fn execute(session: &mut PgConnection, sql: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(session).await.map(|_| ())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::super::{Database, fresh_database, postgres, wait_until};
    use super::execute;
    use sqlx::{Connection, PgConnection};
    use std::time::Duration;

    async fn exists(name: &str) -> bool {
        let mut session = PgConnection::connect(&postgres(1)).await.unwrap();
        let found = sqlx::query_scalar("select exists (select from pg_database where datname = $1)").bind(name);
        found.fetch_one(&mut session).await.unwrap()
    }

    #[tokio::test]
    #[ignore = "needs PostgreSQL: run tests/run"]
    async fn is_dropped_with_its_sessions_and_slots() {
        let database: Database = fresh_database(&postgres(1), "Größe \"x\"").await;
        let name = database.name().to_owned();
        assert!(exists(&name).await);
        let mut session = database.connect().await;
        execute(
            &mut session,
            &format!("select pg_create_logical_replication_slot('s{}', 'pgoutput')", std::process::id()),
        )
        .await
        .unwrap();
        drop(database);
        wait_until(Duration::from_secs(10), || async { !exists(&name).await }).await;
    }

    #[tokio::test]
    #[ignore = "needs PostgreSQL: run tests/run"]
    async fn names_are_new_each_time() {
        let url = postgres(2);
        let (one, two) = (fresh_database(&url, "same").await, fresh_database(&url, "same").await);
        assert_ne!(one.url(), two.url());
    }
}

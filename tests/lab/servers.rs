//! Where the servers are: those that all tests share, and private ones for a test that kills, stops or freezes some.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// URL of the superuser on shared cluster 1 or 2, database `postgres`.
///
/// Panics when there is no lab.
pub fn postgres(number: u8) -> String {
    Lab::shared().postgres(number)
}

/// URL of the superuser on shared MariaDB server 1 (with the Performance Schema) or 2 (as it comes), without a database.
///
/// Panics when there is no lab, or one without MariaDB.
pub fn mariadb(number: u8) -> String {
    Lab::shared().mariadb(number)
}

/// The shared PgBouncer with this `pool_mode`: `transaction` or `session`.
///
/// Panics when there is no lab, or one without PgBouncer.
pub fn pgbouncer(pool_mode: &str) -> PgBouncer {
    Lab::shared().pgbouncer(pool_mode)
}

/// A PgBouncer in front of cluster 1.
pub struct PgBouncer {
    /// URL of the admin console. With another database's name it leads to that database of cluster 1.
    pub admin: String,
    /// The file with the `[databases]` section, for tests to rewrite.
    pub databases: PathBuf,
}

/// The servers of one `tests/lab/up`.
pub struct Lab {
    /// The variables of the lab's `env` file.
    variables: HashMap<String, String>,
    /// True when it was started by [`Lab::private`] and ends with this value.
    private: bool,
}

impl Lab {
    /// The lab that all tests share. Tests must not disturb its servers, as others use them at the same time.
    pub fn shared() -> Self {
        Self {
            variables: std::env::vars().filter(|(name, _)| name.starts_with("GODWIT_LAB")).collect(),
            private: false,
        }
    }

    /// Starts servers for one test alone, which takes about three seconds: some of those that `tests/lab/up --help` names.
    pub fn private(names: &[&str]) -> Self {
        let dir = script("up").args(["--bare", "--only", &names.join(",")]).output();
        let dir = dir.expect("tests/lab/up must be executable");
        assert!(dir.status.success(), "tests/lab/up failed: {}", String::from_utf8_lossy(&dir.stderr));
        let env = Path::new(String::from_utf8_lossy(&dir.stdout).trim_end()).join("env");
        let text =
            std::fs::read_to_string(&env).unwrap_or_else(|error| panic!("cannot read {}: {error}", env.display()));
        let assignments = text.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
        // The script quotes for the shell, with backslashes.
        let variables = assignments.map(|(name, value)| (name.to_owned(), value.replace('\\', ""))).collect();
        Self { variables, private: true }
    }

    /// See [`postgres`].
    pub fn postgres(&self, number: u8) -> String {
        self.variable(&format!("GODWIT_LAB_PG{number}")).to_owned()
    }

    /// See [`mariadb`].
    pub fn mariadb(&self, number: u8) -> String {
        self.variable(&format!("GODWIT_LAB_MARIA{number}")).to_owned()
    }

    /// URL of any server by the lab's name for it: `pg18`, `maria1`, `mongo2`, `redis1`, `valkey2`.
    pub fn url(&self, name: &str) -> String {
        self.variable(&format!("GODWIT_LAB_{}", name.to_uppercase())).to_owned()
    }

    /// Where the servers' files are.
    pub fn dir(&self) -> &Path {
        Path::new(self.variable("GODWIT_LAB"))
    }

    /// See [`pgbouncer`].
    pub fn pgbouncer(&self, pool_mode: &str) -> PgBouncer {
        let name = match pool_mode {
            "transaction" => "GODWIT_LAB_PGBOUNCER",
            "session" => "GODWIT_LAB_PGBOUNCER_SESSION",
            other => panic!("the lab has no PgBouncer in {other} mode: there are transaction and session"),
        };
        let dir = Path::new(self.variable(&format!("{name}_DIR")));
        PgBouncer { admin: self.variable(name).to_owned(), databases: dir.join("databases.ini") }
    }

    /// `start`, `stop`, `kill`, `pause` or `continue` one server, and waits until that is done.
    ///
    /// Panics on a shared lab: that would break the tests beside this one.
    pub fn server(&self, action: &str, name: &str) {
        assert!(self.private, "a test may {action} only servers of its own: use Lab::private");
        let output = script("server").args([action, name, self.variable("GODWIT_LAB")]).output();
        let output = output.expect("tests/lab/server must be executable");
        assert!(output.status.success(), "{action} {name} failed: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn variable(&self, name: &str) -> &str {
        self.variables.get(name).unwrap_or_else(|| {
            panic!("{name} is not set: run the tests with tests/run, or start servers with tests/lab/up and source their env file")
        })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.private {
            let down = script("down").arg(self.variable("GODWIT_LAB")).output();
            match down {
                Ok(output) if output.status.success() => {}
                Ok(output) => eprintln!("tests/lab/down failed: {}", String::from_utf8_lossy(&output.stderr)),
                Err(error) => eprintln!("tests/lab/down did not run: {error}"),
            }
        }
    }
}

fn script(name: &str) -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab").join(name))
}

#[cfg(test)]
mod tests {
    use super::super::{Lab, PgBouncer, mariadb, pgbouncer, postgres};
    use sqlx::{Connection, MySqlConnection, PgConnection};

    async fn answers(url: &str) -> bool {
        match PgConnection::connect(url).await {
            Ok(mut session) => sqlx::query("select 1").execute(&mut session).await.is_ok(),
            Err(_) => false,
        }
    }

    #[tokio::test]
    #[ignore = "needs PostgreSQL: run tests/run"]
    async fn a_private_server_is_killed_and_comes_back() {
        let lab = Lab::private(&["pg1"]);
        let url = lab.postgres(1);
        assert!(answers(&url).await);
        lab.server("kill", "pg1");
        assert!(!answers(&url).await);
        lab.server("start", "pg1");
        assert!(answers(&url).await);
        assert!(answers(&postgres(1)).await, "the shared server was not touched");
    }

    #[tokio::test]
    #[ignore = "needs PgBouncer: run tests/run"]
    async fn pgbouncers_lead_to_cluster_1() {
        for mode in ["transaction", "session"] {
            let bouncer: PgBouncer = pgbouncer(mode);
            assert!(answers(&bouncer.admin.replace("/pgbouncer", "/postgres")).await, "{mode}");
            let databases = std::fs::read_to_string(&bouncer.databases).unwrap();
            assert!(databases.starts_with("[databases]"), "{databases}");
        }
    }

    #[tokio::test]
    #[ignore = "needs MariaDB: run tests/run"]
    async fn one_mariadb_shows_more_than_the_other() {
        for (number, shows) in [(1, 1), (2, 0)] {
            let mut session = MySqlConnection::connect(&mariadb(number)).await.unwrap();
            let shown: i64 = sqlx::query_scalar("select @@performance_schema").fetch_one(&mut session).await.unwrap();
            assert_eq!(shown, shows, "maria{number}");
        }
    }

    #[tokio::test]
    #[ignore = "needs MySQL: run tests/run"]
    async fn one_mysql_shows_more_than_the_other() {
        for (name, shows) in [("mysql1", 1), ("mysql2", 0)] {
            let mut session = MySqlConnection::connect(&Lab::shared().url(name)).await.unwrap();
            let shown: i64 = sqlx::query_scalar("select @@performance_schema").fetch_one(&mut session).await.unwrap();
            assert_eq!(shown, shows, "{name}");
        }
    }

    #[test]
    #[should_panic(expected = "only servers of its own")]
    fn a_shared_server_is_not_disturbed() {
        Lab::shared().server("kill", "pg1");
    }
}

//! A PgBouncer of a test's own. Needs pgbouncer in the PATH or at /usr/sbin.

use crate::lab::wait_until;
use godwit::model::ids::StoreId;
use godwit::stores::postgres::address::Address;
use godwit::stores::postgres::bouncer::Bouncer;
use secrecy::ExposeSecret;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running PgBouncer whose entry `shop` leads to one database.
pub struct Pooler {
    process: Child,
    directory: tempfile::TempDir,
    /// Entry `shop`, as an application connects to it.
    pub address: Address,
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Pooler {
    /// Starts one in front of a database, in `mode` pooling, and waits until it answers.
    pub async fn start(server: &Address, mode: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let file = |name: &str| directory.path().join(name);
        // PgBouncer logs in to the server with the password of this file.
        let password = server.password.as_ref().map_or("", |p| p.expose_secret());
        std::fs::write(file("users.txt"), format!("\"{}\" \"{password}\"\n", server.user)).unwrap();
        std::fs::write(file("databases.ini"), format!("[databases]\nshop = {}\n", entry(server))).unwrap();
        let text = format!(
            "[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {}\n\
             admin_users = {}\npool_mode = {mode}\nignore_startup_parameters = extra_float_digits\n%include {}\n",
            file("users.txt").display(),
            server.user,
            file("databases.ini").display(),
        );
        std::fs::write(file("pgbouncer.ini"), text).unwrap();
        // It refuses to run as root and drops to a user that must read its files.
        let chmod = Command::new("chmod").arg("-R").arg("a+rX").arg(directory.path()).status().unwrap();
        assert!(chmod.success());
        let program = if Path::new("/usr/sbin/pgbouncer").exists() { "/usr/sbin/pgbouncer" } else { "pgbouncer" };
        let mut command = Command::new(program);
        if nix::unistd::geteuid().is_root() {
            command.args(["-u", "nobody"]);
        }
        let process = command.arg(file("pgbouncer.ini")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let address = Address { port, host: "127.0.0.1".into(), database: "shop".into(), ..server.clone() };
        let pooler = Self { process, directory, address };
        wait_until(Duration::from_secs(30), || async { pooler.console().databases().await.is_ok() }).await;
        pooler
    }

    /// Its admin console.
    pub fn console(&self) -> Bouncer {
        Bouncer::new(StoreId::from("pgbouncer"), self.address.clone())
    }

    /// URL of one of its databases: `shop`, or `pgbouncer` for the admin console. Clients need no password.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{}@127.0.0.1:{}/{database}", self.address.user, self.address.port)
    }

    /// The file with the `[databases]` section.
    pub fn databases(&self) -> PathBuf {
        self.directory.path().join("databases.ini")
    }
}

/// What stands in `[databases]` for a database.
pub fn entry(server: &Address) -> String {
    format!("host={} port={} dbname={}", server.host, server.port, server.database)
}

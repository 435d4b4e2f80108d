//! A real PgBouncer before the first server. Needs pgbouncer in the PATH or at /usr/sbin.

use super::lab::{Database, wait_until};
use godwit::model::ids::StoreId;
use godwit::stores::error::ErrorKind;
use godwit::stores::postgres::address::Address;
use godwit::stores::postgres::bouncer::Bouncer;
use godwit::stores::postgres::wire::connection::Connection;
use godwit::stores::postgres::wire::startup::Purpose;
use secrecy::ExposeSecret;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

struct Running {
    process: Child,
    address: Address,
    _directory: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

async fn start(database: &Database, mode: &str) -> Running {
    let directory = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = &database.link.address;
    let (ini, users) = (directory.path().join("pgbouncer.ini"), directory.path().join("users.txt"));
    // PgBouncer logs in to the server with the password of this file.
    let password = server.password.as_ref().map_or("", |p| p.expose_secret());
    std::fs::write(&users, format!("\"{}\" \"{password}\"\n", server.user)).unwrap();
    let text = format!(
        "[databases]\nshop = host={} port={} dbname={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
         auth_type = trust\nauth_file = {}\nadmin_users = {}\npool_mode = {mode}\nignore_startup_parameters = extra_float_digits\n",
        server.host,
        server.port,
        server.database,
        users.display(),
        server.user
    );
    std::fs::write(&ini, text).unwrap();
    // It refuses to run as root and drops to a user that must read its files.
    let chmod = Command::new("chmod").arg("-R").arg("a+rX").arg(directory.path()).status().unwrap();
    assert!(chmod.success());
    let program =
        if std::path::Path::new("/usr/sbin/pgbouncer").exists() { "/usr/sbin/pgbouncer" } else { "pgbouncer" };
    let mut command = Command::new(program);
    if nix::unistd::geteuid().is_root() {
        command.args(["-u", "nobody"]);
    }
    let process = command.arg(&ini).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let address = Address { port, host: "127.0.0.1".into(), database: "shop".into(), ..server.clone() };
    let running = Running { process, address, _directory: directory };
    wait_until("pgbouncer answers", async || console(&running).databases().await.is_ok()).await;
    running
}

fn console(running: &Running) -> Bouncer {
    Bouncer::new(StoreId::from("pgbouncer"), running.address.clone())
}

async fn client(running: &Running) -> Connection {
    Connection::open(&running.address, Purpose::Console, Duration::from_secs(10)).await.unwrap()
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn clients_wait_while_paused_and_go_on() {
    let database = Database::create("GODWIT_LAB_PG1", "bouncer").await;
    let running = start(&database, "transaction").await;
    let console = console(&running);
    let mut first = client(&running).await;
    first.query("SELECT 1").await.unwrap();
    assert_eq!(console.pools("shop").await.unwrap()[0].mode, "transaction");
    console.pause("shop", Duration::from_secs(5)).await.unwrap();
    console.pause("shop", Duration::from_secs(5)).await.unwrap();
    let waiting =
        tokio::spawn(async move { first.query("SELECT 2 AS n").await.unwrap().value("n").map(str::to_owned) });
    wait_until("the client waits", async || console.pools("shop").await.unwrap()[0].clients_waiting == 1).await;
    assert!(
        console
            .databases()
            .await
            .unwrap()
            .iter()
            .any(|entry| entry.name == "shop" && entry.paused && entry.mode == "transaction")
    );
    console.reload().await.unwrap();
    console.resume("shop").await.unwrap();
    console.resume("shop").await.unwrap();
    assert_eq!(waiting.await.unwrap().as_deref(), Some("2"));
    assert_eq!(console.pause("nowhere", Duration::from_secs(1)).await.unwrap_err().kind, ErrorKind::NotFound);
    drop(running);
    database.drop().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_pause_that_cannot_end_is_given_up_and_the_clients_go_on() {
    let database = Database::create("GODWIT_LAB_PG1", "bouncer").await;
    // In session pooling a client that merely stays keeps PAUSE waiting.
    let running = start(&database, "session").await;
    let console = console(&running);
    let mut staying = client(&running).await;
    staying.query("SELECT 1").await.unwrap();
    let error = console.pause("shop", Duration::from_millis(300)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TimedOut, "{error}");
    assert!(error.message.contains("in session pooling; the clients go on"), "{error}");
    assert!(console.databases().await.unwrap().iter().all(|entry| !entry.paused));
    staying.query("SELECT 1").await.unwrap();
    client(&running).await.query("SELECT 1").await.unwrap();
    drop((running, staying));
    database.drop().await;
}

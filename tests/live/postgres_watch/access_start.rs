//! The access audit on servers that were started so that a rule fails, and on others that look like them and are sound.

use crate::certificate::Certificate;
use crate::lab::{Lab, wait_until};
use crate::planted::{judged, of_findings, service, subjects};
use crate::secluded::{OUTSIDE, Secluded, of_lab};
use godwit::model::access::declared::StoreMap;
use godwit::model::access::observed::ObservedAccess;
use godwit::model::access::reading::AccessReading;
use godwit::model::finding::Finding;
use godwit::stores::OpenOptions;
use godwit::stores::observe::AccessFacts;
use godwit::stores::postgres::store::PostgresStore;
use nix::sys::signal::Signal;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use std::ffi::OsString;
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;
use url::Url;

const PATIENCE: Duration = Duration::from_secs(20);

/// A private server whose settings a test changes.
struct Own {
    lab: Lab,
    url: String,
}

impl Own {
    fn start(names: &[&str]) -> Self {
        let lab = Lab::private(names);
        Self { url: lab.postgres(1), lab }
    }

    /// Adds lines to one of its files of settings.
    fn write(&self, file: &str, lines: &str) {
        let path = self.lab.dir().join("pg1").join(file);
        std::fs::OpenOptions::new().append(true).open(path).unwrap().write_all(lines.as_bytes()).unwrap();
    }

    fn restart_with(&self, settings: &str) {
        self.write("postgresql.conf", settings);
        self.lab.server("stop", "pg1");
        self.lab.server("start", "pg1");
    }

    async fn run(&self, sql: &str) {
        let mut session = PgConnection::connect(&self.url).await.unwrap();
        session.execute(AssertSqlSafe(sql.to_owned())).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    async fn look(&self) -> AccessReading {
        let options = OpenOptions {
            id: "lab".into(),
            statement_timeout: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(5),
        };
        PostgresStore::open(options, &self.url).unwrap().access_facts(&[], &[]).await.unwrap().value
    }

    async fn judged(&self) -> Vec<Finding> {
        judged(&StoreMap::default(), &ObservedAccess::default(), &self.look().await)
    }

    /// Changes the server's settings, and waits until it has read them and the rule says this.
    async fn set_until(&self, statement: &str, rule: &str, told: &str) {
        self.run(statement).await;
        self.run("SELECT pg_reload_conf()").await;
        wait_until(PATIENCE, async || of_findings(&self.judged().await, rule) == [told]).await;
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_server_that_is_open_to_the_network_without_encryption_is_told() {
    let own = Own::start(&["pg1"]);
    // Two addresses of this machine are no network.
    own.restart_with("listen_addresses = '127.0.0.1, 127.0.0.2'\n");
    assert_eq!(subjects(&own.judged().await, "PG-24"), [""; 0]);
    // An address of nobody: the server says that it cannot have it, and starts without.
    own.restart_with(&format!("listen_addresses = '127.0.0.1,{OUTSIDE}'\n"));
    let open = own.judged().await;
    assert_eq!(of_findings(&open, "PG-24"), ["fail ssl"]);
    let scratch = tempfile::tempdir().unwrap();
    Certificate::make(scratch.path()).install(&own.lab.dir().join("pg1"), "server.crt", "server.key");
    let mends = |findings: &[Finding]| {
        let finding = findings.iter().find(|f| f.rule == "PG-24").unwrap();
        (finding.statement.clone().unwrap(), finding.undo.clone().unwrap())
    };
    let (statement, undo) = mends(&open);
    own.set_until(&statement, "PG-24", "pass lab").await;
    own.set_until(&undo, "PG-24", "fail ssl").await;
    own.set_until(&statement, "PG-24", "pass lab").await;
    let outdated = "ALTER SYSTEM SET ssl_min_protocol_version = 'TLSv1.1'";
    own.set_until(outdated, "PG-24", "fail ssl_min_protocol_version").await;
    let (statement, _) = mends(&own.judged().await);
    own.set_until(&statement, "PG-24", "pass lab").await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn reads_that_leave_no_trace_are_told() {
    let own = Own::start(&["pg1"]);
    assert_eq!(of_findings(&own.judged().await, "PG-26"), ["fail pgaudit"]);
    own.restart_with("shared_preload_libraries = 'pg_stat_statements, $libdir/pgaudit'\n");
    assert_eq!(of_findings(&own.judged().await, "PG-26"), ["fail pgaudit.role"]);
    own.run("CREATE ROLE auditor").await;
    own.set_until("ALTER SYSTEM SET pgaudit.role = 'auditor'", "PG-26", "pass lab").await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_replica_that_comes_as_somebody_powerful_is_told() {
    let own = Own::start(&["pg1", "pgr1"]);
    let follows = async |login: &str| {
        wait_until(PATIENCE, async || own.look().await.live.iter().any(|live| live.replicates && live.login == login))
            .await;
        own.look().await
    };
    let judged = |map: &StoreMap, reading: &AccessReading| {
        of_findings(&judged(map, &ObservedAccess::default(), reading), "PG-33")
    };
    let reading = follows("postgres").await;
    let mut map = StoreMap::default();
    assert_eq!(judged(&map, &reading), ["fail postgres as lab pgr1"]);
    map.migration.push("postgres".to_owned());
    assert_eq!(judged(&map, &reading), ["pass lab"], "the profile names it");
    map.migration.clear();

    // A login for nothing else.
    own.run("CREATE ROLE follower LOGIN REPLICATION").await;
    own.write("pg_hba.conf", "host replication follower 127.0.0.1/32 trust\n");
    own.run("SELECT pg_reload_conf()").await;
    let port = Url::parse(&own.url).unwrap().port().unwrap();
    let mut replica = PgConnection::connect(&own.lab.url("pgr1")).await.unwrap();
    let conninfo = format!("ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port={port} user=follower'");
    replica.execute(AssertSqlSafe(conninfo)).await.unwrap();
    replica.execute("SELECT pg_reload_conf()").await.unwrap();
    let reading = follows("follower").await;
    assert_eq!(judged(&map, &reading), ["pass lab"]);
    map.services.push(service("orders", "lab", "follower", &[]));
    assert_eq!(judged(&map, &reading), ["fail follower as lab pgr1"], "a service's login");
}

#[tokio::test]
#[ignore = "needs root, PostgreSQL and a network of its own: run tests/run as root"]
async fn a_session_that_crosses_the_network_without_encryption_is_told() {
    let mut own = Own::start(&["pg1"]);
    own.run("CREATE ROLE plain LOGIN; CREATE ROLE hidden LOGIN; CREATE ROLE here LOGIN").await;
    own.lab.server("stop", "pg1");
    own.write("pg_hba.conf", &format!("host all all {OUTSIDE}/32 trust\nlocal all all trust\n"));
    let scratch = tempfile::tempdir().unwrap();
    let data = own.lab.dir().join("pg1");
    Certificate::make(scratch.path()).install(&data, "server.crt", "server.key");
    let sockets = own.lab.dir().join("run");
    let mut command = of_lab(
        "user=$(server_user); printf '%s\\n' setpriv \"--reuid=$user\" \"--regid=$(id -g \"$user\")\" --clear-groups \"$(postgres_bin)/postgres\"",
    );
    command.extend(["-D".into(), data.into_os_string()]);
    for setting in ["listen_addresses=*", "ssl=on", &format!("unix_socket_directories={}", sockets.display())] {
        command.extend(["-c", setting].map(OsString::from));
    }
    let port = Url::parse(&own.url).unwrap().port().unwrap();
    own.url = format!("postgres://postgres@localhost/postgres?host={}&port={port}", sockets.display());
    let mut server = Secluded::start(&command, Signal::SIGINT, scratch.path());
    server.ready(async || PgConnection::connect(&own.url).await.is_ok()).await;
    let psql = of_lab("echo \"$(postgres_bin)/psql\"").remove(0);
    let client = |login: &str, host: &str, sslmode: &str| {
        let place =
            format!("host={host} port={port} user={login} dbname=postgres sslmode={sslmode} application_name=app");
        server.inside(&psql).args(["-X", &place]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
    };
    let plain = client("plain", OUTSIDE, "disable");
    let _others = [client("hidden", OUTSIDE, "require"), client("here", "127.0.0.1", "disable")];
    let are_here = |reading: &AccessReading| {
        ["plain", "hidden", "here"].iter().all(|login| reading.live.iter().any(|live| live.login == *login))
    };
    wait_until(PATIENCE, async || are_here(&own.look().await)).await;
    let findings = own.judged().await;
    assert_eq!(of_findings(&findings, "PG-23"), ["fail plain"]);
    assert_eq!(of_findings(&findings, "PG-24"), ["pass lab"], "whoever asks for encryption has it");
    drop(plain);
    wait_until(PATIENCE, async || of_findings(&own.judged().await, "PG-23") == ["pass lab"]).await;
}

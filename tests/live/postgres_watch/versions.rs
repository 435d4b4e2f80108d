//! Looking at each version from 13 to 18: what a version has is found by asking it, all readings work with the printed rights, and what
//! an old one does not tell is said.

use crate::lab::{Lab, wait_until};
use godwit::model::access::reading::EngineFacts;
use godwit::model::access::right::Right;
use godwit::model::lag::Reading;
use godwit::model::monitor::MonitorRole;
use godwit::model::session::{Party, SessionState};
use godwit::model::statement::StatementSource;
use godwit::stores::observe::{AccessFacts, IndexStats, Monitoring, Replicas, Sessions, StatementStats};
use godwit::stores::postgres::store::PostgresStore;
use godwit::stores::{Inventory, OpenOptions, Probe};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// A server of one version with a shop in it, and the two accounts that look.
struct Server {
    version: u8,
    lab: Lab,
    name: String,
    sql: PgConnection,
}

const SHOP: &str = "
    CREATE EXTENSION pg_stat_statements;
    CREATE TABLE customers (id int PRIMARY KEY, mail text UNIQUE);
    CREATE TABLE orders (id int, customer int REFERENCES customers, day date, note text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
    CREATE TABLE orders_2026 PARTITION OF orders FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    CREATE INDEX orders_customer ON orders (customer DESC NULLS LAST) INCLUDE (note) WHERE note IS NOT NULL;
    CREATE VIEW notes AS SELECT note FROM orders;
    INSERT INTO customers SELECT n, n || '@example.org' FROM generate_series(1, 1000) n;
    INSERT INTO orders SELECT n, n, '2026-05-05', 'n' FROM generate_series(1, 1000) n;
    ANALYZE;
    CREATE ROLE plain LOGIN; CREATE ROLE app LOGIN; GRANT SELECT, UPDATE ON customers TO app;
    CREATE PUBLICATION outbound FOR TABLE customers";

impl Server {
    async fn start(version: u8) -> Self {
        let name = format!("pg{version}");
        let lab = Lab::private(&[&name]);
        let mut sql = PgConnection::connect(&lab.postgres(version)).await.unwrap();
        sql.execute(SHOP).await.unwrap();
        // Not in the transaction that wrote.
        sql.execute("SELECT pg_create_logical_replication_slot('kept', 'pgoutput')").await.unwrap();
        let number: i32 =
            sqlx::query_scalar("SELECT current_setting('server_version_num')::int").fetch_one(&mut sql).await.unwrap();
        assert_eq!(number / 10_000, i32::from(version), "the lab runs what it says");
        let server = Self { version, lab, name, sql };
        let store = server.store("postgres");
        let mut admin = server.client("lab").await;
        for role in [MonitorRole::Watch, MonitorRole::Audit] {
            for grant in store.grants(role) {
                admin.execute(AssertSqlSafe(grant.statement)).await.unwrap();
            }
        }
        server
    }

    /// True from a version on.
    fn since(&self, version: u8) -> bool {
        self.version >= version
    }

    async fn client(&self, login: &str) -> PgConnection {
        let url = self.lab.postgres(self.version);
        match login {
            "lab" => PgConnection::connect(&url).await.unwrap(),
            login => {
                let (_, place) = url.split_once('@').unwrap();
                PgConnection::connect(&format!("postgres://{login}@{place}?application_name={login}")).await.unwrap()
            }
        }
    }

    fn store(&self, login: &str) -> PostgresStore {
        let url = self.lab.postgres(self.version);
        let (_, place) = url.split_once('@').unwrap();
        let url = if login == "postgres" { url.clone() } else { format!("postgres://{login}@{place}") };
        let options = OpenOptions {
            id: "lab".into(),
            statement_timeout: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(5),
        };
        PostgresStore::open(options, &url).unwrap()
    }

    async fn run(&mut self, sql: &str) {
        self.sql.execute(AssertSqlSafe(sql.to_owned())).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Everything that the watch role reads, one after the other.
    async fn is_seen(&mut self) {
        let store = self.store(MonitorRole::Watch.account());
        self.sessions_and_locks(&store).await;
        self.replication(&store).await;
        self.statements(&store).await;
        self.indexes(&store).await;
        self.access().await;
        let tables: Vec<String> = store.tables().await.unwrap().iter().map(|table| table.name.to_string()).collect();
        assert_eq!(tables, ["public.customers", "public.orders"]);
        assert!(store.facts().await.unwrap().version.contains(&self.version.to_string()));
        self.without_the_extension().await;
    }

    async fn sessions_and_locks(&mut self, store: &PostgresStore) {
        let mut holder = self.client("app").await;
        holder.execute("BEGIN; UPDATE customers SET mail = 'x' WHERE id = 1").await.unwrap();
        let mut waiter = self.client("app").await;
        let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut waiter).await.unwrap();
        let waits = tokio::spawn(async move {
            waiter.execute("UPDATE customers SET mail = 'y' WHERE id = 1").await.unwrap();
        });
        wait_until(PATIENCE, async || {
            let seen = store.activity().await.unwrap().value;
            seen.sessions.iter().any(|s| s.key.id == pid.to_string() && s.state == SessionState::Waiting)
        })
        .await;
        let activity = store.activity().await.unwrap();
        assert_eq!(activity.missing, []);
        let waiting = activity.value.sessions.iter().find(|s| s.key.id == pid.to_string()).unwrap();
        assert!(waiting.statement.contains("'y'") && waiting.login == "app", "{waiting:?}");
        let edge = &activity.value.waits[0];
        assert_eq!((edge.waiter.clone(), activity.value.waits.len()), (Party::Session(waiting.key.clone()), 1));
        assert_eq!(edge.since.is_some(), self.since(14), "{edge:?}");
        assert!(activity.value.touches.iter().any(|t| t.table == "public.customers" && t.writes && t.login == "app"));
        assert!(activity.cost.server_us.is_some_and(|us| us > 0));
        holder.execute("COMMIT").await.unwrap();
        waits.await.unwrap();
    }

    async fn replication(&mut self, store: &PostgresStore) {
        // A subscription to this very server, in another database; its slot is made beforehand, or making it would wait for itself. Nor does it
        // copy: the slot of a copy waits for every transaction, and DROP SUBSCRIPTION, which is one, for that slot.
        let url = self.lab.postgres(self.version);
        let url = format!("{}/copy", url.strip_suffix("/postgres").unwrap());
        self.run("SELECT pg_create_logical_replication_slot('inbound', 'pgoutput')").await;
        self.run("CREATE DATABASE copy").await;
        let mut copy = PgConnection::connect(&url).await.unwrap();
        copy.execute("CREATE TABLE customers (id int PRIMARY KEY, mail text UNIQUE)").await.unwrap();
        let source = self.lab.postgres(self.version);
        copy.execute(AssertSqlSafe(format!(
            "CREATE SUBSCRIPTION inbound CONNECTION '{source}' PUBLICATION outbound WITH (create_slot = false, copy_data = false, slot_name = 'inbound')"
        )))
        .await
        .unwrap();
        wait_until(PATIENCE, async || {
            let seen = store.replication().await.unwrap().value;
            let healthy = |name: &str| seen.links.iter().any(|link| link.name == name && link.healthy);
            seen.links.len() == 2 && seen.links.iter().all(|link| link.healthy) && healthy("inbound")
        })
        .await;
        let replication = store.replication().await.unwrap();
        assert_eq!(replication.missing, []);
        let kept = replication.value.retention.iter().find(|log| log.name == "kept").unwrap();
        assert!(!kept.active && kept.problem.is_some() && matches!(kept.retained_bytes, Reading::Known(_)), "{kept:?}");
        assert!(replication.value.started_at.is_some());
        // An account without rights is told that somebody follows, and what would show who.
        let hidden = self.store("plain").replication().await.unwrap();
        assert_eq!(hidden.missing.len(), 1);
        assert_eq!(hidden.missing[0].id, "postgres.replication.right");
        assert!(hidden.missing[0].enable.as_deref().unwrap().contains("pg_read_all_stats"));
        copy.execute("DROP SUBSCRIPTION inbound").await.unwrap();
        copy.close().await.unwrap();
    }

    async fn statements(&mut self, store: &PostgresStore) {
        let mut app = self.client("app").await;
        for id in 0..7 {
            app.execute(AssertSqlSafe(format!("SELECT mail FROM customers WHERE id = {id} + 4100000"))).await.unwrap();
        }
        let read = store.statements().await.unwrap();
        assert_eq!(read.missing, []);
        let statements = read.value.unwrap();
        assert_eq!(statements.source, StatementSource::PgStatStatements);
        let found: Vec<_> =
            statements.counters.iter().filter(|c| c.text.contains("SELECT mail FROM customers")).collect();
        let found = found.first().unwrap_or_else(|| panic!("{:#?}", statements.counters));
        assert!(found.calls >= 7 && found.total_us > 0.0 && !found.text.contains("4100000"), "{found:?}");
        assert_eq!(found.login.as_deref(), Some("app"));
        let coverage = &statements.coverage;
        assert_eq!(
            (coverage.evicted.is_some(), coverage.note.is_none()),
            (self.since(14), self.since(14)),
            "{coverage:?}"
        );
        let hidden = self.store("plain").statements().await.unwrap();
        assert_eq!(hidden.missing.len(), 1);
        assert_eq!(hidden.missing[0].id, "postgres.statements.right");
        assert!(hidden.value.unwrap().counters.iter().all(|c| !c.text.contains("SELECT mail")));
        // Its own statements are none of the load.
        assert!(statements.counters.iter().all(|c| c.login.as_deref() != Some(MonitorRole::Watch.account())));
    }

    async fn indexes(&mut self, store: &PostgresStore) {
        let read = store.indexes().await.unwrap();
        // The tables' rows are not its business, and neither are statistics of their values.
        let ids: Vec<&str> = read.missing.iter().map(|missing| missing.id.as_str()).collect();
        assert_eq!(ids, ["postgres.indexes.statistics"]);
        let indexes = &read.value;
        let found = indexes.indexes.iter().find(|i| i.name == "public.orders_customer").unwrap();
        assert!(found.parts[0].descending && !found.parts[0].nulls_first && found.include == ["note"], "{found:?}");
        assert_eq!((found.predicate.as_str(), found.duty.part_of.as_deref()), ("(note IS NOT NULL)", None));
        let part =
            indexes.indexes.iter().find(|i| i.duty.part_of.as_deref() == Some("public.orders_customer")).unwrap();
        assert!(part.bytes.known().is_some() && part.scans.known().is_some(), "{part:?}");
        let used = indexes.indexes.iter().find(|i| i.name == "public.customers_pkey").unwrap();
        wait_until(PATIENCE, async || {
            let seen = store.indexes().await.unwrap().value;
            let used = seen.indexes.iter().find(|i| i.name == "public.customers_pkey").unwrap();
            used.scans.known().is_some_and(|scans| *scans > 0) && used.last_scan.is_some() == self.since(16)
        })
        .await;
        assert!(used.duty.primary);
        assert!(
            indexes.foreign_keys.iter().any(|key| key.table == "public.orders" && key.parent == "public.customers")
        );
    }

    async fn access(&mut self) {
        let maintain = if self.since(17) { "GRANT MAINTAIN ON customers TO app" } else { "SELECT" };
        self.run(maintain).await;
        self.run("CREATE ROLE readers; GRANT SELECT ON orders TO readers; GRANT readers TO app").await;
        let store = self.store(MonitorRole::Audit.account());
        let read = store.access_facts(&["app".to_owned()], &[]).await.unwrap();
        assert_eq!(read.missing, []);
        let rights = |table: &str| -> Vec<Right> {
            let group = read.value.objects.iter().find(|object| object.name == table).unwrap().group;
            read.value.rights.iter().filter(|r| r.login == "app" && r.group == group).map(|r| r.right).collect()
        };
        let mut expected = vec![Right::Read, Right::Update];
        expected.extend(self.since(17).then_some(Right::Maintain));
        assert_eq!(rights("public.customers"), expected);
        assert_eq!(rights("public.orders"), [Right::Read]);
        let EngineFacts::Postgres(facts) = &read.value.engine else { panic!("facts of PostgreSQL") };
        assert_eq!(facts.parameter_grants.is_some(), self.since(15));
        let text = serde_json::to_string(&read.value).unwrap();
        assert!(!text.contains("SCRAM-SHA-256$"), "a key is shown");
    }

    /// The two ways of having no statistics are told apart.
    async fn without_the_extension(&mut self) {
        let store = self.store(MonitorRole::Watch.account());
        // Another library: an empty list would be taken for one without a name.
        self.run("ALTER SYSTEM SET shared_preload_libraries = 'auto_explain'").await;
        self.lab.server("stop", &self.name);
        self.lab.server("start", &self.name);
        let ids = async || -> Vec<String> {
            let read = store.statements().await.unwrap();
            assert!(read.value.is_none());
            read.missing.into_iter().map(|missing| missing.id).collect()
        };
        // The first look finds that its connection is gone.
        wait_until(PATIENCE, async || store.statements().await.is_ok()).await;
        assert_eq!(ids().await, ["postgres.statements.preload"]);
        self.sql = PgConnection::connect(&self.lab.postgres(self.version)).await.unwrap();
        self.run("DROP EXTENSION pg_stat_statements").await;
        assert_eq!(ids().await, ["postgres.statements.extension"]);
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL 13 (one of the versions): run tests/run"]
async fn postgresql_13_is_seen() {
    Server::start(13).await.is_seen().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL 14 (one of the versions): run tests/run"]
async fn postgresql_14_is_seen() {
    Server::start(14).await.is_seen().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL 16 (one of the versions): run tests/run"]
async fn postgresql_16_is_seen() {
    Server::start(16).await.is_seen().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL 17 (one of the versions): run tests/run"]
async fn postgresql_17_is_seen() {
    Server::start(17).await.is_seen().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL 18 (one of the versions): run tests/run"]
async fn postgresql_18_is_seen() {
    Server::start(18).await.is_seen().await;
}

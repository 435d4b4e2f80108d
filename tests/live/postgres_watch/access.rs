//! The access audit on a real server: what is planted is found, each finding's own statement mends it and its undo brings it back, and
//! nothing else is accused.

use super::access_plants::{ELSEWHERE, PLANTS};
use crate::planted::{Score, judged, told};
use crate::postgres_control::lab::{Lab, SERVER_1};
use chrono::{DateTime, NaiveDate, Utc};
use godwit::advice::access::audit::audit;
use godwit::advice::access::case::Case;
use godwit::advice::access::ownership::both_sides::compare;
use godwit::model::access::declared::{DeclaredService, DeclaredTable, StoreMap, Waiver};
use godwit::model::access::observed::ObservedAccess;
use godwit::model::access::reading::{AccessReading, EngineFacts, EngineKind, LiveLogin};
use godwit::model::finding::{Finding, Verdict};
use godwit::model::ids::StoreId;
use godwit::model::monitor::MonitorRole;
use godwit::model::observation::Observation;
use godwit::stores::OpenOptions;
use godwit::stores::observe::{AccessFacts, Monitoring, Sessions};
use godwit::stores::postgres::store::PostgresStore;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use std::time::Duration;

/// The day of all audits here.
pub fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 23).unwrap()
}

/// A database with three services: `orders` and `billing` at home in it, `stock` elsewhere. Roles are the server's, so that they bear the
/// database's name; `@` stands for it in all statements here.
pub struct Shop {
    pub lab: Lab,
    pub map: StoreMap,
    pub observed: ObservedAccess,
    pub store: StoreId,
}

const SHOP: &str = "
    CREATE ROLE @_orders LOGIN CONNECTION LIMIT 20 VALID UNTIL '2027-06-01'; CREATE ROLE @_billing LOGIN CONNECTION LIMIT 20 VALID UNTIL '2027-06-01';
    CREATE ROLE @_stock LOGIN CONNECTION LIMIT 20 VALID UNTIL '2027-06-01'; CREATE ROLE @_owner NOLOGIN; CREATE ROLE @_loose LOGIN; CREATE ROLE @_idle NOLOGIN;
    REVOKE ALL ON DATABASE @ FROM PUBLIC; GRANT CONNECT ON DATABASE @ TO @_orders, @_billing;
    CREATE SCHEMA orders AUTHORIZATION @_owner; CREATE SCHEMA billing AUTHORIZATION @_owner;
    GRANT USAGE ON SCHEMA orders TO @_orders, @_billing; GRANT USAGE ON SCHEMA billing TO @_billing;
    SET ROLE @_owner;
    CREATE TABLE orders.orders (id int PRIMARY KEY, note text); CREATE TABLE orders.lines (id int PRIMARY KEY, order_id int REFERENCES orders.orders);
    CREATE TABLE billing.invoices (id int PRIMARY KEY, order_id int);
    RESET ROLE;
    GRANT SELECT, INSERT, UPDATE, DELETE ON orders.orders, orders.lines TO @_orders; GRANT SELECT, INSERT, UPDATE, DELETE ON billing.invoices TO @_billing;
    GRANT SELECT ON orders.lines TO @_billing";

impl Shop {
    pub async fn open() -> Self {
        let lab = Lab::create(SERVER_1).await;
        let name = lab.name.clone();
        let service = |id: &str, home: &str, reads: &[&str]| DeclaredService {
            id: id.into(),
            home: home.into(),
            accounts: vec![format!("{name}_{id}")],
            allowed_reads: reads.iter().map(|r| (*r).to_owned()).collect(),
            until: None,
        };
        let table = |name: &str, service: &str| DeclaredTable {
            name: name.to_owned(),
            logical: name.rsplit('.').next().unwrap().to_owned(),
            service: service.into(),
            moved_at: None,
            is_expected: true,
        };
        let map = StoreMap {
            services: vec![
                service("orders", "lab", &[]),
                service("billing", "lab", &["lines"]),
                service("stock", "other", &[]),
            ],
            tables: vec![
                table("orders.orders", "orders"),
                table("orders.lines", "orders"),
                table("billing.invoices", "billing"),
            ],
            break_glass: vec![format!("{name}_glass"), "postgres".to_owned()],
            migration: vec![format!("{name}_mover")],
            until: None,
            ignore: Vec::new(),
        };
        let mut shop = Self { lab, map, observed: ObservedAccess::default(), store: "lab".into() };
        shop.run(SHOP).await;
        shop
    }

    /// The text for this database.
    pub fn own(&self, text: &str) -> String {
        text.replace('@', &self.lab.name)
    }

    pub async fn run(&mut self, sql: &str) {
        let sql = self.own(sql);
        self.lab.run(&sql).await;
    }

    pub async fn look(&self) -> Observation<AccessReading> {
        let accounts: Vec<String> = self.map.accounts().into_iter().map(str::to_owned).collect();
        self.lab.store.access_facts(&accounts, &[]).await.unwrap()
    }

    pub fn judge(&self, reading: &AccessReading, waivers: &[Waiver]) -> Vec<Finding> {
        let case = Case { store: &self.store, reading, map: &self.map, observed: &self.observed, today: today() };
        audit(&case, waivers)
    }

    /// True for what is of this test: roles of other tests on the same server, and the server's own state, are not.
    fn is_own(&self, f: &Finding) -> bool {
        let of_server = ["PG-21", "PG-22", "PG-24", "PG-25", "PG-26"];
        let own = format!("{}_", self.lab.name);
        let role = f.subject.split(' ').next().unwrap_or_default();
        let other = role.starts_with("godwit_ctl_") && !role.starts_with(&own) && role != self.lab.name;
        let rules_of_roles = ["PG-01", "PG-02", "PG-03", "PG-04", "PG-05", "PG-20", "PG-31", "PG-33"];
        !of_server.contains(&f.rule.as_str())
            && !other
            && (!rules_of_roles.contains(&f.rule.as_str()) || f.subject.starts_with(&own))
    }

    /// What fails and is of this test.
    pub async fn failing(&self) -> Vec<Finding> {
        let findings = self.judge(&self.look().await.value, &[]);
        findings.into_iter().filter(|f| f.verdict == Verdict::Fail && self.is_own(f)).collect()
    }

    pub async fn close(self) {
        let mut lab = self.lab;
        let name = lab.name.clone();
        let sql = format!(
            "SELECT string_agg(format('DROP OWNED BY %I CASCADE; DROP ROLE %I', rolname, rolname), '; ' ORDER BY rolname) FROM pg_roles WHERE rolname LIKE '{name}\\_%'"
        );
        let drop = lab.text(&sql).await;
        lab.run("SET client_min_messages = error").await;
        lab.run(&drop).await;
        lab.finish().await;
    }
}

fn named<'f>(findings: &'f [Finding], rule: &str, subject: &str) -> Option<&'f Finding> {
    findings.iter().find(|f| f.rule == rule && f.subject == subject)
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn what_is_planted_is_found_and_mended_and_nothing_else_is_accused() {
    let mut shop = Shop::open().await;
    let mut score = Score::default();
    // A sound database, with the owner's implicit rights in its ACLs.
    score.sound(&shop.failing().await);
    let sound = shop.look().await.value;
    score.passing(&shop.judge(&sound, &[]), |f| shop.is_own(f));
    for plant in PLANTS {
        let subject = shop.own(plant.subject);
        shop.run(plant.decoy).await;
        score.decoy(plant, &shop.failing().await);
        let beside = shop.look().await.value;
        score.passing(&shop.judge(&beside, &[]), |f| shop.is_own(f));
        shop.run(plant.plant).await;
        // One plant can break several rules; which ones is written with it, as what its clearing leaves nothing of.
        if let Some(finding) = score.planted(plant, &subject, &shop.failing().await)
            && let (Some(statement), Some(undo)) = (&finding.statement, &finding.undo)
        {
            shop.lab.run(statement).await;
            score.mended(plant, &finding, &shop.failing().await);
            shop.lab.run(undo).await;
            score.undone(plant, &finding, &shop.failing().await);
        }
        shop.run(plant.clear).await;
        score.cleared(plant, &shop.failing().await);
    }
    score.settle("postgres", EngineKind::Postgres, ELSEWHERE);
    shop.close().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn the_audit_role_is_enough_and_what_it_may_not_see_is_not_checkable() {
    let mut shop = Shop::open().await;
    shop.run("CREATE ROLE @_md5 LOGIN PASSWORD 'md5aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'; CREATE ROLE @_plain LOGIN; GRANT CONNECT ON DATABASE @ TO @_plain").await;
    let plain = shop.lab.store_as(&shop.own("@_plain")).access_facts(&[], &[]).await.unwrap();
    let ids: Vec<&str> = plain.missing.iter().map(|m| m.id.as_str()).collect();
    assert_eq!(ids, ["postgres.access.passwords", "postgres.access.hba", "postgres.access.sessions"]);
    assert!(plain.missing.iter().all(|m| m.enable.is_some()));
    let findings = shop.judge(&plain.value, &[]);
    for rule in ["PG-20", "PG-21", "PG-22", "PG-23", "PG-26", "PG-33", "OWN-24", "OWN-07"] {
        let of_rule: Vec<&Verdict> = findings.iter().filter(|f| f.rule == rule).map(|f| &f.verdict).collect();
        assert!(matches!(of_rule[..], [Verdict::NotCheckable { .. }]), "{rule}: {of_rule:?}");
    }
    let name = shop.own("@_audit");
    for statement in shop.lab.store.grants(MonitorRole::Audit) {
        let statement = statement.statement.replace(MonitorRole::Audit.account(), &name);
        shop.lab.run(&statement).await;
    }
    shop.run("GRANT CONNECT ON DATABASE @ TO @_audit").await;
    let audit = shop.lab.store_as(&name).access_facts(&[], &[]).await.unwrap();
    assert_eq!(audit.missing, []);
    let own = shop.look().await;
    // It sees what the superuser sees; who is connected differs, because both are.
    let (mut seen, mut all) = (audit.value, own.value);
    (seen.live, all.live) = (Vec::new(), Vec::new());
    assert_eq!(seen.rights, all.rights);
    assert_eq!(seen.links, all.links);
    let findings = shop.judge(&seen, &[]);
    assert!(named(&findings, "PG-20", &shop.own("@_md5")).is_some());
    // No secret in anything that is sent, stored or shown.
    let text = serde_json::to_string(&(&all, &seen, &findings)).unwrap();
    assert!(!text.contains("aaaaaaaa") && !text.contains("SCRAM-SHA-256$"));
    shop.run("DROP VIEW public.godwit_password_kinds").await;
    shop.close().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn access_of_another_service_is_seen_while_it_happens() {
    let mut shop = Shop::open().await;
    shop.run("GRANT UPDATE, SELECT ON orders.orders TO @_billing").await;
    let mut billing = shop.lab.client("billing worker").await;
    let login = shop.own("SET SESSION AUTHORIZATION @_billing");
    billing.execute(AssertSqlSafe(login)).await.unwrap();
    billing.execute("BEGIN; UPDATE orders.orders SET note = 'secret note'; SELECT * FROM orders.lines; SELECT * FROM billing.invoices").await.unwrap();
    let activity = shop.lab.store.activity().await.unwrap();
    let touches: Vec<_> = activity
        .value
        .touches
        .into_iter()
        .map(|mut touch| {
            // The lab has one way to log in; the server shows the login, not the role that it became.
            touch.login = shop.own("@_billing");
            touch
        })
        .collect();
    shop.observed.take(&touches, activity.at);
    let failing = shop.failing().await;
    let subject = shop.own("@_billing on orders.orders");
    let finding = named(&failing, "OWN-07", &subject).unwrap_or_else(|| panic!("{:?}", told(&failing)));
    assert!(finding.statement.as_deref().unwrap().contains("REVOKE UPDATE ON orders.orders"), "{finding:?}");
    assert!(finding.window.is_some() && !format!("{finding:?}").contains("secret note"));
    assert_eq!(
        failing.iter().filter(|f| f.rule == "OWN-07").count(),
        1,
        "reading what it may read and using its own is no finding"
    );
    drop(billing);
    shop.close().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn after_a_move_and_after_the_last_day_leftovers_are_told() {
    let mut shop = Shop::open().await;
    shop.map.tables[0].moved_at = Some(DateTime::<Utc>::UNIX_EPOCH);
    shop.run("CREATE ROLE @_mover LOGIN REPLICATION").await;
    shop.run("SET ROLE @_owner; CREATE TABLE orders.outbox (id int); CREATE FUNCTION orders.f() RETURNS trigger LANGUAGE plpgsql SET search_path = orders AS 'BEGIN INSERT INTO billing.invoices VALUES (1); RETURN NULL; END'; CREATE TRIGGER dual AFTER INSERT ON orders.lines FOR EACH ROW EXECUTE FUNCTION orders.f(); RESET ROLE").await;
    shop.run("DROP TABLE orders.outbox").await;
    shop.run("SELECT pg_create_logical_replication_slot('@_slot', 'pgoutput')").await;
    let now = told(&shop.failing().await);
    assert_eq!(now, [shop.own("OWN-06 @_orders on orders.orders"), "OWN-09 dual on orders.lines".to_owned()]);
    shop.map.until = Some(today().pred_opt().unwrap());
    let mut later = told(&shop.failing().await);
    later.retain(|f| f.starts_with("OWN-13") || f.starts_with("OWN-2"));
    later.sort();
    assert_eq!(
        later,
        [shop.own("OWN-13 @_slot"), shop.own("OWN-20 @_mover"), "OWN-21 dual on orders.lines".to_owned()]
    );
    shop.run("SELECT pg_drop_replication_slot('@_slot')").await;
    shop.close().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn what_is_the_whole_servers_is_judged_on_a_server_of_its_own() {
    let lab = crate::lab::Lab::private(&["pg1"]);
    let mut sql = PgConnection::connect(&lab.postgres(1)).await.unwrap();
    let file = lab.dir().join("pg1/pg_hba.conf");
    let logins = std::fs::read_to_string(&file).unwrap();
    let subjects = async |rule: &str, word: &str| -> Vec<String> {
        let options = OpenOptions {
            id: "lab".into(),
            statement_timeout: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(5),
        };
        let store = PostgresStore::open(options, &lab.postgres(1)).unwrap();
        let reading = store.access_facts(&[], &[]).await.unwrap().value;
        let findings = judged(&StoreMap::default(), &ObservedAccess::default(), &reading);
        findings.into_iter().filter(|f| f.rule == rule && f.verdict.word() == word).map(|f| f.subject).collect()
    };
    let lines = "host all all 10.0.0.0/8 trust\nhost shop app 10.1.0.0/16 scram-sha-256\nhost shop app 0.0.0.0/0 scram-sha-256\n";
    std::fs::write(&file, format!("{logins}{lines}")).unwrap();
    sql.execute("SELECT pg_reload_conf()").await.unwrap();
    let trusting = "host all all 10.0.0.0 255.0.0.0 trust";
    assert_eq!(subjects("PG-21", "fail").await, [trusting]);
    assert_eq!(subjects("PG-22", "fail").await, [trusting, "host shop app 0.0.0.0 0.0.0.0 scram-sha-256"]);
    assert_eq!(subjects("PG-25", "fail").await, ["log_connections", "log_disconnections", "log_line_prefix"]);

    // Lines that name every address and let nobody in, or one service from its own network.
    let lines = "host all all 0.0.0.0/0 reject\nhost shop app 10.1.0.0/16 scram-sha-256\n";
    std::fs::write(&file, format!("{logins}{lines}")).unwrap();
    for (name, value) in
        [("log_connections", "on"), ("log_disconnections", "on"), ("log_line_prefix", "'%m [%p] %u@%d %a '")]
    {
        sql.execute(AssertSqlSafe(format!("ALTER SYSTEM SET {name} = {value}"))).await.unwrap();
    }
    sql.execute("SELECT pg_reload_conf()").await.unwrap();
    crate::lab::wait_until(Duration::from_secs(10), async || subjects("PG-25", "fail").await.is_empty()).await;
    for rule in ["PG-21", "PG-22", "PG-25"] {
        assert_eq!(subjects(rule, "pass").await, ["lab"], "{rule}");
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn what_a_loopback_server_cannot_have_is_judged_on_altered_facts() {
    let mut shop = Shop::open().await;
    // Nothing reloads the file: the server shows what it would read, and goes on with what it has read.
    shop.run("COPY (SELECT 'host all all 10.0.0.0 255.0.0.0 trust' UNION ALL SELECT 'host shop app 10.1.0.0/16 scram-sha-256' UNION ALL SELECT 'host shop app 0.0.0.0/0 scram-sha-256') TO PROGRAM 'cat >> pg_hba.conf'").await;
    let mut reading = shop.look().await.value;
    shop.run("COPY (SELECT 1) TO PROGRAM 'sed -i ''/ 10\\.[01]\\.0\\.0/d; / 0\\.0\\.0\\.0/d'' pg_hba.conf'").await;
    let failing = |shop: &Shop, reading: &AccessReading, rule: &str| -> Vec<String> {
        let findings = shop.judge(reading, &[]);
        findings.into_iter().filter(|f| f.rule == rule && f.verdict == Verdict::Fail).map(|f| f.subject).collect()
    };
    assert_eq!(failing(&shop, &reading, "PG-21"), ["host all all 10.0.0.0 255.0.0.0 trust"]);
    assert_eq!(
        failing(&shop, &reading, "PG-22"),
        ["host all all 10.0.0.0 255.0.0.0 trust", "host shop app 0.0.0.0 0.0.0.0 scram-sha-256"]
    );
    assert_eq!(failing(&shop, &reading, "PG-24"), Vec::<String>::new(), "it listens on this host only");
    let live = |login: &str, client: &str, encrypted, replicates| LiveLogin {
        login: shop.own(login),
        application: "app".to_owned(),
        client: client.to_owned(),
        encrypted,
        replicates,
        sessions: 1,
    };
    reading.live = vec![
        live("@_orders", "10.0.0.9", Some(false), false),
        live("@_billing", "10.0.0.9", Some(true), true),
        live("@_stock", "127.0.0.1", Some(false), false),
    ];
    let EngineFacts::Postgres(facts) = &mut reading.engine else { panic!("it is a PostgreSQL") };
    for (name, value) in [
        ("listen_addresses", "*"),
        ("ssl", "off"),
        ("ssl_min_protocol_version", "TLSv1.1"),
        ("log_connections", "off"),
        ("log_disconnections", "on"),
        ("log_line_prefix", "%m %u %d "),
        ("shared_preload_libraries", "pgaudit"),
        ("pgaudit.role", "auditor"),
    ] {
        facts.settings.insert(name.to_owned(), value.to_owned());
    }
    assert_eq!(failing(&shop, &reading, "PG-23"), [shop.own("@_orders")]);
    assert_eq!(failing(&shop, &reading, "PG-24"), ["ssl", "ssl_min_protocol_version"]);
    assert_eq!(failing(&shop, &reading, "PG-25"), ["log_connections", "log_line_prefix"]);
    assert_eq!(failing(&shop, &reading, "PG-26"), Vec::<String>::new());
    assert_eq!(failing(&shop, &reading, "PG-33"), [shop.own("@_billing as app")]);
    let administrator = live("postgres", "10.0.0.9", Some(true), false);
    let account = shop.own("@_orders");
    shop.map.services[1].accounts.push(account.clone());
    assert_eq!(failing(&shop, &reading, "OWN-03"), [account]);
    reading.live = vec![administrator];
    assert_eq!(failing(&shop, &reading, "OWN-24"), Vec::<String>::new(), "a named break-glass login");
    shop.map.break_glass.clear();
    assert_eq!(failing(&shop, &reading, "OWN-24"), ["postgres"]);
    shop.close().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn rights_that_nobody_used_and_rights_that_the_target_lacks_are_told() {
    let mut shop = Shop::open().await;
    let start = DateTime::<Utc>::UNIX_EPOCH;
    let unused = |shop: &Shop, reading: &AccessReading| -> Vec<String> {
        shop.judge(reading, &[])
            .into_iter()
            .filter(|f| f.rule == "OWN-22")
            .map(|f| format!("{} {}", f.verdict.word(), f.subject))
            .collect()
    };
    let reading = shop.look().await.value;
    shop.observed.take(&[], start);
    assert_eq!(unused(&shop, &reading), ["not checkable lab"]);
    shop.observed.take(&[], start + chrono::Duration::days(31));
    assert_eq!(unused(&shop, &reading), [format!("fail {}", shop.own("@_billing on orders.lines"))]);
    shop.run("REVOKE DELETE ON orders.orders FROM @_orders").await;
    let target = shop.look().await.value;
    let case = |reading| Case { store: &shop.store, reading, map: &shop.map, observed: &shop.observed, today: today() };
    let lacking = compare(&case(&reading), &case(&target));
    assert_eq!(lacking.len(), 1, "{lacking:?}");
    assert_eq!(lacking[0].statement.as_deref(), Some(shop.own("GRANT DELETE ON orders.orders TO @_orders").as_str()));
    assert_eq!(compare(&case(&target), &case(&target))[0].verdict, Verdict::Pass);
    shop.close().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_waiver_holds_until_its_day_and_audits_are_alike() {
    let mut shop = Shop::open().await;
    shop.run("GRANT SELECT ON orders.orders TO PUBLIC").await;
    let reading = shop.look().await.value;
    let waiver = |until| Waiver {
        rule: "PG-08".to_owned(),
        store: shop.store.clone(),
        subject: "orders.orders".to_owned(),
        who: "mina".to_owned(),
        until,
        why: "the report".to_owned(),
    };
    let state = |waivers: &[Waiver]| {
        let findings = shop.judge(&reading, waivers);
        let finding = named(&findings, "PG-08", "orders.orders").unwrap().clone();
        (finding.verdict.word(), finding.evidence.len())
    };
    assert_eq!(state(&[]).0, "fail");
    assert_eq!(state(&[waiver(today())]).0, "waived");
    assert_eq!(state(&[waiver(today().pred_opt().unwrap())]), ("fail", 1));
    let again = shop.look().await.value;
    assert_eq!(
        told(&shop.judge(&again, &[])),
        told(&shop.judge(&reading, &[])),
        "two audits can be compared line by line"
    );
    assert!(shop.judge(&reading, &[]).iter().map(|f| &f.rule).collect::<std::collections::BTreeSet<_>>().len() >= 59);
    shop.close().await;
}

/// What the statements of the audit's login cost the server so far, by its own count: microseconds of planning and running, log records.
async fn counted(shop: &mut Shop, name: &str) -> (f64, u64) {
    let sql = |column: &str| {
        format!(
            "SELECT coalesce(sum({column}), 0) FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid WHERE r.rolname = '{name}'"
        )
    };
    let millis: f64 = shop.lab.text(&sql("total_exec_time + total_plan_time")).await.parse().unwrap();
    (millis * 1_000.0, shop.lab.text(&sql("wal_records")).await.parse().unwrap())
}

#[tokio::test]
#[ignore = "measures: run it alone"]
async fn an_audit_of_two_thousand_tables_takes_the_server_a_tenth_of_a_second_and_writes_nothing() {
    const LOOKS: u32 = 7;
    let mut shop = Shop::open().await;
    // A transaction for each hundred: a single one would take more locks than the server has room for.
    for part in 0..20 {
        shop.run(&format!("DO $$ BEGIN FOR n IN {}..{} LOOP EXECUTE format('CREATE TABLE orders.t%s (id int PRIMARY KEY, a text, b text)', n); EXECUTE format('ALTER TABLE orders.t%s OWNER TO @_owner', n); EXECUTE format('GRANT SELECT, INSERT ON orders.t%s TO @_orders', n); END LOOP; END $$", part * 100, part * 100 + 99)).await;
    }
    shop.run("VACUUM ANALYZE").await;
    shop.run("CREATE EXTENSION IF NOT EXISTS pg_stat_statements").await;
    let name = shop.own("@_audit");
    for statement in shop.lab.store.grants(MonitorRole::Audit) {
        shop.lab.run(&statement.statement.replace(MonitorRole::Audit.account(), &name)).await;
    }
    // The printed role keeps itself out of the statistics; here they are what is asked.
    shop.run("GRANT CONNECT ON DATABASE @ TO @_audit; ALTER ROLE @_audit SET pg_stat_statements.track = 'all'; ALTER ROLE @_audit SET pg_stat_statements.track_planning = on").await;
    let store = shop.lab.store_as(&name);
    store.access_facts(&[], &[]).await.unwrap();
    let before = counted(&mut shop, &name).await;
    let mut elapsed = Vec::new();
    for _ in 0..LOOKS {
        let looked = store.access_facts(&[], &[]).await.unwrap();
        elapsed.push(looked.cost.elapsed_us);
        assert!(looked.value.objects.iter().filter(|o| o.name.starts_with("orders.t")).count() >= 2_000);
    }
    elapsed.sort_unstable();
    let after = counted(&mut shop, &name).await;
    let server_us = (after.0 - before.0) / f64::from(LOOKS);
    assert!(before.0 > 0.0, "the server counts the login's statements");
    println!(
        "access audit of 2,000 tables: {server_us:.0} us of the server by pg_stat_statements, mean of {LOOKS}; {} us elapsed with reading, median; {} log records",
        elapsed[elapsed.len() / 2],
        after.1 - before.1
    );
    let others = format!(
        "SELECT count(*) FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid WHERE r.rolname = '{name}' AND query !~* '^\\s*(select|with|set|begin|start|commit|rollback|show)\\M'"
    );
    let others = shop.lab.text(&others).await;
    let top = format!(
        "SELECT string_agg(ms || ' ms ' || text, E'\\n') FROM (SELECT round(((total_exec_time + total_plan_time) / calls)::numeric, 1) AS ms, left(regexp_replace(query, '\\s+', ' ', 'g'), 110) AS text
           FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid WHERE r.rolname = '{name}' ORDER BY (total_exec_time + total_plan_time) / calls DESC LIMIT 6) AS t"
    );
    println!("{}", shop.lab.text(&top).await);
    shop.run("DROP VIEW public.godwit_password_kinds; DROP EXTENSION pg_stat_statements").await;
    shop.close().await;
    // Its transactions are read-only; log records, where there are any, are the server's tidying of pages that it reads.
    assert_eq!(others, "0", "an audit only reads");
    assert!(server_us <= 100_000.0, "{server_us:.0} us");
}

//! The access audit on a real MariaDB and a real MySQL, as the account that `godwit grants STORE --role audit` makes.

use super::access_plants::{ELSEWHERE, ELSEWHERE_MYSQL, in_words_of, plants, subject};
use super::lab::{Client, Product, each_product, open};
use crate::lab::Lab;
use crate::planted::{Log, Score, failing, judged, of_rule, printed, service, table, today, told};
use chrono::{DateTime, Duration, Utc};
use godwit::advice::access::drift;
use godwit::model::access::declared::StoreMap;
use godwit::model::access::observed::ObservedAccess;
use godwit::model::access::reading::{AccessReading, EngineFacts, EngineKind, LiveLogin};
use godwit::model::finding::{Finding, Verdict};
use godwit::model::monitor::MonitorRole;
use godwit::model::observation::Observation;
use godwit::stores::mysql::store::MysqlStore;
use godwit::stores::observe::{AccessFacts, Monitoring, Sessions};

const PASSWORD: &str = "Wachs0mkeit-7781";

/// A server with three services: `orders` and `billing` at home on it, `stock` elsewhere.
pub struct Shop {
    product: Product,
    lab: Lab,
    pub url: String,
    sql: Client,
    pub map: StoreMap,
    pub audit: MysqlStore,
}

/// What makes a server sound, before its services have accounts.
const SOUND_MARIADB: &[&str] = &[
    "INSTALL SONAME 'auth_ed25519'",
    "INSTALL SONAME 'server_audit'",
    "INSTALL SONAME 'metadata_lock_info'",
    "SET GLOBAL local_infile = OFF, GLOBAL max_password_errors = 20, GLOBAL default_password_lifetime = 365, GLOBAL event_scheduler = OFF",
];

/// The same of MySQL.
const SOUND_MYSQL: &[&str] =
    &["SET GLOBAL local_infile = OFF, GLOBAL default_password_lifetime = 365, GLOBAL event_scheduler = OFF"];

const SHOP: &[&str] = &[
    "CREATE DATABASE orders",
    "CREATE DATABASE billing",
    "CREATE TABLE orders.orders (id int PRIMARY KEY, note text)",
    "CREATE TABLE orders.`lines` (id int PRIMARY KEY, order_id int)",
    "CREATE TABLE billing.invoices (id int PRIMARY KEY, order_id int)",
    "CREATE ROLE idle",
    "CREATE USER loose@'10.1.%' IDENTIFIED VIA ed25519 USING PASSWORD('loose') REQUIRE SSL",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON orders.* TO orders_app@'10.1.%'",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON billing.* TO billing_app@'10.1.%'",
    "GRANT SELECT ON orders.`lines` TO billing_app@'10.1.%'",
];

impl Shop {
    /// On a private server.
    pub async fn open(product: Product) -> Self {
        Self::with_servers(product, &[1]).await
    }

    /// On the first of these private servers.
    pub async fn with_servers(product: Product, numbers: &[u8]) -> Self {
        let lab = Lab::private(&numbers.iter().map(|number| product.server(*number)).collect::<Vec<_>>());
        let url = lab.url(product.server(1));
        let sql = Client::connect(&url, "").await;
        let map = StoreMap {
            services: vec![
                service("orders", "lab", "orders_app", &[]),
                service("billing", "lab", "billing_app", &["lines"]),
                service("stock", "other", "stock_app", &[]),
            ],
            tables: vec![
                table("orders.orders", "orders"),
                table("orders.lines", "orders"),
                table("billing.invoices", "billing"),
            ],
            break_glass: vec!["root".to_owned(), "glass".to_owned()],
            migration: vec!["mover".to_owned()],
            until: None,
            ignore: Vec::new(),
        };
        let (_, place) = url.split_once('@').unwrap();
        let audit = open(&format!("{}://godwit_audit:{PASSWORD}@{place}", product.word()));
        let mut shop = Self { product, lab, url, sql, map, audit };
        if product == Product::MariaDb {
            let passwordless = "SELECT CONCAT('DROP USER root@', QUOTE(Host)) FROM mysql.global_priv WHERE User = 'root' AND Host <> '127.0.0.1'";
            let drops: Vec<String> = sqlx::query_scalar(passwordless).fetch_all(&mut shop.sql.session).await.unwrap();
            for drop in drops {
                shop.run(&drop).await;
            }
        }
        // The lab's login may not hand out PROXY: an installation gives that to root's other hosts.
        shop.run("INSERT INTO mysql.proxies_priv VALUES ('127.0.0.1', 'root', '', '', 1, '', NOW()); FLUSH PRIVILEGES")
            .await;
        for statement in product.either(SOUND_MARIADB, SOUND_MYSQL) {
            shop.run(statement).await;
        }
        for name in ["orders_app", "billing_app", "stock_app"] {
            shop.run(&format!("CREATE USER {name}@'10.1.%' IDENTIFIED VIA ed25519 USING PASSWORD('{name}') REQUIRE SSL WITH MAX_USER_CONNECTIONS 20")).await;
        }
        for statement in SHOP {
            shop.run(statement).await;
        }
        for grant in open(&shop.url).grants(MonitorRole::Audit) {
            shop.sql.run(&grant.statement.replace("'PASSWORD'", &format!("'{PASSWORD}'"))).await;
        }
        shop
    }

    /// Runs statements as `root`.
    pub async fn run(&mut self, statements: &str) {
        for statement in statements.split("; ") {
            self.sql.run(&in_words_of(self.product, statement)).await;
        }
    }

    /// URL of `root` on the second server.
    pub fn other_url(&self) -> String {
        self.lab.url(self.product.server(2))
    }

    /// A session of a login whose password is `here`.
    pub async fn client_as(&self, login: &str) -> Client {
        let (_, place) = self.url.split_once('@').unwrap();
        Client::connect(&format!("mysql://{login}:here@{place}"), "").await
    }

    /// All findings.
    pub async fn judged(&self) -> Vec<Finding> {
        judged(&self.map, &ObservedAccess::default(), &self.look().await.value)
    }

    /// What the audit role sees.
    pub async fn look(&self) -> Observation<AccessReading> {
        self.audit.access_facts(&[], &[]).await.unwrap()
    }

    /// What fails, without what the lab's own start brings with it.
    async fn failing(&self) -> Vec<Finding> {
        let reading = self.look().await.value;
        let mut failing = failing(&self.map, &ObservedAccess::default(), &reading);
        // No auditing plugin comes with MySQL's community server.
        let lacks_audit = self.product == Product::Mysql;
        failing.retain(|f| {
            !(f.rule == "MY-17" || f.rule == "MY-27" && f.subject == "init_file" || f.rule == "MY-25" && lacks_audit)
        });
        failing
    }
}

each_product!(what_is_planted_is_found_and_mended_and_nothing_else_is_accused);
async fn what_is_planted_is_found_and_mended_and_nothing_else_is_accused(product: Product) {
    let mut shop = Shop::open(product).await;
    let log = Log::start();
    let mut score = Score::default();
    assert_eq!(shop.look().await.missing, [], "the audit role is enough");
    score.sound(&shop.failing().await);
    let mut everything = String::new();
    for plant in plants(product) {
        shop.run(plant.decoy).await;
        score.decoy(plant, &shop.failing().await);
        let beside = judged(&shop.map, &ObservedAccess::default(), &shop.look().await.value);
        score.passing(&beside, |f| f.subject != "init_file");
        shop.run(plant.plant).await;
        let findings = shop.failing().await;
        if let Some(finding) = score.planted(plant, subject(product, plant), &findings)
            && let (Some(statement), Some(undo)) = (&finding.statement, &finding.undo)
        {
            shop.run(statement).await;
            score.mended(plant, &finding, &shop.failing().await);
            shop.run(undo).await;
            score.undone(plant, &finding, &shop.failing().await);
        }
        everything.push_str(&serde_json::to_string(&(shop.look().await, &findings)).unwrap());
        everything.push_str(&printed(&findings));
        shop.run(plant.clear).await;
        score.cleared(plant, &shop.failing().await);
    }
    everything.push_str(&log.text());
    // No secret in anything that is sent, stored or shown: neither passwords, nor hashes, nor what is stored for other servers.
    let secrets = product.either(
        "SELECT JSON_VALUE(Priv, '$.authentication_string') FROM mysql.global_priv WHERE LENGTH(JSON_VALUE(Priv, '$.authentication_string')) > 20",
        "SELECT authentication_string FROM mysql.user WHERE LENGTH(authentication_string) > 20",
    );
    let mut secrets: Vec<String> = sqlx::query_scalar(secrets).fetch_all(&mut shop.sql.session).await.unwrap();
    assert!(secrets.len() >= 4);
    secrets.extend([PASSWORD.to_owned(), "geheim-9942".to_owned()]);
    for secret in secrets {
        assert!(!everything.contains(&secret), "a secret is in the readings");
    }
    let elsewhere = [ELSEWHERE, product.either(&[][..], ELSEWHERE_MYSQL)].concat();
    score.settle(product.word(), EngineKind::Mysql, &elsewhere);
}

each_product!(what_one_server_cannot_show_is_judged_on_altered_facts);
async fn what_one_server_cannot_show_is_judged_on_altered_facts(product: Product) {
    let mut shop = Shop::open(product).await;
    let sound = shop.look().await.value;
    let mut reading = sound.clone();
    let EngineFacts::Mysql(facts) = &mut reading.engine else { panic!("it is one of the two") };
    for (name, value) in [("bind_address", "*"), ("secure_file_priv", ""), ("require_secure_transport", "OFF")] {
        facts.settings.insert(name.to_owned(), value.to_owned());
    }
    assert_eq!(of_rule(&shop.map, &reading, "MY-15"), ["require_secure_transport"]);
    assert_eq!(of_rule(&shop.map, &reading, "MY-17"), ["secure_file_priv"]);
    let EngineFacts::Mysql(facts) = &mut reading.engine else { panic!("it is one of the two") };
    facts.settings.insert("secure_file_priv".to_owned(), "/srv/import".to_owned());
    facts.settings.insert("require_secure_transport".to_owned(), "ON".to_owned());
    assert_eq!((of_rule(&shop.map, &reading, "MY-15"), of_rule(&shop.map, &reading, "MY-17")), (vec![], vec![]));
    // An administrator whom nobody named, and a reader of the log after the last day.
    let live = |login: &str, replicates| LiveLogin {
        login: login.to_owned(),
        application: String::new(),
        client: "10.1.0.9".to_owned(),
        encrypted: None,
        replicates,
        sessions: 1,
    };
    reading.live = vec![live("root", false), live("mover", true)];
    assert_eq!(of_rule(&shop.map, &reading, "OWN-24"), Vec::<String>::new());
    shop.map.break_glass.clear();
    assert_eq!(of_rule(&shop.map, &reading, "OWN-24"), ["root"]);
    assert_eq!(of_rule(&shop.map, &reading, "OWN-13"), Vec::<String>::new());
    shop.map.until = today().pred_opt();
    assert_eq!(of_rule(&shop.map, &reading, "OWN-13"), ["mover from 10.1.0.9"]);
    shop.map.services[1].accounts.push("orders_app".to_owned());
    assert_eq!(of_rule(&shop.map, &reading, "OWN-03"), ["orders_app"]);
    shop.map.services[1].accounts.pop();
    shop.map.tables[0].moved_at = Some(DateTime::UNIX_EPOCH);
    assert_eq!(of_rule(&shop.map, &reading, "OWN-06"), ["orders_app on orders.orders"]);
    // Rights that nobody was seen using in a month.
    let mut observed = ObservedAccess::default();
    observed.take(&[], DateTime::UNIX_EPOCH);
    observed.take(&[], DateTime::<Utc>::UNIX_EPOCH + Duration::days(31));
    let unused = judged(&shop.map, &observed, &sound).into_iter().filter(|f| f.rule == "OWN-22");
    assert_eq!(told(&unused.collect::<Vec<_>>()), ["OWN-22 billing_app on orders.lines"]);
}

each_product!(after_the_last_day_leftovers_are_told_and_changes_of_rights_are_noticed);
async fn after_the_last_day_leftovers_are_told_and_changes_of_rights_are_noticed(product: Product) {
    let mut shop = Shop::open(product).await;
    let before = shop.look().await;
    let again = shop.look().await.value;
    let [one, other] = [&before.value, &again].map(|r| printed(&judged(&shop.map, &ObservedAccess::default(), r)));
    assert_eq!(one, other, "two audits of one state are the same text");
    shop.run("CREATE USER mover@'10.1.%' IDENTIFIED VIA ed25519 USING PASSWORD('mover'); GRANT REPLICATION SLAVE ON *.* TO mover@'10.1.%'").await;
    shop.run("CREATE DEFINER = orders_app@'10.1.%' TRIGGER orders.dual AFTER INSERT ON orders.orders FOR EACH ROW INSERT INTO billing.invoices VALUES (NEW.id, NEW.id)").await;
    shop.run("GRANT DELETE ON orders.orders TO billing_app@'10.1.%'").await;
    shop.map.until = today().pred_opt();
    let after = shop.look().await;
    assert_eq!(of_rule(&shop.map, &after.value, "OWN-20"), ["'mover'@'10.1.%'"]);
    assert_eq!(of_rule(&shop.map, &after.value, "OWN-21"), ["dual on orders.orders"]);
    let changes = drift::changes((&before.value, before.at), (&after.value, after.at));
    let told: Vec<String> = changes.iter().map(|c| format!("{} {}", c.login, c.sentence)).collect();
    assert_eq!(told, ["billing_app has now DELETE on orders.orders", "mover is a new login"]);
    assert!(changes.iter().all(|c| c.appeared && c.since == before.at && c.at == after.at));
    assert_eq!(drift::changes((&after.value, after.at), (&shop.look().await.value, Utc::now())), []);
}

each_product!(access_of_another_service_is_seen_while_it_happens);
async fn access_of_another_service_is_seen_while_it_happens(product: Product) {
    let mut shop = Shop::open(product).await;
    shop.run("CREATE USER billing_app@127.0.0.1 IDENTIFIED BY 'here'; GRANT SELECT, UPDATE ON orders.* TO billing_app@127.0.0.1; GRANT SELECT ON billing.* TO billing_app@127.0.0.1").await;
    let (_, place) = shop.url.split_once('@').unwrap();
    let mut billing = Client::connect(&format!("mysql://billing_app:here@{place}"), "orders").await;
    billing.run("START TRANSACTION").await;
    billing.run("UPDATE orders.orders SET note = 'geheim-9942' WHERE id = 0").await;
    billing.run("SELECT * FROM billing.invoices").await;
    let activity = shop.audit.activity().await.unwrap();
    let mut observed = ObservedAccess::default();
    observed.take(&activity.value.touches, activity.at);
    let reading = shop.look().await.value;
    let seen: Vec<Finding> =
        failing(&shop.map, &observed, &reading).into_iter().filter(|f| f.rule == "OWN-07").collect();
    assert_eq!(told(&seen), ["OWN-07 billing_app on orders.orders"]);
    assert!(seen[0].statement.as_deref().unwrap().contains("REVOKE UPDATE ON `orders`.*"), "{:?}", seen[0]);
    assert!(!format!("{seen:?}").contains("geheim"));
}

each_product!(what_a_plain_login_may_not_see_is_not_checkable);
async fn what_a_plain_login_may_not_see_is_not_checkable(product: Product) {
    let mut shop = Shop::open(product).await;
    shop.run("CREATE USER plain@127.0.0.1 IDENTIFIED BY 'here'").await;
    let (_, place) = shop.url.split_once('@').unwrap();
    let plain = open(&format!("{}://plain:here@{place}", product.word())).access_facts(&[], &[]).await.unwrap();
    assert!(
        plain.missing.iter().any(|missing| missing.id == product.ids(&["mariadb.access.accounts"])[0]),
        "{:?}",
        plain.missing
    );
    assert!(plain.missing.iter().all(|missing| missing.enable.is_some()));
    let findings = judged(&shop.map, &ObservedAccess::default(), &plain.value);
    for rule in [
        "MY-01", "MY-05", "MY-12", "MY-18", "MY-19", "MY-21", "MY-28", "OWN-01", "OWN-02", "OWN-09", "OWN-19", "OWN-24",
    ] {
        let of_rule: Vec<&Verdict> = findings.iter().filter(|f| f.rule == rule).map(|f| &f.verdict).collect();
        assert!(matches!(of_rule[..], [Verdict::NotCheckable { .. }]), "{rule}: {of_rule:?}");
    }
}

each_product!(without_the_view_of_their_texts_programs_are_listed_and_not_read);
async fn without_the_view_of_their_texts_programs_are_listed_and_not_read(product: Product) {
    let mut shop = Shop::open(product).await;
    shop.run("CREATE VIEW billing.peek AS SELECT 1 AS one").await;
    shop.run(product.either("DROP VIEW godwit_audit.code_text", "DROP PROCEDURE godwit_audit.code_text")).await;
    let read = shop.look().await;
    let missing: Vec<&str> = read.missing.iter().map(|missing| missing.id.as_str()).collect();
    assert_eq!(missing, product.ids(&["mariadb.access.code_text"]));
    assert!(
        read.missing[0].enable.as_deref().is_some_and(|enable| enable.contains("godwit grants STORE --role audit")),
        "{:?}",
        read.missing
    );
}

#[tokio::test]
#[ignore = "needs MySQL: run tests/run"]
async fn a_partial_revoke_takes_a_right_away_on_one_database() {
    let mut shop = Shop::open(Product::Mysql).await;
    let foreign = async |shop: &Shop| of_rule(&shop.map, &shop.look().await.value, "OWN-02");
    shop.run("GRANT SELECT ON *.* TO orders_app@'10.1.%'").await;
    assert_eq!(foreign(&shop).await, ["orders_app on billing.invoices"]);
    shop.run("SET GLOBAL partial_revokes = ON; REVOKE SELECT ON billing.* FROM orders_app@'10.1.%'").await;
    assert_eq!(foreign(&shop).await, [""; 0], "it is taken away there, and nowhere else");
    assert_eq!(of_rule(&shop.map, &shop.look().await.value, "MY-09"), ["'orders_app'@'10.1.%'"]);
    // Wildcards are letters from then on.
    shop.run("GRANT UPDATE ON `billin_`.* TO orders_app@'10.1.%'").await;
    let reading = shop.look().await.value;
    assert_eq!(of_rule(&shop.map, &reading, "OWN-01"), [""; 0]);
    assert_eq!(of_rule(&shop.map, &reading, "MY-18"), [""; 0]);
}

#[tokio::test]
#[ignore = "needs MySQL: run tests/run"]
async fn what_mysql_9_has_not_is_judged_on_altered_facts() {
    let shop = Shop::open(Product::Mysql).await;
    let mut reading = shop.look().await.value;
    assert_eq!(of_rule(&shop.map, &reading, "MY-25"), ["audit plugin"], "none comes with it");
    assert_eq!(of_rule(&shop.map, &reading, "MY-13"), [""; 0]);
    let EngineFacts::Mysql(facts) = &mut reading.engine else { panic!("it is one of the two") };
    facts.plugins = vec!["audit_log".to_owned()];
    let godwit::model::access::postgres::Readable::Read(accounts) = &mut facts.accounts else {
        panic!("they are read")
    };
    for account in accounts.iter_mut().filter(|account| account.user == "stock_app") {
        "mysql_native_password".clone_into(&mut account.plugin);
    }
    assert_eq!(of_rule(&shop.map, &reading, "MY-25"), [""; 0]);
    assert_eq!(of_rule(&shop.map, &reading, "MY-13"), ["'stock_app'@'10.1.%'"]);
}

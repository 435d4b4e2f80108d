//! The access audit on a real MongoDB, as the account that `godwit grants STORE --role audit` makes.
//!
//! The set is shared with other tests: what is not of this test's databases, users and roles is left out of what is judged here.

use super::lab::{admin, client, ids, name, open, plain_url, run_printed, url, url_as};
use crate::lab::Lab;
use crate::planted::{Log, Plant, Score, failing, judged, of_rule, plant, printed, service, table, today, told};
use godwit::advice::access::drift;
use godwit::model::access::declared::StoreMap;
use godwit::model::access::observed::ObservedAccess;
use godwit::model::access::postgres::Readable;
use godwit::model::access::reading::{AccessReading, EngineFacts, EngineKind};
use godwit::model::finding::{Finding, Verdict};
use godwit::model::monitor::MonitorRole;
use godwit::model::observation::Observation;
use godwit::stores::StoreRef;
use mongodb::Client;
use mongodb::bson::{Bson, Document, doc};
use std::collections::BTreeMap;

/// The password of every login here.
pub const PASSWORD: &str = "Wachs0mkeit-7781";

/// Commands as JSON, one a line: database, then command. `@` stands for this test's name.
const PLANTS: &[Plant] = &[
    plant(
        "MG-03",
        "@_loose@admin",
        r#"admin {"grantRolesToUser": "@_glass", "roles": ["root"]}"#,
        r#"admin {"grantRolesToUser": "@_loose", "roles": ["root"]}"#,
        r#"admin {"revokeRolesFromUser": "@_loose", "roles": ["root"]}
admin {"revokeRolesFromUser": "@_glass", "roles": ["root"]}"#,
    ),
    plant(
        "MG-03",
        "@_loose@admin",
        r#"admin {"createRole": "@_most", "roles": [], "privileges": [{"resource": {"db": "@_nowhere", "collection": ""}, "actions": ["anyAction"]}]}
admin {"grantRolesToUser": "@_loose", "roles": ["@_most"]}"#,
        r#"admin {"createRole": "@_all", "roles": [], "privileges": [{"resource": {"anyResource": true}, "actions": ["anyAction"]}]}
admin {"grantRolesToUser": "@_loose", "roles": ["@_all"]}"#,
        r#"admin {"dropRole": "@_all"}
admin {"dropRole": "@_most"}"#,
    ),
    plant(
        "MG-04",
        "@_loose@admin",
        r#"admin {"grantRolesToUser": "@_glass", "roles": ["readAnyDatabase"]}"#,
        r#"admin {"grantRolesToUser": "@_loose", "roles": ["readAnyDatabase"]}"#,
        r#"admin {"revokeRolesFromUser": "@_loose", "roles": ["readAnyDatabase"]}
admin {"revokeRolesFromUser": "@_glass", "roles": ["readAnyDatabase"]}"#,
    ),
    plant(
        "MG-05",
        "@_loose@admin",
        r#"admin {"grantRolesToUser": "@_loose", "roles": [{"role": "dbAdmin", "db": "@_orders"}]}"#,
        r#"admin {"grantRolesToUser": "@_loose", "roles": [{"role": "dbOwner", "db": "@_orders"}]}"#,
        r#"admin {"revokeRolesFromUser": "@_loose", "roles": [{"role": "dbOwner", "db": "@_orders"}, {"role": "dbAdmin", "db": "@_orders"}]}"#,
    ),
    plant(
        "MG-06",
        "@_wide@admin on { db: \"\", collection: \"\" }",
        r#"admin {"createRole": "@_reads", "roles": [], "privileges": [{"resource": {"db": "", "collection": ""}, "actions": ["collStats"]}]}
admin {"grantRolesToUser": "@_glass", "roles": ["@_reads"]}"#,
        r#"admin {"createRole": "@_wide", "roles": [], "privileges": [{"resource": {"db": "", "collection": ""}, "actions": ["insert"]}]}
admin {"grantRolesToUser": "@_glass", "roles": ["@_wide"]}"#,
        r#"admin {"dropRole": "@_wide"}
admin {"dropRole": "@_reads"}"#,
    ),
    plant(
        "MG-07",
        "@_loose@admin",
        r#"admin {"grantRolesToUser": "@_glass", "roles": ["clusterMonitor"]}"#,
        r#"admin {"grantRolesToUser": "@_loose", "roles": ["clusterMonitor"]}"#,
        r#"admin {"revokeRolesFromUser": "@_loose", "roles": ["clusterMonitor"]}
admin {"revokeRolesFromUser": "@_glass", "roles": ["clusterMonitor"]}"#,
    ),
    plant(
        "MG-08",
        "@_loose@admin",
        r#"admin {"grantRolesToUser": "@_mover", "roles": ["restore"]}"#,
        r#"admin {"grantRolesToUser": "@_loose", "roles": ["backup"]}"#,
        r#"admin {"revokeRolesFromUser": "@_loose", "roles": ["backup"]}
admin {"revokeRolesFromUser": "@_mover", "roles": ["restore"]}"#,
    ),
    plant(
        "MG-11",
        "@_old@admin",
        r#"admin {"createUser": "@_new", "pwd": "geheim-9942", "roles": [{"role": "read", "db": "@_nowhere"}], "mechanisms": ["SCRAM-SHA-256"]}"#,
        r#"admin {"createUser": "@_old", "pwd": "geheim-9942", "roles": [{"role": "read", "db": "@_nowhere"}], "mechanisms": ["SCRAM-SHA-1"]}"#,
        r#"admin {"dropUser": "@_old"}
admin {"dropUser": "@_new"}"#,
    ),
    plant(
        "MG-13",
        "@_app_orders@admin",
        r#"admin {"updateUser": "@_loose", "authenticationRestrictions": []}"#,
        r#"admin {"updateUser": "@_app_orders", "authenticationRestrictions": []}"#,
        r#"admin {"updateUser": "@_app_orders", "authenticationRestrictions": [{"clientSource": ["127.0.0.1"]}]}"#,
    ),
    plant(
        "MG-15",
        "@_orders",
        r#"@_billing {"profile": 1, "slowms": 5000}"#,
        r#"@_orders {"profile": 2}"#,
        r#"@_orders {"profile": 0}
@_billing {"profile": 0, "slowms": 100}"#,
    ),
    plant(
        "MG-17",
        "@_nobodys@admin",
        r#"admin {"createRole": "@_inner", "roles": [], "privileges": []}
admin {"createRole": "@_outer", "roles": ["@_inner"], "privileges": []}
admin {"grantRolesToUser": "@_loose", "roles": ["@_outer"]}"#,
        r#"admin {"createRole": "@_nobodys", "roles": [], "privileges": []}"#,
        r#"admin {"dropRole": "@_nobodys"}
admin {"dropRole": "@_outer"}
admin {"dropRole": "@_inner"}"#,
    ),
    plant(
        "MG-18",
        "@_r_billing@admin from @_r_orders@admin",
        r#"admin {"createRole": "@_r_orders", "roles": [], "privileges": []}
admin {"createRole": "@_r_billing", "roles": [], "privileges": []}
admin {"grantRolesToUser": "@_app_orders", "roles": ["@_r_orders"]}
admin {"grantRolesToUser": "@_app_billing", "roles": ["@_r_billing"]}"#,
        r#"admin {"grantRolesToRole": "@_r_billing", "roles": ["@_r_orders"]}"#,
        r#"admin {"dropRole": "@_r_billing"}
admin {"dropRole": "@_r_orders"}"#,
    ),
    plant(
        "OWN-01",
        "@_app_billing on @_orders.orders",
        r#"admin {"grantRolesToUser": "@_loose", "roles": [{"role": "readWrite", "db": "@_orders"}]}"#,
        r#"admin {"grantRolesToUser": "@_app_billing", "roles": [{"role": "readWrite", "db": "@_orders"}]}"#,
        r#"admin {"revokeRolesFromUser": "@_app_billing", "roles": [{"role": "readWrite", "db": "@_orders"}]}
admin {"revokeRolesFromUser": "@_loose", "roles": [{"role": "readWrite", "db": "@_orders"}]}"#,
    ),
    plant(
        "OWN-02",
        "@_app_billing on @_orders.orders",
        r#"admin {"createRole": "@_allowed", "roles": [], "privileges": [{"resource": {"db": "@_orders", "collection": "lines"}, "actions": ["find"]}]}
admin {"grantRolesToUser": "@_app_billing", "roles": ["@_allowed"]}"#,
        r#"admin {"createRole": "@_peek", "roles": [], "privileges": [{"resource": {"db": "@_orders", "collection": "orders"}, "actions": ["find"]}]}
admin {"grantRolesToUser": "@_app_billing", "roles": ["@_peek"]}"#,
        r#"admin {"dropRole": "@_peek"}
admin {"dropRole": "@_allowed"}"#,
    ),
    plant(
        "OWN-04",
        "@_app_stock on @_orders",
        r#"admin {"createRole": "@_around", "roles": [], "privileges": [{"resource": {"db": "@_nowhere", "collection": ""}, "actions": ["listCollections"]}]}
admin {"grantRolesToUser": "@_app_stock", "roles": ["@_around"]}"#,
        r#"admin {"createRole": "@_look", "roles": [], "privileges": [{"resource": {"db": "@_orders", "collection": ""}, "actions": ["listCollections"]}]}
admin {"grantRolesToUser": "@_app_stock", "roles": ["@_look"]}"#,
        r#"admin {"dropRole": "@_look"}
admin {"dropRole": "@_around"}"#,
    ),
    plant(
        "OWN-09",
        "@_orders.across",
        r#"@_orders {"create": "within", "viewOn": "orders", "pipeline": [{"$lookup": {"from": "lines", "localField": "_id", "foreignField": "o", "as": "l"}}]}"#,
        r#"@_orders {"create": "across", "viewOn": "orders", "pipeline": [{"$lookup": {"from": "guests", "localField": "_id", "foreignField": "o", "as": "l"}}]}"#,
        r#"@_orders {"drop": "across"}
@_orders {"drop": "within"}"#,
    ),
    plant(
        "OWN-16",
        "@_orders.nobodys",
        r#"@_orders {"create": "fine", "viewOn": "orders", "pipeline": []}"#,
        r#"@_orders {"create": "nobodys"}"#,
        r#"@_orders {"drop": "nobodys"}
@_orders {"drop": "fine"}"#,
    ),
    plant(
        "OWN-23",
        "@_shared@admin",
        r#"admin {"createRole": "@_shared", "roles": [], "privileges": []}
admin {"grantRolesToUser": "@_app_orders", "roles": ["@_shared"]}
admin {"grantRolesToUser": "@_app_billing", "roles": ["@_shared"]}"#,
        r#"admin {"grantPrivilegesToRole": "@_shared", "privileges": [{"resource": {"db": "@_orders", "collection": "lines"}, "actions": ["find"]}]}"#,
        r#"admin {"dropRole": "@_shared"}"#,
    ),
];

const ELSEWHERE: &[(&str, &str)] = &[
    ("MG-01", "mongo2 asks nobody: a test of its own"),
    ("MG-02", "mongo2 has no user: a test of its own"),
    ("MG-09", "the lab listens on loopback: a test of its own"),
    ("MG-10", "the lab does not encrypt: a test of its own"),
    ("MG-12", "it is the default, and needs a restart: a test of its own"),
    ("MG-14", "the community server cannot audit: judged on altered facts"),
    ("MG-16", "a set keeps how its members know each other: a test of its own"),
    ("OWN-03", "it is about the profile: a test of its own"),
    ("OWN-06", "it needs a collection that moved: a test of its own"),
    ("OWN-07", "a test of its own"),
    ("OWN-13", "it needs the last day to be over: a test of its own"),
    ("OWN-20", "it needs the last day to be over: a test of its own"),
    ("OWN-22", "it needs thirty days: a test of its own"),
    ("OWN-24", "it needs an administrator's session: a test of its own"),
    ("OWN-25", "it compares two stores: a test of its own"),
];

/// Three services on the set, and what looks at it.
pub struct Shop {
    pub name: String,
    pub admin: Client,
    pub map: StoreMap,
    pub audit: StoreRef,
}

impl Shop {
    pub async fn open() -> Self {
        let admin = admin().await;
        let name = name("acc");
        let account = format!("{name}_audit");
        for grant in open(&url()).monitoring().unwrap().grants(MonitorRole::Audit) {
            let statement =
                grant.statement.replace(MonitorRole::Audit.account(), &account).replace("PASSWORD", PASSWORD);
            run_printed(&admin, &statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
        let own = |what: &str| format!("{name}_{what}");
        let map = StoreMap {
            services: vec![
                service("orders", "lab", &own("app_orders"), &[]),
                service("billing", "lab", &own("app_billing"), &["lines"]),
                service("stock", "other", &own("app_stock"), &[]),
            ],
            tables: vec![
                table(&own("orders.orders"), "orders"),
                table(&own("orders.lines"), "orders"),
                table(&own("orders.guests"), "billing"),
                table(&own("billing.invoices"), "billing"),
            ],
            break_glass: vec![own("glass"), "root".to_owned(), own("reads"), own("audit")],
            migration: vec![own("mover")],
            until: None,
            ignore: Vec::new(),
        };
        let audit = open(&url_as(&account, PASSWORD));
        let shop = Self { name, admin, map, audit };
        shop.run(r#"@_orders {"create": "orders"}
@_orders {"create": "lines"}
@_orders {"create": "guests"}
@_billing {"create": "invoices"}
admin {"createRole": "@_own_orders", "roles": [], "privileges": [{"resource": {"db": "@_orders", "collection": "orders"}, "actions": ["find", "insert", "update", "remove"]}, {"resource": {"db": "@_orders", "collection": "lines"}, "actions": ["find", "insert", "update", "remove"]}]}"#).await;
        for (user, role, database) in [
            ("app_orders", format!("{}_own_orders", shop.name), "admin".to_owned()),
            ("app_billing", "readWrite".to_owned(), format!("{}_billing", shop.name)),
            ("app_stock", "read".to_owned(), format!("{}_nowhere", shop.name)),
            ("loose", "read".to_owned(), format!("{}_nowhere", shop.name)),
            ("glass", "read".to_owned(), format!("{}_nowhere", shop.name)),
            ("mover", "read".to_owned(), format!("{}_nowhere", shop.name)),
        ] {
            let create = doc! { "createUser": format!("{}_{user}", shop.name), "pwd": PASSWORD, "mechanisms": ["SCRAM-SHA-256"],
            "roles": [{ "role": role, "db": database }], "authenticationRestrictions": [{ "clientSource": ["127.0.0.1"] }] };
            shop.admin.database("admin").run_command(create).await.unwrap();
        }
        shop
    }

    /// The text for this test.
    pub fn own(&self, text: &str) -> String {
        // Names of this test begin with `@_`; `@admin` is a user's database.
        text.replace("@_", &format!("{}_", self.name))
    }

    /// Runs commands as `root`.
    pub async fn run(&self, commands: &str) {
        for line in commands.lines().filter(|line| !line.is_empty()) {
            let line = self.own(line);
            let (database, command) = line.split_once(' ').unwrap();
            let command: serde_json::Value = serde_json::from_str(command).unwrap();
            let Bson::Document(command) = mongodb::bson::serialize_to_bson(&command).unwrap() else { panic!("{line}") };
            // The first key names the command; JSON sorts keys.
            let verbs = [
                "create",
                "createRole",
                "createUser",
                "updateUser",
                "dropRole",
                "dropUser",
                "drop",
                "profile",
                "grantRolesToUser",
                "revokeRolesFromUser",
                "grantRolesToRole",
                "revokeRolesFromRole",
                "grantPrivilegesToRole",
                "revokePrivilegesFromRole",
            ];
            let verb = verbs.iter().find(|verb| command.contains_key(**verb)).unwrap_or_else(|| panic!("{line}"));
            let mut ordered = doc! { *verb: command.get(*verb).unwrap().clone() };
            ordered.extend(command.into_iter().filter(|(key, _)| key != verb));
            self.admin.database(database).run_command(ordered).await.unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    /// Runs a statement as a finding prints it: `db.getSiblingDB("x").verb("name", [..])`.
    pub async fn printed(&self, statement: &str) {
        let (database, call) = statement.strip_prefix("db.getSiblingDB(\"").unwrap().split_once("\").").unwrap();
        let (verb, arguments) = call.strip_suffix(')').unwrap().split_once('(').unwrap();
        let mut command = Document::new();
        if verb == "setProfilingLevel" {
            command.insert("profile", arguments.parse::<i32>().unwrap());
        } else {
            let (name, rest) = arguments.split_once(", ").unwrap();
            command.insert(verb, name.trim_matches('"'));
            let rest = super::lab::with_quoted_keys(rest);
            let rest: serde_json::Value = serde_json::from_str(&rest).unwrap_or_else(|error| panic!("{rest}: {error}"));
            let rest = mongodb::bson::serialize_to_bson(&rest).unwrap();
            match rest {
                Bson::Document(fields) => command.extend(fields),
                list if verb.contains("Privileges") => _ = command.insert("privileges", list),
                list => _ = command.insert("roles", list),
            }
        }
        self.admin.database(database).run_command(command).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }

    /// What the audit role sees.
    pub async fn look(&self) -> Observation<AccessReading> {
        self.audit.access_facts().unwrap().access_facts(&[], &[]).await.unwrap()
    }

    fn is_own(&self, finding: &Finding) -> bool {
        finding.subject.contains(&self.name)
    }

    async fn failing(&self) -> Vec<Finding> {
        let reading = self.look().await.value;
        failing(&self.map, &ObservedAccess::default(), &reading).into_iter().filter(|f| self.is_own(f)).collect()
    }

    /// Takes everything away.
    pub async fn close(self) {
        for what in ["orders", "billing"] {
            self.admin.database(&format!("{}_{what}", self.name)).drop().await.unwrap();
        }
        for what in ["app_orders", "app_billing", "app_stock", "loose", "glass", "mover", "audit"] {
            self.run(&format!(r#"admin {{"dropUser": "@_{what}"}}"#)).await;
        }
        for what in ["own_orders", "audit"] {
            self.run(&format!(r#"admin {{"dropRole": "@_{what}"}}"#)).await;
        }
    }
}

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn what_is_planted_is_found_and_mended_and_nothing_else_is_accused() {
    let shop = Shop::open().await;
    let log = Log::start();
    let mut score = Score::default();
    assert_eq!(ids(&shop.look().await.missing), [""; 0], "the audit role with its optional grants is enough");
    score.sound(&shop.failing().await);
    score.passing(&judged(&shop.map, &ObservedAccess::default(), &shop.look().await.value), |f| shop.is_own(f));
    let mut everything = String::new();
    for plant in PLANTS {
        shop.run(plant.decoy).await;
        score.decoy(plant, &shop.failing().await);
        score.passing(&judged(&shop.map, &ObservedAccess::default(), &shop.look().await.value), |f| shop.is_own(f));
        shop.run(plant.plant).await;
        let findings = shop.failing().await;
        if let Some(finding) = score.planted(plant, &shop.own(plant.subject), &findings)
            && let (Some(statement), Some(undo)) = (&finding.statement, &finding.undo)
        {
            shop.printed(statement).await;
            score.mended(plant, &finding, &shop.failing().await);
            shop.printed(undo).await;
            score.undone(plant, &finding, &shop.failing().await);
        }
        everything.push_str(&serde_json::to_string(&(shop.look().await, &findings)).unwrap());
        everything.push_str(&printed(&findings));
        shop.run(plant.clear).await;
        score.cleared(plant, &shop.failing().await);
    }
    everything.push_str(&log.text());
    let users = doc! { "usersInfo": { "forAllDBs": true }, "showCredentials": true };
    let users = shop.admin.database("admin").run_command(users).await.unwrap();
    let mut secrets = vec![PASSWORD.to_owned(), "geheim-9942".to_owned()];
    for user in users.get_array("users").unwrap().iter().filter_map(Bson::as_document) {
        for mechanism in user.get_document("credentials").unwrap().values().filter_map(Bson::as_document) {
            secrets.extend(
                ["salt", "storedKey", "serverKey"].iter().map(|key| mechanism.get_str(key).unwrap().to_owned()),
            );
        }
    }
    assert!(secrets.len() >= 8);
    for secret in secrets {
        assert!(!everything.contains(&secret), "a secret is in the readings");
    }
    shop.close().await;
    score.settle("mongodb", EngineKind::Mongo, ELSEWHERE);
}

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn a_server_that_asks_nobody_is_told() {
    let store = open(&plain_url());
    let reading = store.access_facts().unwrap().access_facts(&[], &[]).await.unwrap().value;
    let map = StoreMap::default();
    assert_eq!(of_rule(&map, &reading, "MG-01"), ["security.authorization"]);
    assert_eq!(of_rule(&map, &reading, "MG-02"), ["users"]);
    assert_eq!(
        of_rule(&map, &reading, "MG-16"),
        [""; 0],
        "it is no member of a set, and its port is not the usual one"
    );
    let shop = Shop::open().await;
    let sound = shop.look().await.value;
    assert_eq!((of_rule(&map, &sound, "MG-01"), of_rule(&map, &sound, "MG-02")), (vec![], vec![]));
    assert_eq!(of_rule(&map, &sound, "MG-16"), ["security.clusterAuthMode"], "the lab's set has a key file");
    shop.close().await;
}

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn a_server_that_takes_programs_in_queries_is_told_and_one_that_does_not_passes() {
    let lab = Lab::private(&["mongo2"]);
    let verdicts = async || {
        let store = open(&lab.url("mongo2"));
        let reading = store.access_facts().unwrap().access_facts(&[], &[]).await.unwrap().value;
        let findings = judged(&StoreMap::default(), &ObservedAccess::default(), &reading);
        findings.into_iter().filter(|f| f.rule == "MG-12").map(|f| f.verdict).collect::<Vec<_>>()
    };
    assert_eq!(verdicts().await, [Verdict::Fail]);
    lab.server("stop", "mongo2");
    let path = lab.dir().join("mongo2/mongod.conf");
    let settings = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{settings}security: {{ javascriptEnabled: false }}\n")).unwrap();
    lab.server("start", "mongo2");
    assert_eq!(verdicts().await, [Verdict::Pass]);
}

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn what_one_server_cannot_show_is_judged_on_altered_facts() {
    let mut shop = Shop::open().await;
    let sound = shop.look().await.value;
    let altered = |options: &[(&str, &str)], can_audit| {
        let mut reading = sound.clone();
        let EngineFacts::Mongo(facts) = &mut reading.engine else { panic!("it is a MongoDB") };
        let options: BTreeMap<String, String> =
            options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        (facts.options, facts.can_audit) = (Readable::Read(options), can_audit);
        reading
    };
    let bad = altered(
        &[
            ("net.bindIp", "0.0.0.0"),
            ("net.tls.mode", "allowTLS"),
            ("net.port", "27017"),
            ("security.keyFile", "(set)"),
        ],
        true,
    );
    let of = |reading: &AccessReading, rule: &str| of_rule(&shop.map, reading, rule);
    assert_eq!(of(&bad, "MG-09"), ["net.tls.mode"]);
    assert_eq!(of(&bad, "MG-10"), ["net.tls.disabledProtocols"]);
    assert_eq!(of(&bad, "MG-14"), ["auditLog.destination"]);
    assert_eq!(
        of(&bad, "MG-16"),
        ["net.port", "security.clusterAuthMode"],
        "the usual port is for no test to listen on"
    );
    let good = altered(
        &[
            ("net.bindIp", "0.0.0.0"),
            ("net.tls.mode", "requireTLS"),
            ("net.tls.disabledProtocols", "TLS1_0,TLS1_1"),
            ("net.port", "4711"),
            ("security.javascriptEnabled", "false"),
            ("security.clusterAuthMode", "x509"),
            ("auditLog.destination", "file"),
        ],
        true,
    );
    for rule in ["MG-09", "MG-10", "MG-14", "MG-16"] {
        assert_eq!(of(&good, rule), Vec::<String>::new(), "{rule}");
    }
    // Rights that nobody was seen using in a month.
    let mut observed = ObservedAccess::default();
    observed.take(&[], chrono::DateTime::UNIX_EPOCH);
    observed.take(&[], chrono::DateTime::<chrono::Utc>::UNIX_EPOCH + chrono::Duration::days(31));
    shop.run(r#"admin {"createRole": "@_allowed", "roles": [], "privileges": [{"resource": {"db": "@_orders", "collection": "lines"}, "actions": ["find"]}]}
admin {"grantRolesToUser": "@_app_billing", "roles": ["@_allowed"]}"#).await;
    let unused = judged(&shop.map, &observed, &shop.look().await.value).into_iter();
    let unused = unused.filter(|f| f.rule == "OWN-22" && f.subject.starts_with(&shop.own("@_"))).collect::<Vec<_>>();
    assert_eq!(told(&unused), [shop.own("OWN-22 @_app_billing on @_orders.lines")]);
    shop.run(r#"admin {"dropRole": "@_allowed"}"#).await;
    let app = shop.own("@_app_orders");
    shop.map.services[1].accounts.push(app.clone());
    assert_eq!(of_rule(&shop.map, &sound, "OWN-03"), [app]);
    shop.map.services[1].accounts.pop();
    shop.map.tables[0].moved_at = Some(chrono::DateTime::UNIX_EPOCH);
    assert!(of_rule(&shop.map, &sound, "OWN-06").contains(&shop.own("@_app_orders on @_orders.orders")));
    shop.run(r#"admin {"grantRolesToUser": "@_mover", "roles": ["restore"]}"#).await;
    shop.map.until = today().pred_opt();
    let mut later = shop.look().await.value;
    assert_eq!(of_rule(&shop.map, &later, "OWN-20"), [shop.own("@_mover@admin")]);
    assert!(later.live.iter().any(|live| live.login == "root"), "{:?}", later.live);
    for live in &mut later.live {
        (live.replicates, live.login) = (true, shop.own("@_mover"));
    }
    assert!(!of_rule(&shop.map, &later, "OWN-13").is_empty());
    shop.map.break_glass.retain(|name| name != "root");
    assert_eq!(of_rule(&shop.map, &sound, "OWN-24"), ["root"]);
    shop.close().await;
}

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn changes_of_rights_are_noticed_and_a_plain_login_is_not_checkable() {
    let shop = Shop::open().await;
    let before = shop.look().await;
    shop.run(r#"admin {"grantRolesToUser": "@_app_billing", "roles": [{"role": "read", "db": "@_orders"}]}"#).await;
    let after = shop.look().await;
    let changes = drift::changes((&before.value, before.at), (&after.value, after.at));
    let own: Vec<String> =
        changes.iter().filter(|c| c.login == shop.own("@_app_billing")).map(|c| c.sentence.clone()).collect();
    assert!(own.contains(&shop.own("is now in read@@_orders")), "{own:?}");
    assert!(
        own.iter().any(|sentence| sentence.contains("has now SELECT") && sentence.contains("orders.orders")),
        "{own:?}"
    );
    let loose =
        open(&url_as(&shop.own("@_loose"), PASSWORD)).access_facts().unwrap().access_facts(&[], &[]).await.unwrap();
    assert!(loose.missing.iter().all(|missing| missing.enable.is_some()) && !loose.missing.is_empty());
    let findings = judged(&shop.map, &ObservedAccess::default(), &loose.value);
    for rule in ["MG-01", "MG-02", "MG-03", "MG-12", "MG-17", "OWN-01", "OWN-02", "OWN-23", "OWN-24"] {
        let of_rule: Vec<&Verdict> = findings.iter().filter(|f| f.rule == rule).map(|f| &f.verdict).collect();
        assert!(matches!(of_rule[..], [Verdict::NotCheckable { .. }]), "{rule}: {of_rule:?}");
    }
    // Without its optional right the audit role is not told the profiler's level.
    let profile = doc! { "resource": { "db": "", "collection": "system.profile" }, "actions": ["find"] };
    let revoke = doc! { "revokePrivilegesFromRole": format!("{}_audit", shop.name), "privileges": [profile] };
    shop.admin.database("admin").run_command(revoke).await.unwrap();
    assert_eq!(ids(&shop.look().await.missing), ["mongodb.access.profiling"]);
    shop.close().await;
}

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn access_of_another_service_is_seen_while_it_happens() {
    let shop = Shop::open().await;
    shop.run(r#"admin {"grantRolesToUser": "@_app_billing", "roles": [{"role": "readWrite", "db": "@_orders"}]}"#)
        .await;
    let orders = shop.admin.database(&shop.own("@_orders")).collection::<Document>("orders");
    orders.insert_one(doc! { "_id": 1, "s": "geheim-9942" }).await.unwrap();
    let billing =
        client(&url_as(&shop.own("@_app_billing"), PASSWORD), "billing worker").await.database(&shop.own("@_orders"));
    let running = tokio::spawn(async move {
        billing
            .run_command(doc! { "find": "orders", "filter": { "s": "geheim-9942", "$where": "sleep(3000) || true" } })
            .await
    });
    let mut observed = ObservedAccess::default();
    let subject = shop.own("@_app_billing on @_orders.orders");
    let reading = shop.look().await.value;
    let mut seen = Vec::new();
    for _ in 0..200 {
        let activity = shop.audit.sessions().unwrap().activity().await.unwrap();
        observed.take(&activity.value.touches, activity.at);
        seen = failing(&shop.map, &observed, &reading)
            .into_iter()
            .filter(|f| f.rule == "OWN-07" && shop.is_own(f))
            .collect();
        if !seen.is_empty() || running.is_finished() {
            break;
        }
    }
    assert_eq!(told(&seen), [format!("OWN-07 {subject}")]);
    assert!(seen[0].statement.as_deref().unwrap().contains("revokeRolesFromUser"), "{:?}", seen[0]);
    running.await.unwrap().unwrap();
    shop.close().await;
}

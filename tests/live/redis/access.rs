//! The access audit on a real Redis and a real Valkey, as the account that `godwit grants STORE --role audit` makes, with its optional grants.

use super::lab::{Server, ids, on_redis_and_valkey};
use crate::lab::{Lab, wait_until};
use crate::planted::{
    Log, Plant, Score, failing, judged, of_findings, of_rule, plant, printed, service, table, today, told,
};
use godwit::model::access::declared::StoreMap;
use godwit::model::access::observed::ObservedAccess;
use godwit::model::access::postgres::Readable;
use godwit::model::access::reading::{AccessReading, EngineFacts, EngineKind};
use godwit::model::access::redis::RedisFacts;
use godwit::model::finding::{Finding, Verdict};
use godwit::model::monitor::MonitorRole;
use godwit::model::observation::Observation;
use godwit::stores::StoreRef;
use redis::aio::MultiplexedConnection;

const PASSWORD: &str = "Wachs0mkeit-7781";

const PLANTS: &[Plant] = &[
    plant(
        "RD-01",
        "default",
        "ACL SETUSER default resetpass >other",
        "ACL SETUSER default nopass",
        "ACL SETUSER default resetpass >@",
    ),
    plant(
        "RD-02",
        "loose",
        "ACL SETUSER shut off nopass",
        "ACL SETUSER loose nopass",
        "ACL SETUSER loose resetpass >loose; ACL DELUSER shut",
    ),
    plant(
        "RD-04",
        "loose",
        "ACL SETUSER loose +@admin -@admin",
        "ACL SETUSER loose +@admin",
        "ACL SETUSER loose -@admin",
    ),
    plant(
        "RD-05",
        "orders",
        "ACL SETUSER orders ~orders:*:x",
        "ACL SETUSER orders ~*",
        "ACL SETUSER orders resetkeys ~orders:* ~lines:*",
    ),
    plant(
        "RD-06",
        "orders",
        "ACL SETUSER orders &orders:*",
        "ACL SETUSER orders allchannels",
        "ACL SETUSER orders resetchannels",
    ),
    plant(
        "RD-07",
        "orders",
        "ACL SETUSER orders +config|resetstat",
        "ACL SETUSER orders +flushall +config|set",
        "ACL SETUSER orders -flushall -config|set -config|resetstat",
    ),
    plant(
        "RD-08",
        "orders",
        "ACL SETUSER orders +fcall_ro",
        "ACL SETUSER orders +eval",
        "ACL SETUSER orders -eval -fcall_ro",
    ),
    plant(
        "RD-09",
        "acl-pubsub-default",
        // What a user has of his own is no default, and this one cannot log in.
        "ACL SETUSER shut off allchannels",
        "CONFIG SET acl-pubsub-default allchannels",
        "CONFIG SET acl-pubsub-default resetchannels; ACL DELUSER shut",
    ),
    plant(
        "RD-13",
        "loose",
        "ACL SETUSER loose >twin",
        "ACL SETUSER billing >twin",
        "ACL SETUSER loose <twin; ACL SETUSER billing <twin",
    ),
    plant(
        "RD-14",
        "orders",
        // A password that was changed, and two of somebody who cannot log in.
        "ACL SETUSER loose >newer <loose; ACL SETUSER shut off >one >two",
        "ACL SETUSER orders >older",
        "ACL SETUSER orders <older; ACL SETUSER loose >loose <newer; ACL DELUSER shut",
    ),
    plant(
        "RD-16",
        "slowlog-max-len",
        "CONFIG SET slowlog-max-len 1024; CONFIG SET slowlog-log-slower-than 64",
        "CONFIG SET slowlog-max-len 64",
        "CONFIG SET slowlog-max-len 2048; CONFIG SET slowlog-log-slower-than 10000",
    ),
    plant(
        "OWN-01",
        "billing on orders:*",
        "ACL SETUSER loose ~orders:*",
        "ACL SETUSER billing ~orders:*",
        "ACL SETUSER billing resetkeys ~billing:* %R~lines:*; ACL SETUSER loose resetkeys",
    ),
    plant(
        "OWN-01",
        "billing on orders:*",
        "ACL SETUSER billing (+set ~billing:*:1)",
        "ACL SETUSER billing (+set ~*:1)",
        "ACL SETUSER billing clearselectors",
    ),
    plant(
        "OWN-02",
        "orders on billing:*",
        "ACL SETUSER orders %R~bill",
        "ACL SETUSER orders %R~billing:[0-9]*",
        "ACL SETUSER orders resetkeys ~orders:* ~lines:*",
    ),
    plant(
        "OWN-17",
        "billing and orders",
        // Reading what it may read is no second writer.
        "ACL SETUSER billing %R~lines:1*",
        "ACL SETUSER billing ~orders:1*",
        "ACL SETUSER billing resetkeys ~billing:* %R~lines:*",
    ),
    plant(
        "OWN-18",
        "stray:*",
        "SET orders:1 geheim-9942",
        "SET stray:4711 geheim-9942",
        "DEL stray:4711; DEL orders:1",
    ),
    plant(
        "OWN-19",
        "orders",
        "ACL SETUSER shut off >twin",
        "ACL SETUSER billing >twin; ACL SETUSER orders >twin",
        "ACL DELUSER shut; ACL SETUSER billing <twin; ACL SETUSER orders <twin",
    ),
];

const ELSEWHERE: &[(&str, &str)] = &[
    ("RD-03", "it takes an address outside: a test of its own"),
    ("RD-10", "it is set at the start only: a test of its own"),
    ("RD-11", "it takes an address outside: a test of its own"),
    ("RD-12", "the lab has a configuration file: a test of its own"),
    ("RD-15", "a test of its own"),
    ("RD-17", "the audit's own account breaks it, by the optional grants that it has here: a test of its own"),
    ("RD-18", "it needs a replica: a test of its own"),
    ("OWN-03", "it is about the profile: a test of its own"),
    ("OWN-06", "it needs a key pattern that moved: a test of its own"),
    ("OWN-07", "it needs somebody who was refused: a test of its own"),
    ("OWN-13", "it needs the last day to be over: a test of its own"),
    ("OWN-20", "it needs the last day to be over: a test of its own"),
    ("OWN-22", "never checkable: Redis does not tell which keys a client uses"),
    ("OWN-24", "it needs an unlimited session: a test of its own"),
    ("OWN-25", "it compares two stores: a test of its own"),
];

/// A private server with two services on it, and what looks at it.
pub struct Shop {
    lab: Lab,
    server: Server,
    url: String,
    password: String,
    sql: MultiplexedConnection,
    pub map: StoreMap,
    audit: StoreRef,
}

async fn send(connection: &mut MultiplexedConnection, words: &str) -> redis::RedisResult<redis::Value> {
    let mut command = redis::Cmd::new();
    // A selector is one word.
    let mut selector = String::new();
    for word in words.split_whitespace() {
        if !selector.is_empty() || word.starts_with('(') {
            selector.push_str(word);
            selector.push(' ');
            if word.ends_with(')') {
                command.arg(std::mem::take(&mut selector).trim_end());
            }
        } else {
            command.arg(word);
        }
    }
    command.query_async(connection).await
}

impl Shop {
    pub async fn open(server: Server, names: &[String]) -> Self {
        let lab = Lab::private(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let url = lab.url(&server.name(1));
        let password = url.split_once("://:").unwrap().1.split_once('@').unwrap().0.to_owned();
        let client = redis::Client::open(url.as_str()).unwrap();
        let sql = client.get_multiplexed_async_connection().await.unwrap();
        let place = url.split_once('@').unwrap().1.to_owned();
        let audit = server.open(&format!("{}://godwit_audit:{PASSWORD}@{place}", server.word()));
        let map = StoreMap {
            services: vec![service("orders", "lab", "orders", &[]), service("billing", "lab", "billing", &["lines:*"])],
            tables: vec![table("orders:*", "orders"), table("lines:*", "orders"), table("billing:*", "billing")],
            break_glass: vec!["default".to_owned()],
            migration: vec!["mover".to_owned()],
            until: None,
            ignore: Vec::new(),
        };
        let mut shop = Self { lab, server, url, password, sql, map, audit };
        for statement in [
            "CONFIG SET acl-pubsub-default resetchannels",
            "CONFIG SET acllog-max-len 2048",
            "CONFIG SET slowlog-max-len 2048",
            "ACL SETUSER orders on >orders resetchannels ~orders:* ~lines:* +get +set +del",
            "ACL SETUSER billing on >billing resetchannels ~billing:* %R~lines:* +get +set +del",
            "ACL SETUSER loose on >loose resetchannels +get +set",
        ] {
            shop.run(statement).await;
        }
        for grant in shop.audit.monitoring().unwrap().grants(MonitorRole::Audit) {
            // Without a file of users there is nothing to save; and a Valkey before 8.1 has no command log, as the line's reason says.
            let is_for_newer = grant.statement.contains("commandlog") && !shop.has_commandlog().await;
            if grant.statement != "ACL SAVE" && !is_for_newer {
                shop.run(&grant.statement.replace("PASSWORD", PASSWORD)).await;
            }
        }
        shop
    }

    async fn has_commandlog(&mut self) -> bool {
        send(&mut self.sql, "ACL SETUSER nobody +commandlog|get").await.is_ok()
            && send(&mut self.sql, "ACL DELUSER nobody").await.is_ok()
    }

    /// Runs commands as `default`.
    pub async fn run(&mut self, statements: &str) {
        for statement in statements.split("; ") {
            let statement = statement.replace(">@", &format!(">{}", self.password));
            send(&mut self.sql, &statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
    }

    /// What the audit role sees.
    pub async fn look(&self) -> Observation<AccessReading> {
        let tables: Vec<String> = self.map.tables.iter().map(|table| table.name.clone()).collect();
        self.audit.access_facts().unwrap().access_facts(&[], &tables).await.unwrap()
    }

    /// All findings but those that the lab itself is made of.
    pub async fn judged(&self) -> Vec<Finding> {
        let reading = self.look().await.value;
        let mut findings = judged(&self.map, &ObservedAccess::default(), &reading);
        findings.retain(|f| f.rule != "RD-17" && f.rule != "RD-15");
        findings
    }

    /// A session of a user whose password is its name.
    pub async fn client_as(&self, user: &str) -> MultiplexedConnection {
        let (_, place) = self.url.split_once('@').unwrap();
        let client = redis::Client::open(format!("{}://{user}:{user}@{place}", self.server.word())).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    /// A session on the second server.
    pub async fn replica(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.lab.url(&self.server.name(2))).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    async fn failing(&self) -> Vec<Finding> {
        let mut findings = self.judged().await;
        findings.retain(|f| f.verdict == Verdict::Fail);
        findings
    }
}

fn facts(reading: &mut AccessReading) -> &mut RedisFacts {
    let EngineFacts::Redis(facts) = &mut reading.engine else { panic!("it is a Redis") };
    facts
}

async fn what_is_planted_is_found_and_mended_and_nothing_else_is_accused(server: Server) {
    let mut shop = Shop::open(server, &[server.name(1)]).await;
    let log = Log::start();
    let mut score = Score::default();
    let looked = shop.look().await;
    assert_eq!(looked.missing, [], "the audit role with its optional grants is enough");
    score.sound(&shop.failing().await);
    score.passing(&shop.judged().await, |_| true);
    let mut everything = String::new();
    // A second password and a twin are what some plants are made of; those rules are looked at by their own plants.
    let made_of: &[(&str, &[&str])] = &[("RD-13", &["RD-14"]), ("OWN-19", &["RD-13", "RD-14"])];
    for plant in PLANTS {
        let tolerated = made_of.iter().find(|(rule, _)| *rule == plant.rule).map_or(&[][..], |(_, rules)| rules);
        let keep = |mut findings: Vec<Finding>| {
            findings.retain(|f| !tolerated.contains(&f.rule.as_str()));
            findings
        };
        shop.run(plant.decoy).await;
        score.decoy(plant, &keep(shop.failing().await));
        score.passing(&shop.judged().await, |_| true);
        shop.run(plant.plant).await;
        let findings = shop.failing().await;
        if let Some(finding) = score.planted(plant, plant.subject, &findings)
            && let (Some(statement), Some(undo)) = (&finding.statement, &finding.undo)
            && plant.rule != "RD-01"
            && plant.rule != "RD-02"
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
    let list = format!("{:?}", send(&mut shop.sql, "ACL LIST").await.unwrap());
    let hashes: Vec<&str> = list.split('#').skip(1).filter_map(|rest| rest.get(..64)).collect();
    assert!(hashes.len() >= 4);
    let required = shop.password.clone();
    for secret in hashes.into_iter().chain([PASSWORD, required.as_str(), "geheim-9942", "stray:4711"]) {
        assert!(!everything.contains(secret), "a secret is in the readings: {secret}");
    }
    score.settle(server.word(), EngineKind::Redis, ELSEWHERE);
}

async fn what_one_server_cannot_show_is_judged_on_altered_facts(server: Server) {
    let mut shop = Shop::open(server, &[server.name(1)]).await;
    let mut reading = shop.look().await.value;
    assert_eq!(of_rule(&shop.map, &reading, "RD-17"), ["godwit_audit"]);
    let of = |shop: &Shop, reading: &AccessReading, rule: &str| of_rule(&shop.map, reading, rule);
    {
        let facts = facts(&mut reading);
        let Readable::Read(settings) = &mut facts.settings else { panic!("CONFIG GET is allowed") };
        for (name, value) in [("bind", "* -::*"), ("protected-mode", "no"), ("port", "6379"), ("tls-port", "0")] {
            settings.insert(name.to_owned(), value.to_owned());
        }
    }
    assert_eq!(of(&shop, &reading, "RD-03"), Vec::<String>::new(), "default asks for a password");
    if let Readable::Read(users) = &mut facts(&mut reading).users {
        users.iter_mut().filter(|user| user.name == "default").for_each(|user| user.is_open = true);
    }
    assert_eq!(of(&shop, &reading, "RD-03"), ["protected-mode"]);
    assert_eq!(of(&shop, &reading, "RD-11"), ["port"]);
    let sound = shop.look().await.value;
    for rule in ["RD-03", "RD-11"] {
        assert_eq!(of(&shop, &sound, rule), Vec::<String>::new(), "{rule}");
    }
    // The lab's own session is one of `default`, who may do everything.
    assert_eq!(of(&shop, &sound, "OWN-24"), Vec::<String>::new());
    shop.map.break_glass.clear();
    assert_eq!(of(&shop, &sound, "OWN-24"), ["default"]);
    shop.map.tables[0].moved_at = Some(chrono::DateTime::UNIX_EPOCH);
    assert_eq!(of(&shop, &sound, "OWN-06"), ["orders on orders:*"]);
    shop.map.services[1].accounts.push("orders".to_owned());
    assert_eq!(of(&shop, &sound, "OWN-03"), ["orders"]);
    shop.run("ACL SETUSER mover on >mover +replicaof +psync").await;
    shop.map.until = today().pred_opt();
    let mut later = shop.look().await.value;
    assert_eq!(of(&shop, &later, "OWN-20"), ["mover"]);
    for live in &mut later.live {
        (live.replicates, live.login) = (true, "mover".to_owned());
    }
    assert!(!of(&shop, &later, "OWN-13").is_empty());
    let unused = judged(&shop.map, &ObservedAccess::default(), &sound);
    assert!(unused.iter().any(|f| f.rule == "OWN-22" && f.verdict != Verdict::Pass && f.verdict != Verdict::Fail));
}

async fn who_was_refused_is_told_and_a_replica_that_is_everybody(server: Server) {
    let mut shop = Shop::open(server, &[server.name(1), server.name(2)]).await;
    let place = shop.url.split_once('@').unwrap().1.to_owned();
    let billing = redis::Client::open(format!("{}://billing:billing@{place}", server.word())).unwrap();
    let mut billing = billing.get_multiplexed_async_connection().await.unwrap();
    send(&mut billing, "GET orders:4711").await.unwrap_err();
    send(&mut billing, "FLUSHALL").await.unwrap_err();
    send(&mut billing, "GET billing:1").await.unwrap();
    wait_until(std::time::Duration::from_secs(20), async || {
        shop.look().await.value.live.iter().any(|live| live.replicates)
    })
    .await;
    let reading = shop.look().await.value;
    let mut failing = failing(&shop.map, &ObservedAccess::default(), &reading);
    failing.retain(|f| {
        ["RD-15", "OWN-07", "RD-18"].contains(&f.rule.as_str())
            && (f.rule != "RD-15" || f.subject.starts_with("billing"))
    });
    let mut told = told(&failing);
    told.sort();
    assert_eq!(told, ["OWN-07 billing on orders:*", "RD-15 billing command", "RD-15 billing key", "RD-18 default"]);
    assert!(!serde_json::to_string(&(&reading, &failing)).unwrap().contains("orders:4711"));
    // What the server refuses to others it does not tell: never a pass.
    let findings = judged(&shop.map, &ObservedAccess::default(), &reading);
    assert!(!findings.iter().any(|f| f.rule == "OWN-07" && f.verdict == Verdict::Pass));
    shop.run("ACL LOG RESET").await;
    let findings = judged(&shop.map, &ObservedAccess::default(), &shop.look().await.value);
    assert_eq!(of_findings(&findings, "RD-15"), ["pass lab"], "nobody was refused since");
}

async fn what_is_worked_out_is_what_the_server_answers(server: Server) {
    let mut shop = Shop::open(server, &[server.name(1)]).await;
    shop.run("ACL SETUSER billing %R~orders:1* (+hset ~lines:a*)").await;
    let asked = shop.look().await.value;
    shop.run("ACL SETUSER godwit_audit -acl|dryrun -acl|log -config|get -scan").await;
    let place = shop.url.split_once('@').unwrap().1.to_owned();
    let plain = server.open(&format!("{}://godwit_audit:{PASSWORD}@{place}", server.word()));
    let tables: Vec<String> = shop.map.tables.iter().map(|table| table.name.clone()).collect();
    let worked_out = plain.access_facts().unwrap().access_facts(&[], &tables).await.unwrap();
    assert_eq!(asked.rights, worked_out.value.rights);
    let mut missing = ids(&worked_out.missing);
    missing.dedup();
    assert_eq!(
        missing,
        ["redis.access.settings", "redis.access.log", "redis.access.keys", "redis.access.dryrun"],
        "only what the optional grants show"
    );
    let findings = judged(&shop.map, &ObservedAccess::default(), &worked_out.value);
    assert_eq!(of_findings(&findings, "RD-17"), ["pass lab"], "without them it can erase and read nothing");
    for rule in ["RD-09", "RD-11", "RD-15", "RD-16", "OWN-07", "OWN-18"] {
        let of_rule: Vec<&Verdict> = findings.iter().filter(|f| f.rule == rule).map(|f| &f.verdict).collect();
        assert!(matches!(of_rule[..], [Verdict::NotCheckable { .. }]), "{rule}: {of_rule:?}");
    }
}

on_redis_and_valkey!(
    what_is_planted_is_found_and_mended_and_nothing_else_is_accused,
    what_one_server_cannot_show_is_judged_on_altered_facts,
    who_was_refused_is_told_and_a_replica_that_is_everybody,
    what_is_worked_out_is_what_the_server_answers
);

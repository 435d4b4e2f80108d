//! Least privilege from end to end: accounts are made by exactly the statements that `godwit grants` prints, everything is read with them,
//! and nothing secret reaches a screen, a log or a file.

use super::scene::{STORES, Scene, Watcher};
use crate::driver::Home;
use crate::lab::Lab;
use crate::mongodb::lab::{admin_of, run_printed};
use crate::redis::lab::send;
use mongodb::bson::doc;
use redis::aio::MultiplexedConnection;
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection, PgConnection, Row};
use std::path::Path;

/// The password of the monitoring accounts.
const PASSWORD: &str = "watch-hush-5513";

/// What is planted beside it: other accounts' passwords, values of commands, data.
const PLANTED: [&str; 3] = ["planted-password-9917", "planted-value-3306", "planted-row-6379"];

/// The servers with logins; the lab's second MongoDB has none.
const SERVERS: [(&str, &str); 6] = [STORES[0], STORES[1], STORES[2], ("mongodb", "mongo1"), STORES[4], STORES[5]];

/// The printed statements of a role, required and optional, with the password put in.
async fn printed(scene: &Scene, store: &str, role: &str) -> Vec<String> {
    let output = scene.godwit(&["grants", store, "--role", role, "--json"]).await;
    assert!(output.status.success(), "{output:?}");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let statements = document["statements"].as_array().unwrap().iter();
    // In quotes or behind the sign that says so: PostgreSQL has a keyword of that name as well.
    let put_in = |statement: &str| {
        ["'PASSWORD'", "\"PASSWORD\"", ">PASSWORD"]
            .iter()
            .fold(statement.to_owned(), |text, place| text.replace(place, &place.replace("PASSWORD", PASSWORD)))
    };
    let statements = statements.map(|grant| put_in(grant["statement"].as_str().unwrap()));
    // One `ACL SAVE` needs an aclfile, which the lab's servers have not; COMMANDLOG came with Valkey 8.1, and an older server refuses its name.
    statements.filter(|statement| statement != "ACL SAVE" && !statement.contains("+commandlog")).collect()
}

/// Runs statements with the engine's own client, as an administrator.
struct Admin {
    postgres: PgConnection,
    mariadb: MySqlConnection,
    mysql: MySqlConnection,
    mongodb: mongodb::Client,
    redis: MultiplexedConnection,
    valkey: MultiplexedConnection,
}

impl Admin {
    async fn new(lab: &Lab) -> Self {
        let cache =
            async |name| redis::Client::open(lab.url(name)).unwrap().get_multiplexed_async_connection().await.unwrap();
        let mariadb = lab.url("maria1").replacen("mariadb://", "mysql://", 1);
        Self {
            postgres: PgConnection::connect(&lab.url("pg1")).await.unwrap(),
            mariadb: MySqlConnection::connect(&mariadb).await.unwrap(),
            mysql: MySqlConnection::connect(&lab.url("mysql1")).await.unwrap(),
            mongodb: admin_of(&lab.url("mongo1")).await,
            redis: cache("redis1").await,
            valkey: cache("valkey1").await,
        }
    }

    async fn run(&mut self, store: &str, statement: &str) {
        let outcome = match store {
            "postgres" => {
                self.postgres.execute(AssertSqlSafe(statement.to_owned())).await.map(|_| ()).map_err(|e| e.to_string())
            }
            "mariadb" | "mysql" => {
                let session = if store == "mysql" { &mut self.mysql } else { &mut self.mariadb };
                let run = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(session).await;
                run.map(|_| ()).map_err(|e| e.to_string())
            }
            "mongodb" => run_printed(&self.mongodb, statement).await.map(|_| ()).map_err(|e| e.to_string()),
            _ => {
                let cache = if store == "valkey" { &mut self.valkey } else { &mut self.redis };
                send(cache, statement).await.map(|_| ()).map_err(|e| e.to_string())
            }
        };
        outcome.unwrap_or_else(|error| panic!("{store}: {statement}: {error}"));
    }

    /// Accounts, values and rows, and how each server keeps its passwords: nothing of what is returned may come out.
    async fn plant(&mut self, lab: &Lab) -> Vec<String> {
        let [password, value, row] = PLANTED;
        let mut secrets: Vec<String> = PLANTED.iter().map(|s| (*s).to_owned()).collect();
        secrets.push(PASSWORD.to_owned());
        // The administrators' own passwords: one for all servers of a lab.
        let url = lab.url("pg1");
        secrets.push(url.split(['/', ':', '@']).nth(4).unwrap().to_owned());
        for sql in [
            format!("CREATE ROLE victim LOGIN PASSWORD '{password}'"),
            format!("CREATE TABLE cards (n text); INSERT INTO cards VALUES ('{row}')"),
        ] {
            self.run("postgres", &sql).await;
        }
        for sql in [
            format!("CREATE USER 'victim'@'%' IDENTIFIED BY '{password}'"),
            "CREATE DATABASE shop".to_owned(),
            "CREATE TABLE shop.cards (n varchar(40))".to_owned(),
            format!("INSERT INTO shop.cards VALUES ('{row}')"),
        ] {
            self.run("mariadb", &sql).await;
            self.run("mysql", &sql).await;
        }
        let server = self.mongodb.database("admin");
        server.run_command(doc! { "createUser": "victim", "pwd": password, "roles": [] }).await.unwrap();
        self.mongodb.database("shop").collection("cards").insert_one(doc! { "n": row }).await.unwrap();
        for words in [
            format!("ACL SETUSER victim on >{password}"),
            "CONFIG SET slowlog-log-slower-than 0".to_owned(),
            format!("SET card {row}"),
            format!("SET session:1 {value}"),
            format!("EVAL return(redis.call('get',KEYS[1])..'{value}') 1 card"),
        ] {
            self.run("redis", &words).await;
            self.run("valkey", &words).await;
        }
        let hashes = "SELECT rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL";
        secrets.extend(sqlx::query_scalar::<_, String>(hashes).fetch_all(&mut self.postgres).await.unwrap());
        let hashes =
            "SELECT CAST(authentication_string AS CHAR) FROM mysql.user WHERE LENGTH(authentication_string) > 20";
        for session in [&mut self.mariadb, &mut self.mysql] {
            let rows = sqlx::raw_sql(hashes).fetch_all(session).await.unwrap();
            secrets.extend(rows.iter().map(|row| row.get::<String, _>(0)));
        }
        let users =
            server.run_command(doc! { "usersInfo": { "forAllDBs": true }, "showCredentials": true }).await.unwrap();
        secrets.extend(keys(&serde_json::to_value(&users).unwrap()));
        for cache in [&mut self.redis, &mut self.valkey] {
            let rules = send(cache, "ACL LIST").await.unwrap();
            let rules: Vec<String> = redis::FromRedisValue::from_redis_value(rules).unwrap();
            let words = rules.iter().flat_map(|rule| rule.split(' '));
            secrets.extend(words.filter_map(|word| word.strip_prefix('#')).map(str::to_owned));
        }
        assert!(secrets.len() > 18, "{secrets:?}");
        secrets
    }
}

/// The stored and the server's keys of SCRAM, with their salts.
fn keys(users: &serde_json::Value) -> Vec<String> {
    match users {
        serde_json::Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| match value {
                serde_json::Value::String(key) if ["storedKey", "serverKey", "salt"].contains(&name.as_str()) => {
                    vec![key.clone()]
                }
                other => keys(other),
            })
            .collect(),
        serde_json::Value::Array(list) => list.iter().flat_map(keys).collect(),
        _ => Vec::new(),
    }
}

fn with_login(url: &str, login: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (_, place) = rest.split_once('@').unwrap();
    format!("{scheme}://{login}:{PASSWORD}@{place}")
}

/// Every file below a directory, as text.
fn files(dir: &Path, into: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let kind = std::fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            files(&path, into);
        } else if kind.is_file() {
            into.push((
                path.display().to_string(),
                String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned(),
            ));
        }
    }
}

/// Once with each role's account: what is read over it, and that nothing secret is in what comes out.
async fn with_role(role: &str) {
    let lab = Lab::private(&SERVERS.map(|(_, server)| server));
    let mut admin = Admin::new(&lab).await;
    let secrets = admin.plant(&lab).await;
    let account = format!("godwit_{role}");
    let urls = SERVERS.map(|(store, server)| (store, with_login(&lab.url(server), &account)));
    let scene = Scene::new(lab, &urls).await;
    for (store, _) in SERVERS {
        for statement in printed(&scene, store, role).await {
            admin.run(store, &statement).await;
        }
    }
    // Somebody at work with values that are nobody's business.
    let mut busy =
        MySqlConnection::connect(&scene.lab.url("maria1").replacen("mariadb://", "mysql://", 1)).await.unwrap();
    let value = PLANTED[1];
    let sleeping = tokio::spawn(async move { busy.execute("SELECT SLEEP(600)").await.map(|_| ()) });
    for statement in [format!("SELECT count(*) FROM cards WHERE n = '{value}'")] {
        admin.run("postgres", &statement).await;
        for store in ["mariadb", "mysql"] {
            admin.run(store, &statement.replace("cards", "shop.cards")).await;
        }
    }
    admin.run("postgres", "SELECT 1").await;
    admin.run("mariadb", "SELECT 1").await;
    admin.run("mysql", "SELECT 1").await;

    let mut engine = scene.engine();
    let mut watcher = Watcher::new(&scene).await;
    watcher
        .until("all are read with the printed rights", |seen| {
            for (store, _) in SERVERS {
                assert_eq!(seen.problem(store), "");
            }
            SERVERS.iter().all(|(store, _)| seen.read_at(store).is_some())
                && seen.cost.values().filter(|line| line.readings > 0).count() >= 2 * SERVERS.len()
        })
        .await;
    for line in watcher.cost.values() {
        assert_eq!(line.failures, 0, "{line:?}");
    }
    let mut told = Vec::new();
    for words in [
        &["status"][..],
        &["status", "--cost"],
        &["lag"],
        &["progress"],
        &["activity", "--all", "--mask"],
        &["activity", "--all"],
        &["locks"],
        &["replication"],
        &["hotspots"],
        &["indexes"],
        &["access", "--all"],
        &["gates"],
        &["log"],
        &["assess", "postgres"],
        &["assess", "mariadb"],
        &["assess", "mysql"],
        &["assess", "mongodb"],
        &["assess", "redis"],
        &["assess", "valkey"],
    ] {
        for json in [&[][..], &["--json"]] {
            let output = scene.godwit(&[words, json].concat()).await;
            let text = [output.stdout, output.stderr].concat();
            told.push((format!("{words:?}"), String::from_utf8(text).unwrap()));
        }
    }
    let report = scene.path().join("report.json");
    scene.godwit(&["report", "-o", report.to_str().unwrap()]).await;
    files(scene.path(), &mut told);
    let seen = told.iter().map(|(_, text)| text.len()).sum::<usize>();
    assert!(seen > 20_000, "only {seen} bytes were looked at");
    for (what, text) in &told {
        // Where the engine reads its own passwords from.
        if what.ends_with(".url") {
            continue;
        }
        for secret in &secrets {
            assert!(!text.contains(secret), "{what} tells {secret}: {text}");
        }
    }
    let down = scene.godwit(&["down", "--yes"]).await;
    assert!(down.status.success(), "{down:?}");
    engine.wait().await.unwrap();
    sleeping.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, MariaDB, MySQL, MongoDB, Redis, Valkey: run tests/run"]
async fn the_watch_account_reads_everything_and_tells_no_secret() {
    with_role("watch").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL, MariaDB, MySQL, MongoDB, Redis, Valkey: run tests/run"]
async fn the_audit_account_reads_everything_and_tells_no_secret() {
    with_role("audit").await;
}

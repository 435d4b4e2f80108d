//! What a server may do to whoever looks: no room, another password, statements of ten megabytes, names that are no text or that would
//! command a terminal. Silence, death and restarts are in `trouble`, other engines' in `estate`.

use crate::driver::Home;
use crate::estate::scene::{Scene, Watcher};
use crate::lab::Lab;

use godwit::stores::OpenOptions;
use godwit::stores::observe::{AccessFacts, IndexStats, Replicas, Sessions, StatementStats};
use godwit::stores::postgres::store::PostgresStore;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use std::time::{Duration, Instant};

async fn run(sql: &str, admin: &mut PgConnection) {
    admin.execute(AssertSqlSafe(sql.to_owned())).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

async fn count(sql: &str, admin: &mut PgConnection) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(admin).await.unwrap()
}

fn store(url: &str) -> PostgresStore {
    let options = OpenOptions {
        id: "lab".into(),
        statement_timeout: Duration::from_secs(20),
        connect_timeout: Duration::from_secs(5),
    };
    PostgresStore::open(options, url).unwrap()
}

/// `postgres` in another database, or as another login.
fn place(url: &str, login: Option<&str>, database: &str) -> String {
    let (login_of, rest) = url.strip_prefix("postgres://").unwrap().split_once('@').unwrap();
    let rest = rest.strip_suffix("/postgres").unwrap();
    format!("postgres://{}@{rest}/{database}", login.unwrap_or(login_of))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_full_server_and_a_changed_password_are_told_and_one_connection_is_all_that_is_taken() {
    let lab = Lab::private(&["pg1"]);
    let url = lab.postgres(1);
    let mut admin = PgConnection::connect(&url).await.unwrap();
    run(
        "CREATE ROLE watcher LOGIN PASSWORD 'first-7741'; GRANT pg_read_all_stats TO watcher; CREATE ROLE app LOGIN",
        &mut admin,
    )
    .await;
    // From here on the watcher needs its password.
    let file: String = sqlx::query_scalar("SHOW hba_file").fetch_one(&mut admin).await.unwrap();
    let lines = "host all postgres 127.0.0.1/32 scram-sha-256,host all watcher 127.0.0.1/32 scram-sha-256,host all all 127.0.0.1/32 trust";
    run(
        &format!("COPY (SELECT unnest(string_to_array('{lines}', ','))) TO '{file}'; SELECT pg_reload_conf()"),
        &mut admin,
    )
    .await;
    let scene = Scene::new(lab, &[("postgres", place(&url, Some("watcher:first-7741"), "postgres"))]).await;
    let mut engine = scene.engine();
    let mut watcher = Watcher::new(&scene).await;
    watcher.until("it is read", |seen| seen.read_at("postgres").is_some()).await;

    // One connection, whatever is read over it and however long.
    let started = Instant::now();
    let others =
        "SELECT count(*) FROM pg_stat_activity WHERE usename = 'watcher' AND application_name <> 'godwit watch'";
    let looking = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'watcher'";
    while started.elapsed() < Duration::from_secs(6) {
        assert_eq!(count(others, &mut admin).await, 0, "another connection than the one that looks");
        assert!(count(looking, &mut admin).await <= 1);
        tokio::time::sleep(Duration::from_millis(25)).await;
    }

    let gone = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'watcher'";
    let mut clients = Vec::new();
    let app = place(&url, Some("app"), "postgres");
    while let Ok(client) = PgConnection::connect(&app).await {
        clients.push(client);
    }
    assert!(clients.len() > 100);
    // The place that comes free is taken before Godwit takes it, which waits longer.
    count(gone, &mut admin).await;
    let last = &mut clients;
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        match PgConnection::connect(&app).await {
            Ok(client) => break last.push(client),
            Err(error) => assert!(Instant::now() < end, "{error}"),
        }
    }
    watcher
        .until("no room is told", |seen| {
            ["too many clients", "connection slots are reserved"]
                .iter()
                .any(|told| seen.problem("postgres").contains(told))
        })
        .await;
    let kept = watcher.read_at("postgres").unwrap();
    watcher.until("it tried again", |seen| activity(seen).failures >= 3).await;
    assert_eq!(watcher.read_at("postgres"), Some(kept), "the last reading keeps its time");
    for client in clients {
        client.close().await.unwrap();
    }
    watcher.until("it is read again", |seen| seen.problem("postgres").is_empty()).await;
    assert!(watcher.read_at("postgres") > Some(kept));

    run("ALTER ROLE watcher PASSWORD 'second-8852'", &mut admin).await;
    count(gone, &mut admin).await;
    watcher
        .until("the refusal is told", |seen| seen.problem("postgres").contains("password authentication failed"))
        .await;
    assert!(!watcher.problem("postgres").contains("first-7741"));
    // Each refusal is a line in the server's log, so it is asked again in minutes.
    watcher
        .until("the next attempt is far", |seen| {
            activity(seen).next_at.is_some_and(|at| at > chrono::Utc::now() + chrono::Duration::seconds(60))
        })
        .await;
    let down = scene.godwit(&["down", "--yes"]).await;
    assert!(down.status.success(), "{down:?}");
    engine.wait().await.unwrap();
}

fn activity(seen: &Watcher) -> godwit::model::view::CollectorCost {
    seen.cost[&("postgres".to_owned(), "activity".to_owned())].clone()
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn statements_of_ten_megabytes_cost_no_more_than_their_beginning() {
    let lab = Lab::private(&["pg1"]);
    let url = lab.postgres(1);
    let mut admin = PgConnection::connect(&url).await.unwrap();
    // The most that the server can be told to keep.
    run("ALTER SYSTEM SET track_activity_query_size = '1MB'", &mut admin).await;
    run("CREATE EXTENSION pg_stat_statements", &mut admin).await;
    lab.server("stop", "pg1");
    lab.server("start", "pg1");
    let mut clients = Vec::new();
    for _ in 0..8 {
        let mut client = PgConnection::connect(&url).await.unwrap();
        let huge = "x".repeat(10 << 20);
        client.execute(AssertSqlSafe(format!("SELECT '{huge}'"))).await.unwrap();
        clients.push(client);
    }
    // One whose text stays as long when its values are taken out.
    let columns: Vec<String> = (0..1_600).map(|n| format!("1 AS \"{n}{}\"", "y".repeat(50))).collect();
    let wide = format!("SELECT {}", columns.join(", "));
    clients[0].execute(AssertSqlSafe(wide)).await.unwrap();
    let store = store(&url);
    store.activity().await.unwrap();
    let read = store.activity().await.unwrap();
    assert!(read.cost.elapsed_us < 1_000_000, "{:?}", read.cost);
    let longest = read.value.sessions.iter().map(|s| s.statement.chars().count()).max().unwrap();
    assert!((1_000..=2_001).contains(&longest), "{longest}");
    let statements = store.statements().await.unwrap().value.unwrap();
    assert!(statements.counters.iter().all(|c| c.text.chars().count() <= 2_001));
    assert!(statements.counters.iter().any(|c| c.text.contains("yyyy")));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn bytes_that_are_no_text_blind_no_look() {
    let lab = Lab::private(&["pg1"]);
    let url = lab.postgres(1);
    let mut admin = PgConnection::connect(&url).await.unwrap();
    for (name, encoding) in [("latin", "LATIN1"), ("raw", "SQL_ASCII")] {
        run(
            &format!("CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"),
            &mut admin,
        )
        .await;
    }
    run("CREATE EXTENSION pg_stat_statements", &mut admin).await;
    // A session of another database is shown with its bytes as they are.
    let mut latin = PgConnection::connect(&place(&url, None, "latin")).await.unwrap();
    run("SET application_name = 'latin'", &mut latin).await;
    run("SELECT 'caf\u{e9} \u{fc}ber'", &mut latin).await;
    let seen = store(&url).activity().await.unwrap().value;
    let session = seen.sessions.iter().find(|s| s.application == "latin").unwrap();
    assert_eq!(session.statement, "SELECT 'caf\u{fffd} \u{fffd}ber'");

    // In a database without an encoding, names themselves may be any bytes.
    let raw_url = place(&url, None, "raw");
    let mut raw = PgConnection::connect(&raw_url).await.unwrap();
    run("CREATE EXTENSION pg_stat_statements; SET pg_stat_statements.track = 'all'", &mut raw).await;
    run(
        "DO $$ DECLARE bad text := chr(255) || chr(254); BEGIN
             EXECUTE format('CREATE TABLE %I (%I int PRIMARY KEY, parent int REFERENCES %I)', 't' || bad, 'c' || bad, 't' || bad);
             EXECUTE format('CREATE INDEX %I ON %I (%I) INCLUDE (parent) WHERE parent > 0', 'i' || bad, 't' || bad, 'c' || bad);
             EXECUTE format('CREATE VIEW %I AS SELECT * FROM %I', 'v' || bad, 't' || bad);
             EXECUTE format('CREATE FUNCTION %I() RETURNS int LANGUAGE sql AS ''SELECT 1''', 'f' || bad);
             EXECUTE format('CREATE PUBLICATION %I FOR TABLE %I', 'p' || bad, 't' || bad);
             EXECUTE format('CREATE ROLE %I LOGIN', 'r' || bad); EXECUTE format('GRANT SELECT ON %I TO %I', 't' || bad, 'r' || bad);
             EXECUTE format('SET application_name = %L', 'a' || bad);
         END $$",
        &mut raw,
    )
    .await;
    run("SELECT 1", &mut raw).await;
    // A statement whose own text is no text, which the list of statements keeps.
    raw.execute("SET client_encoding = 'SQL_ASCII'").await.unwrap();
    run("DO $$ BEGIN EXECUTE format('SELECT 1 AS %I', 'x' || chr(255)); END $$", &mut raw).await;
    let bad = store(&raw_url);
    let activity = bad.activity().await.unwrap().value;
    assert!(activity.sessions.iter().any(|s| s.database == "raw"));
    bad.replication().await.unwrap();
    assert!(bad.statements().await.unwrap().value.is_some());
    let indexes = bad.indexes().await.unwrap().value;
    let name = "public.\"t\u{fffd}\u{fffd}\"";
    assert!(indexes.tables.iter().any(|table| table.table == name), "{:?}", indexes.tables);
    assert_eq!(indexes.foreign_keys[0].parent, name);
    let access = bad.access_facts(&[], &[]).await.unwrap().value;
    assert!(access.objects.iter().any(|object| object.name == name));
    // The database beside it, whose names are well, is read as ever. Only the list of statements is one for the whole server.
    let read = store(&url).statements().await.unwrap();
    let ids: Vec<&str> = read.missing.iter().map(|missing| missing.id.as_str()).collect();
    assert_eq!(ids, ["postgres.statements.text"]);
    store(&url).indexes().await.unwrap();
    store(&url).access_facts(&[], &[]).await.unwrap();
}

/// What must not reach a terminal, a log or a report: escapes and controls of both alphabets, marks that turn the direction of writing.
const HARM: [&str; 7] = ["\u{1b}", "\u{9b}", "\u{7}", "\u{8}", "\u{202e}", "\u{2066}", "\u{200b}"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn names_that_command_a_terminal_are_harmless_in_every_command_and_log() {
    let lab = Lab::private(&["pg1"]);
    let url = lab.postgres(1);
    let mut admin = PgConnection::connect(&url).await.unwrap();
    let evil = format!("x{}[2J{}]0;owned{}y", HARM[0], HARM[0], HARM.concat());
    let name = |kind: &str| format!("\"{kind}{evil}\"");
    run(
        &format!(
            "CREATE EXTENSION pg_stat_statements; CREATE SCHEMA {s}; CREATE TABLE {s}.{t} ({c} int PRIMARY KEY);
             CREATE ROLE {r} LOGIN; GRANT USAGE ON SCHEMA {s} TO {r}; GRANT SELECT, UPDATE ON {s}.{t} TO {r} WITH GRANT OPTION;
             GRANT ALL ON {s}.{t} TO PUBLIC; ALTER ROLE {r} SUPERUSER; INSERT INTO {s}.{t} VALUES (1)",
            s = name("s"),
            t = name("t"),
            c = name("c"),
            r = name("r")
        ),
        &mut admin,
    )
    .await;
    let statement = format!("SELECT * FROM {}.{} WHERE {} = 1 FOR UPDATE", name("s"), name("t"), name("c"));
    let mut holder = PgConnection::connect(&url).await.unwrap();
    run(&format!("SET application_name = 'holder'; BEGIN; {statement}"), &mut holder).await;
    let mut waiter = PgConnection::connect(&url).await.unwrap();
    let waits = tokio::spawn(async move { waiter.execute(AssertSqlSafe(statement)).await.map(|_| ()) });
    let scene = Scene::new(lab, &[("postgres", url.clone())]).await;
    let mut engine = scene.engine();
    let mut watcher = Watcher::new(&scene).await;
    watcher
        .until("the wait is seen", |seen| {
            let stores = serde_json::to_string(&seen.activity).unwrap();
            stores.contains("\"waiting\"")
        })
        .await;
    let mut told = Vec::new();
    for words in [
        &["status"][..],
        &["status", "--cost"],
        &["activity", "--all"],
        &["locks"],
        &["replication"],
        &["access", "--all"],
        &["log"],
        &["assess", "postgres"],
    ] {
        for json in [&[][..], &["--json"]] {
            let output = scene.godwit(&[words, json].concat()).await;
            told.push((format!("{words:?}"), String::from_utf8([output.stdout, output.stderr].concat()).unwrap()));
        }
    }
    for file in [scene.path().join("engine.out"), scene.place().log()] {
        told.push((file.display().to_string(), std::fs::read_to_string(file).unwrap()));
    }
    assert!(told.iter().filter(|(_, text)| text.contains("sx")).count() > 6, "names are told, without their harm");
    for (what, text) in &told {
        for harm in HARM {
            let escaped = format!("\\u{:04x}", harm.chars().next().unwrap() as u32);
            // `assess` gives names exactly, as escapes: they go into a profile.
            let forms = if what.contains("assess") { vec![harm] } else { vec![harm, &escaped] };
            for found in forms {
                let at =
                    text.find(found).map(|at| text.chars().skip(at.saturating_sub(100)).take(200).collect::<String>());
                assert_eq!(at, None, "{what}: {found:?}");
            }
        }
    }
    run("ROLLBACK", &mut holder).await;
    waits.await.unwrap().unwrap();
    let down = scene.godwit(&["down", "--yes"]).await;
    assert!(down.status.success(), "{down:?}");
    engine.wait().await.unwrap();
}

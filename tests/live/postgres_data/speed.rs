//! Figures, not verdicts: copy against two parallel `psql COPY (binary)` pipes, apply against native logical replication, both on the same
//! data in one run. `GODWIT_SPEED_ROWS` and `GODWIT_SPEED_TRANSACTIONS` set the sizes. Needs psql and pgbench in the PATH.

use super::lab::{Pair, wait_until};
use godwit::stores::{Capture, Target};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// The shape of TPC-H's lineitem, with values of about its widths.
const LINEITEM: &str = "CREATE TABLE lineitem (l_orderkey bigint NOT NULL, l_partkey integer NOT NULL, l_suppkey integer NOT NULL,
    l_linenumber integer NOT NULL, l_quantity numeric(15,2) NOT NULL, l_extendedprice numeric(15,2) NOT NULL, l_discount numeric(15,2) NOT NULL,
    l_tax numeric(15,2) NOT NULL, l_returnflag char(1) NOT NULL, l_linestatus char(1) NOT NULL, l_shipdate date NOT NULL,
    l_commitdate date NOT NULL, l_receiptdate date NOT NULL, l_shipinstruct char(25) NOT NULL, l_shipmode char(10) NOT NULL,
    l_comment varchar(44) NOT NULL)";

fn url(database: &super::lab::Database) -> String {
    database.link.address.redacted()
}

/// Peak resident memory of this process, in MB.
fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// Processor time of this process, in seconds.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    // utime and stime in clock ticks, of which Linux has 100 a second.
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures: two PostgreSQLs that trust loopback in GODWIT_LAB_PG1 and GODWIT_LAB_PG2"]
async fn copy_speed() {
    let rows = number("GODWIT_SPEED_ROWS", 200_000);
    let mut pair = Pair::create("speed", LINEITEM, &["lineitem"]).await;
    pair.source
        .sql(&format!(
            "INSERT INTO lineitem SELECT n / 4, n % 200000, n % 10000, n % 4, n % 50 + 1, n * 1.07 % 100000, 0.05, 0.02, 'N', 'O',
                date '1995-01-01' + n % 2500, date '1995-02-01' + n % 2500, date '1995-03-01' + n % 2500, 'DELIVER IN PERSON', 'TRUCK',
                left(md5(n::text) || 'xx', 10 + n % 24) FROM generate_series(1, {rows}) n; ALTER TABLE lineitem REPLICA IDENTITY FULL; CHECKPOINT"
        ))
        .await;
    let key = "ALTER TABLE lineitem ADD PRIMARY KEY (l_orderkey, l_linenumber)";
    let clear = "ALTER TABLE lineitem DROP CONSTRAINT lineitem_pkey; TRUNCATE lineitem; CHECKPOINT";
    let pages = pair
        .source
        .sql("SELECT pg_relation_size('lineitem') / 8192 / 2 AS half")
        .await
        .value("half")
        .unwrap()
        .to_owned();
    for round in 1..=number("GODWIT_SPEED_ROUNDS", 1) {
        let started = Instant::now();
        let pipe = |condition: String| {
            let script = format!(
                "psql -qX -d '{}' -c \"COPY (SELECT * FROM lineitem WHERE ctid {condition}) TO STDOUT (FORMAT binary)\" | \
                 psql -qX -d '{}' -c 'COPY lineitem FROM STDIN (FORMAT binary)'",
                url(&pair.source),
                url(&pair.target)
            );
            Command::new("bash").arg("-c").arg(script).spawn().unwrap()
        };
        for mut child in [pipe(format!("< '({pages},0)'")), pipe(format!(">= '({pages},0)'"))] {
            assert!(child.wait().unwrap().success());
        }
        let pipes = started.elapsed();
        pair.target.sql(key).await;
        let pipes_key = started.elapsed();
        pair.target.sql(clear).await;

        let (origin, snapshot) = pair.source.capture().prepare(&pair.capture_spec, true).await.unwrap();
        let (started, cpu) = (Instant::now(), cpu_seconds());
        let target = pair.target.target();
        target.begin(&pair.apply_spec, &origin).await.unwrap();
        let snapshot: Arc<dyn godwit::stores::Snapshot> = snapshot.unwrap().into();
        let plan = Arc::new(snapshot.plan(0, number("GODWIT_SPEED_CHUNK", 64 << 20)).await.unwrap());
        let next = Arc::new(AtomicUsize::new(0));
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let (snapshot, plan, next, target, spec) =
                    (snapshot.clone(), plan.clone(), next.clone(), target.clone(), pair.apply_spec.clone());
                tokio::spawn(async move {
                    let (mut reader, mut loader) =
                        (snapshot.reader().await.unwrap(), target.loader(&spec).await.unwrap());
                    while let Some(chunk) = plan.chunks.get(next.fetch_add(1, Ordering::Relaxed)) {
                        reader.start(chunk).await.unwrap();
                        loader.start(chunk).await.unwrap();
                        while let Some(data) = reader.next().await.unwrap() {
                            loader.push(data).await.unwrap();
                        }
                        loader.finish().await.unwrap();
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.await.unwrap();
        }
        let (ours, cpu) = (started.elapsed(), cpu_seconds() - cpu);
        pair.target.sql(key).await;
        let ours_key = started.elapsed();
        pair.assert_same("SELECT count(*), sum(l_extendedprice) FROM lineitem").await;
        eprintln!(
            "copy, round {round}: {rows} rows, pipes {:.2} s ({:.2} with key), godwit {:.2} s ({:.2} with key): {:.2}x ({:.2}x); {} chunks, {cpu:.2} s of processor time, peak memory {} MB",
            pipes.as_secs_f64(),
            pipes_key.as_secs_f64(),
            ours.as_secs_f64(),
            ours_key.as_secs_f64(),
            pipes.as_secs_f64() / ours.as_secs_f64(),
            pipes_key.as_secs_f64() / ours_key.as_secs_f64(),
            plan.chunks.len(),
            peak_mb()
        );
        drop(snapshot);
        pair.source.capture().drop_capture(&pair.capture_spec).await.unwrap();
        pair.target.sql(clear).await;
    }
    pair.apply_spec.tables.clear();
    pair.drop().await;
}

const PGBENCH: &str = "CREATE TABLE pgbench_accounts (aid integer PRIMARY KEY, bid integer, abalance integer, filler char(84)) WITH (fillfactor = 100);
    CREATE TABLE pgbench_branches (bid integer PRIMARY KEY, bbalance integer, filler char(88));
    CREATE TABLE pgbench_tellers (tid integer PRIMARY KEY, bid integer, tbalance integer, filler char(84));
    CREATE TABLE pgbench_history (tid integer, bid integer, aid integer, delta integer, mtime timestamp, filler char(22));
    ALTER TABLE pgbench_history REPLICA IDENTITY FULL";
const FILL: &str = "INSERT INTO pgbench_accounts SELECT n, 1, 0, '' FROM generate_series(1, 2000000) n;
    INSERT INTO pgbench_branches SELECT n, 0, '' FROM generate_series(1, 20) n; INSERT INTO pgbench_tellers SELECT n, 1, 0, '' FROM generate_series(1, 200) n;
    ANALYZE";
const TABLES: [&str; 4] = ["pgbench_accounts", "pgbench_branches", "pgbench_tellers", "pgbench_history"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures: two PostgreSQLs that trust loopback in GODWIT_LAB_PG1 and GODWIT_LAB_PG2"]
async fn apply_speed() {
    let transactions = number("GODWIT_SPEED_TRANSACTIONS", 2_000);
    let pair = Pair::create("apply", PGBENCH, &TABLES).await;
    let native = super::lab::Database::create("GODWIT_LAB_PG2", "native").await;
    native.sql(PGBENCH).await;
    for database in [&pair.source, &pair.target, &native] {
        database.sql(FILL).await;
    }
    let (origin, _) = pair.source.capture().prepare(&pair.capture_spec, false).await.unwrap();
    pair.target.target().state(&pair.apply_spec).await.unwrap();
    pair.target.target().begin(&pair.apply_spec, &origin).await.unwrap();
    let (publication, subscription) = (&pair.source.name, format!("s_{}", pair.source.name));
    pair.source.sql(&format!("CREATE PUBLICATION {publication} FOR ALL TABLES")).await;
    pair.source.sql(&format!("SELECT pg_create_logical_replication_slot('{subscription}', 'pgoutput')")).await;
    let address = &pair.source.link.address;
    native
        .sql(&format!(
            "CREATE SUBSCRIPTION {subscription} CONNECTION 'host={} port={} user={} dbname={}' PUBLICATION {publication}
             WITH (create_slot = false, copy_data = false, enabled = false)",
            address.host, address.port, address.user, address.database
        ))
        .await;
    let status = Command::new("pgbench")
        .args([
            "-N",
            "-n",
            "-c",
            "8",
            "-j",
            "2",
            "-M",
            "prepared",
            "-s",
            "20",
            "-t",
            &(transactions / 8).to_string(),
            &url(&pair.source),
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let done = transactions / 8 * 8;
    let count = "SELECT count(*) AS n FROM pgbench_history";
    let run_native = async || {
        let started = Instant::now();
        native.sql(&format!("ALTER SUBSCRIPTION {subscription} ENABLE")).await;
        wait_until("native replication has caught up", async || {
            tokio::time::sleep(Duration::from_millis(30)).await;
            native.sql(count).await.value("n") == Some(&done.to_string())
        })
        .await;
        let elapsed = started.elapsed();
        native.sql(&format!("ALTER SUBSCRIPTION {subscription} DISABLE")).await;
        elapsed
    };
    let elapsed_native = run_native().await;
    let token = "speed";
    pair.source.capture().probe_marker(&pair.capture_spec, token).await.unwrap();
    let mut pump = pair.pump(origin.position).await;
    let (started, cpu) = (Instant::now(), cpu_seconds());
    pump.until_marker(token).await;
    let (ours, cpu) = (started.elapsed(), cpu_seconds() - cpu);
    pair.assert_same("SELECT sum(abalance), count(*) FROM pgbench_accounts").await;
    pair.assert_same("SELECT sum(delta), count(*) FROM pgbench_history").await;
    let rate = |elapsed: Duration| pump.total.changes as f64 / elapsed.as_secs_f64() / 1000.0;
    eprintln!(
        "apply: {} changes, anomalies {}, native {:.1}k/s, godwit {:.1}k/s: {:.2}x; {cpu:.2} s of processor time, peak memory {} MB",
        pump.total.changes,
        pump.total.anomalies,
        rate(elapsed_native),
        rate(ours),
        rate(ours) / rate(elapsed_native),
        peak_mb()
    );
    drop(pump);
    native
        .sql(&format!("ALTER SUBSCRIPTION {subscription} SET (slot_name = NONE); DROP SUBSCRIPTION {subscription}"))
        .await;
    native.drop().await;
    pair.drop().await;
}

//! Random workloads: whatever the source does, and however often its log is repeated, the target ends up equal.

use super::lab::{Database, Pair, Pump};
use godwit::model::change::{CaptureItem, Position, RowChange};
use godwit::stores::Capture;

/// A small deterministic generator (xorshift), so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

const SCHEMA: &str = "
    CREATE TABLE a (id integer PRIMARY KEY, u integer UNIQUE, big text, n numeric);
    ALTER TABLE a ALTER big SET STORAGE EXTERNAL;
    CREATE TABLE b (k1 text, k2 integer, v text, PRIMARY KEY (k2, k1)) PARTITION BY HASH (k2, k1);
    CREATE TABLE b0 PARTITION OF b FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE b1 PARTITION OF b FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    CREATE TABLE h (v integer, w text); ALTER TABLE h REPLICA IDENTITY FULL";

fn statement(dice: &mut Dice, keyless: bool) -> String {
    let (id, other, n) = (dice.roll(40), dice.roll(40), dice.roll(1000));
    match dice.roll(if keyless { 15 } else { 12 }) {
        0 | 1 => format!("INSERT INTO a VALUES ({id}, {n}, repeat('{n}', 3000), {n}.{id}) ON CONFLICT DO NOTHING"),
        2 => format!("UPDATE a SET n = n + 1 WHERE id < {id}"),
        3 => format!("UPDATE a SET big = repeat('{n}', 2500) WHERE id = {id}"),
        4 => format!("UPDATE a SET id = {other} WHERE id = {id} AND NOT EXISTS (SELECT FROM a WHERE id = {other})"),
        5 => format!("DELETE FROM a WHERE id = {id}"),
        6 => format!(
            "INSERT INTO b SELECT 'k' || g, {id} + g, '{n}' FROM generate_series(1, 5) g ON CONFLICT DO NOTHING"
        ),
        7 => format!("UPDATE b SET v = v || '{n}' WHERE k2 % 3 = {}", dice.roll(3)),
        8 => format!("UPDATE b SET k2 = k2 + 100 WHERE k2 = {id}"),
        9 => format!("DELETE FROM b WHERE k2 % 7 = {}", dice.roll(7)),
        10 => format!(
            "DELETE FROM a WHERE id = {id}; INSERT INTO a VALUES ({id}, {n} + 5000, 'small', 1) ON CONFLICT DO NOTHING"
        ),
        11 if dice.roll(12) == 0 => "TRUNCATE b".to_owned(),
        11 => format!(
            "INSERT INTO a SELECT g, g + 100000, NULL, NULL FROM generate_series({id}, {id} + 9) g ON CONFLICT DO NOTHING"
        ),
        12 => format!("INSERT INTO h VALUES ({id}, 'w'), ({id}, NULL)"),
        13 => format!("UPDATE h SET w = 'x{n}' WHERE ctid = (SELECT ctid FROM h WHERE v > {id} LIMIT 1)"),
        _ => format!("DELETE FROM h WHERE ctid = (SELECT ctid FROM h WHERE v < {id} LIMIT 1)"),
    }
}

async fn workload(source: &Database, dice: &mut Dice, transactions: u32, keyless: bool) {
    let mut connection = source.connect().await;
    for _ in 0..transactions {
        let statements: Vec<String> = (0..=dice.roll(4)).map(|_| statement(dice, keyless)).collect();
        let end = if dice.roll(10) == 0 { "ROLLBACK" } else { "COMMIT" };
        let sql = format!("BEGIN; {}; {end}", statements.join("; "));
        if connection.query(&sql).await.is_err() {
            connection.query("ROLLBACK").await.unwrap();
        }
    }
}

async fn assert_same(pair: &Pair) {
    pair.assert_same("SELECT id, u, md5(big), n FROM a ORDER BY id").await;
    pair.assert_same("SELECT tableoid::regclass::text, * FROM b ORDER BY k2, k1").await;
    pair.assert_same("SELECT v, w, count(*) FROM h GROUP BY 1, 2 ORDER BY 1, 2").await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn random_changes_are_applied_exactly() {
    for seed in [11, 4242, 777_777] {
        let pair = Pair::create("random", SCHEMA, &["a", "b", "h"]).await;
        let mut dice = Dice(seed);
        workload(&pair.source, &mut dice, 30, true).await;
        let origin = pair.copy(64 * 1024).await;
        let mut pump = pair.pump(origin.position).await;
        for _ in 0..6 {
            workload(&pair.source, &mut dice, 40, true).await;
            pair.drain(&mut pump).await;
            assert_same(&pair).await;
        }
        assert_eq!(pump.total.anomalies, 0, "seed {seed}");
        drop(pump);
        pair.drop().await;
    }
}

/// Applies everything from `from` up to a marker, in pushes of `size` changes, and confirms nothing.
async fn repeat(pair: &Pair, from: Position, size: usize, token: &str) -> Pump {
    let mut pump = pair.pump(from).await;
    let (mut waiting, mut seen) = (Vec::<RowChange>::new(), false);
    while !seen {
        for item in pump.stream.next().await.unwrap() {
            match item {
                CaptureItem::Change(change) => waiting.push(change),
                CaptureItem::Marker { token: found, .. } => seen |= found == token,
                _ => {}
            }
            if waiting.len() >= size || seen {
                pump.applier.push(std::mem::take(&mut waiting)).await.unwrap();
            }
        }
    }
    pump.applier.commit(from).await.unwrap();
    pump
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn repeating_the_whole_log_changes_nothing() {
    for (seed, size) in [(5, 1), (99, 7), (31_337, 100_000)] {
        let pair = Pair::create("repeated", SCHEMA, &["a", "b", "h"]).await;
        // A log is repeated only while a resumed copy catches up, and secondary unique constraints are built after that.
        pair.target.sql("ALTER TABLE a DROP CONSTRAINT a_u_key").await;
        let mut dice = Dice(seed);
        workload(&pair.source, &mut dice, 30, false).await;
        let origin = pair.copy(64 * 1024).await;
        workload(&pair.source, &mut dice, 200, false).await;
        pair.source.capture().probe_marker(&pair.capture_spec, "end").await.unwrap();
        for _ in 0..3 {
            drop(repeat(&pair, origin.position, size, "end").await);
            assert_same(&pair).await;
        }
        pair.drop().await;
    }
}

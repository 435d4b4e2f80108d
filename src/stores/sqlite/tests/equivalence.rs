//! Property: whatever applications do, and wherever the pipeline is interrupted, the target ends equal to the source.

use super::lab::{App, Lab, Pipeline, Pump, map_of};
use crate::stores::sqlite::store::SqliteStore;
use crate::stores::{Capture, Target};
use proptest::prelude::*;
use sqlx::{AssertSqlSafe, Executor};

/// Tables with the traits that matter: rowid and not, one column and several, collations, secondary unique keys, cascades, computed
/// columns, columns without a type.
const SCHEMA: &str = "
    CREATE TABLE \"par ent\" (id INTEGER PRIMARY KEY AUTOINCREMENT, u INT UNIQUE, v);
    CREATE TABLE pair (a TEXT COLLATE NOCASE, b INT, u TEXT COLLATE NOCASE, v REAL, PRIMARY KEY (a, b), UNIQUE (u, v)) WITHOUT ROWID;
    CREATE TABLE \"kínd\" (id TEXT PRIMARY KEY NOT NULL, p INTEGER REFERENCES \"par ent\" ON DELETE CASCADE ON UPDATE CASCADE,
        g AS (typeof(v)) STORED, v BLOB, u INT UNIQUE ON CONFLICT REPLACE);
    CREATE UNIQUE INDEX \"kínd p\" ON \"kínd\" (p, v);
";
const TABLES: [(&str, &[&str]); 3] =
    [("par ent", &["id", "u", "v"]), ("pair", &["a", "b", "u", "v"]), ("kínd", &["id", "p", "v", "u", "g"])];

/// What an application does, with small domains so that rows collide.
#[derive(Clone, Debug)]
enum Act {
    Insert { table: usize, policy: usize, key: i64, unique: i64, value: i64 },
    Upsert { table: usize, key: i64, unique: i64, value: i64 },
    Update { table: usize, policy: usize, key: i64, to: i64, unique: i64, what: u8 },
    Delete { table: usize, key: i64 },
    DeleteMany { table: usize, above: i64 },
    Begin,
    Commit,
    Rollback,
    Savepoint,
    RollbackTo,
    Recursive(bool),
}

/// What the pipeline does in between.
#[derive(Clone, Debug)]
enum Turn {
    Act(Act),
    /// Copies a chunk if the copy is under way.
    Copy,
    /// Takes a batch if changes are applied.
    Step,
    /// Drops every connection of the pipeline.
    Interrupt,
}

const POLICIES: [&str; 6] = ["", "OR REPLACE", "OR IGNORE", "OR FAIL", "OR ABORT", "OR ROLLBACK"];

fn act() -> impl Strategy<Value = Act> {
    let table = 0..TABLES.len();
    let policy = prop_oneof![2 => Just(0), 4 => Just(1), 2 => 2..POLICIES.len()];
    let (key, unique, value) = (0..6i64, -1..4i64, 0..6i64);
    prop_oneof![
        6 => (table.clone(), policy.clone(), key.clone(), unique.clone(), value.clone())
            .prop_map(|(table, policy, key, unique, value)| Act::Insert { table, policy, key, unique, value }),
        3 => (table.clone(), key.clone(), unique.clone(), value.clone())
            .prop_map(|(table, key, unique, value)| Act::Upsert { table, key, unique, value }),
        6 => (table.clone(), policy, key.clone(), key.clone(), unique, 0..4u8)
            .prop_map(|(table, policy, key, to, unique, what)| Act::Update { table, policy, key, to, unique, what }),
        2 => (table.clone(), key.clone()).prop_map(|(table, key)| Act::Delete { table, key }),
        1 => (table, key).prop_map(|(table, above)| Act::DeleteMany { table, above }),
        2 => Just(Act::Begin),
        2 => Just(Act::Commit),
        1 => Just(Act::Rollback),
        1 => Just(Act::Savepoint),
        1 => Just(Act::RollbackTo),
        1 => any::<bool>().prop_map(Act::Recursive),
    ]
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        12 => act().prop_map(Turn::Act),
        2 => Just(Turn::Copy),
        2 => Just(Turn::Step),
        1 => Just(Turn::Interrupt),
    ]
}

/// A value expression; the same number gives the same value.
fn value(n: i64) -> &'static str {
    ["NULL", "1", "1.5", "'t' || char(0) || 'ü'", "x'00ff'", "-0.0"][usize::try_from(n).unwrap_or(0) % 6]
}

fn number(n: i64) -> String {
    if n < 0 { "NULL".to_owned() } else { n.to_string() }
}

fn sql_of(act: &Act) -> String {
    let name = |table: usize| format!("\"{}\"", TABLES[table].0);
    // Keys of the text tables differ only in case for some numbers.
    let text_key = |n: i64| ["'a'", "'A'", "'b'", "'c'", "'C'", "'d'"][usize::try_from(n).unwrap_or(0) % 6];
    let columns = |table: usize| ["(id, u, v)", "(a, b, u, v)", "(id, u, v, p)"][table];
    let row = |table: usize, key: i64, unique: i64, v: i64| match table {
        // Key 0 lets SQLite choose the rowid, key 1 is the -1 that BEFORE triggers see for it.
        0 => format!(
            "({}, {}, {})",
            ["NULL".to_owned(), "-1".to_owned()].get(key as usize).cloned().unwrap_or(key.to_string()),
            number(unique),
            value(v)
        ),
        1 => format!("({}, {}, {}, {})", text_key(key), key % 2, text_key(unique.max(0)), v % 3),
        _ => format!(
            "({}, {}, {}, (SELECT max(id) FROM \"par ent\" WHERE id <= {}))",
            text_key(key),
            number(unique),
            value(v),
            v
        ),
    };
    let matches = |table: usize, key: i64| match table {
        0 => format!("id = {}", if key == 1 { -1 } else { key }),
        1 => format!("a = {} AND b = {}", text_key(key), key % 2),
        _ => format!("id = {}", text_key(key)),
    };
    match act {
        Act::Insert { table, policy, key, unique, value } => {
            let (name, columns) = (name(*table), columns(*table));
            format!("INSERT {} INTO {name} {columns} VALUES {}", POLICIES[*policy], row(*table, *key, *unique, *value))
        }
        Act::Upsert { table, key, unique, value } => {
            let conflict = ["id", "a, b", "id"][*table];
            format!(
                "INSERT INTO {} {} VALUES {}, {} ON CONFLICT ({conflict}) DO UPDATE SET u = excluded.u, v = excluded.v",
                name(*table),
                columns(*table),
                row(*table, *key, *unique, *value),
                row(*table, (*key + 1) % 6, *unique - 1, *value + 1),
            )
        }
        Act::Update { table, policy, key, to, unique, what } => {
            let moved = match table {
                0 => format!("id = {to}"),
                1 => format!("a = {}, b = {}", text_key(*to), to % 2),
                _ => format!("id = {}", text_key(*to)),
            };
            let set = match what {
                0 => moved,
                1 => format!(
                    "u = {}",
                    if *table == 1 { text_key(unique.max(&0).to_owned()).to_owned() } else { number(*unique) }
                ),
                2 => format!("v = {}", if *table == 1 { unique.to_string() } else { value(*to).to_owned() }),
                _ => format!("{moved}, v = 3"),
            };
            let several = *what == 2 && key % 2 == 0;
            let condition = if several { "1".to_owned() } else { matches(*table, *key) };
            format!("UPDATE {} {} SET {set} WHERE {condition}", POLICIES[*policy], name(*table))
        }
        Act::Delete { table, key } => format!("DELETE FROM {} WHERE {}", name(*table), matches(*table, *key)),
        Act::DeleteMany { table, above } => {
            let column = ["id", "b", "u"][*table];
            format!("DELETE FROM {} WHERE {column} > {above}", name(*table))
        }
        Act::Begin => "BEGIN IMMEDIATE".to_owned(),
        Act::Commit => "COMMIT".to_owned(),
        Act::Rollback => "ROLLBACK".to_owned(),
        Act::Savepoint => "SAVEPOINT s".to_owned(),
        Act::RollbackTo => "ROLLBACK TO s".to_owned(),
        Act::Recursive(on) => format!("PRAGMA recursive_triggers = {on}"),
    }
}

/// Runs a statement; the data may refuse it, the engine may not.
async fn perform(app: &mut App, act: &Act) {
    let sql = sql_of(act);
    if let Err(e) = app.conn.execute(sqlx::raw_sql(AssertSqlSafe(sql.clone()))).await {
        let text = e.to_string();
        let legal = [
            "constraint failed",
            "within a transaction",
            "no transaction",
            "no such savepoint",
            "conflicts with a prior",
        ];
        assert!(legal.iter().any(|known| text.contains(known)), "{sql}: {text}");
    }
}

async fn finish(app: &mut App) {
    // Whatever is open is committed; there may be nothing.
    let _nothing_open = app.try_run("COMMIT").await;
}

async fn assert_equal(lab: &Lab) {
    let (mut source, mut target) = (lab.app("source").await, lab.app("target").await);
    for (table, columns) in TABLES {
        assert_eq!(source.dump(table, columns).await, target.dump(table, columns).await, "{table}");
    }
}

async fn run(before: Vec<Act>, turns: Vec<Turn>, reopen_copy: bool) {
    let lab = Lab::new();
    let mut app = lab.app("source").await;
    // The strictest setting that an application may have: schemas are not trusted.
    app.run("PRAGMA trusted_schema = OFF").await;
    app.run(SCHEMA).await;
    for act in &before {
        perform(&mut app, act).await;
    }
    finish(&mut app).await;
    let (source, target) = (lab.store("source"), lab.store("target"));
    let mut maps = Vec::new();
    for (table, _) in TABLES {
        maps.push(map_of(&source, table).await);
    }
    let pipeline = Pipeline::new("p", &source, &target, maps);
    pipeline.build().await;
    let (exact, before_drain) = exercise(&pipeline, &mut app, turns, reopen_copy).await;
    finish(&mut app).await;
    let anomalies = before_drain + pipeline.drain().await;
    assert_equal(&lab).await;
    if exact {
        assert_eq!(anomalies, 0, "the log repeated or missed something");
    }
    source.drop_capture(&pipeline.capture).await.unwrap();
    target.forget(&pipeline.apply).await.unwrap();
    let left = "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'godwit%'";
    assert_eq!((app.number(left).await, lab.app("target").await.number(left).await), (0, 0));
}

/// Copies and applies between the application's acts; returns whether one snapshot served the whole copy.
async fn exercise(pipeline: &Pipeline<'_>, app: &mut App, turns: Vec<Turn>, reopen_copy: bool) -> (bool, u64) {
    let (source, target): (&SqliteStore, &SqliteStore) = (pipeline.source, pipeline.target);
    let (origin, snapshot) = source.prepare(&pipeline.capture, true).await.unwrap();
    target.begin(&pipeline.apply, &origin).await.unwrap();
    let mut snapshot = snapshot;
    let mut exact = true;
    let mut table = 0;
    let mut pump: Option<Pump> = None;
    let mut anomalies = 0;
    for turn in turns {
        match turn {
            Turn::Act(act) => perform(app, &act).await,
            Turn::Copy if table < TABLES.len() => {
                if let Some(view) = &snapshot
                    && pipeline.copy_table(view.as_ref(), table, 1).await <= 1
                {
                    table += 1;
                }
            }
            Turn::Step if table == TABLES.len() => {
                // The application may be inside a transaction, which is not in the log yet.
                if pump.is_none() {
                    pump = Some(pipeline.pump().await);
                }
                if let Some(pump) = &mut pump {
                    pump.step().await;
                }
            }
            Turn::Interrupt => {
                anomalies += pump.take().map_or(0, |pump| pump.anomalies);
                if table < TABLES.len() && reopen_copy {
                    exact = false;
                    let (later, view) = source.snapshot(&pipeline.capture).await.unwrap();
                    target.save_consistent_from(&pipeline.apply, later.position).await.unwrap();
                    snapshot = Some(view);
                }
            }
            Turn::Copy | Turn::Step => {}
        }
    }
    finish(app).await;
    while table < TABLES.len() {
        if let Some(view) = &snapshot {
            pipeline.copy_table(view.as_ref(), table, usize::MAX).await;
        }
        table += 1;
    }
    (exact, anomalies + pump.map_or(0, |pump| pump.anomalies))
}

/// Few enough for every test run; `PROPTEST_CASES` asks for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_target_ends_equal_to_the_source(
        before in proptest::collection::vec(act(), 0..40),
        turns in proptest::collection::vec(turn(), 0..100),
        reopen_copy in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(Box::pin(run(before, turns, reopen_copy)));
    }
}

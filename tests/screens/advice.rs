//! Hot spots and findings of stores, as the engine would send them.

use crate::fixture::{ago, now};
use crate::stores::read;
use chrono::NaiveDate;
use godwit::model::finding::*;
use godwit::model::hotspot::*;
use godwit::model::ids::StoreId;
use godwit::model::index::IndexPart;
use godwit::model::index_order::{IndexBuild, IndexEvent, IndexOrder};
use godwit::model::observation::{ByStore, Missing, Observation, Window};
use godwit::model::statement::{Coverage, Percentiles, StatementSource};
use godwit::model::view::View;

pub fn spot(text: &str, calls: u64, mean_us: f64, tables: &[(&str, &str)]) -> HotSpot {
    let name =
        text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    let mut services: Vec<_> = tables.iter().map(|(_, owner)| (*owner).into()).collect();
    services.dedup();
    HotSpot {
        fingerprint: Fingerprint(format!("{name:016x}{name:016x}")),
        operation: None,
        canonical: text.to_lowercase().replace("$1", "?"),
        text: text.into(),
        database: "shop".into(),
        parsed: true,
        kind: if text.starts_with("SELECT") { StatementKind::Read } else { StatementKind::Update },
        tables: tables.iter().map(|(table, _)| (*table).to_owned()).collect(),
        services,
        logins: vec!["app_rw".into(), "report".into()],
        ids: vec!["-8132/16384/10".into(), "-8132/16384/16401".into()],
        calls,
        total_us: calls as f64 * mean_us,
        squares_us2: (calls > 1).then(|| (calls - 1) as f64 * (mean_us * 0.3).powi(2)),
        rows: Some(calls * 2),
        examined: None,
        errors: None,
        without_index: None,
        blocks_read: Some(1_830),
        percentiles: None,
        share: 0.0,
        is_new: false,
    }
}

pub fn list(source: StatementSource, mut spots: Vec<HotSpot>) -> HotSpots {
    let total: f64 = spots.iter().map(|spot| spot.total_us).sum();
    spots.iter_mut().for_each(|spot| spot.share = spot.total_us / total);
    HotSpots {
        source,
        from: ago(640),
        to: ago(40),
        coverage: Coverage { evicted: Some(0), unlisted_share: None, note: None },
        restarted: 0,
        vanished: 0,
        unparsed: 0,
        spots,
    }
}

pub const JOIN: &str = "SELECT o.id, c.mail FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.state = $1";

fn monolith() -> Vec<HotSpot> {
    let orders = ("orders.orders", "orders");
    let customers = ("billing.customers", "billing");
    let mut failing =
        spot("UPDATE invoices SET state = $1 WHERE id = $2", 812, 9_400.0, &[("billing.invoices", "billing")]);
    failing.errors = Some(17);
    let mut fresh = spot("SELECT count(*) FROM orders", 3, 812_000.0, &[orders]);
    fresh.is_new = true;
    let mut odd = spot("VACUUM (VERBOSE) %%", 1, 4_000_000.0, &[]);
    (odd.parsed, odd.kind) = (false, StatementKind::Other);
    vec![
        spot("SELECT * FROM orders WHERE id = $1", 12_300, 4_160.0, &[orders]),
        spot(JOIN, 4_711, 3_200.0, &[customers, orders]),
        failing,
        fresh,
        odd,
    ]
}

fn not_created() -> Missing {
    Missing {
        id: "postgres.statements.extension".into(),
        what: "query statistics".into(),
        why: "the extension pg_stat_statements is not created in this database".into(),
        enable: Some("CREATE EXTENSION pg_stat_statements".into()),
        price: "a restart unless the library is loaded already".into(),
    }
}

fn side(source: StatementSource, calls: u64, mean_us: f64, deviation_us: Option<f64>) -> ComparedSide {
    ComparedSide {
        source,
        calls,
        calls_per_second: Some(calls as f64 / 600.0),
        mean_us,
        deviation_us,
        rows_per_call: Some(2.0),
        errors: None,
        percentiles: None,
    }
}

fn compared(
    name: &str,
    source: ComparedSide,
    target: ComparedSide,
    verdict: Comparability,
    error: Option<f64>,
) -> Compared {
    let ratio = target.mean_us / source.mean_us;
    let fingerprint = spot(name, 1, 1.0, &[]).fingerprint;
    Compared {
        name: name.into(),
        source_fingerprint: fingerprint.clone(),
        target_fingerprint: fingerprint,
        source,
        target,
        ratio: Some(ratio),
        interval: error.map(|error| (ratio * (-error).exp(), ratio * error.exp())),
        verdict,
    }
}

/// Orders on their new store: one statement is slower, one is faster, the rest cannot be judged.
pub fn sides() -> SidesCompared {
    use Comparability::*;
    use StatementSource::{CommandStats, PerformanceSchema, PgStatStatements as Pg};
    let mut keyed = compared(
        "orders.find",
        side(Pg, 12_300, 4_160.0, Some(1_200.0)),
        side(CommandStats, 11_900, 38.0, None),
        NotComparable { why: "commandstats gives no deviation, so chance cannot be told from change".into() },
        None,
    );
    keyed.target_fingerprint = Fingerprint("get orders:?".into());
    keyed.target.percentiles = Some(Percentiles { p50_us: Some(21.0), p95_us: Some(80.0), p99_us: Some(140.0) });
    let comparison = Comparison {
        both: vec![
            compared(
                "select * from order_lines where order_id = ?",
                side(Pg, 8_120, 1_100.0, Some(420.0)),
                side(Pg, 7_904, 9_020.0, Some(2_100.0)),
                Slower,
                Some(0.02),
            ),
            compared(
                "update orders set state = ? where id = ?",
                side(Pg, 912, 2_400.0, Some(800.0)),
                side(PerformanceSchema, 871, 1_010.0, Some(300.0)),
                Faster,
                Some(0.05),
            ),
            compared(
                "select total from orders where id = ?",
                side(Pg, 4_000, 310.0, Some(90.0)),
                side(Pg, 4_100, 316.0, Some(95.0)),
                Same,
                Some(0.03),
            ),
            compared(
                "delete from orders where id = ?",
                side(Pg, 812, 640.0, Some(90.0)),
                side(Pg, 12, 1_300.0, Some(600.0)),
                TooFew { needs: 100 },
                Some(0.4),
            ),
            keyed,
        ],
        new: vec![spot("SELECT id FROM outbox WHERE sent IS NULL", 1_200, 220.0, &[("orders.outbox", "orders")])],
        disappeared: vec![spot("SELECT count(*) FROM order_stats", 40, 15_000.0, &[])],
    };
    SidesCompared {
        pipeline: "orders".into(),
        source: "legacy".into(),
        target: "orders-db".into(),
        source_interval: (ago(7_800), ago(7_200)),
        target_interval: (ago(640), ago(40)),
        comparison,
    }
}

/// Everything is counted; two services still meet in one statement.
pub fn busy() -> HotSpotsNow {
    let mut spots = list(StatementSource::PgStatStatements, monolith());
    spots.coverage.evicted = Some(3);
    (spots.vanished, spots.unparsed) = (12, 1);
    let crossing = spots.spots.iter().filter(|spot| spot.text == JOIN).cloned();
    let tables =
        vec![("billing.customers".to_owned(), "billing".into()), ("orders.orders".to_owned(), "orders".into())];
    let crossing = crossing.map(|spot| CrossService { spot, tables: tables.clone() }).collect();
    let reset = Some(CountersReset { at: ago(3_000), why: "the server was started again".into() });
    let mut view = HotSpotsNow { sides: vec![sides()], ..HotSpotsNow::default() };
    read(&mut view.stores, "legacy", StoreHotSpots { spots, beside: None, crossing, reset }, ago(40));
    let mut cached = spot("GET", 912_000, 4.0, &[]);
    (cached.squares_us2, cached.rows, cached.blocks_read) = (None, None, None);
    cached.percentiles = Some(Percentiles { p50_us: Some(3.0), p95_us: Some(9.0), p99_us: Some(31.0) });
    cached.logins.clear();
    let slow = list(StatementSource::SlowLog, vec![spot("HGETALL session:*", 4, 21_000.0, &[])]);
    let commands = list(StatementSource::CommandStats, vec![cached]);
    let cache = StoreHotSpots { spots: commands, beside: Some(slow), crossing: Vec::new(), reset: None };
    read(&mut view.stores, "cache", cache, ago(40));
    let seen = vec![spot("SELECT * FROM orders WHERE state = 'open'", 14, 1_400_000.0, &[("orders.orders", "orders")])];
    let sampled =
        StoreHotSpots { spots: list(StatementSource::Sampled, seen), beside: None, crossing: Vec::new(), reset: None };
    let seen = Observation { missing: vec![not_created()], ..Observation::whole(sampled, ago(45)) };
    view.stores.entry("orders-db".into()).or_default().take(Ok(seen), ago(45));
    view.stores.entry("billing-db".into()).or_default().lacks("sqlite has no statements to show".into(), ago(600));
    view
}

/// One store is down, of the other nothing can be seen.
pub fn blind() -> HotSpotsNow {
    let mut view = HotSpotsNow::default();
    let empty = StoreHotSpots {
        spots: list(StatementSource::PgStatStatements, Vec::new()),
        beside: None,
        crossing: Vec::new(),
        reset: None,
    };
    let seen = Observation { missing: vec![not_created()], ..Observation::whole(empty, ago(20)) };
    view.stores.entry("legacy".into()).or_default().take(Ok(seen), ago(20));
    let down = "orders-db: cannot connect: connection refused".to_owned();
    view.stores.entry("orders-db".into()).or_default().take(Err(down), ago(3));
    view
}

pub fn finding(store: &str, rule: &str, severity: Severity, subject: &str, sentence: &str) -> Finding {
    Finding::new(rule, severity, &StoreId::from(store), subject, sentence)
}

pub fn missing_key() -> Finding {
    let mut found = finding(
        "legacy",
        "IX-FK",
        Severity::High,
        "public.order_lines (order_id)",
        "the foreign key order_lines_order_id_fkey has no index: each DELETE on orders reads all of order_lines",
    );
    found.evidence = vec![
        "4,400,000 rows in public.order_lines".into(),
        "812 deletes on public.orders, each of which took 9.0 ms in the mean".into(),
    ];
    found.window =
        Some(Window { since: ago(64 * 86_400), proof: "the server started then and was not reset since".into() });
    found.statement =
        Some("CREATE INDEX CONCURRENTLY order_lines_order_id_idx ON public.order_lines (order_id)".into());
    found.undo = Some("DROP INDEX CONCURRENTLY public.order_lines_order_id_idx".into());
    found.makes = Some(IndexBuild {
        table: "public.order_lines".into(),
        name: "order_lines_order_id_idx".into(),
        parts: vec![IndexPart { term: "order_id".into(), ..IndexPart::default() }],
        unique: false,
        statement: found.statement.clone().unwrap_or_default(),
        undo: found.undo.clone().unwrap_or_default(),
    });
    found.why_not = vec!["the table is written 300 times a second".into()];
    found.confidence = Confidence::Planned;
    found.effect = Some(IndexEffect {
        saves_us_per_second: Some(12_180.0),
        gain: "the plan's cost falls from 81,003 to 8".into(),
        write_cost: "each insert writes one more index entry; no in-place updates are lost".into(),
        bytes: Some(96_000_000),
        locking: "SHARE UPDATE EXCLUSIVE while it is built; one session would be waited for, open for 14 min".into(),
    });
    found
}

/// What taking [`missing_key`] leaves in the journal.
pub fn taken() -> IndexEvent {
    let Finding { rule, store, subject, sentence, makes, .. } = missing_key();
    let order = IndexOrder { store, rule, subject, sentence, build: makes.unwrap() };
    IndexEvent::Taken { order, by: "mina".into() }
}

fn audited(findings: Vec<Finding>, seconds_ago: i64) -> Audit {
    let mut findings = findings;
    Finding::sort(&mut findings);
    Audit { findings, read_at: Some(ago(seconds_ago)), changes: Vec::new() }
}

/// Index advice: one store has a lot, one nothing, one is not read, one has none.
pub fn advice() -> View {
    let unused = |name: &str, severity, bytes| {
        let mut found = finding("legacy", "IX-UNUSED", severity, name, &format!("nothing scanned {name} in 64 days"));
        found.statement = Some(format!("DROP INDEX CONCURRENTLY {name}"));
        found.effect = Some(IndexEffect { bytes: Some(bytes), ..IndexEffect::default() });
        found
    };
    let mut unproved =
        finding("legacy", "IX-SCAN", Severity::Medium, "public.report", "full scans cannot be told apart");
    unproved.verdict = Verdict::NotCheckable { why: "only 2 days are proved; 35 are needed".into() };
    let mut fine = finding("legacy", "IX-DUP", Severity::Low, "legacy", "no two indexes say the same");
    fine.verdict = Verdict::Pass;
    let mut view = ByStore::default();
    let all = vec![missing_key(), unused("public.orders_note_idx", Severity::Medium, 1_200_000_000), unproved, fine];
    read(&mut view, "legacy", audited(all, 700), ago(700));
    let mut fine = finding("orders-db", "IX-FK", Severity::High, "orders-db", "every foreign key has an index");
    fine.verdict = Verdict::Pass;
    read(&mut view, "orders-db", audited(vec![fine], 650), ago(650));
    view.entry("billing-db".into()).or_default();
    view.entry("cache".into()).or_default().lacks("redis has no indexes to show".into(), ago(600));
    View::Indexes(view)
}

fn public_grant() -> Finding {
    let mut found = finding(
        "legacy",
        "PG-08",
        Severity::Critical,
        "public.orders",
        "PUBLIC has SELECT and UPDATE on public.orders, so every login reads and writes it",
    );
    found.evidence = vec!["acl: =rw/owner".into(), "granted by owner".into()];
    found.statement = Some("REVOKE ALL ON public.orders FROM PUBLIC".into());
    found.undo = Some("GRANT SELECT, UPDATE ON public.orders TO PUBLIC".into());
    found.cis = Some("4.5".into());
    found
}

/// Access audit: one store is in a bad way, one could not be looked at wholly, one is clean, one is down.
pub fn audits() -> View {
    let named = |rule: &str, severity, verdict: Verdict, subject: &str, sentence: &str| {
        let mut found = finding("legacy", rule, severity, subject, sentence);
        found.verdict = verdict;
        found
    };
    let until = NaiveDate::from_ymd_opt(2026, 4, 1).unwrap();
    let waived = Verdict::Waived { who: "mina".into(), until, why: "the report moves in April".into() };
    let hidden = || Verdict::NotCheckable { why: "only a superuser reads pg_authid".into() };
    let legacy = vec![
        public_grant(),
        named(
            "OWN-01",
            Severity::Critical,
            Verdict::Fail,
            "billing_app on public.orders",
            "billing_app of billing writes orders of orders",
        ),
        named("OWN-02", Severity::High, waived, "report on public.invoices", "report reads invoices of billing"),
        named("PG-19", Severity::Low, Verdict::Fail, "app_rw", "app_rw has no connection limit"),
        named("PG-20", Severity::High, hidden(), "legacy", "no password is kept as MD5"),
        named("PG-27", Severity::High, Verdict::Pass, "legacy", "no untrusted language is installed"),
        named(
            "PG-16",
            Severity::High,
            Verdict::NotApplicable { why: "no table has policies".into() },
            "legacy",
            "tables with policies have row-level security on",
        ),
    ];
    let of = |store: &str, verdict: Verdict| {
        let mut found = finding(store, "PG-20", Severity::High, store, "no password is kept as MD5");
        found.verdict = verdict;
        found
    };
    let mut view = ByStore::default();
    read(&mut view, "legacy", audited(legacy, 700), ago(700));
    read(&mut view, "orders-db", audited(vec![of("orders-db", hidden())], 720), ago(720));
    read(&mut view, "archive-db", audited(vec![of("archive-db", Verdict::Pass)], 690), ago(690));
    let down = "billing-db: cannot connect: connection refused".to_owned();
    view.entry("billing-db".into()).or_default().take(Err(down), ago(3));
    View::Access(view)
}

/// An audit of many stores.
pub fn many(stores: usize, findings: usize) -> View {
    let mut view = ByStore::default();
    let rules = ["PG-01", "PG-08", "OWN-01", "OWN-07", "PG-20"];
    let severities = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low];
    for store in 0..stores {
        let name = format!("store-{store:04}");
        let all = (0..findings).map(|n| {
            let subject = format!("public.table_{n:03} of app_{store:04}");
            let sentence = format!("app_{store:04} may write {subject} although nobody declared it, through two roles");
            finding(&name, rules[n % rules.len()], severities[(n + store) % severities.len()], &subject, &sentence)
        });
        read(&mut view, &name, audited(all.collect(), 700), now());
    }
    View::Access(view)
}

/// Hot spots of many stores.
pub fn many_spots(stores: usize, spots: usize) -> View {
    let mut view = HotSpotsNow::default();
    for store in 0..stores {
        let all = (0..spots).map(|n| {
            let text = format!("SELECT * FROM table_{n:03} WHERE tenant_{store:04} = $1 AND state = $2 ORDER BY id");
            spot(&text, 100 + (n * 7919 + store * 31) as u64 % 10_000, 10.0 + n as f64, &[("orders.orders", "orders")])
        });
        let spots = list(StatementSource::PgStatStatements, all.collect());
        let now_known = StoreHotSpots { spots, beside: None, crossing: Vec::new(), reset: None };
        read(&mut view.stores, &format!("store-{store:04}"), now_known, ago(40));
    }
    View::HotSpots(view)
}

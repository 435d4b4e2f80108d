//! Source against target.

use super::fixture::{counter, ownership, reading};
use crate::advice::dialect::Dialect;
use crate::advice::hotspots::compare::compare;
use crate::advice::hotspots::delta::since_begin;
use crate::advice::hotspots::fingerprint::{Operations, name};
use crate::advice::hotspots::namer::Namer;
use crate::advice::hotspots::ranking;
use crate::model::hotspot::{Comparability, HotOrder, HotSpots};
use crate::model::statement::{StatementCounter, StatementSource};

const TEXT: &str = "select id from orders where id = $1";

/// A statement of `calls` with a mean and a deviation.
fn line(text: &str, calls: u64, mean: f64, deviation: Option<f64>) -> StatementCounter {
    StatementCounter {
        squares_us2: deviation.map(|deviation| deviation * deviation * (calls as f64 - 1.0)),
        ..counter(text, text, calls, mean * calls as f64)
    }
}

fn spots(source: StatementSource, lines: Vec<StatementCounter>) -> HotSpots {
    let mut read = reading(100, "e", lines);
    read.value.source = source;
    let map = ownership();
    ranking::rank(since_begin(&read), &mut Namer::new(Dialect::Postgres, &map), &Operations::default(), HotOrder::Total)
}

fn verdict(before: StatementCounter, after: StatementCounter) -> Comparability {
    let counted = StatementSource::PgStatStatements;
    let found = compare(&spots(counted, vec![before]), &spots(counted, vec![after]), 0.1);
    assert_eq!(found.both.len(), 1);
    found.both[0].verdict.clone()
}

#[test]
fn a_verdict_needs_enough_calls_and_a_difference_beyond_chance() {
    let of = |calls, mean| line(TEXT, calls, mean, Some(20.0));
    assert_eq!(verdict(of(99, 50.0), of(5_000, 500.0)), Comparability::TooFew { needs: 100 });
    assert_eq!(verdict(of(5_000, 50.0), of(99, 500.0)), Comparability::TooFew { needs: 100 });
    assert_eq!(verdict(of(1_000, 50.0), of(1_000, 50.5)), Comparability::Same);
    assert_eq!(verdict(of(1_000, 50.0), of(1_000, 100.0)), Comparability::Slower);
    assert_eq!(verdict(of(1_000, 100.0), of(1_000, 50.0)), Comparability::Faster);
    // The same ratio, but so scattered that it may be chance.
    let scattered = |mean| line(TEXT, 120, mean, Some(900.0));
    assert_eq!(verdict(scattered(50.0), scattered(100.0)), Comparability::Same);
    // Certain, but within the tolerance.
    assert_eq!(verdict(of(1_000_000, 50.0), of(1_000_000, 52.0)), Comparability::Same);
}

#[test]
fn the_interval_holds_the_ratio() {
    let counted = StatementSource::PgStatStatements;
    let found = compare(
        &spots(counted, vec![line(TEXT, 400, 50.0, Some(25.0))]),
        &spots(counted, vec![line(TEXT, 400, 75.0, Some(25.0))]),
        0.1,
    );
    let both = &found.both[0];
    let (ratio, (low, high)) = (both.ratio.unwrap(), both.interval.unwrap());
    assert!((ratio - 1.5).abs() < 1e-9 && low < ratio && ratio < high, "{low} {ratio} {high}");
    // Standard errors of 1.25 on 50 and on 75: 1.96 * sqrt(0.025^2 + 0.01667^2) = 5.9 %.
    assert!((high / ratio - 1.0607).abs() < 0.001, "{}", high / ratio);
    assert_eq!((both.source.calls, both.target.calls, both.source.rows_per_call), (400, 400, Some(1.0)));
    assert_eq!(both.source.calls_per_second, Some(4.0));
}

#[test]
fn unlike_numbers_are_not_held_against_each_other() {
    let counted = spots(StatementSource::PgStatStatements, vec![line(TEXT, 1_000, 50.0, Some(5.0))]);
    let slow = spots(StatementSource::SlowLog, vec![line(TEXT, 1_000, 50_000.0, Some(5.0))]);
    let silent = spots(StatementSource::PerformanceSchema, vec![line(TEXT, 1_000, 500.0, None)]);
    for target in [slow, silent] {
        let found = compare(&counted, &target, 0.1);
        assert!(matches!(found.both[0].verdict, Comparability::NotComparable { .. }), "{:?}", found.both[0].verdict);
        assert!(found.both[0].ratio.is_some(), "the ratio is shown all the same");
    }
}

#[test]
fn new_and_disappeared_statements_are_lists_of_their_own() {
    let counted = StatementSource::PgStatStatements;
    let old = line("select a from orders", 5, 1.0, None);
    let new = line("select b from orders", 7, 1.0, None);
    let found = compare(&spots(counted, vec![old]), &spots(counted, vec![new]), 0.1);
    assert!(found.both.is_empty());
    assert_eq!((found.disappeared[0].calls, found.new[0].calls), (5, 7));
}

#[test]
fn unlike_languages_are_joined_by_a_declared_operation() {
    let map = ownership();
    let sql = "select * from cart where id = $1";
    let find = r#"{"find": "cart", "filter": {"id": 1}}"#;
    let operations = Operations::default()
        .declare("cart by id", &name(Dialect::Postgres, "shop", sql, &map))
        .declare("cart by id", &name(Dialect::MongoDb, "shop", find, &map));
    let rank = |dialect, text: &str| {
        let read = reading(100, "e", vec![line(text, 200, 10.0, Some(1.0))]);
        ranking::rank(since_begin(&read), &mut Namer::new(dialect, &map), &operations, HotOrder::Total)
    };
    let found = compare(&rank(Dialect::Postgres, sql), &rank(Dialect::MongoDb, find), 0.1);
    assert_eq!(found.both[0].name, "cart by id");
    assert_ne!(found.both[0].source_fingerprint, found.both[0].target_fingerprint);
}

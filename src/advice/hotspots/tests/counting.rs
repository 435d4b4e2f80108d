//! Intervals between readings: resets, evictions, new lines, and the ranking of what is left.

use super::fixture::{counter, moment, ownership, reading};
use crate::advice::dialect::Dialect;
use crate::advice::hotspots::delta::{Delta, Interval, between, since_begin};
use crate::advice::hotspots::fingerprint::{Operations, name};
use crate::advice::hotspots::namer::Namer;
use crate::advice::hotspots::{cross_service, ranking};
use crate::model::hotspot::{HotOrder, HotSpots};
use crate::model::ids::ServiceId;
use crate::model::statement::{Percentiles, StatementCounter, StatementSource};

fn interval(delta: Delta) -> Interval {
    match delta {
        Delta::Interval(interval) => interval,
        Delta::Reset { why } => panic!("a reset: {why}"),
    }
}

fn rank(interval: Interval) -> HotSpots {
    let map = ownership();
    ranking::rank(interval, &mut Namer::new(Dialect::Postgres, &map), &Operations::default(), HotOrder::Total)
}

#[test]
fn what_is_new_counts_whole_and_what_is_quiet_is_left_out() {
    let before =
        reading(10, "e", vec![counter("a", "select 1 from a", 10, 100.0), counter("q", "select 1 from q", 4, 4.0)]);
    let after = reading(
        70,
        "e",
        vec![
            counter("a", "select 1 from a", 25, 700.0),
            counter("n", "select 1 from n", 3, 30.0),
            counter("q", "select 1 from q", 4, 4.0),
        ],
    );
    let spots = rank(interval(between(&before, &after)));
    assert_eq!((spots.from, spots.to), (moment(10), moment(70)));
    let seen: Vec<_> = spots.spots.iter().map(|s| (s.tables[0].as_str(), s.calls, s.total_us, s.is_new)).collect();
    assert_eq!(seen, [("a", 15, 600.0, false), ("n", 3, 30.0, true)]);
    assert!((spots.spots[0].share - 600.0 / 630.0).abs() < 1e-9);
}

#[test]
fn counters_that_go_down_are_a_reset_and_never_a_rate() {
    let two = |a, b| vec![counter("a", "select 1 from a", a, a as f64), counter("b", "select 1 from b", b, b as f64)];
    let before = reading(0, "e", two(100, 100));
    for after in [reading(10, "f", two(150, 150)), reading(10, "e", two(5, 7)), reading(0, "e", two(150, 150))] {
        assert!(matches!(between(&before, &after), Delta::Reset { .. }), "{after:?}");
    }
    let mut other = reading(10, "e", two(150, 150));
    other.value.source = StatementSource::Sampled;
    assert!(matches!(between(&before, &other), Delta::Reset { .. }));
    // One line that was thrown out and came back is left out; the other one stays.
    let found = interval(between(&before, &reading(10, "e", two(150, 7))));
    assert_eq!((found.head.restarted, found.lines.len(), found.lines[0].0.calls), (1, 1, 50));
}

#[test]
fn evictions_are_coverage() {
    let mut before =
        reading(0, "e", vec![counter("a", "select 1 from a", 1, 1.0), counter("gone", "select 1 from g", 1, 1.0)]);
    let mut after = reading(10, "e", vec![counter("a", "select 1 from a", 2, 2.0)]);
    before.value.coverage.evicted = Some(40);
    after.value.coverage.evicted = Some(47);
    let found = interval(between(&before, &after));
    assert_eq!((found.head.coverage.evicted, found.head.vanished), (Some(7), 1));
}

#[test]
fn deviations_of_an_interval_are_exact() {
    let squares = |values: &[f64]| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        values.iter().map(|value| (value - mean).powi(2)).sum::<f64>()
    };
    let with = |values: &[f64]| StatementCounter {
        squares_us2: Some(squares(values)),
        ..counter("a", "select 1 from a", values.len() as u64, values.iter().sum())
    };
    let (first, second) = ([3.0, 9.0, 4.0], [100.0, 140.0, 90.0, 120.0]);
    let all: Vec<f64> = first.iter().chain(&second).copied().collect();
    let found = interval(between(&reading(0, "e", vec![with(&first)]), &reading(9, "e", vec![with(&all)])));
    let got = found.lines[0].0.squares_us2.unwrap();
    assert!((got - squares(&second)).abs() < 1e-6, "{got} against {}", squares(&second));
}

#[test]
fn lines_of_one_statement_are_one_and_percentiles_are_never_added_up() {
    let percentiles = Some(Percentiles { p50_us: Some(1.0), p95_us: None, p99_us: None });
    let line = |id: &str, text: &str, login: &str, total| StatementCounter {
        login: Some(login.to_owned()),
        percentiles,
        squares_us2: Some(0.0),
        ..counter(id, text, 2, total)
    };
    let lines = vec![
        line("1", "select id from public.orders where id in ($1)", "b", 20.0),
        line("2", "SELECT o.id FROM orders o WHERE o.id IN ($1, $2)", "a", 60.0),
        line("3", "select 1 from customers", "a", 1.0),
    ];
    let spots = rank(since_begin(&reading(5, "e", lines)));
    assert_eq!(spots.spots.len(), 2);
    let spot = &spots.spots[0];
    assert_eq!((spot.calls, spot.total_us, spot.rows, spot.percentiles), (4, 80.0, Some(4), None));
    assert_eq!((spot.logins.join(","), spot.ids.join(",")), ("a,b".to_owned(), "1,2".to_owned()));
    assert_eq!(spot.text, "SELECT o.id FROM orders o WHERE o.id IN ($1, $2)");
    // Two groups of equal times 10 and 30: deviations of 10 each from the mean of 20.
    assert_eq!(spot.squares_us2, Some(400.0));
    assert_eq!(spots.spots[1].percentiles, percentiles);
}

#[test]
fn orders_differ_and_ties_are_stable() {
    let lines = vec![
        counter("a", "select 1 from a", 1, 50.0),
        counter("b", "select 1 from b", 100, 90.0),
        counter("c", "select 1 from c", 9, 50.0),
    ];
    let mut spots = rank(since_begin(&reading(5, "e", lines))).spots;
    let mut first = |order| {
        ranking::sort(&mut spots, order);
        spots[0].tables[0].clone()
    };
    assert_eq!(
        (first(HotOrder::Total), first(HotOrder::Mean), first(HotOrder::Calls)),
        ("b".into(), "a".into(), "b".into())
    );
}

#[test]
fn only_statements_that_cross_a_border_are_listed() {
    let lines = vec![
        counter("1", "select 1 from orders o join customers c on c.id = o.customer_id", 1, 5.0),
        counter("2", "select 1 from orders o join order_line l on l.order_id = o.id", 1, 50.0),
        counter("3", "select 1 from orders join somebodys on true", 1, 50.0),
        counter("4", "not a statement at all", 1, 1.0),
    ];
    let spots = rank(since_begin(&reading(5, "e", lines)));
    assert_eq!(spots.unparsed, 1);
    let found = cross_service::list(&spots, &ownership());
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].tables,
        [
            ("customers.customers".to_owned(), ServiceId::from("customers")),
            ("orders.orders".to_owned(), ServiceId::from("orders"))
        ]
    );
}

#[test]
fn a_declared_operation_gives_its_name() {
    let find = name(Dialect::MongoDb, "shop", r#"{"find": "cart", "filter": {"id": 1}}"#, &ownership());
    let operations = Operations::default().declare("cart by id", &find);
    let mut line = counter("x", r#"{"find": "cart", "filter": {"id": 99}, "$db": "shop"}"#, 1, 1.0);
    line.database = "shop.cart".to_owned();
    let spots = ranking::rank(
        since_begin(&reading(5, "e", vec![line])),
        &mut Namer::new(Dialect::MongoDb, &ownership()),
        &operations,
        HotOrder::Total,
    );
    assert_eq!(spots.spots[0].operation.as_deref(), Some("cart by id"));
}

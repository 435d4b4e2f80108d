//! Statements of all stores by what they cost: what `godwit hotspots` prints.

use crate::model::hotspot::{CountersReset, CrossService, HotOrder, HotSpot, HotSpots, StoreHotSpots};
use crate::model::ids::StoreId;
use crate::model::observation::{ByStore, StoreReading};
use crate::model::statement::{Percentiles, StatementSource};
use crate::report::activity::ReadingState;
use crate::report::moment::{micros, span, stamp};
use crate::report::wrap::{WIDTH, cut, wrapped};
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use unicode_width::UnicodeWidthStr;

/// Which statements are listed, and in which order.
#[derive(Clone, Debug, Default)]
pub struct SpotFilter {
    /// By what they are ordered.
    pub order: HotOrder,
    /// Only those that touch something of this service.
    pub service: Option<String>,
    /// Only those on this table, by its whole logical name or the last part of it.
    pub table: Option<String>,
    /// Only those that this login ran. Servers that do not keep logins apart list none then.
    pub login: Option<String>,
    /// No more than this many of each list.
    pub top: usize,
    /// Only statements that touch tables of more than one service.
    pub crossing: bool,
}

impl SpotFilter {
    fn lists(&self, spot: &HotSpot) -> bool {
        let is_named = |table: &String, wanted: &String| {
            let (table, wanted) = (table.to_lowercase(), wanted.to_lowercase());
            table == wanted || table.strip_suffix(&wanted).is_some_and(|schema| schema.ends_with('.'))
        };
        self.service.as_ref().is_none_or(|service| spot.services.iter().any(|s| s.as_str() == service))
            && self.table.as_ref().is_none_or(|wanted| spot.tables.iter().any(|table| is_named(table, wanted)))
            && self.login.as_ref().is_none_or(|login| spot.logins.contains(login))
            && (!self.crossing || spot.services.len() > 1)
    }

    fn apply(&self, spots: &HotSpots) -> HotSpots {
        let mut listed: Vec<HotSpot> = spots.spots.iter().filter(|spot| self.lists(spot)).cloned().collect();
        let weight = |spot: &HotSpot| match self.order {
            HotOrder::Total => spot.total_us,
            HotOrder::Mean => spot.mean_us().unwrap_or(0.0),
            HotOrder::Calls => spot.calls as f64,
        };
        listed.sort_by(|a, b| weight(b).total_cmp(&weight(a)).then_with(|| a.fingerprint.cmp(&b.fingerprint)));
        listed.truncate(self.top);
        HotSpots { spots: listed, coverage: spots.coverage.clone(), ..*spots }
    }
}

/// The JSON form, schema `godwit.hotspots/1`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HotSpotsReport {
    /// `godwit.hotspots/1`.
    pub schema: &'static str,
    /// By what the statements are ordered: `total`, `mean`, `calls`.
    pub order: HotOrder,
    /// By store.
    pub stores: BTreeMap<StoreId, StoreStatements>,
}

/// One store.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StoreStatements {
    /// How it was read.
    #[serde(flatten)]
    pub state: ReadingState,
    /// How many statements are known, whatever is listed.
    pub known: usize,
    /// Counted or sampled statements; `null`: nothing was read.
    pub statements: Option<HotSpots>,
    /// A second list from another source, never to be added to the first; `null`: there is none.
    pub beside: Option<HotSpots>,
    /// Statements that touch tables of more than one service, heaviest first, with the owners of their tables.
    pub crossing: Vec<CrossService>,
    /// When the counters last began anew since the engine began; `null`: they did not.
    pub reset: Option<CountersReset>,
}

/// Puts the report together.
pub fn hotspots(view: &ByStore<StoreHotSpots>, filter: &SpotFilter) -> HotSpotsReport {
    let stores = view.iter().map(|(id, reading)| (id.clone(), store(reading, filter))).collect();
    HotSpotsReport { schema: "godwit.hotspots/1", order: filter.order, stores }
}

fn store(reading: &StoreReading<StoreHotSpots>, filter: &SpotFilter) -> StoreStatements {
    let read = reading.latest.as_ref().map(|read| &read.value);
    let crossing = read.map_or(&[][..], |read| read.crossing.as_slice());
    StoreStatements {
        state: ReadingState::of(reading),
        known: read.map_or(0, |read| read.spots.spots.len()),
        statements: read.map(|read| filter.apply(&read.spots)),
        beside: read.and_then(|read| read.beside.as_ref()).map(|beside| filter.apply(beside)),
        crossing: crossing.iter().filter(|c| filter.lists(&c.spot)).take(filter.top).cloned().collect(),
        reset: read.and_then(|read| read.reset.clone()),
    }
}

impl HotSpotsReport {
    /// Lines for a person, at most 80 columns wide.
    pub fn text(&self, now: DateTime<Utc>) -> String {
        let mut text = String::new();
        for (id, store) in &self.stores {
            text.push_str(&store.state.text(id, now));
            let Some(statements) = &store.statements else { continue };
            if let Some(reset) = &store.reset {
                let noticed = format!("the counters began anew: {} (noticed {})", reset.why, stamp(reset.at));
                text.push_str(&wrapped(&format!("{id}: "), &noticed));
            }
            list(id, statements, &mut text);
            if let Some(beside) = &store.beside {
                list(id, beside, &mut text);
            }
            if !store.crossing.is_empty() {
                let _ = writeln!(text, "{id}: statements across services");
            }
            for crossing in &store.crossing {
                let owners: Vec<String> =
                    crossing.tables.iter().map(|(table, service)| format!("{table} of {service}")).collect();
                told(&crossing.spot, statements.source, &mut text);
                text.push_str(&wrapped("     touches ", &owners.join(", ")));
            }
        }
        text
    }
}

/// One list with its interval and what is missing from it.
fn list(id: &StoreId, spots: &HotSpots, text: &mut String) {
    let _ = writeln!(text, "{}", cut(&format!("{id}: {}", spots.source.word()), WIDTH));
    let length = span((spots.seconds() * 1_000.0).max(0.0) as u64);
    let _ = writeln!(text, "   {} to {}, {length}", stamp(spots.from), stamp(spots.to));
    let gaps = gaps(spots);
    if !gaps.is_empty() {
        text.push_str(&wrapped("   ", &gaps.join("; ")));
    }
    if spots.spots.is_empty() {
        let _ = writeln!(text, "   none listed");
    }
    for spot in &spots.spots {
        told(spot, spots.source, text);
    }
}

/// What the list lacks, as far as it is known.
fn gaps(spots: &HotSpots) -> Vec<String> {
    let coverage = &spots.coverage;
    let mut gaps = Vec::new();
    gaps.push(match coverage.evicted {
        Some(evicted) => format!("thrown out for want of room: {evicted}"),
        None => "thrown out for want of room: unknown: the server does not count it".to_owned(),
    });
    if let Some(share) = coverage.unlisted_share {
        gaps.push(format!("{:.1} % of the time is in statements without a line", share * 100.0));
    }
    for (count, what) in [
        (spots.restarted, "counted from an unknown moment and left out"),
        (spots.vanished, "gone since the interval began"),
        (spots.unparsed, "not parsed and named by their words"),
    ] {
        if count > 0 {
            gaps.push(format!("{count} lines {what}"));
        }
    }
    gaps.extend(coverage.note.clone());
    gaps
}

/// A statement in two lines, three where the server tells more.
fn told(spot: &HotSpot, source: StatementSource, text: &mut String) {
    let mut numbers = format!("{:5.1} % {:>9}  n {}", spot.share * 100.0, micros(spot.total_us), spot.calls);
    let _ = match (source, spot.mean_us()) {
        (StatementSource::Sampled, _) => write!(numbers, "  mean unknown: sampled"),
        (_, Some(mean)) => match spot.deviation_us() {
            Some(deviation) => write!(numbers, "  mean {} ± {}", micros(mean), micros(deviation)),
            None => write!(numbers, "  mean {}", micros(mean)),
        },
        (_, None) => write!(numbers, "  mean unknown: no calls"),
    };
    if let Some(rows) = spot.rows.filter(|_| spot.calls > 0) {
        let _ = write!(numbers, "  {:.1} rows", rows as f64 / spot.calls as f64);
    }
    let services: Vec<&str> = spot.services.iter().map(|service| service.as_str()).collect();
    let numbers = format!("{numbers}  {}", services.join(", "));
    // Blanks in front keep the columns straight.
    let _ = writeln!(text, "  {}", cut_end(numbers.trim_end()));
    let name = spot.operation.as_ref().map_or_else(String::new, |operation| format!("{operation}: "));
    let short: String = spot.fingerprint.0.chars().take(8).collect();
    let _ = writeln!(text, "      {}", cut(&format!("{short} {name}{}", spot.canonical), WIDTH - 6));
    let more = more(spot);
    if !more.is_empty() {
        text.push_str(&wrapped("      ", &more.join(", ")));
    }
}

/// Cut at the end only: the blanks between the columns stay.
fn cut_end(line: &str) -> String {
    let room = WIDTH - 2;
    if line.width() <= room {
        line.to_owned()
    } else {
        format!("{}…", line.chars().take(room - 1).collect::<String>())
    }
}

fn more(spot: &HotSpot) -> Vec<String> {
    let mut more = Vec::new();
    if spot.is_new {
        more.push("new".to_owned());
    }
    if let Some(examined) = spot.examined.filter(|examined| *examined > 0) {
        more.push(format!("{:.0} rows examined a call", examined as f64 / spot.calls.max(1) as f64));
    }
    let counts = [(spot.errors, "errors"), (spot.without_index, "without an index"), (spot.blocks_read, "blocks read")];
    for (count, what) in counts {
        if let Some(count) = count.filter(|count| *count > 0) {
            more.push(format!("{count} {what}"));
        }
    }
    if let Some(Percentiles { p50_us, p95_us, p99_us }) = spot.percentiles {
        let told: Vec<String> = [(p50_us, "p50"), (p95_us, "p95"), (p99_us, "p99")]
            .into_iter()
            .filter_map(|(us, name)| Some(format!("{name} {}", micros(us?))))
            .collect();
        more.push(format!("{} since the server counts", told.join(" ")));
    }
    more
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::hotspot::{Fingerprint, StatementKind};
    use crate::model::observation::Observation;
    use crate::model::statement::Coverage;
    use chrono::TimeDelta;

    fn spot(name: &str, calls: u64, total_us: f64, table: &str, services: &[&str]) -> HotSpot {
        HotSpot {
            fingerprint: Fingerprint(format!("{name}{}", "0".repeat(32 - name.len()))),
            operation: None,
            canonical: format!("select * from {table} where id = ?"),
            text: format!("SELECT * FROM {table} WHERE id = $1"),
            database: "shop".to_owned(),
            parsed: true,
            kind: StatementKind::Read,
            tables: vec![table.to_owned()],
            services: services.iter().map(|service| (*service).into()).collect(),
            logins: vec![format!("{name}_app")],
            ids: Vec::new(),
            calls,
            total_us,
            squares_us2: Some(0.0),
            rows: Some(calls * 2),
            examined: None,
            errors: None,
            without_index: None,
            blocks_read: Some(3),
            percentiles: None,
            share: 0.5,
            is_new: false,
        }
    }

    fn view(source: StatementSource) -> ByStore<StoreHotSpots> {
        let from = DateTime::<Utc>::UNIX_EPOCH;
        let to = from + TimeDelta::minutes(10);
        let spots = vec![
            spot("a1", 1_000, 2e6, "orders.orders", &["orders"]),
            spot("b2", 10, 1e6, "stock.public.items", &["orders", "stock"]),
        ];
        let crossing = CrossService {
            spot: spots[1].clone(),
            tables: vec![("orders.orders".to_owned(), "orders".into()), ("stock.items".to_owned(), "stock".into())],
        };
        let store = StoreHotSpots {
            spots: HotSpots {
                source,
                from,
                to,
                coverage: Coverage { evicted: Some(7), unlisted_share: None, note: None },
                restarted: 1,
                vanished: 0,
                unparsed: 2,
                spots,
            },
            beside: None,
            crossing: vec![crossing],
            reset: Some(CountersReset { at: from, why: "the server started then".to_owned() }),
        };
        let mut reading = StoreReading::default();
        reading.take(Ok(Observation::whole(store, to)), to);
        ByStore::from([("cache".into(), StoreReading::default()), ("legacy".into(), reading)])
    }

    fn filter() -> SpotFilter {
        SpotFilter { top: 20, ..SpotFilter::default() }
    }

    #[test]
    fn each_number_has_its_n_and_its_window() {
        let text = hotspots(&view(StatementSource::PgStatStatements), &filter()).text(DateTime::UNIX_EPOCH);
        assert_eq!(
            text,
            "cache: not read yet\n\
             legacy: the counters began anew: the server started then (noticed 1970-01-01\n   \
             00:00:00Z)\n\
             legacy: pg_stat_statements\n   \
             1970-01-01 00:00:00Z to 1970-01-01 00:10:00Z, 10 min 0 s\n   \
             thrown out for want of room: 7; 1 lines counted from an unknown moment and\n     \
             left out; 2 lines not parsed and named by their words\n   \
             50.0 %     2.0 s  n 1000  mean 2.00 ms ± 0.0 µs  2.0 rows  orders\n      \
             a1000000 select * from orders.orders where id = ?\n      \
             3 blocks read\n   \
             50.0 %     1.0 s  n 10  mean 100 ms ± 0.0 µs  2.0 rows  orders, stock\n      \
             b2000000 select * from stock.public.items where id = ?\n      \
             3 blocks read\n\
             legacy: statements across services\n   \
             50.0 %     1.0 s  n 10  mean 100 ms ± 0.0 µs  2.0 rows  orders, stock\n      \
             b2000000 select * from stock.public.items where id = ?\n      \
             3 blocks read\n     \
             touches orders.orders of orders, stock.items of stock\n"
        );
        assert!(text.lines().all(|line| line.width() <= WIDTH), "{text}");
    }

    #[test]
    fn a_sample_has_no_mean() {
        let text = hotspots(&view(StatementSource::Sampled), &filter()).text(DateTime::UNIX_EPOCH);
        assert!(text.contains("legacy: sampled sessions") && text.contains("mean unknown: sampled"), "{text}");
    }

    #[test]
    fn filters_and_orders_choose() {
        let listed = |filter: SpotFilter| {
            let report = hotspots(&view(StatementSource::PgStatStatements), &SpotFilter { top: 20, ..filter });
            let store = &report.stores[&StoreId::from("legacy")];
            assert_eq!(store.known, 2);
            let names = store.statements.iter().flat_map(|statements| &statements.spots);
            names.map(|spot| spot.fingerprint.0[..2].to_owned()).collect::<Vec<_>>()
        };
        let none = SpotFilter::default;
        assert_eq!(listed(SpotFilter { order: HotOrder::Mean, ..none() }), ["b2", "a1"]);
        assert_eq!(listed(SpotFilter { order: HotOrder::Calls, ..none() }), ["a1", "b2"]);
        assert_eq!(listed(SpotFilter { service: Some("stock".to_owned()), ..none() }), ["b2"]);
        assert_eq!(listed(SpotFilter { table: Some("Items".to_owned()), ..none() }), ["b2"]);
        assert_eq!(listed(SpotFilter { table: Some("tems".to_owned()), ..none() }), Vec::<String>::new());
        assert_eq!(listed(SpotFilter { login: Some("a1_app".to_owned()), ..none() }), ["a1"]);
        assert_eq!(listed(SpotFilter { crossing: true, ..none() }), ["b2"]);
    }
}

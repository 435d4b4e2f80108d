//! Lines of a server to statements with one name each, in order.

use crate::advice::hotspots::delta::Interval;
use crate::advice::hotspots::fingerprint::{Named, Operations};
use crate::advice::hotspots::namer::Namer;
use crate::model::hotspot::{Fingerprint, HotOrder, HotSpot, HotSpots};
use crate::model::statement::StatementCounter;
use std::collections::BTreeMap;

/// Groups the lines of an interval by statement, and orders them.
pub fn rank(interval: Interval, namer: &mut Namer<'_>, operations: &Operations, order: HotOrder) -> HotSpots {
    let Interval { mut head, mut lines } = interval;
    // The heaviest line of a statement gives it its text.
    lines.sort_by(|(a, _), (b, _)| b.total_us.total_cmp(&a.total_us).then_with(|| a.id.cmp(&b.id)));
    let all_us: f64 = lines.iter().map(|(line, _)| line.total_us).sum();
    let mut spots: BTreeMap<Fingerprint, HotSpot> = BTreeMap::new();
    for (line, is_new) in lines {
        let named = namer.name(&line.database, &line.text);
        head.unparsed += u64::from(!named.parsed);
        match spots.get_mut(&named.fingerprint) {
            Some(spot) => merge(spot, &line, is_new),
            None => {
                let operation = operations.of(&named.fingerprint).map(str::to_owned);
                spots.insert(named.fingerprint.clone(), first(named.clone(), operation, line, is_new));
            }
        }
    }
    head.spots = spots.into_values().collect();
    for spot in &mut head.spots {
        spot.share = if all_us > 0.0 { spot.total_us / all_us } else { 0.0 };
        spot.logins.sort();
        spot.ids.sort();
    }
    sort(&mut head.spots, order);
    head
}

/// Orders statements, heaviest first; equal ones by name, so that a list does not flicker.
pub fn sort(spots: &mut [HotSpot], order: HotOrder) {
    let weight = |spot: &HotSpot| match order {
        HotOrder::Total => spot.total_us,
        HotOrder::Mean => spot.mean_us().unwrap_or(0.0),
        HotOrder::Calls => spot.calls as f64,
    };
    spots.sort_by(|a, b| weight(b).total_cmp(&weight(a)).then_with(|| a.fingerprint.cmp(&b.fingerprint)));
}

fn first(named: Named, operation: Option<String>, line: StatementCounter, is_new: bool) -> HotSpot {
    HotSpot {
        fingerprint: named.fingerprint,
        operation,
        canonical: named.canonical,
        parsed: named.parsed,
        kind: named.kind,
        tables: named.tables.into_iter().map(|owned| owned.logical).collect(),
        services: named.services,
        text: line.text,
        database: line.database,
        logins: line.login.into_iter().collect(),
        ids: vec![line.id],
        calls: line.calls,
        total_us: line.total_us,
        squares_us2: line.squares_us2,
        rows: line.rows,
        examined: line.examined,
        errors: line.errors,
        without_index: line.without_index,
        blocks_read: line.blocks_read,
        percentiles: line.percentiles,
        share: 0.0,
        is_new,
    }
}

/// Takes another line of the same statement in. A number that one of the lines lacks is not known of the whole.
fn merge(spot: &mut HotSpot, line: &StatementCounter, is_new: bool) {
    let sum = |one: Option<u64>, other: Option<u64>| Some(one?.saturating_add(other?));
    spot.squares_us2 = pooled(spot, line);
    spot.calls = spot.calls.saturating_add(line.calls);
    spot.total_us += line.total_us;
    spot.rows = sum(spot.rows, line.rows);
    spot.examined = sum(spot.examined, line.examined);
    spot.errors = sum(spot.errors, line.errors);
    spot.without_index = sum(spot.without_index, line.without_index);
    spot.blocks_read = sum(spot.blocks_read, line.blocks_read);
    // Percentiles cannot be added up.
    spot.percentiles = None;
    spot.is_new &= is_new;
    if let Some(login) = &line.login
        && !spot.logins.contains(login)
    {
        spot.logins.push(login.clone());
    }
    spot.ids.push(line.id.clone());
}

fn pooled(spot: &HotSpot, line: &StatementCounter) -> Option<f64> {
    let (n1, n2) = (spot.calls as f64, line.calls as f64);
    let apart = spot.total_us / n1 - line.total_us / n2;
    let between = if n1 > 0.0 && n2 > 0.0 { n1 * n2 / (n1 + n2) * apart * apart } else { 0.0 };
    Some(spot.squares_us2? + line.squares_us2? + between)
}

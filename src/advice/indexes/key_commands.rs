//! `IX-KEYS`: Redis has no indexes; what stands for a missing one is a command whose work grows with the data. It runs alone: everybody waits.

use crate::advice::dialect::Dialect;
use crate::advice::hotspots::redis_command;
use crate::advice::indexes::full_scans::percent;
use crate::advice::indexes::inspection::Inspection;
use crate::model::finding::{Confidence, Finding, Severity};
use crate::model::hotspot::{HotSpot, StatementKind};

/// The rule's id.
pub const RULE: &str = "IX-KEYS";

/// One execution of this long holds every other client up noticeably.
const LONG_US: f64 = 1_000.0;
/// So many times the middle of its class is out of the ordinary ...
const OUT_OF_CLASS: f64 = 10.0;
/// ... if it is above what a command costs anyway.
const ANY_COST_US: f64 = 50.0;

/// Commands whose work grows with the number of members or keys, and what does it in pieces.
const GROWING: &[(&str, &str)] = &[
    ("keys", "SCAN with MATCH and COUNT"),
    ("smembers", "SSCAN, or keep the set small"),
    ("hgetall", "HMGET of the fields that are needed, or HSCAN"),
    ("hkeys", "HSCAN"),
    ("hvals", "HSCAN"),
    ("lrange", "a bounded range, not 0 -1"),
    ("zrange", "a bounded range, not 0 -1"),
    ("zrevrange", "a bounded range, not 0 -1"),
    ("zrangebyscore", "LIMIT"),
    ("zrevrangebyscore", "LIMIT"),
    ("sort", "keep the order in a sorted set"),
    ("sort_ro", "keep the order in a sorted set"),
    ("sunion", "store the result, or do it on a replica"),
    ("sinter", "store the result, or do it on a replica"),
    ("sdiff", "store the result, or do it on a replica"),
    ("sunionstore", "do it outside of busy hours"),
    ("zunionstore", "do it outside of busy hours"),
    ("lrem", "a set or a sorted set"),
    ("linsert", "a sorted set"),
    ("xrange", "COUNT"),
    ("del", "UNLINK for large values"),
    ("flushdb", "FLUSHDB ASYNC"),
    ("flushall", "FLUSHALL ASYNC"),
];

/// Looks at the commands of the interval. `KEYS` reads every key of the server and is always reported.
pub fn look(inspection: &Inspection<'_>) -> Vec<Finding> {
    let (Dialect::Redis, Some(spots)) = (inspection.dialect, inspection.spots) else { return Vec::new() };
    let mut found = Vec::new();
    for spot in spots.spots.iter().filter(|spot| spot.calls > 0) {
        let verb = redis_command::verb(&spot.text);
        let Some((_, instead)) = GROWING.iter().find(|(name, _)| *name == verb) else { continue };
        let mean = spot.mean_us().unwrap_or(0.0);
        let middle = median(&spots.spots, spot.kind);
        let is_slow =
            mean >= LONG_US || (mean >= ANY_COST_US && middle.is_some_and(|middle| mean >= OUT_OF_CLASS * middle));
        if verb != "keys" && !is_slow {
            continue;
        }
        let severity = if verb == "keys" || mean >= 10.0 * LONG_US { Severity::High } else { Severity::Medium };
        let sentence = format!("{} takes {mean:.0} µs on average, during which nothing else runs", verb.to_uppercase());
        let mut finding = inspection.finding(RULE, severity, &spot.canonical, sentence);
        finding.evidence.push(format!(
            "{} calls in {:.0} seconds, {} of the time",
            spot.calls,
            spots.seconds(),
            percent(spot.share)
        ));
        finding.evidence.extend(middle.map(|middle| format!("the middle of its class is {middle:.0} µs")));
        finding.confidence = if spots.source.counts_all() { Confidence::Certain } else { Confidence::Estimated };
        finding.why_not.push(format!("in its place: {instead}; the application has to change, the server cannot"));
        found.push(finding);
    }
    found
}

/// Middle of the mean times of the commands of a class.
fn median(spots: &[HotSpot], kind: StatementKind) -> Option<f64> {
    let mut means: Vec<f64> = spots.iter().filter(|spot| spot.kind == kind).filter_map(HotSpot::mean_us).collect();
    means.sort_by(f64::total_cmp);
    means.get(means.len() / 2).copied().filter(|_| means.len() >= 3)
}

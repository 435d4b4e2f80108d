//! The same statements on both sides of a move: what `godwit hotspots --compare` prints.

use crate::model::hotspot::{Comparability, Compared, ComparedSide, HotSpot, SidesCompared};
use crate::model::ids::PipelineId;
use crate::report::moment::{micros, stamp};
use crate::report::wrap::{WIDTH, cut, wrapped};
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::fmt::Write;

/// The JSON form, schema `godwit.hotspots.compare/1`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SidesReport {
    /// `godwit.hotspots.compare/1`.
    pub schema: &'static str,
    /// The moves of which both sides were read.
    pub pipelines: Vec<SidesCompared>,
    /// The others of those that were asked for.
    pub unknown: Vec<PipelineId>,
}

/// Puts the report together for the asked-for pipelines, each list cut to `top`.
pub fn sides(known: &[SidesCompared], asked: &[PipelineId], top: usize) -> SidesReport {
    let mut pipelines: Vec<SidesCompared> =
        known.iter().filter(|sides| asked.contains(&sides.pipeline)).cloned().collect();
    for sides in &mut pipelines {
        sides.comparison.both.truncate(top);
        sides.comparison.new.truncate(top);
        sides.comparison.disappeared.truncate(top);
    }
    let is_known = |id: &PipelineId| known.iter().any(|sides| sides.pipeline == *id);
    let unknown = asked.iter().filter(|id| !is_known(id)).cloned().collect();
    SidesReport { schema: "godwit.hotspots.compare/1", pipelines, unknown }
}

impl SidesReport {
    /// Lines for a person, at most 80 columns wide.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for pipeline in &self.unknown {
            let why = "unknown: not both sides were read yet; the source's has to be read before traffic goes";
            text.push_str(&wrapped(&format!("{pipeline}: "), why));
        }
        for sides in &self.pipelines {
            let _ = writeln!(text, "{}", sides.pipeline);
            for (store, interval) in [(&sides.source, sides.source_interval), (&sides.target, sides.target_interval)] {
                text.push_str(&wrapped("   ", &format!("{store}: {}", told_interval(interval))));
            }
            for compared in &sides.comparison.both {
                told(compared, sides, &mut text);
            }
            only(&sides.comparison.new, sides.target.as_str(), &mut text);
            only(&sides.comparison.disappeared, sides.source.as_str(), &mut text);
        }
        text
    }
}

fn told_interval((from, to): (DateTime<Utc>, DateTime<Utc>)) -> String {
    format!("{} to {}", stamp(from), stamp(to))
}

fn told(compared: &Compared, sides: &SidesCompared, text: &mut String) {
    let verdict = match &compared.verdict {
        Comparability::TooFew { needs } => format!("too few calls for a verdict: {needs} needed on each side"),
        Comparability::NotComparable { why } => format!("not comparable: {why}"),
        Comparability::Same => "same".to_owned(),
        Comparability::Faster => "FASTER".to_owned(),
        Comparability::Slower => "SLOWER".to_owned(),
    };
    let ratio = match (compared.ratio, compared.interval) {
        (Some(ratio), Some((low, high))) => format!(", x{ratio:.2} ({low:.2} to {high:.2} at 95 %)"),
        (Some(ratio), None) => format!(", x{ratio:.2} (interval unknown)"),
        (None, _) => ", ratio unknown".to_owned(),
    };
    text.push_str(&wrapped("", &format!("{verdict}{ratio}")));
    let _ = writeln!(text, "   {}", cut(&compared.name, WIDTH - 3));
    for (store, side) in [(&sides.source, &compared.source), (&sides.target, &compared.target)] {
        text.push_str(&wrapped(&format!("     {store}: "), &told_side(side)));
    }
}

fn told_side(side: &ComparedSide) -> String {
    let deviation = side.deviation_us.map_or_else(|| "unknown".to_owned(), micros);
    let mut told = format!("n {}, mean {} ± {deviation}", side.calls, micros(side.mean_us));
    if let Some(calls) = side.calls_per_second {
        let _ = write!(told, ", {calls:.1}/s");
    }
    if let Some(rows) = side.rows_per_call {
        let _ = write!(told, ", {rows:.1} rows a call");
    }
    if let Some(errors) = side.errors {
        let _ = write!(told, ", {errors} errors");
    }
    if let Some(p95) = side.percentiles.and_then(|percentiles| percentiles.p95_us) {
        let _ = write!(told, ", p95 {} since the server counts", micros(p95));
    }
    told
}

fn only(spots: &[HotSpot], store: &str, text: &mut String) {
    for spot in spots {
        let mean = spot.mean_us().map_or_else(|| "unknown".to_owned(), micros);
        text.push_str(&wrapped("", &format!("only on {store}: n {}, mean {mean}", spot.calls)));
        let _ = writeln!(text, "   {}", cut(spot.operation.as_ref().unwrap_or(&spot.canonical), WIDTH - 3));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::hotspot::{Comparison, Fingerprint};
    use crate::model::statement::StatementSource;
    use chrono::TimeDelta;

    fn known() -> SidesCompared {
        let side = |calls: u64, mean_us: f64| ComparedSide {
            source: StatementSource::PgStatStatements,
            calls,
            calls_per_second: Some(calls as f64 / 60.0),
            mean_us,
            deviation_us: Some(10.0),
            rows_per_call: Some(1.0),
            errors: None,
            percentiles: None,
        };
        let compared = |calls, verdict| Compared {
            name: "select * from orders.orders where id = ?".to_owned(),
            source_fingerprint: Fingerprint("a".to_owned()),
            target_fingerprint: Fingerprint("a".to_owned()),
            source: side(calls, 100.0),
            target: side(calls, 300.0),
            ratio: Some(3.0),
            interval: (calls >= 100).then_some((2.9, 3.1)),
            verdict,
        };
        let at = |minute| DateTime::UNIX_EPOCH + TimeDelta::minutes(minute);
        SidesCompared {
            pipeline: "orders".into(),
            source: "legacy".into(),
            target: "orders-db".into(),
            source_interval: (at(0), at(10)),
            target_interval: (at(20), at(30)),
            comparison: Comparison {
                both: vec![compared(6_000, Comparability::Slower), compared(60, Comparability::TooFew { needs: 100 })],
                ..Comparison::default()
            },
        }
    }

    #[test]
    fn both_sides_have_their_n_and_their_interval() {
        let report = sides(&[known()], &["orders".into(), "stock".into()], 20);
        let text = report.text();
        assert_eq!(
            text,
            "stock: unknown: not both sides were read yet; the source's has to be read before\n   \
             traffic goes\n\
             orders\n   \
             legacy: 1970-01-01 00:00:00Z to 1970-01-01 00:10:00Z\n   \
             orders-db: 1970-01-01 00:20:00Z to 1970-01-01 00:30:00Z\n\
             SLOWER, x3.00 (2.90 to 3.10 at 95 %)\n   \
             select * from orders.orders where id = ?\n     \
             legacy: n 6000, mean 100 µs ± 10 µs, 100.0/s, 1.0 rows a call\n     \
             orders-db: n 6000, mean 300 µs ± 10 µs, 100.0/s, 1.0 rows a call\n\
             too few calls for a verdict: 100 needed on each side, x3.00 (interval unknown)\n   \
             select * from orders.orders where id = ?\n     \
             legacy: n 60, mean 100 µs ± 10 µs, 1.0/s, 1.0 rows a call\n     \
             orders-db: n 60, mean 300 µs ± 10 µs, 1.0/s, 1.0 rows a call\n"
        );
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
    }
}

//! What looking at the stores costs them: what `godwit status --cost` prints.

use crate::model::view::CollectorCost;
use crate::report::columns::Columns;
use crate::report::moment;
use serde::Serialize;

/// The JSON form, schema `godwit.cost/1`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CostReport {
    /// `godwit.cost/1`.
    pub schema: &'static str,
    /// Share of one server core over all collectors of each store's server, the highest store's; 0 to 1.
    pub highest_share: f64,
    /// By store and collector.
    pub collectors: Vec<CostLine>,
}

/// One collector.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CostLine {
    /// What was measured.
    #[serde(flatten)]
    pub cost: CollectorCost,
    /// Share of one server core, 0 to 1.
    pub share: f64,
    /// True when the share is the server's own measure; else it is an upper bound from the time that its answers took.
    pub measured_by_server: bool,
    /// True when it asks more rarely than it began, because of what it cost.
    pub backed_off: bool,
}

/// Puts the report together.
pub fn cost(costs: &[CollectorCost]) -> CostReport {
    let collectors: Vec<CostLine> = costs
        .iter()
        .map(|cost| CostLine {
            share: cost.share(),
            measured_by_server: cost.last.server_us.is_some(),
            backed_off: cost.every_ms > cost.wanted_ms,
            cost: cost.clone(),
        })
        .collect();
    let of = |store: &str| collectors.iter().filter(|line| line.cost.store == store).map(|line| line.share).sum();
    let highest_share = collectors.iter().map(|line| of(&line.cost.store)).fold(0.0, f64::max);
    CostReport { schema: "godwit.cost/1", highest_share, collectors }
}

impl CostReport {
    /// The text form.
    pub fn text(&self) -> String {
        if self.collectors.is_empty() {
            return "nothing was read of any store yet, or no store has anything to read\n".to_owned();
        }
        let mut columns = Columns::new(&[
            "STORE",
            "COLLECTOR",
            "EVERY",
            "AVERAGE COST",
            "SHARE OF A CORE",
            "READINGS",
            "FAILURES",
            "REMARKS",
        ]);
        for line in &self.collectors {
            let (cost, mut remarks) = (&line.cost, Vec::new());
            if line.backed_off {
                remarks.push(format!("backed off by itself from {}", moment::span(cost.wanted_ms)));
            }
            if !line.measured_by_server {
                remarks.push("an upper bound: the server does not tell".to_owned());
            }
            columns.row([
                cost.store.clone(),
                cost.collector.clone(),
                moment::span(cost.every_ms),
                format!("{:.1} ms", cost.average_us / 1000.0),
                format!("{:.3} %", line.share * 100.0),
                cost.readings.to_string(),
                cost.failures.to_string(),
                remarks.join("; "),
            ]);
        }
        columns.text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::observation::Cost;

    fn collector(store: &str, every_ms: u64, server_us: Option<u64>) -> CollectorCost {
        CollectorCost {
            store: store.to_owned(),
            collector: "activity".to_owned(),
            every_ms,
            wanted_ms: 2_000,
            last: Cost { server_us, elapsed_us: 9_000, statements: 3 },
            average_us: 4_000.0,
            readings: 12,
            failures: 1,
            next_at: None,
        }
    }

    #[test]
    fn the_share_and_the_back_off_are_told() {
        let report = cost(&[collector("legacy", 8_000, Some(4_000)), collector("orders-db", 2_000, None)]);
        assert_eq!(
            report.text(),
            "STORE      COLLECTOR  EVERY  AVERAGE COST  SHARE OF A CORE  READINGS  FAILURES  REMARKS\n\
             legacy     activity   8.0 s  4.0 ms        0.050 %          12        1         backed off by itself from 2.0 s\n\
             orders-db  activity   2.0 s  4.0 ms        0.200 %          12        1         an upper bound: the server does not tell\n"
        );
        assert!((report.highest_share - 0.002).abs() < 1e-9, "{}", report.highest_share);
        assert!(cost(&[]).text().contains("nothing was read"));
    }
}

//! The statements of an interval with what they ask of tables.

use crate::advice::hotspots::facts::{self, TableFacts};
use crate::advice::indexes::inspection::Inspection;
use crate::model::hotspot::HotSpot;
use std::collections::BTreeMap;

/// One statement.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// The statement with its numbers.
    pub spot: &'a HotSpot,
    /// What it asks of each table of each block.
    pub facts: Vec<TableFacts>,
}

/// All statements of the interval.
#[derive(Clone, Debug, Default)]
pub struct Workload<'a> {
    /// Heaviest first.
    pub asked: Vec<Asked<'a>>,
    /// Length of the interval in seconds.
    pub seconds: f64,
    /// How often each column of a table is in an equality: columns that many statements share come first in an index.
    shared: BTreeMap<(String, String), u64>,
}

impl<'a> Workload<'a> {
    /// Reads the statements of an inspection.
    pub fn of(inspection: &Inspection<'a>) -> Self {
        let Some(spots) = inspection.spots else { return Self::default() };
        let catalogue = inspection.catalogue();
        let mut workload = Self { seconds: spots.seconds(), ..Self::default() };
        for spot in &spots.spots {
            let facts = facts::of(inspection.dialect, &spot.text, catalogue);
            for fact in &facts {
                for equality in &fact.equality {
                    *workload.shared.entry((fact.table.clone(), equality.column.clone())).or_default() += 1;
                }
            }
            workload.asked.push(Asked { spot, facts });
        }
        workload.asked.sort_by(|a, b| {
            b.spot.total_us.total_cmp(&a.spot.total_us).then_with(|| a.spot.fingerprint.cmp(&b.spot.fingerprint))
        });
        workload
    }

    /// In how many statements' equalities a column is.
    pub fn shared(&self, table: &str, column: &str) -> u64 {
        self.shared.get(&(table.to_owned(), column.to_owned())).copied().unwrap_or(0)
    }

    /// Columns of a table that statements set, sorted.
    pub fn set_columns(&self, table: &str) -> Vec<String> {
        let facts = self.asked.iter().flat_map(|asked| &asked.facts).filter(|fact| fact.table == table);
        let mut columns: Vec<String> = facts.flat_map(|fact| fact.set.iter().cloned()).collect();
        columns.sort();
        columns.dedup();
        columns
    }

    /// Microseconds for each second of the interval.
    pub fn per_second(&self, us: f64) -> Option<f64> {
        (self.seconds > 0.0).then(|| us / self.seconds)
    }
}

//! Counters of a table as rates.

use crate::advice::indexes::inspection::Inspection;
use crate::model::index::TableUse;
use crate::model::lag::Reading;

/// What happens to a table in a second. A counter that is not known is `None`, never 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Length of the time that they are of, in seconds.
    pub seconds: f64,
    /// Whole-table scans, without the migration's own.
    pub full_scans: Option<f64>,
    /// Rows read by them.
    pub full_scan_rows: Option<f64>,
    /// Rows inserted.
    pub inserted: Option<f64>,
    /// Rows updated.
    pub updated: Option<f64>,
    /// Of these, without touching an index.
    pub updated_in_place: Option<f64>,
    /// Rows deleted.
    pub deleted: Option<f64>,
}

impl Rates {
    /// Of the time since the earlier reading, or since the counters began where there is none; `None`: the table is not known, or
    /// the counters began anew in between.
    pub fn of(inspection: &Inspection<'_>, table: &str) -> Option<Self> {
        let after = inspection.catalogue().named(table)?;
        let (before, since) = match inspection.earlier {
            Some((earlier, _)) if earlier.epoch != inspection.indexes.epoch => return None,
            Some((_, at)) => (inspection.earlier_catalogue().and_then(|earlier| earlier.named(table)), at),
            None => (None, inspection.indexes.window.since),
        };
        let seconds = (inspection.at - since).num_milliseconds() as f64 / 1000.0;
        if seconds <= 0.0 {
            return None;
        }
        let own = inspection.own_scans.get(table).copied().unwrap_or_default();
        let rate = |counter: fn(&TableUse) -> &Reading<u64>, own: u64| {
            let later = *counter(after).known()?;
            let earlier = before.map_or(Some(0), |before| counter(before).known().copied())?;
            // A counter that went down is a reset, never a rate.
            Some(later.checked_sub(earlier)?.saturating_sub(own) as f64 / seconds)
        };
        Some(Self {
            seconds,
            full_scans: rate(|t| &t.full_scans, own.scans),
            full_scan_rows: rate(|t| &t.full_scan_rows, own.rows),
            inserted: rate(|t| &t.inserted, 0),
            updated: rate(|t| &t.updated, 0),
            updated_in_place: rate(|t| &t.updated_in_place, 0),
            deleted: rate(|t| &t.deleted, 0),
        })
    }

    /// Rows written in a second, as far as it is known.
    pub fn writes(&self) -> f64 {
        self.inserted.unwrap_or(0.0) + self.updated.unwrap_or(0.0) + self.deleted.unwrap_or(0.0)
    }

    /// Share of updates that touch no index, 0 to 1; 0 where nothing is updated or the engine does not tell.
    pub fn in_place_share(&self) -> f64 {
        match (self.updated_in_place, self.updated) {
            (Some(in_place), Some(updated)) if updated > 0.0 => (in_place / updated).min(1.0),
            _ => 0.0,
        }
    }
}

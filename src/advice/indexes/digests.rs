//! MariaDB and MySQL have no hypothetical index: what an index would save follows from the rows that a digest looked at in vain.

use crate::model::hotspot::HotSpot;

/// Rows looked at for one row given out.
const IN_VAIN: f64 = 100.0;
/// Share of executions that must have been without an index.
const WITHOUT_INDEX: f64 = 0.5;
/// Reading a row through an index costs about as much as so many rows of a scan.
const ROWS_OF_A_SCAN: f64 = 10.0;

/// The share of a statement's time that an index would save, 0 to 1; `None`: its numbers do not ask for one, or are not known.
pub fn saved_share(spot: &HotSpot) -> Option<f64> {
    let (examined, rows) = (spot.examined? as f64, spot.rows? as f64);
    let without = spot.without_index? as f64;
    let is_wasteful = examined >= IN_VAIN * rows.max(1.0) && examined >= IN_VAIN * spot.calls as f64;
    if !is_wasteful || without < WITHOUT_INDEX * spot.calls as f64 {
        return None;
    }
    Some((1.0 - rows * ROWS_OF_A_SCAN / examined).clamp(0.0, 1.0))
}

/// The numbers behind it, for the evidence.
pub fn evidence(spot: &HotSpot) -> Option<String> {
    Some(format!(
        "{} rows looked at for {} given out; {} of {} executions without an index",
        spot.examined?, spot.rows?, spot.without_index?, spot.calls
    ))
}

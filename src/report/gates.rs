//! The gate board: what `godwit gates` prints.

use crate::model::gate::{GateReading, GateState};
use crate::model::ids::PhaseId;
use crate::model::sample::Samples;
use crate::report::columns::Columns;
use crate::report::moment;
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::BTreeMap;

/// The JSON form, schema `godwit.gates/1`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GateBoard {
    /// `godwit.gates/1`.
    pub schema: &'static str,
    /// When the readings were put together.
    pub at: Option<DateTime<Utc>>,
    /// Gates of phases that are not finished.
    pub phases: BTreeMap<PhaseId, Vec<GateReading>>,
}

/// Puts the board together.
pub fn gates(samples: &Samples) -> GateBoard {
    GateBoard { schema: "godwit.gates/1", at: samples.at, phases: samples.gates.clone() }
}

impl GateBoard {
    /// The text form, seen at `now`.
    pub fn text(&self, now: DateTime<Utc>) -> String {
        let mut columns = Columns::new(&["PHASE", "GATE", "STATE", "READ", "EVIDENCE"]);
        for (phase, gates) in &self.phases {
            for gate in gates {
                columns.row([
                    phase.to_string(),
                    gate.id.clone(),
                    word(gate.state).to_owned(),
                    format!("{} ago", moment::age(gate.at, now)),
                    gate.evidence.clone(),
                ]);
            }
        }
        columns.text()
    }
}

/// The word for screens.
fn word(state: GateState) -> &'static str {
    match state {
        GateState::Green => "green",
        GateState::Red => "RED",
        GateState::Unknown => "unknown",
    }
}

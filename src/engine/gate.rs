//! The gate board of a phase: each condition with what was read and when.

use crate::config::profile::Gates;
use crate::engine::core::CoreRef;
use crate::engine::gates::evidence;
use crate::engine::mapping;
use crate::model::fold::PhaseRecord;
use crate::model::gate::{GateReading, GateState};
use crate::model::lag::Reading;
use crate::model::phase::PhaseKind;
use crate::model::pipeline::{PipelineState, Stage, Traffic};
use crate::model::verification::DriftCounts;
use chrono::Utc;
use std::time::Duration;

/// Whether readings that are made rarely will do, or are made again for the decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// What is known; its age is bounded.
    Known,
    /// The stores are asked now: somebody is about to act on it.
    Anew,
}

/// Reads every gate of a phase now.
pub async fn board(core: &CoreRef, phase: &PhaseRecord, look: Look) -> Vec<GateReading> {
    let declared = core.profile.phases.iter().find(|p| p.id == phase.id);
    let gates = declared.map(|p| p.gates.clone()).unwrap_or_default();
    if look == Look::Anew {
        evidence::renew(core, phase, &gates).await;
    }
    let mut readings = vec![order(core, phase)];
    if let Some(window) = declared.and_then(|p| p.window.as_ref()) {
        let open = window.contains(Utc::now());
        readings.push(reading(
            "window",
            open,
            format!("{}: {}", window.text, if open { "open" } else { "closed now" }),
        ));
    }
    if phase.kind == PhaseKind::Cutover {
        readings.push(live(core, phase));
        readings.push(covered(core, phase));
    }
    if let Some(limit) = gates.lag {
        readings.push(lag(core, phase, limit));
    }
    verification(core, phase, &gates, &mut readings);
    if let Some(limit) = gates.open_transactions {
        readings.push(open_transactions(core, phase, limit).await);
    }
    readings.extend(evidence::readings(core, phase, &gates));
    readings
}

/// One sentence for each gate that is not green.
pub fn obstacles(board: &[GateReading]) -> Vec<String> {
    board
        .iter()
        .filter(|g| g.state != GateState::Green)
        .map(|g| match g.state {
            GateState::Unknown => format!("{}: not known: {}", g.id, g.evidence),
            GateState::Red | GateState::Green => format!("{}: {}", g.id, g.evidence),
        })
        .collect()
}

fn reading(id: &str, holds: bool, evidence: String) -> GateReading {
    GateReading {
        id: id.to_owned(),
        state: if holds { GateState::Green } else { GateState::Red },
        evidence,
        at: Utc::now(),
    }
}

fn unknown(id: &str, why: String) -> GateReading {
    GateReading { id: id.to_owned(), state: GateState::Unknown, evidence: why, at: Utc::now() }
}

fn order(core: &CoreRef, phase: &PhaseRecord) -> GateReading {
    let state = core.dispatcher.state();
    let open = state.phases.iter().take_while(|p| p.id != phase.id).find(|p| !p.status.is_finished());
    match open {
        Some(earlier) => {
            reading("order", false, format!("the earlier phase {} is {}", earlier.id, earlier.status.word()))
        }
        None => reading("order", true, "every earlier phase is finished".to_owned()),
    }
}

/// Every pipeline of a cutover applies changes right now.
fn live(core: &CoreRef, phase: &PhaseRecord) -> GateReading {
    for id in &phase.pipelines {
        let record = core.record(id);
        if record.stage != Stage::Live || record.state != PipelineState::Running || record.traffic != Traffic::Source {
            let evidence = format!(
                "pipeline {id}: state {}, stage {}, traffic {}",
                record.state.word(),
                record.stage.word(),
                record.traffic.word()
            );
            return reading("live", false, evidence);
        }
    }
    reading("live", true, format!("{} pipelines are running and live", phase.pipelines.len()))
}

/// No table of a cutover was skipped or never scanned (C04, V07, V15).
fn covered(core: &CoreRef, phase: &PhaseRecord) -> GateReading {
    let state = core.dispatcher.state();
    for id in &phase.pipelines {
        let known = state.verification.get(id);
        for map in state.pipelines.get(id).and_then(|p| p.tables.as_ref()).into_iter().flatten() {
            let scanned = known.into_iter().flatten().any(|t| t.table == map.source && t.full_pass_at.is_some());
            if !scanned {
                return reading(
                    "coverage",
                    false,
                    format!("pipeline {id}: {} was never compared completely", map.source),
                );
            }
        }
    }
    reading("coverage", true, "every table was compared completely".to_owned())
}

fn lag(core: &CoreRef, phase: &PhaseRecord, limit: Duration) -> GateReading {
    let samples = core.samples.borrow();
    let mut worst = 0;
    for id in &phase.pipelines {
        match samples.pipelines.get(id).map(|s| &s.lag.lag_ms) {
            Some(Reading::Known(ms)) => worst = worst.max(*ms),
            Some(Reading::Unknown(why)) => return unknown("lag", format!("pipeline {id}: {why}")),
            None => return unknown("lag", format!("pipeline {id} has not been sampled yet")),
        }
    }
    let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
    reading("lag", worst <= limit_ms, format!("{worst} ms by marker, limit {limit_ms} ms"))
}

fn verification(core: &CoreRef, phase: &PhaseRecord, gates: &Gates, readings: &mut Vec<GateReading>) {
    let state = core.dispatcher.state();
    let tables: Vec<_> = phase.pipelines.iter().filter_map(|id| state.verification.get(id)).flatten().collect();
    if let Some(limit) = gates.verified_within {
        // One table without a full pass makes the whole unknown: `None` is the least.
        let oldest = tables.iter().map(|t| t.fresh_since()).min().flatten();
        readings.push(match oldest {
            None => reading("verified_within", false, "some table was never compared completely".to_owned()),
            Some(at) => {
                let age = (Utc::now() - at).to_std().unwrap_or_default();
                let evidence = format!("oldest full pass {} s ago, limit {} s", age.as_secs(), limit.as_secs());
                reading("verified_within", age <= limit, evidence)
            }
        });
    }
    if let Some(limit) = gates.drift {
        let mut counts = DriftCounts::default();
        tables.iter().for_each(|t| counts.merge(t.drift));
        let evidence = format!(
            "{} missing, {} extra, {} changed, {} unresolved; limit {limit}",
            counts.missing, counts.extra, counts.changed, counts.unresolved
        );
        readings.push(reading("drift", counts.total() <= limit, evidence));
    }
}

async fn open_transactions(core: &CoreRef, phase: &PhaseRecord, limit: Duration) -> GateReading {
    let mut seen = 0;
    for id in &phase.pipelines {
        let (pipeline, maps) = match (core.pipeline(id), mapping::resolve(core, id).await) {
            (Ok(pipeline), Ok(maps)) => (pipeline, maps),
            (Err(error), _) => return unknown("open_transactions", error.to_string()),
            (_, Err(error)) => return unknown("open_transactions", format!("{error:?}")),
        };
        let Ok(store) = core.store(&pipeline.from) else { continue };
        let tables: Vec<_> = maps.into_iter().map(|m| m.source).collect();
        match store.activity().open_transactions(&tables).await {
            Err(error) => return unknown("open_transactions", error.to_string()),
            Ok(open) => {
                seen += open.len();
                let old = open
                    .iter()
                    .find(|t| t.started_at.is_some_and(|at| (Utc::now() - at).to_std().is_ok_and(|age| age > limit)));
                if let Some(t) = old {
                    let age = t.started_at.map_or(0, |at| (Utc::now() - at).num_seconds());
                    let evidence = format!(
                        "{}: session {} of {} ({}) is open for {age} s: {}",
                        store.id(),
                        t.session,
                        t.user,
                        t.application,
                        t.query
                    );
                    return reading("open_transactions", false, evidence);
                }
            }
        }
    }
    reading("open_transactions", true, format!("{seen} open, none older than {} s", limit.as_secs()))
}

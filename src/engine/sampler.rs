//! Readings: stores, lag, runway, progress, gates. Each source is asked in a task of its own, so that one that is down or slow
//! never delays another; every reading carries its age.

use crate::engine::barrier::token;
use crate::engine::core::CoreRef;
use crate::engine::watch::collect::{READING_LIMIT, collect, pause_after};
use crate::engine::{gate, ladder};
use crate::model::change::Position;
use crate::model::ids::PipelineId;
use crate::model::lag::{Lag, LagMethod, Reading, Runway, millis};
use crate::model::pipeline::{PipelineRecord, PipelineState, Stage, Traffic};
use crate::model::sample::{PipelineSample, StoreSample};
use crate::pipelines::copier::route::CopierRoute;
use crate::pipelines::copier::status::{CopierStatus, StatusData};
use crate::stores::StoreRef;
use crate::stores::error::ErrorKind;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// Time between two questions to a store.
const STORE_EVERY: Duration = Duration::from_secs(5);

/// Time between two samples of a pipeline.
const PIPELINE_EVERY: Duration = Duration::from_secs(1);

/// The same while a pump that has just started has no lag yet: gates wait for it.
const FIRST_MARKER_EVERY: Duration = Duration::from_millis(200);

/// Time between two readings of the gate board.
const GATES_EVERY: Duration = Duration::from_secs(3);

/// A pipeline whose applied position stands still for this long while the source moves on is stalled (L01).
const STALL_AFTER: Duration = Duration::from_secs(15);

/// Markers under way at most.
const MARKERS_UNDER_WAY: usize = 8;

/// A marker that is older than one sample and a half counts as lag although it has not come through.
const OVERDUE_MS: u64 = 1500;

/// Samples over which rates are computed.
const RATE_WINDOW: usize = 10;

/// Starts all samplers; they end with the engine's process or when it stops.
pub fn start(core: &CoreRef) {
    for store in core.stores.values() {
        spawn(core, sample_store(core.clone(), store.clone()));
        spawn(core, collect(core.clone(), store.clone()));
    }
    for pipeline in &core.profile.pipelines {
        spawn(core, sample_pipeline(core.clone(), pipeline.id.clone()));
    }
    spawn(core, sample_gates(core.clone()));
}

fn spawn(core: &CoreRef, sampler: impl Future<Output = ()> + Send + 'static) {
    let mut stop = core.stop.subscribe();
    tokio::spawn(async move {
        tokio::select! {
            () = sampler => {}
            _ = stop.wait_for(Option::is_some) => {}
        }
    });
}

async fn sample_store(core: CoreRef, store: StoreRef) {
    let mut answered_at: Option<DateTime<Utc>> = None;
    let mut failures_in_a_row = 0;
    loop {
        // A server that is frozen keeps the connection and says nothing.
        let (facts, pause) = match tokio::time::timeout(READING_LIMIT, store.probe().facts()).await {
            Ok(Ok(facts)) => {
                failures_in_a_row = 0;
                (Ok(facts), STORE_EVERY)
            }
            failed => {
                failures_in_a_row += 1;
                let (kind, why) = match failed {
                    Ok(Err(error)) => (Some(error.kind), error.to_string()),
                    _ => (None, format!("{}: no answer within {} s", store.id(), READING_LIMIT.as_secs())),
                };
                (Err(why), pause_after(kind, failures_in_a_row))
            }
        };
        let at = Utc::now();
        let sample = match facts {
            Ok(facts) => {
                answered_at = Some(at);
                StoreSample {
                    engine: store.engine().to_owned(),
                    address: store.address(),
                    version: Reading::Known(facts.version),
                    clock_difference_ms: Reading::Known(facts.clock_difference_ms),
                    answered_at,
                    at,
                }
            }
            Err(why) => StoreSample {
                engine: store.engine().to_owned(),
                address: store.address(),
                version: Reading::Unknown(why.clone()),
                clock_difference_ms: Reading::Unknown(why),
                answered_at,
                at,
            },
        };
        core.samples.send_modify(|s| {
            s.stores.insert(store.id().clone(), sample);
            s.at = Some(at);
        });
        tokio::time::sleep(pause).await;
    }
}

/// What a pipeline sampler remembers between samples.
struct Memory {
    /// Markers on their way, oldest first: token and when it was written.
    outstanding: VecDeque<(String, Instant)>,
    /// Last measured lag.
    measured_ms: Option<u64>,
    /// (when, applied changes, copied rows, source log end) of the last samples.
    past: VecDeque<(Instant, u64, u64, Option<Position>)>,
    /// Applied position and since when it stands.
    applied: (Option<Position>, Instant),
    /// Source position when the applied one last moved.
    source_then: Option<Position>,
}

async fn sample_pipeline(core: CoreRef, id: PipelineId) {
    let mut memory = Memory {
        outstanding: VecDeque::new(),
        measured_ms: None,
        past: VecDeque::new(),
        applied: (None, Instant::now()),
        source_then: None,
    };
    let mut states = core.dispatcher.watch();
    loop {
        let state = core.record(&id).state;
        let sample = read_pipeline(&core, &id, &mut memory).await;
        core.samples.send_modify(|s| {
            s.at = Some(sample.lag.at);
            s.pipelines.insert(id.clone(), sample);
        });
        let awaited =
            state == PipelineState::Running && memory.measured_ms.is_none() && core.fleet.route(&id).is_some();
        let pause = if awaited { FIRST_MARKER_EVERY } else { PIPELINE_EVERY };
        // What was read of another state of the pipeline is no reading of this one.
        let turned = states.wait_for(|m| m.pipelines.get(&id).is_some_and(|p| p.state != state));
        let _ = tokio::time::timeout(pause, turned).await;
    }
}

async fn read_pipeline(core: &CoreRef, id: &PipelineId, memory: &mut Memory) -> PipelineSample {
    let status = core.fleet.room(id).status;
    let record = core.record(id);
    let pumped = core.fleet.route(id);
    let running = record.state == PipelineState::Running && pumped.is_some();
    let mut kept = Kept::unknown("nothing is captured");
    let mut why_unknown = match (&record.state, record.stage) {
        (PipelineState::Running, Stage::Copy) => "the copy is running; changes are applied after it".to_owned(),
        (PipelineState::Starting | PipelineState::Running, _) => "the first marker is awaited".to_owned(),
        (state, _) => format!("the pipeline is {}", state.word()),
    };
    // The source keeps its log for a capture whether or not its changes are being read.
    if let Some(route) = standing_route(core, id, &record, pumped.as_ref()) {
        match route.source.capture().retention(&route.capture).await {
            Ok(retention) => {
                kept = Kept {
                    log_end: Some(retention.log_end),
                    retained: retention.retained,
                    room: retention.room,
                    disk_free: retention.disk_free,
                };
            }
            Err(error) => {
                let sentence = error.to_string();
                if error.kind == ErrorKind::LogLost && pumped.is_some() {
                    why_unknown = format!("the log is lost: {sentence}");
                }
                kept = Kept::unknown(&sentence);
            }
        }
        if running {
            mark(&route, &status, memory, &mut why_unknown).await;
        }
    }
    if !running {
        memory.outstanding.clear();
        memory.measured_ms = None;
    }
    let source_position = kept.log_end;
    let data = status.read();
    let at = Utc::now();
    let lag_ms = lag(memory, running, why_unknown);
    let distance = match (source_position, data.applied) {
        (Some(source), Some(applied)) => match source.distance_from(applied) {
            Some(distance) => Reading::Known(distance),
            None => Reading::Unknown("source and target positions are of different kinds".to_owned()),
        },
        (None, _) => Reading::Unknown("the source's log position is not known".to_owned()),
        (_, None) => Reading::Unknown("nothing was applied yet".to_owned()),
    };
    let stalled = stall(memory, data.applied, source_position, running);
    memory.past.push_back((Instant::now(), data.applied_changes, data.copy.rows_done(), source_position));
    if memory.past.len() > RATE_WINDOW {
        memory.past.pop_front();
    }
    let copied = rate(memory, |p| p.2);
    let changed_since_pass = changed_since(&record, &data);
    PipelineSample {
        lag: Lag { lag_ms, distance, source_position, applied_position: data.applied, method: LagMethod::Marker, at },
        runway: Runway {
            seconds: runway_seconds(memory, &kept.room),
            written_per_second: written(memory).map_or_else(Reading::Unknown, |rate| Reading::Known(rate as u64)),
            retained: kept.retained,
            room: kept.room,
            disk_free: kept.disk_free,
            at,
        },
        copy_eta_seconds: eta(&data.copy, &copied),
        copy: data.copy,
        throttled_by: data.throttled_by,
        applied_changes: data.applied_changes,
        applied_per_second: rate(memory, |p| p.1),
        copied_per_second: copied,
        changed_since_pass,
        anomalies: data.anomalies,
        moved_at: data.moved_at,
        stalled,
    }
}

/// What the source keeps for a capture.
struct Kept {
    log_end: Option<Position>,
    retained: Reading<u64>,
    room: Reading<Option<u64>>,
    disk_free: Reading<u64>,
}

impl Kept {
    fn unknown(why: &str) -> Self {
        let why = || why.to_owned();
        Self {
            log_end: None,
            retained: Reading::Unknown(why()),
            room: Reading::Unknown(why()),
            disk_free: Reading::Unknown(why()),
        }
    }
}

/// The route whose capture stands on a server: that of the pump, or, while a copy runs or the pump is stopped, that of the stage.
fn standing_route(
    core: &CoreRef,
    id: &PipelineId,
    record: &PipelineRecord,
    pumped: Option<&CopierRoute>,
) -> Option<CopierRoute> {
    if let Some(route) = pumped {
        return Some(route.clone());
    }
    let captured = match record.stage {
        Stage::Idle => return None,
        Stage::Copy | Stage::CatchUp | Stage::Live => Traffic::Source,
        // Writers are held on the side that still serves, and that side is captured.
        Stage::Frozen => record.traffic,
        Stage::Reverse => Traffic::Target,
    };
    core.route(id, captured, record.tables.as_ref()?).ok()
}

/// Notes markers that came through and sends another. One that came through proves the ones before it, also those whose passing
/// a restarted pump no longer remembers.
async fn mark(route: &CopierRoute, status: &CopierStatus, memory: &mut Memory, why_unknown: &mut String) {
    let data = status.read();
    let newest = memory.outstanding.iter().rposition(|(token, _)| data.marker(token).is_some());
    for (token, sent) in newest.map(|at| memory.outstanding.drain(..=at)).into_iter().flatten() {
        if let Some(passed) = data.marker(&token) {
            memory.measured_ms = Some(millis(passed.saturating_duration_since(sent)));
        }
    }
    // While markers do not come through, the oldest one's age is the lag; more of them would only fill the log. The last place is used
    // anew, so that a pump that starts over is measured again.
    let displaced = if memory.outstanding.len() < MARKERS_UNDER_WAY { None } else { memory.outstanding.pop_back() };
    let (token, sent) = (token("lag"), Instant::now());
    match route.source.capture().probe_marker(&route.capture, &token).await {
        Ok(_) => memory.outstanding.push_back((token, sent)),
        Err(error) => {
            *why_unknown = format!("no marker could be written: {error}");
            memory.outstanding.extend(displaced);
        }
    }
}

/// A marker that is still on its way says that the lag is at least its age.
fn lag(memory: &Memory, running: bool, why_unknown: String) -> Reading<u64> {
    if !running {
        return Reading::Unknown(why_unknown);
    }
    let waiting = memory.outstanding.front().map(|(_, sent)| millis(sent.elapsed())).filter(|age| *age > OVERDUE_MS);
    match (memory.measured_ms, waiting) {
        (Some(measured), waiting) => Reading::Known(measured.max(waiting.unwrap_or(0))),
        (None, Some(age)) => Reading::Known(age),
        (None, None) => Reading::Unknown(why_unknown),
    }
}

fn stall(memory: &mut Memory, applied: Option<Position>, source: Option<Position>, running: bool) -> bool {
    if applied != memory.applied.0 || !running {
        memory.applied = (applied, Instant::now());
        memory.source_then = source;
        return false;
    }
    let source_moved = matches!((source, memory.source_then), (Some(now), Some(then)) if now > then);
    source_moved && memory.applied.1.elapsed() > STALL_AFTER
}

fn rate(memory: &Memory, value: impl Fn(&(Instant, u64, u64, Option<Position>)) -> u64) -> Reading<u64> {
    match (memory.past.front(), memory.past.back()) {
        (Some(first), Some(last)) if last.0 > first.0 => {
            // A counter that went backwards was reset: never a rate.
            match value(last).checked_sub(value(first)) {
                Some(delta) => Reading::Known((delta as f64 / (last.0 - first.0).as_secs_f64()) as u64),
                None => Reading::Unknown("the counter was reset".to_owned()),
            }
        }
        _ => Reading::Unknown("not sampled long enough".to_owned()),
    }
}

/// Time until the room is used up, by the source's own write rate.
fn runway_seconds(memory: &Memory, room: &Reading<Option<u64>>) -> Reading<Option<u64>> {
    let room = match room {
        Reading::Known(None) => return Reading::Known(None),
        Reading::Known(Some(room)) => *room,
        Reading::Unknown(why) => return Reading::Unknown(why.clone()),
    };
    match written(memory) {
        Ok(rate) if rate > 0.0 => Reading::Known(Some((room as f64 / rate) as u64)),
        Ok(_) => Reading::Known(None),
        Err(why) => Reading::Unknown(why),
    }
}

/// By how much the source's log grows in a second, or why that is not known.
fn written(memory: &Memory) -> Result<f64, String> {
    match (memory.past.front(), memory.past.back()) {
        (Some((t0, _, _, Some(p0))), Some((t1, _, _, Some(p1)))) if t1 > t0 => match p1.distance_from(*p0) {
            Some(written) => Ok(written as f64 / (*t1 - *t0).as_secs_f64()),
            None => Err("source positions are of different kinds".to_owned()),
        },
        _ => Err("not sampled long enough".to_owned()),
    }
}

/// Time until the copy ends, by chunks: rows are only estimated, chunks are counted.
fn eta(copy: &crate::model::progress::CopyProgress, rows_per_second: &Reading<u64>) -> Reading<u64> {
    let Some((done, total)) = copy.chunks() else { return Reading::Unknown("the copy is not planned yet".to_owned()) };
    if total == 0 || done == total {
        return Reading::Unknown("no copy is running".to_owned());
    }
    let rows_done = copy.rows_done();
    match rows_per_second {
        Reading::Known(rate) if *rate > 0 && done > 0 => {
            let rows_left = rows_done as f64 / done as f64 * (total - done) as f64;
            Reading::Known((rows_left / *rate as f64) as u64)
        }
        Reading::Known(_) => Reading::Unknown("nothing is being copied now".to_owned()),
        Reading::Unknown(why) => Reading::Unknown(why.clone()),
    }
}

/// Changes applied to each table since its last full pass began, for passes of this engine's lifetime.
fn changed_since(record: &PipelineRecord, data: &StatusData) -> BTreeMap<String, u64> {
    let maps = record.tables.iter().flatten().enumerate();
    maps.filter_map(|(table, map)| Some((map.source.to_string(), data.changed_since_pass(table)?))).collect()
}

async fn sample_gates(core: CoreRef) {
    loop {
        let state = core.dispatcher.state();
        // Only the phase that the migration waits for is read live; the others would cost queries that nobody acts on.
        if let Some(phase) = ladder::current(&state) {
            let board = gate::board(&core, phase, gate::Look::Known).await;
            core.samples.send_modify(|s| {
                s.gates.clear();
                s.gates.insert(phase.id.clone(), board);
            });
        } else {
            core.samples.send_modify(|s| s.gates.clear());
        }
        tokio::time::sleep(GATES_EVERY).await;
    }
}

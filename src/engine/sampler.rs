//! Readings: stores, lag, runway, progress, gates. Each source is asked in a task of its own, so that one that is down or slow
//! never delays another; every reading carries its age.

use crate::engine::barrier::token;
use crate::engine::core::CoreRef;
use crate::engine::watch::collect;
use crate::engine::{gate, ladder};
use crate::model::change::Position;
use crate::model::ids::PipelineId;
use crate::model::lag::{Lag, LagMethod, Reading, Runway};
use crate::model::pipeline::PipelineState;
use crate::model::sample::{PipelineSample, StoreSample};
use crate::stores::StoreRef;
use crate::stores::error::ErrorKind;
use chrono::{DateTime, Utc};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Time between two questions to a store.
const STORE_EVERY: Duration = Duration::from_secs(5);

/// Time between two samples of a pipeline.
const PIPELINE_EVERY: Duration = Duration::from_secs(1);

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
        spawn(core, collect::collect(core.clone(), store.clone()));
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
    loop {
        let facts = store.probe().facts().await;
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
            Err(error) => StoreSample {
                engine: store.engine().to_owned(),
                address: store.address(),
                version: Reading::Unknown(error.to_string()),
                clock_difference_ms: Reading::Unknown(error.to_string()),
                answered_at,
                at,
            },
        };
        core.samples.send_modify(|s| {
            s.stores.insert(store.id().clone(), sample);
            s.at = Some(at);
        });
        tokio::time::sleep(STORE_EVERY).await;
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
    /// Changes by table when each was last verified.
    at_pass: Vec<(Option<DateTime<Utc>>, u64)>,
}

async fn sample_pipeline(core: CoreRef, id: PipelineId) {
    let mut memory = Memory {
        outstanding: VecDeque::new(),
        measured_ms: None,
        past: VecDeque::new(),
        applied: (None, Instant::now()),
        source_then: None,
        at_pass: Vec::new(),
    };
    loop {
        let sample = read_pipeline(&core, &id, &mut memory).await;
        core.samples.send_modify(|s| {
            s.at = Some(sample.lag.at);
            s.pipelines.insert(id.clone(), sample);
        });
        tokio::time::sleep(PIPELINE_EVERY).await;
    }
}

async fn read_pipeline(core: &CoreRef, id: &PipelineId, memory: &mut Memory) -> PipelineSample {
    let status = core.fleet.room(id).status;
    let record = core.record(id);
    let route = core.fleet.route(id);
    let running = record.state == PipelineState::Running;
    let mut source_position = None;
    let (mut retained, mut room) = (Reading::Unknown(no_capture()), Reading::Unknown(no_capture()));
    let mut why_unknown = format!("the pipeline is {}", record.state.word());
    if let Some(route) = &route {
        match route.source.capture().retention(&route.capture).await {
            Ok(retention) => {
                source_position = Some(retention.log_end);
                retained = retention.retained;
                room = retention.room;
            }
            Err(error) => {
                let sentence = error.to_string();
                if error.kind == ErrorKind::LogLost {
                    why_unknown = format!("the log is lost: {sentence}");
                }
                retained = Reading::Unknown(sentence.clone());
                room = Reading::Unknown(sentence);
            }
        }
        if running {
            mark(route, &status, memory, &mut why_unknown).await;
        }
    }
    if !running {
        memory.outstanding.clear();
        memory.measured_ms = None;
    }
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
    PipelineSample {
        lag: Lag { lag_ms, distance, source_position, applied_position: data.applied, method: LagMethod::Marker, at },
        runway: Runway { retained, seconds: runway_seconds(memory, &room), room, at },
        copy_eta_seconds: eta(&data.copy, &copied),
        copy: data.copy,
        throttled_by: data.throttled_by,
        applied_changes: data.applied_changes,
        applied_per_second: rate(memory, |p| p.1),
        copied_per_second: copied,
        changed_since_pass: changed_since(core, id, memory, &data.applied_by_table),
        anomalies: data.anomalies,
        moved_at: data.moved_at,
        stalled,
    }
}

fn no_capture() -> String {
    "no change capture is running".to_owned()
}

/// Notes markers that came through and sends another. One that came through proves the ones before it, also those whose passing
/// a restarted pump no longer remembers.
async fn mark(
    route: &crate::pipelines::copier::route::CopierRoute,
    status: &crate::pipelines::copier::status::CopierStatus,
    memory: &mut Memory,
    why_unknown: &mut String,
) {
    let data = status.read();
    let newest = memory.outstanding.iter().rposition(|(token, _)| data.marker(token).is_some());
    for (token, sent) in newest.map(|at| memory.outstanding.drain(..=at)).into_iter().flatten() {
        if let Some(passed) = data.marker(&token) {
            memory.measured_ms = Some(millis(passed.saturating_duration_since(sent)));
        }
    }
    // While markers do not come through, the oldest one's age is the lag; more of them would only fill the log.
    if memory.outstanding.len() < MARKERS_UNDER_WAY {
        let token = token("lag");
        let sent = Instant::now();
        match route.source.capture().probe_marker(&route.capture, &token).await {
            Ok(_) => memory.outstanding.push_back((token, sent)),
            Err(error) => *why_unknown = format!("no marker could be written: {error}"),
        }
    } else if let Some(last) = memory.outstanding.pop_back() {
        // The last place is used anew, so that a pump that starts over is measured again.
        let token = token("lag");
        let sent = Instant::now();
        match route.source.capture().probe_marker(&route.capture, &token).await {
            Ok(_) => memory.outstanding.push_back((token, sent)),
            Err(_) => memory.outstanding.push_back(last),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
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
        (None, None) => Reading::Unknown("no marker has come through yet".to_owned()),
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
    match (memory.past.front(), memory.past.back()) {
        (Some((t0, _, _, Some(p0))), Some((t1, _, _, Some(p1)))) if t1 > t0 => match p1.distance_from(*p0) {
            Some(0) => Reading::Known(None),
            Some(written) => {
                let per_second = written as f64 / (*t1 - *t0).as_secs_f64();
                Reading::Known(Some((room as f64 / per_second) as u64))
            }
            None => Reading::Unknown("source positions are of different kinds".to_owned()),
        },
        _ => Reading::Unknown("not sampled long enough".to_owned()),
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

/// Changes applied to each table since its last full pass, for passes of this engine's lifetime.
fn changed_since(
    core: &CoreRef,
    id: &PipelineId,
    memory: &mut Memory,
    applied: &[u64],
) -> std::collections::BTreeMap<String, u64> {
    let state = core.dispatcher.state();
    let engine_since = state.engine.as_ref().map(|e| e.since);
    let maps = state.pipelines.get(id).and_then(|p| p.tables.as_ref());
    let known = state.verification.get(id);
    let mut result = std::collections::BTreeMap::new();
    for (table, map) in maps.into_iter().flatten().enumerate() {
        let now = applied.get(table).copied().unwrap_or(0);
        let pass = known.into_iter().flatten().find(|t| t.table == map.source).and_then(|t| t.full_pass_at);
        if memory.at_pass.len() <= table {
            memory.at_pass.resize(table + 1, (None, 0));
        }
        let Some(slot) = memory.at_pass.get_mut(table) else { continue };
        if slot.0 != pass || now < slot.1 {
            *slot = (pass, now);
        }
        if pass.is_some_and(|at| engine_since.is_some_and(|since| at >= since)) {
            result.insert(map.source.to_string(), now - slot.1);
        }
    }
    result
}

async fn sample_gates(core: CoreRef) {
    loop {
        let state = core.dispatcher.state();
        // Only the phase that the migration waits for is read live; the others would cost queries that nobody acts on.
        if let Some(phase) = ladder::current(&state) {
            let board = gate::board(&core, phase).await;
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

//! Running pipelines: one task each, which pumps, retries with back-off, and says in the journal what it does.

use crate::engine::barrier::token;
use crate::engine::core::CoreRef;
use crate::engine::schema_change::{self, Consent, Settled};
use crate::model::ids::PipelineId;
use crate::model::pipeline::{PipelineEvent, PipelineState, Traffic};
use crate::model::reason::Reason;
use crate::pipelines::copier::control::{self, Control, Controller, Wish};
use crate::pipelines::copier::pacing::Knobs;
use crate::pipelines::copier::pump::{Pump, PumpEnd};
use crate::pipelines::copier::route::CopierRoute;
use crate::pipelines::copier::status::CopierStatus;
use crate::stores::error::{ErrorKind, Policy, StoreError};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// First and longest pause between attempts.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// Time between two looks at the captured tables' catalogue.
pub const SCHEMA_LOOK: Duration = Duration::from_secs(1);

/// A pipeline whose pump task exists.
struct Running {
    captured: Traffic,
    controller: Controller,
    route: CopierRoute,
    task: JoinHandle<()>,
}

/// Live settings and readings of one pipeline; they outlive pump tasks.
#[derive(Clone)]
pub struct PipelineRoom {
    /// Readings.
    pub status: CopierStatus,
    /// Knobs.
    pub knobs: watch::Sender<Knobs>,
}

/// All pipelines.
#[derive(Default)]
pub struct Fleet {
    running: Mutex<BTreeMap<PipelineId, Running>>,
    rooms: Mutex<BTreeMap<PipelineId, PipelineRoom>>,
}

impl Fleet {
    /// Readings and knobs of a pipeline.
    pub fn room(&self, pipeline: &PipelineId) -> PipelineRoom {
        self.rooms
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(pipeline.clone())
            .or_insert_with(|| PipelineRoom {
                status: CopierStatus::default(),
                knobs: watch::Sender::new(Knobs::default()),
            })
            .clone()
    }

    /// Fresh readings, for a pipeline that turns round or starts anew.
    fn renew(&self, pipeline: &PipelineId) -> PipelineRoom {
        let knobs = self.room(pipeline).knobs;
        let room = PipelineRoom { status: CopierStatus::default(), knobs };
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner).insert(pipeline.clone(), room.clone());
        room
    }

    /// Route of the running pump, if there is one.
    pub fn route(&self, pipeline: &PipelineId) -> Option<CopierRoute> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).get(pipeline).map(|r| r.route.clone())
    }

    /// A pump goes on over another mapping.
    fn reroute(&self, pipeline: &PipelineId, route: &CopierRoute) {
        if let Some(running) = self.running.lock().unwrap_or_else(PoisonError::into_inner).get_mut(pipeline) {
            running.route = route.clone();
        }
    }

    /// Which side the running pump captures.
    pub fn captured(&self, pipeline: &PipelineId) -> Option<Traffic> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).get(pipeline).map(|r| r.captured)
    }

    /// Starts a pump. One that runs in the same direction over the same tables is left alone.
    pub async fn start(&self, core: &CoreRef, pipeline: &PipelineId, captured: Traffic, route: CopierRoute) {
        let same = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(pipeline)
            .is_some_and(|r| r.captured == captured && r.route.capture == route.capture && !r.task.is_finished());
        if same {
            self.resume(pipeline);
            return;
        }
        self.stop(pipeline).await;
        let room = self.renew(pipeline);
        let (controller, control) = control::channel();
        // On disk before the caller goes on: a step that is done because of this start must not leave a pipeline behind that the
        // journal calls stopped, or an engine that is killed right now is followed by one that does not start it again.
        core.note(pipeline, PipelineEvent::State { state: PipelineState::Starting }).await;
        let task = Pumping {
            core: core.clone(),
            pipeline: pipeline.clone(),
            captured,
            started_with: route.clone(),
            status: room.status,
            control,
        };
        let task = tokio::spawn(task.run());
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(pipeline.clone(), Running { captured, controller, route, task });
    }

    /// Stops a pump and waits until it has ended; nothing is in flight afterwards.
    pub async fn stop(&self, pipeline: &PipelineId) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(pipeline);
        if let Some(running) = running {
            running.controller.wish(Wish::Stop);
            if let Err(error) = running.task.await {
                tracing::error!(%pipeline, %error, "a pump task ended badly");
            }
        }
    }

    /// Asks a pump to hold still. False when none runs.
    pub fn pause(&self, pipeline: &PipelineId) -> bool {
        self.wish(pipeline, Wish::Pause)
    }

    /// Lets a pump go on (also one that failed: it tries again). False when none runs.
    pub fn resume(&self, pipeline: &PipelineId) -> bool {
        self.wish(pipeline, Wish::Run)
    }

    /// Asks every pump to end, and waits.
    pub async fn stop_all(&self) {
        let pipelines: Vec<PipelineId> =
            self.running.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        for pipeline in pipelines {
            self.stop(&pipeline).await;
        }
    }

    fn wish(&self, pipeline: &PipelineId, wish: Wish) -> bool {
        match self.running.lock().unwrap_or_else(PoisonError::into_inner).get(pipeline) {
            Some(running) => {
                running.controller.wish(wish);
                true
            }
            None => false,
        }
    }
}

/// What one pump task works with.
struct Pumping {
    core: CoreRef,
    pipeline: PipelineId,
    captured: Traffic,
    /// The route at the start; the mapping may have moved on since.
    started_with: CopierRoute,
    status: CopierStatus,
    control: Control,
}

/// How one attempt ended without an error.
enum Round {
    /// On request.
    Wished(Wish),
    /// The schema is to be settled; what was seen.
    Settle(Reason),
    /// There is more to do.
    Again,
}

/// Why one attempt ended before its time.
enum Halt {
    /// A store failed.
    Store(StoreError),
    /// Only a person can say how it goes on.
    Stopped(Reason),
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Attempts after which a log and a catalogue that disagree about the schema are a person's matter.
const DISAGREEMENTS: u32 = 3;

impl Pumping {
    async fn say(&self, state: PipelineState) {
        self.core.note(&self.pipeline, PipelineEvent::State { state }).await;
    }

    /// One pipeline's life, which [`Fleet::start`] has journaled as starting: pump until told otherwise; on errors retry or stand still,
    /// as their policy says.
    async fn run(self) {
        let (core, pipeline, status, control) = (&self.core, &self.pipeline, &self.status, &self.control);
        let mut lane = control.enter();
        let mut attempt = 0u32;
        let mut pause = BACK_OFF.0;
        let mut announced = false;
        let mut consent = Consent::None;
        let mut disagreement: (u32, Option<Reason>) = (0, None);
        loop {
            let moved_before = status.read().applied;
            let ended = {
                let mut round = Box::pin(self.attempt(consent, &mut disagreement));
                loop {
                    tokio::select! {
                        ended = &mut round => break ended,
                        () = streaming(status), if !announced => {
                            announced = true;
                            attempt = 0;
                            pause = BACK_OFF.0;
                            self.say(PipelineState::Running).await;
                        }
                    }
                }
            };
            if status.read().applied != moved_before {
                attempt = 0;
                pause = BACK_OFF.0;
                disagreement = (0, None);
            }
            let (why, retries) = match ended {
                Ok(Round::Again) => {
                    consent = Consent::None;
                    continue;
                }
                Ok(Round::Settle(seen)) => {
                    disagreement = (disagreement.0 + 1, Some(seen));
                    consent = Consent::None;
                    continue;
                }
                Ok(Round::Wished(Wish::Stop)) => break,
                Ok(Round::Wished(Wish::Pause | Wish::Run)) => {
                    announced = false;
                    consent = Consent::None;
                    if control.wish() == Wish::Pause {
                        self.say(PipelineState::Paused).await;
                    }
                    if lane.unless_paused().await == Wish::Stop {
                        break;
                    }
                    self.say(PipelineState::Starting).await;
                    continue;
                }
                Err(Halt::Store(error)) => {
                    tracing::warn!(%pipeline, attempt, %error, "the pump lost its footing");
                    (reason(&error), error.policy() == Policy::Retry)
                }
                Err(Halt::Stopped(reason)) => (reason, false),
            };
            announced = false;
            if retries {
                attempt += 1;
                if attempt == 1 {
                    self.say(PipelineState::Retrying { reason: why, attempt }).await;
                }
                if wait(control, pause).await == Wish::Stop {
                    break;
                }
                pause = (pause * 2).min(BACK_OFF.1);
            } else {
                tracing::error!(%pipeline, reason = %why, "the pump stands still");
                self.say(PipelineState::Failed { reason: why }).await;
                if until_told(control).await == Wish::Stop {
                    break;
                }
                // Whoever saw the reason and says "go on" has decided.
                consent = Consent::Given;
                disagreement = (0, None);
                self.say(PipelineState::Starting).await;
            }
        }
        // An engine that ends leaves the state as it is: the next one starts the pipeline again because of it.
        if core.stop.borrow().is_none() {
            self.say(PipelineState::Stopped).await;
        }
    }

    /// Settles the schema, then pumps until there is a reason to end.
    async fn attempt(&self, consent: Consent, disagreement: &mut (u32, Option<Reason>)) -> Result<Round, Halt> {
        let (core, id, captured) = (&self.core, &self.pipeline, self.captured);
        let wish = self.control.wish();
        if wish != Wish::Run {
            return Ok(Round::Wished(wish));
        }
        match schema_change::settle(core, id, captured, consent).await? {
            Settled::Stopped(reason) => return Err(Halt::Stopped(reason)),
            Settled::Followed => *disagreement = (0, None),
            Settled::Unchanged if disagreement.0 >= DISAGREEMENTS => {
                let unknown = || Reason::new("the log tells of a changed schema", "resume to look again");
                let seen = disagreement.1.take().unwrap_or_else(unknown);
                return Err(Halt::Stopped(seen));
            }
            Settled::Unchanged => {}
        }
        let route = core.maps(id).and_then(|maps| core.route(id, captured, &maps).ok());
        let route = route.unwrap_or_else(|| self.started_with.clone());
        core.fleet.reroute(id, &route);
        let marker = if schema_change::pending(core, id, captured).is_empty() {
            None
        } else {
            let marker = token("column");
            route.source.capture().probe_marker(&route.capture, &marker).await?;
            Some(marker)
        };
        let schema_changed = AtomicBool::new(false);
        let pump = Pump {
            route: &route,
            status: &self.status,
            control: self.control.clone(),
            until: marker.as_deref(),
            schema_changed: &schema_changed,
        };
        let run = pump.run();
        tokio::pin!(run);
        let ended = tokio::select! {
            biased;
            ended = &mut run => ended,
            () = watch_schema(&route, &schema_changed) => run.await,
        };
        let seen =
            || Reason::new("the log tells of a changed schema and the catalogue does not", "resume to look again");
        match ended {
            Ok(PumpEnd::Wished(wish)) => Ok(Round::Wished(wish)),
            Ok(PumpEnd::SchemaChanged) => Ok(Round::Settle(seen())),
            Ok(PumpEnd::Passed) => match schema_change::carry_pending(core, &route, captured, &self.control).await? {
                true => Ok(Round::Again),
                false => Ok(Round::Wished(Wish::Stop)),
            },
            // The catalogue says it better than the log.
            Err(error) if error.kind == ErrorKind::SchemaChanged => Ok(Round::Settle(reason(&error))),
            Err(error) => Err(error.into()),
        }
    }
}

/// Looks at the catalogue once a second: a change that no row follows is noticed all the same. Returns when there is one.
async fn watch_schema(route: &CopierRoute, changed: &AtomicBool) {
    loop {
        tokio::time::sleep(SCHEMA_LOOK).await;
        // What cannot be asked now is asked again; the pump itself meets whatever is wrong.
        if route.source.capture().differences(&route.capture).await.is_ok_and(|found| !found.is_empty()) {
            changed.store(true, Ordering::Relaxed);
            return;
        }
    }
}

async fn streaming(status: &CopierStatus) {
    status.wait_for(|s| s.streaming).await;
}

/// Sleeps, but not beyond a stop.
async fn wait(control: &Control, pause: Duration) -> Wish {
    let mut control = control.clone();
    tokio::select! {
        () = tokio::time::sleep(pause) => control.wish(),
        wish = control.interrupted() => wish,
    }
}

/// After a failure that only a person can mend: a `Run` that is wished anew means "try again".
async fn until_told(control: &Control) -> Wish {
    control.clone().next_wish().await
}

/// The operator's sentence for a store error.
pub fn reason(error: &StoreError) -> Reason {
    Reason::new(error.to_string(), error.kind.advice().1)
}

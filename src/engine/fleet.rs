//! Running pipelines: one task each, which pumps, retries with back-off, and says in the journal what it does.

use crate::engine::core::CoreRef;
use crate::model::ids::PipelineId;
use crate::model::pipeline::{PipelineEvent, PipelineState, Traffic};
use crate::model::reason::Reason;
use crate::pipelines::copier::control::{self, Control, Controller, Wish};
use crate::pipelines::copier::pacing::Knobs;
use crate::pipelines::copier::pump::Pump;
use crate::pipelines::copier::route::CopierRoute;
use crate::pipelines::copier::status::CopierStatus;
use crate::stores::error::{Policy, StoreError};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// First and longest pause between attempts.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

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
        let task = tokio::spawn(pump_task(core.clone(), pipeline.clone(), route.clone(), room.status, control));
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

/// One pipeline's life, which [`Fleet::start`] has journaled as starting: pump until told otherwise; on errors retry or stand still, as their policy says.
async fn pump_task(core: CoreRef, pipeline: PipelineId, route: CopierRoute, status: CopierStatus, control: Control) {
    let say = |state: PipelineState| {
        let (core, pipeline) = (core.clone(), pipeline.clone());
        async move { core.note(&pipeline, PipelineEvent::State { state }).await }
    };
    let mut lane = control.enter();
    let mut attempt = 0u32;
    let mut pause = BACK_OFF.0;
    let mut announced = false;
    loop {
        let moved_before = status.read().applied;
        let pump = Pump { route: &route, status: &status, control: control.clone() };
        let run = pump.run();
        tokio::pin!(run);
        let ended = loop {
            tokio::select! {
                ended = &mut run => break ended,
                () = streaming(&status), if !announced => {
                    announced = true;
                    attempt = 0;
                    pause = BACK_OFF.0;
                    say(PipelineState::Running).await;
                }
            }
        };
        announced = false;
        if status.read().applied != moved_before {
            attempt = 0;
            pause = BACK_OFF.0;
        }
        match ended {
            Ok(Wish::Stop) => break,
            Ok(Wish::Pause | Wish::Run) => {
                if control.wish() == Wish::Pause {
                    say(PipelineState::Paused).await;
                }
                if lane.unless_paused().await == Wish::Stop {
                    break;
                }
                say(PipelineState::Starting).await;
            }
            Err(error) if error.policy() == Policy::Retry => {
                attempt += 1;
                tracing::warn!(%pipeline, attempt, %error, "the pump lost its footing");
                if attempt == 1 {
                    say(PipelineState::Retrying { reason: reason(&error), attempt }).await;
                }
                if wait(&control, pause).await == Wish::Stop {
                    break;
                }
                pause = (pause * 2).min(BACK_OFF.1);
            }
            Err(error) => {
                tracing::error!(%pipeline, %error, "the pump stands still");
                say(PipelineState::Failed { reason: reason(&error) }).await;
                if until_told(&control).await == Wish::Stop {
                    break;
                }
                say(PipelineState::Starting).await;
            }
        }
    }
    // An engine that ends leaves the state as it is: the next one starts the pipeline again because of it.
    if core.stop.borrow().is_none() {
        say(PipelineState::Stopped).await;
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

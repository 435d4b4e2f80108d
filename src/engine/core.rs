//! What every part of the engine shares.

use crate::config::profile::{Pipeline, Profile, StoreConfig};
use crate::engine::dispatcher::Dispatcher;
use crate::engine::error::EngineError;
use crate::engine::fleet::Fleet;
use crate::engine::steps::switch::SwitchSession;
use crate::engine::watch::views::Views;
use crate::model::event::Event;
use crate::model::ids::{PipelineId, StoreId};
use crate::model::pipeline::{PipelineEvent, PipelineRecord, Traffic};
use crate::model::sample::Samples;
use crate::model::table::TableMap;
use crate::pipelines::copier::control::{Controller, Wish};
use crate::pipelines::copier::route::CopierRoute;
use crate::stores::{OpenOptions, StoreRef, registry};
use crate::wire::place::Place;
use secrecy::ExposeSecret;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// Shared by commands, executor, fleet and sampler.
pub struct Core {
    /// The profile.
    pub profile: Profile,
    /// Files of this migration.
    pub place: Place,
    /// Opened stores.
    pub stores: BTreeMap<StoreId, StoreRef>,
    /// The one writer.
    pub dispatcher: Dispatcher,
    /// Running pipelines.
    pub fleet: Fleet,
    /// Published readings.
    pub samples: watch::Sender<Samples>,
    /// What is known of the stores, for clients that watch it.
    pub views: Views,
    /// The phase in work: its controller. `None`: no phase is being carried out or taken back.
    pub active: watch::Sender<Option<Controller>>,
    /// Held writers of a switch in work. An async mutex because guards are used across awaits.
    pub switch: tokio::sync::Mutex<Option<SwitchSession>>,
    /// Set once to end the engine, with the reason.
    pub stop: watch::Sender<Option<String>>,
}

/// Shared handle.
pub type CoreRef = Arc<Core>;

impl Core {
    /// A store of the profile. Validation made sure that it is there.
    ///
    /// # Errors
    /// [`EngineError::Profile`] for a name that validation did not see.
    pub fn store(&self, id: &StoreId) -> Result<&StoreRef, EngineError> {
        self.stores.get(id).ok_or_else(|| EngineError::Profile(format!("the profile has no store {id}")))
    }

    /// A pipeline of the profile.
    ///
    /// # Errors
    /// [`EngineError::Profile`] when the journal names a pipeline that the profile no longer has.
    pub fn pipeline(&self, id: &PipelineId) -> Result<&Pipeline, EngineError> {
        self.profile
            .pipelines
            .iter()
            .find(|p| p.id == *id)
            .ok_or_else(|| EngineError::Profile(format!("the profile has no pipeline {id}")))
    }

    /// What the journal tells of a pipeline.
    pub fn record(&self, id: &PipelineId) -> PipelineRecord {
        self.dispatcher.state().pipelines.get(id).cloned().unwrap_or_default()
    }

    /// The mapping fixed in the build phase.
    pub fn maps(&self, id: &PipelineId) -> Option<Vec<TableMap>> {
        self.record(id).tables
    }

    /// The route of a pipeline that captures the given side, over the given mapping.
    ///
    /// # Errors
    /// [`EngineError::Profile`] for names that the profile does not have.
    pub fn route(&self, id: &PipelineId, captured: Traffic, maps: &[TableMap]) -> Result<CopierRoute, EngineError> {
        let pipeline = self.pipeline(id)?;
        let (old, new) = (self.store(&pipeline.from)?, self.store(&pipeline.to)?);
        let migration = &self.profile.migration.name;
        Ok(match captured {
            Traffic::Source => CopierRoute::forward(migration, id, old, new, maps),
            Traffic::Target => CopierRoute::reverse(migration, id, old, new, maps),
        })
    }

    /// Journals a fact about a pipeline. A failure is the dispatcher's to report: it stops the engine. A carrier of new tables is no
    /// pipeline of the profile and has no record: the steps of the roll back that runs it say how it goes.
    pub async fn note(&self, pipeline: &PipelineId, event: PipelineEvent) {
        if self.pipeline(pipeline).is_err() {
            tracing::info!(%pipeline, ?event, "a carrier");
            return;
        }
        let appended = self.dispatcher.append(vec![Event::Pipeline { pipeline: pipeline.clone(), event }]).await;
        if let Err(error) = appended {
            tracing::error!(%pipeline, %error, "a pipeline event could not be journaled");
        }
    }

    /// The controller of the phase in work.
    pub fn controller(&self) -> Option<Controller> {
        self.active.borrow().clone()
    }

    /// Sets or clears the controller of the phase in work.
    pub fn set_controller(&self, controller: Option<Controller>) {
        self.active.send_replace(controller);
    }

    /// Stops the phase in work between two of its steps, and waits until nothing of it runs.
    pub async fn stop_phase(&self) {
        if let Some(controller) = self.controller() {
            controller.wish(Wish::Stop);
        }
        // The sender lives in `self`, so the channel cannot close while we wait.
        let _ = self.active.subscribe().wait_for(Option::is_none).await;
    }

    /// Asks the engine to end.
    pub fn ask_to_stop(&self, why: impl Into<String>) {
        self.stop.send_replace(Some(why.into()));
    }
}

/// Opens a store of the profile: reads its secret, does not connect.
///
/// # Errors
/// [`EngineError`] when the secret cannot be read or the engine is not known.
pub fn open_store(config: &StoreConfig) -> Result<StoreRef, EngineError> {
    let url = crate::config::secret::resolve_store_url(config)?;
    let options = OpenOptions {
        id: config.id.clone(),
        statement_timeout: config.statement_timeout,
        connect_timeout: config.connect_timeout,
    };
    Ok(registry::open(config.engine.as_str(), options, url.expose_secret())?)
}

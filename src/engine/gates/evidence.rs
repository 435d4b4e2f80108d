//! Gathers what the gates over the stores stand on.

use crate::config::profile::{Gates, Pipeline};
use crate::engine::core::{Core, CoreRef};
use crate::engine::gates::{access, foreign_writers, hot_spots, indexes, runway};
use crate::model::fold::PhaseRecord;
use crate::model::gate::GateReading;
use crate::model::ids::StoreId;
use crate::model::view::ViewKind;
use chrono::{TimeDelta, Utc};
use std::collections::BTreeSet;
use std::time::Duration;

/// Longest wait for stores that are asked anew. One that has not answered by then is judged by its last reading and its age.
const RENEWED_WITHIN: Duration = Duration::from_secs(10);

/// The gates that are declared, by what is known now.
pub fn readings(core: &CoreRef, phase: &PhaseRecord, gates: &Gates) -> Vec<GateReading> {
    let now = Utc::now();
    let waivers = &core.profile.waivers;
    let (sources, targets) = sides(core, phase);
    let mut readings = Vec::new();
    if let Some(limit) = gates.runway {
        let samples = core.samples.borrow();
        let pipelines: Vec<_> =
            phase.pipelines.iter().map(|id| (id.clone(), samples.pipelines.get(id).cloned())).collect();
        let stores: Vec<_> =
            sources.union(&targets).map(|store| (store.clone(), core.views.replication(store))).collect();
        readings.push(runway::read(&pipelines, &stores, limit, now));
    }
    if let Some(least) = gates.access {
        let audited = |store: &StoreId| access::Audited {
            store: store.clone(),
            // An engine that has accounts has monitoring ones.
            has_accounts: core.stores.get(store).is_some_and(|store| store.monitoring().is_some()),
            reading: core.views.access_findings(store),
        };
        let stores: Vec<_> = sources.union(&targets).map(audited).collect();
        readings.push(access::read(&stores, least, waivers, now));
    }
    if let Some(window) = gates.no_foreign_writer {
        let window = TimeDelta::from_std(window).unwrap_or(TimeDelta::MAX);
        let sides: Vec<_> = pipelines(core, phase).flat_map(|pipeline| watched(core, pipeline)).collect();
        readings.push(foreign_writers::read(&sides, window, now));
    }
    if gates.indexes {
        let advised = |stores: &BTreeSet<StoreId>| -> Vec<indexes::Advised> {
            stores.iter().map(|store| (store.clone(), core.views.index_findings(store))).collect()
        };
        readings.push(indexes::read(&advised(&sources), &advised(&targets), waivers, now));
    }
    if let Some(limit) = gates.hotspot_regression {
        let sides: Vec<_> = phase.pipelines.iter().map(|id| (id.clone(), core.views.sides(id))).collect();
        readings.push(hot_spots::read(&sides, limit, now));
    }
    readings
}

/// Has the stores read again what the declared gates stand on and what is otherwise read rarely, and waits for them.
pub async fn renew(core: &CoreRef, phase: &PhaseRecord, gates: &Gates) {
    let declared = [
        (gates.access.is_some(), ViewKind::Access),
        (gates.indexes, ViewKind::Indexes),
        (gates.hotspot_regression.is_some(), ViewKind::HotSpots),
    ];
    let kinds: Vec<ViewKind> = declared.into_iter().filter(|(wanted, _)| *wanted).map(|(_, kind)| kind).collect();
    let (sources, targets) = sides(core, phase);
    let stores: Vec<&StoreId> = sources.union(&targets).collect();
    read_again(core, &stores, &kinds).await;
}

/// Has collectors read now, and waits until these stores have answered, but not for long.
pub async fn read_again(core: &Core, stores: &[&StoreId], kinds: &[ViewKind]) {
    let since = Utc::now();
    let mut versions = core.views.versions();
    for kind in kinds {
        core.views.ask(*kind);
    }
    let all_asked =
        || stores.iter().all(|store| kinds.iter().all(|kind| core.views.was_asked_since(store, *kind, since)));
    let wait = async {
        while !all_asked() {
            if versions.changed().await.is_err() {
                return;
            }
        }
    };
    if tokio::time::timeout(RENEWED_WITHIN, wait).await.is_err() {
        tracing::info!("some stores did not answer in time; their last readings count by their age");
    }
}

fn pipelines<'a>(core: &'a CoreRef, phase: &'a PhaseRecord) -> impl Iterator<Item = &'a Pipeline> {
    phase.pipelines.iter().filter_map(|id| core.pipeline(id).ok())
}

/// Sources and targets of the phase's pipelines.
fn sides(core: &CoreRef, phase: &PhaseRecord) -> (BTreeSet<StoreId>, BTreeSet<StoreId>) {
    pipelines(core, phase).map(|pipeline| (pipeline.from.clone(), pipeline.to.clone())).unzip()
}

fn watched(core: &CoreRef, pipeline: &Pipeline) -> [foreign_writers::Watched; 2] {
    let side = |store: &StoreId, tables: Vec<String>| foreign_writers::Watched {
        pipeline: pipeline.id.clone(),
        store: store.clone(),
        tables,
        map: core.profile.ownership_of(store, |_| None),
        observed: core.views.observed(store),
        sessions: core.views.sessions(store),
    };
    [
        side(&pipeline.from, pipeline.tables.iter().map(|rule| rule.from.clone()).collect()),
        side(&pipeline.to, pipeline.tables.iter().map(|rule| rule.to.clone()).collect()),
    ]
}

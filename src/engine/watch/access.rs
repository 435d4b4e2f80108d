//! The access audit of one store: what it shows, against the profile and against what was seen in use.

use crate::advice::access::audit;
use crate::advice::access::case::Case;
use crate::engine::core::CoreRef;
use crate::model::finding::Audit;
use crate::model::observation::Observation;
use crate::model::pipeline::Traffic;
use crate::stores::StoreRef;
use crate::stores::error::StoreError;
use chrono::Utc;

/// Reads and judges; `None`: the engine has no accounts to audit.
pub async fn audit(core: &CoreRef, store: &StoreRef) -> Option<Result<Observation<Audit>, StoreError>> {
    let access = store.access_facts()?;
    let now = Utc::now();
    let map = core.profile.ownership_of(store.id(), |pipeline| {
        let target_serves = core.record(pipeline).traffic == Traffic::Target;
        core.views.moved_at(pipeline, target_serves, now)
    });
    let accounts: Vec<String> = map.accounts().into_iter().map(str::to_owned).collect();
    let read = match access.access_facts(&accounts, &tables).await {
        Ok(read) => read,
        Err(error) => return Some(Err(error)),
    };
    let observed = core.views.observed(store.id());
    let case =
        Case { store: store.id(), reading: &read.value, map: &map, observed: &observed, today: now.date_naive() };
    let findings = audit::audit(&case, &core.profile.waivers);
    let audit = Audit { findings, read_at: Some(read.at) };
    Some(Ok(read.map(|_| audit)))
}

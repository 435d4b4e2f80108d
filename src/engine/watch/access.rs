//! The access audit of one store: what it shows, against the profile, against what was seen in use, against the store that it is moved
//! from, and against the audit before.

use crate::advice::access::audit;
use crate::advice::access::case::Case;
use crate::advice::access::ownership::both_sides;
use crate::engine::core::CoreRef;
use crate::model::access::declared::StoreMap;
use crate::model::finding::{Audit, Finding, Severity, Verdict};
use crate::model::ids::StoreId;
use crate::model::observation::Observation;
use crate::model::pipeline::Traffic;
use crate::stores::StoreRef;
use crate::stores::error::StoreError;
use chrono::{DateTime, Utc};

/// Reads and judges; `None`: the engine has no accounts to audit.
pub async fn audit(core: &CoreRef, store: &StoreRef) -> Option<Result<Observation<Audit>, StoreError>> {
    let access = store.access_facts()?;
    let now = Utc::now();
    let map = ownership(core, store.id(), now);
    let accounts: Vec<String> = map.accounts().into_iter().map(str::to_owned).collect();
    let tables: Vec<String> = map.tables.iter().map(|table| table.name.clone()).collect();
    let read = match access.access_facts(&accounts, &tables).await {
        Ok(read) => read,
        Err(error) => return Some(Err(error)),
    };
    let map = map.in_home(read.value.home.as_deref());
    let observed = core.views.observed(store.id());
    let case =
        Case { store: store.id(), reading: &read.value, map: &map, observed: &observed, today: now.date_naive() };
    let mut findings = audit::audit(&case, &core.profile.waivers);
    findings.extend(of_both_sides(core, &case, now));
    Finding::sort(&mut findings);
    let changes = core.views.grants_read(store.id(), &read.value, read.at);
    let audit = Audit { findings, read_at: Some(read.at), changes };
    Some(Ok(read.map(|_| audit)))
}

fn ownership(core: &CoreRef, store: &StoreId, now: DateTime<Utc>) -> StoreMap {
    core.profile.ownership_of(store, |pipeline| {
        let target_serves = core.record(pipeline).traffic == Traffic::Target;
        core.views.moved_at(pipeline, target_serves, now)
    })
}

/// OWN-25 for every store that a pipeline brings tables from. One that passes is enough for all that pass.
fn of_both_sides(core: &CoreRef, target: &Case<'_>, now: DateTime<Utc>) -> Vec<Finding> {
    let mut sources: Vec<&StoreId> =
        core.profile.pipelines.iter().filter(|p| p.to == *target.store).map(|p| &p.from).collect();
    sources.sort();
    sources.dedup();
    let whole = |subject: &StoreId, verdict: Verdict| {
        let sentence = "services have on the target what they have on the source";
        let mut finding = Finding::new("OWN-25", Severity::Info, target.store, subject.as_str(), sentence);
        finding.verdict = verdict;
        finding
    };
    if sources.is_empty() {
        let why = "no pipeline ends here".to_owned();
        return vec![whole(target.store, Verdict::NotApplicable { why })];
    }
    let mut findings = Vec::new();
    for source in sources {
        let Some(reading) = core.views.last_grants(source) else {
            let why = format!("the rights on {source} were not read yet, or cannot be");
            findings.push(whole(source, Verdict::NotCheckable { why }));
            continue;
        };
        if let Some(why) = reading.unread.rights.clone().or_else(|| target.reading.unread.rights.clone()) {
            findings.push(whole(source, Verdict::NotCheckable { why }));
            continue;
        }
        let map = ownership(core, source, now).in_home(reading.home.as_deref());
        let observed = core.views.observed(source);
        let case = Case { store: source, reading: &reading, map: &map, observed: &observed, today: target.today };
        findings.extend(both_sides::compare(&case, target));
    }
    if findings.iter().any(|finding| finding.verdict != Verdict::Pass) {
        findings.retain(|finding| finding.verdict != Verdict::Pass);
    } else {
        findings.truncate(1);
    }
    for finding in &mut findings {
        audit::waive(finding, &core.profile.waivers, target.today);
    }
    findings
}

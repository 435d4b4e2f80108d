//! What a declared gate needs so that it can ever be green: told by `godwit check`, before somebody waits for it.

use crate::config::profile::{Phase, Pipeline, Profile};
use crate::model::check::{Check, Verdict};
use crate::model::ids::StoreId;
use crate::stores::{Store, StoreRef};
use std::collections::{BTreeMap, BTreeSet};

/// One check for each gate over the stores that a phase declares.
pub fn checks(profile: &Profile, stores: &BTreeMap<StoreId, StoreRef>) -> Vec<Check> {
    profile.phases.iter().flat_map(|phase| of_phase(profile, phase, stores)).collect()
}

fn of_phase(profile: &Profile, phase: &Phase, stores: &BTreeMap<StoreId, StoreRef>) -> Vec<Check> {
    let gates = &phase.gates;
    let pipelines: Vec<&Pipeline> = profile.pipelines.iter().filter(|p| phase.pipelines.contains(&p.id)).collect();
    let mut checks = Vec::new();
    if let Some(least) = gates.access {
        // An engine without accounts has nothing to audit.
        let blind = lacking(&pipelines, stores, |store| store.monitoring().is_none() || store.access_facts().is_some());
        let what = format!("no finding of {} or above", least.word());
        checks.push(check(phase, "access", &what, unreadable("who may do what", &blind)));
    }
    if gates.no_foreign_writer.is_some() {
        let mut obstacles =
            unreadable("who uses which table", &lacking(&pipelines, stores, |store| store.sessions().is_some()));
        obstacles.extend(unowned(profile, &pipelines));
        checks.push(check(phase, "no_foreign_writer", "the engine has to watch that long without a gap", obstacles));
    }
    if gates.indexes {
        let blind = lacking(&pipelines, stores, |store| store.indexes().is_some());
        checks.push(check(phase, "indexes", "both sides show their indexes", unreadable("the indexes", &blind)));
    }
    if gates.hotspot_regression.is_some() {
        let blind = lacking(&pipelines, stores, |store| store.statements().is_some());
        let what = "both sides show their statements; it needs executions on both";
        checks.push(check(phase, "hotspot_regression", what, unreadable("statements", &blind)));
    }
    checks
}

fn check(phase: &Phase, gate: &str, green: &str, obstacles: Vec<String>) -> Check {
    let is_reachable = obstacles.is_empty();
    Check {
        id: format!("gate.{gate}"),
        store: None,
        subject: phase.id.to_string(),
        verdict: if is_reachable { Verdict::Pass } else { Verdict::Warn },
        evidence: if is_reachable { green.to_owned() } else { obstacles.join("; ") },
        fix: if is_reachable {
            String::new()
        } else {
            format!("the gate stays unknown and blocks {}: mend that, or take `{gate}` out of its gates", phase.id)
        },
    }
}

/// Stores of the pipelines that cannot show something.
fn lacking(
    pipelines: &[&Pipeline],
    stores: &BTreeMap<StoreId, StoreRef>,
    shows: impl Fn(&dyn Store) -> bool,
) -> Vec<String> {
    let ids: BTreeSet<&StoreId> = pipelines.iter().flat_map(|p| [&p.from, &p.to]).collect();
    // A store that could not be opened has a failing check of its own.
    let opened = ids.into_iter().filter_map(|id| stores.get(id));
    opened.filter(|store| !shows(store.as_ref())).map(|store| format!("{} ({})", store.id(), store.engine())).collect()
}

fn unreadable(what: &str, stores: &[String]) -> Vec<String> {
    if stores.is_empty() { Vec::new() } else { vec![format!("{what} cannot be read on {}", stores.join(", "))] }
}

/// Tables whose owner, or whose owner's logins, nobody declared.
fn unowned(profile: &Profile, pipelines: &[&Pipeline]) -> Vec<String> {
    let mut obstacles = BTreeSet::new();
    for pipeline in pipelines {
        let map = profile.ownership_of(&pipeline.from, |_| None);
        for rule in &pipeline.tables {
            let table = map.table(&rule.from).or_else(|| map.table(&format!("public.{}", rule.from)));
            match table {
                None => {
                    obstacles.insert(format!("no service owns {}", rule.from));
                }
                Some(table) => {
                    let mute = map.services.iter().find(|s| s.id == table.service && s.accounts.is_empty());
                    obstacles.extend(mute.map(|service| format!("service {} declares no accounts", service.id)));
                }
            }
        }
    }
    obstacles.into_iter().collect()
}

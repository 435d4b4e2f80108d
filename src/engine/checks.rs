//! All named pre-flight checks of a profile, with or without an engine.

use crate::config::profile::{Pipeline, Profile, SchemaChangePolicy};
use crate::engine::core::open_store;
use crate::engine::mapping::table_name;
use crate::model::check::{Check, Verdict};
use crate::model::ids::StoreId;
use crate::model::table::TableName;
use crate::stores::{Side, StoreRef};
use std::collections::BTreeMap;

/// Runs the checks of a profile without an engine: opens the stores itself. A store that cannot be opened is a failing check.
pub async fn checks(profile: &Profile) -> Vec<Check> {
    let mut stores = BTreeMap::new();
    let mut results = Vec::new();
    for config in &profile.stores {
        match open_store(config) {
            Ok(store) => {
                stores.insert(config.id.clone(), store);
            }
            Err(error) => results.push(Check {
                id: "store.open".to_owned(),
                store: Some(config.id.clone()),
                subject: String::new(),
                verdict: Verdict::Fail,
                evidence: error.to_string(),
                fix: "mend the store's url in the profile, or the secret behind it".to_owned(),
            }),
        }
    }
    results.extend(run(profile, &stores).await);
    results
}

/// Runs the checks on opened stores, all stores beside each other so that a slow one delays nobody.
pub async fn run(profile: &Profile, stores: &BTreeMap<StoreId, StoreRef>) -> Vec<Check> {
    let mut asked = Vec::new();
    for (id, store) in stores {
        for (side, tables) in roles_of(profile, id) {
            asked.push(async move { store.preflight().checks(side, &tables).await });
        }
    }
    let mut results: Vec<Check> = futures_util::future::join_all(asked).await.into_iter().flatten().collect();
    results.extend(profile.pipelines.iter().map(schema_change_policy));
    results.extend(same_database(profile, stores).await);
    results
}

/// The parts that a store plays in the profile, with its tables in each.
fn roles_of(profile: &Profile, id: &StoreId) -> Vec<(Side, Vec<TableName>)> {
    let mut source = Vec::new();
    let mut target = Vec::new();
    for pipeline in &profile.pipelines {
        for rule in &pipeline.tables {
            if pipeline.from == *id {
                source.push(table_name(&rule.from));
            }
            if pipeline.to == *id {
                let mut name = table_name(&rule.to);
                name.schema = name.schema.or_else(|| table_name(&rule.from).schema);
                target.push(name);
            }
        }
    }
    let mut roles = Vec::new();
    if !source.is_empty() {
        roles.push((Side::Source, source));
    }
    if !target.is_empty() {
        roles.push((Side::Target, target));
    }
    roles
}

/// What the declared policy will do, so that nobody is surprised on the way.
fn schema_change_policy(pipeline: &Pipeline) -> Check {
    let policy = pipeline.on_schema_change;
    let does = match policy {
        SchemaChangePolicy::Stop => {
            "a changed table stops the pipeline before any row of the new shape is applied, and resuming follows what the other side has"
        }
        SchemaChangePolicy::Ignore => {
            "added columns are left out and named as known differences; what would lose a mapped value stops the pipeline"
        }
        SchemaChangePolicy::Apply => {
            "added columns are added to the other side with their values, types widened there; what has no exact counterpart stops the pipeline"
        }
    };
    Check {
        id: "pipeline.on_schema_change".to_owned(),
        store: None,
        subject: pipeline.id.to_string(),
        verdict: Verdict::Pass,
        evidence: format!("{}: {does}", policy.word()),
        fix: String::new(),
    }
}

/// Two names for one database would copy a table onto itself.
async fn same_database(profile: &Profile, stores: &BTreeMap<StoreId, StoreRef>) -> Vec<Check> {
    let mut results = Vec::new();
    for pipeline in &profile.pipelines {
        let (Some(from), Some(to)) = (stores.get(&pipeline.from), stores.get(&pipeline.to)) else { continue };
        let (Ok(here), Ok(there)) = (from.probe().facts().await, to.probe().facts().await) else { continue };
        let same = here.identity == there.identity;
        results.push(Check {
            id: "pipeline.distinct".to_owned(),
            store: None,
            subject: pipeline.id.to_string(),
            verdict: if same { Verdict::Fail } else { Verdict::Pass },
            evidence: if same {
                format!("{} and {} are the same database", pipeline.from, pipeline.to)
            } else {
                format!("{} and {} are different databases", pipeline.from, pipeline.to)
            },
            fix: if same { "point one of the two stores at another database".to_owned() } else { String::new() },
        });
    }
    results
}

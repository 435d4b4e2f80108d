//! All named pre-flight checks of a profile, with or without an engine.

use crate::config::profile::{Pipeline, Profile, SchemaChangePolicy};
use crate::engine::core::open_store;
use crate::engine::gate_checks;
use crate::engine::mapping::table_name;
use crate::model::check::{Check, Verdict};
use crate::model::ids::{PipelineId, StoreId};
use crate::model::table::TableName;
use crate::stores::{Environment, Side, StoreRef};
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
    results.extend(gate_checks::checks(profile, stores));
    results.extend(same_database(profile, stores).await);
    results.extend(environments(profile, stores).await);
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

/// What the two sides of a pipeline should have alike: encoding, collation, extensions.
async fn environments(profile: &Profile, stores: &BTreeMap<StoreId, StoreRef>) -> Vec<Check> {
    let mut results = Vec::new();
    for pipeline in &profile.pipelines {
        let (Some(from), Some(to)) = (stores.get(&pipeline.from), stores.get(&pipeline.to)) else { continue };
        // A store that does not answer has a failing check of its own.
        let (Ok(here), Ok(there)) = (from.preflight().environment().await, to.preflight().environment().await) else {
            continue;
        };
        results.extend(compare_environments(&pipeline.id, &here, &there));
    }
    results
}

fn compare_environments(pipeline: &PipelineId, here: &Environment, there: &Environment) -> [Check; 3] {
    let check = |id: &str, same: bool, evidence: String, fix: String| Check {
        id: id.to_owned(),
        store: None,
        subject: pipeline.to_string(),
        verdict: if same { Verdict::Pass } else { Verdict::Warn },
        evidence,
        fix: if same { String::new() } else { fix },
    };
    let side_by_side = |here: &str, there: &str| {
        if here == there { format!("{here} on both sides") } else { format!("source {here}, target {there}") }
    };
    let mut lacking = Vec::new();
    let mut other = Vec::new();
    for (name, version) in &here.extensions {
        match there.extensions.get(name) {
            None => lacking.push(name.as_str()),
            Some(found) if found != version => {
                other.push(format!("{name} is {version} on the source and {found} on the target"))
            }
            Some(_) => {}
        }
    }
    let mut found = other.clone();
    if !lacking.is_empty() {
        found.insert(0, format!("the target lacks {}", lacking.join(", ")));
    }
    let same = found.is_empty();
    [
        check(
            "pipeline.encoding",
            here.encoding == there.encoding,
            side_by_side(&here.encoding, &there.encoding),
            "text is converted on the way: make the target in the source's encoding, unless you know that every character fits".to_owned(),
        ),
        check(
            "pipeline.collation",
            here.collation == there.collation,
            side_by_side(&here.collation, &there.collation),
            "ORDER BY and ranges over text give other results on the target; comparing text keys costs a scan of the table there"
                .to_owned(),
        ),
        check(
            "pipeline.extensions",
            same,
            if same { format!("all {} of the source are on the target", here.extensions.len()) } else { found.join("; ") },
            match lacking.first() {
                Some(name) => format!("run CREATE EXTENSION \"{name}\" on the target where moved tables need it"),
                None => "ALTER EXTENSION name UPDATE brings the older side up".to_owned(),
            },
        ),
    ]
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

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(collation: &str, extensions: &[(&str, &str)]) -> Environment {
        Environment {
            encoding: "UTF8".to_owned(),
            collation: collation.to_owned(),
            extensions: extensions.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect(),
        }
    }

    #[test]
    fn what_the_target_lacks_is_told_and_what_it_has_more_is_not() {
        let source = environment("C / C", &[("citext", "1.6"), ("postgis", "3.3")]);
        let target = environment("en_US / en_US", &[("citext", "1.5"), ("hstore", "1.8")]);
        let [encoding, collation, extensions] = compare_environments(&"orders".into(), &source, &target);
        assert_eq!(encoding.verdict, Verdict::Pass);
        assert_eq!(
            (collation.verdict, collation.evidence.as_str()),
            (Verdict::Warn, "source C / C, target en_US / en_US")
        );
        assert_eq!(extensions.verdict, Verdict::Warn);
        assert_eq!(extensions.evidence, "the target lacks postgis; citext is 1.6 on the source and 1.5 on the target");
        assert!(extensions.fix.contains("CREATE EXTENSION \"postgis\""));
        let same = compare_environments(&"orders".into(), &source, &source);
        assert!(same.iter().all(|check| check.verdict == Verdict::Pass), "{same:?}");
    }
}

//! OWN-15: tables of another service behind code that a login may run.

use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::advice::access::remedy::remedy;
use crate::advice::access::wording::role;
use crate::model::access::mysql::{MyCode, MyScope, MysqlFacts, account};
use crate::model::access::object::{Object, ObjectKind};
use crate::model::access::postgres::{PostgresFacts, Readable};
use crate::model::access::reading::EngineFacts;
use crate::model::access::right::{EffectiveRight, Right, RightPath};
use crate::model::finding::Confidence;

/// Code that runs with its owner's rights, and who may run it.
struct Definer<'a> {
    name: String,
    owner: &'a str,
    tables: Vec<&'a str>,
    /// Login, and what ends its right to run it, with what takes that back.
    callers: Vec<(&'a str, Option<(String, String)>)>,
}

/// OWN-15.
pub fn callable(case: &Case<'_>) -> Judgement {
    let definers = match &case.reading.engine {
        EngineFacts::Postgres(facts) => of_postgres(facts),
        EngineFacts::Mysql(facts) => of_mysql(case, facts),
        EngineFacts::Mongo(_) | EngineFacts::Redis(_) | EngineFacts::Other => Vec::new(),
    };
    if definers.is_empty() {
        return Judgement::absent("no code runs with its owner's rights");
    }
    let mut failures = Vec::new();
    for definer in definers {
        let name = &definer.name;
        for table in definer.tables.iter().filter_map(|name| case.map.table(name)) {
            for (caller, end) in &definer.callers {
                let services: Vec<_> = case.map.services_of(caller).collect();
                let is_known =
                    services.iter().any(|s| s.id == table.service || case.map.may_read(s, table, case.today));
                let Some(service) = services.first().filter(|_| !is_known) else { continue };
                let mut failure = Failure::new(
                    format!("{caller} through {name} to {}", table.name),
                    format!(
                        "{caller} of service {} reaches {} of service {} through {name}",
                        service.id, table.name, table.service
                    ),
                )
                .fact(format!("it runs with the rights of {}", definer.owner));
                if let Some((statement, undo)) = end {
                    failure = failure.mended(statement, undo);
                }
                failure = failure.but("if it is meant as the service's interface, declare the table in allowed_reads");
                failure.confidence = Some(Confidence::Estimated);
                failures.push(failure);
            }
        }
    }
    Judgement::of(failures)
}

fn of_postgres(facts: &PostgresFacts) -> Vec<Definer<'_>> {
    let functions = facts.functions.iter().filter(|f| f.definer && !f.is_trigger);
    functions
        .map(|function| {
            let (keyword, name) = (&function.keyword, &function.name);
            let end = |caller: &str| {
                let whom = if function.is_public { "PUBLIC".to_owned() } else { role(caller) };
                let statement = format!("REVOKE EXECUTE ON {keyword} {name} FROM {whom}");
                Some((statement, format!("GRANT EXECUTE ON {keyword} {name} TO {whom}")))
            };
            Definer {
                name: name.clone(),
                owner: &function.owner,
                tables: function.relations.iter().map(String::as_str).collect(),
                callers: function.callers.iter().map(|caller| (caller.as_str(), end(caller))).collect(),
            }
        })
        .collect()
}

/// Views count: whoever reads one reads with its definer's rights. Triggers and events are run by the server, not by a login.
fn of_mysql<'a>(case: &Case<'a>, facts: &'a MysqlFacts) -> Vec<Definer<'a>> {
    let Readable::Read(code) = &facts.code else { return Vec::new() };
    let definers = code.iter().filter(|c| c.is_definers && !matches!(c.kind.as_str(), "TRIGGER" | "EVENT"));
    definers
        .map(|program| Definer {
            name: program.qualified(),
            owner: &program.definer,
            tables: program.tables.iter().flatten().map(String::as_str).collect(),
            callers: case
                .accounts()
                .filter_map(|(login, _)| Some((login, may_run(case, facts, login, program)?)))
                .collect(),
        })
        .collect()
}

/// `None`: it may not run it. `Some(None)`: it may, and it takes more than a statement to end that.
fn may_run(case: &Case<'_>, facts: &MysqlFacts, login: &str, program: &MyCode) -> Option<Option<(String, String)>> {
    let ended = |object: &Object, rights: &[&EffectiveRight]| {
        let end = remedy(login, object, rights);
        end.statement.zip(end.undo)
    };
    if program.kind == "VIEW" {
        let view = case.reading.of_kind(ObjectKind::View).find(|view| view.name == program.qualified())?;
        let rights: Vec<&EffectiveRight> =
            case.reading.rights_of(login, view).filter(|right| right.right == Right::Read).collect();
        return (!rights.is_empty()).then(|| ended(view, &rights));
    }
    let is_there = |scope: &MyScope| {
        matches!(scope, MyScope::Routine(database, name, kind)
            if *database == program.database && *name == program.name && *kind == program.kind)
    };
    if let Readable::Read(grants) = &facts.grants {
        let own =
            grants.iter().find(|g| g.user == login && is_there(&g.scope) && g.rights.iter().any(|r| r == "EXECUTE"));
        if let Some(grant) = own {
            let (what, whom) = (format!("{} {}", program.kind, program.quoted()), account(&grant.user, &grant.host));
            return Some(Some((
                format!("REVOKE EXECUTE ON {what} FROM {whom}"),
                format!("GRANT EXECUTE ON {what} TO {whom}"),
            )));
        }
    }
    let schema = case.reading.of_kind(ObjectKind::Schema).find(|schema| schema.name == program.database)?;
    let executes = |right: &&EffectiveRight| matches!(&right.path, RightPath::Entry { end: Some(end), .. } if end.word == "EXECUTE");
    let rights: Vec<&EffectiveRight> = case.reading.rights_of(login, schema).filter(executes).collect();
    (!rights.is_empty()).then(|| ended(schema, &rights))
}

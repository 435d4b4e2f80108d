//! OWN-25: rights of the source that the target lacks.

use super::foreign::tables;
use crate::advice::access::case::Case;
use crate::advice::access::wording::role;
use crate::model::access::mysql;
use crate::model::access::object::Object;
use crate::model::access::reading::EngineFacts;
use crate::model::access::right::Right;
use crate::model::finding::{Finding, Severity, Verdict};
use std::collections::BTreeSet;

/// Rights that applications work with: the others go with owners.
const WORKING: [Right; 4] = [Right::Read, Right::Insert, Right::Update, Right::Delete];

/// OWN-25. For every table that both stores have: what its own service's logins may do on the source and not on the target. The target's
/// finding; one that passes where nothing is missing.
pub fn compare(source: &Case<'_>, target: &Case<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let finding =
        |subject: String, sentence: String| Finding::new("OWN-25", Severity::Info, target.store, subject, sentence);
    let there = tables(target);
    for (object, table) in tables(source) {
        let Some((goal, _)) = there.iter().find(|(_, t)| t.logical == table.logical) else { continue };
        let Some(service) = target.map.services.iter().find(|service| service.id == table.service) else { continue };
        for account in &service.accounts {
            let rights = |case: &Case<'_>, object: &Object| -> BTreeSet<Right> {
                case.reading.rights_of(account, object).map(|r| r.right).filter(|r| WORKING.contains(r)).collect()
            };
            let has = rights(source, object);
            let lacking: Vec<&str> = has.difference(&rights(target, goal)).map(|right| right.word()).collect();
            if lacking.is_empty() || target.reading.login(account).is_some_and(|l| l.is_unlimited) {
                continue;
            }
            let given = given(target, goal, account, &lacking);
            let rights = lacking.join(", ");
            let mut lacks = finding(
                format!("{account} on {}", goal.name),
                format!("{account} has {rights} on {} of store {}, and not here", object.name, source.store),
            );
            if target.reading.login(account).is_none() {
                lacks.why_not.push(format!("the login {account} has to be made first"));
            }
            if matches!(target.reading.engine, EngineFacts::Mongo(_)) && given.is_some() {
                lacks.why_not.push(
                    "the role is of the whole database: where others have collections in it, a role of one's own with this collection gives less"
                        .to_owned(),
                );
            }
            if let Some((statement, undo)) = given {
                (lacks.statement, lacks.undo) = (Some(statement), undo);
            }
            findings.push(lacks);
        }
    }
    if findings.is_empty() {
        let mut pass =
            finding(target.store.to_string(), "services have on the target what they have on the source".to_owned());
        pass.verdict = Verdict::Pass;
        findings.push(pass);
    }
    Finding::sort(&mut findings);
    findings
}

/// The target's own words for giving rights, and for taking them back. `None`: the account has no host yet, so that it cannot be named.
fn given(target: &Case<'_>, table: &Object, account: &str, rights: &[&str]) -> Option<(String, Option<String>)> {
    let words = rights.join(", ");
    match &target.reading.engine {
        EngineFacts::Postgres(_) | EngineFacts::Other => Some((
            format!("GRANT {words} ON {} TO {}", table.name, role(account)),
            Some(format!("REVOKE {words} ON {} FROM {}", table.name, role(account))),
        )),
        EngineFacts::Mysql(facts) => {
            let host = facts.logins().find(|login| login.user == account)?;
            let (database, name) = table.name.split_once('.')?;
            let on = format!("{}.{}", mysql::ident(database), mysql::ident(name));
            Some((
                format!("GRANT {words} ON {on} TO {}", host.name()),
                Some(format!("REVOKE {words} ON {on} FROM {}", host.name())),
            ))
        }
        EngineFacts::Mongo(facts) => {
            let user = facts.users().iter().find(|user| user.user.name == account)?;
            let (database, _) = table.name.split_once('.')?;
            let role = if rights == ["SELECT"] { "read" } else { "readWrite" };
            let call = |verb: &str| {
                format!(
                    "db.getSiblingDB({:?}).{verb}({account:?}, [{{ role: {role:?}, db: {database:?} }}])",
                    user.user.database
                )
            };
            Some((call("grantRolesToUser"), Some(call("revokeRolesFromUser"))))
        }
        EngineFacts::Redis(_) => {
            let (sign, category) = if rights == ["SELECT"] { ("%R~", "@read") } else { ("~", "@write") };
            // One pattern cannot be taken away again without naming all the others.
            Some((format!("ACL SETUSER {account} {sign}{} +{category}", table.name), None))
        }
    }
}

//! MG-03 to MG-05, MG-07, MG-08, and OWN-20 here: roles of the server's own that an application does not need.

use super::whom::applications;
use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::model::access::mongodb::{MongoFacts, MongoResource, MongoUser, Placed};

/// What takes a role from a user, and gives it back.
fn taken(user: &MongoUser, roles: &[&Placed]) -> (String, String) {
    let list: Vec<String> =
        roles.iter().map(|role| format!("{{ role: {:?}, db: {:?} }}", role.name, role.database)).collect();
    let call = |verb: &str| {
        format!("db.getSiblingDB({:?}).{verb}({:?}, [{}])", user.user.database, user.user.name, list.join(", "))
    };
    (call("revokeRolesFromUser"), call("grantRolesToUser"))
}

/// Of a user's own roles those that are one of `names`, or inherit from one.
fn through<'a>(facts: &'a MongoFacts, user: &'a MongoUser, is_one: impl Fn(&Placed) -> bool) -> Vec<&'a Placed> {
    let reaches = |role: &Placed| {
        let mut open = vec![role.clone()];
        let mut seen: Vec<Placed> = Vec::new();
        while let Some(now) = open.pop() {
            if is_one(&now) {
                return true;
            }
            if !seen.contains(&now) {
                open.extend(facts.role(&now).into_iter().flat_map(|role| role.roles.iter().cloned()));
                seen.push(now);
            }
        }
        false
    };
    user.roles.iter().filter(|role| reaches(role)).collect()
}

fn failure(user: &MongoUser, roles: &[&Placed], verb: &str) -> Failure {
    let names: Vec<String> = roles.iter().map(|role| role.to_string()).collect();
    let (statement, undo) = taken(user, roles);
    Failure::new(user.user.to_string(), format!("{} {verb}: {}", user.user, names.join(", "))).mended(statement, undo)
}

fn with(case: &Case<'_>, facts: &MongoFacts, is_one: impl Fn(&Placed) -> bool, verb: &str) -> Judgement {
    let who = match applications(case, facts) {
        Ok(who) => who,
        Err(why) => return Judgement::hidden(why),
    };
    let mut failures = Vec::new();
    for user in who {
        let roles = through(facts, user, &is_one);
        if !roles.is_empty() {
            failures.push(failure(user, &roles, verb).but("grant it what it needs first"));
        }
    }
    Judgement::of(failures)
}

fn of_admin(names: &'static [&'static str]) -> impl Fn(&Placed) -> bool {
    move |role| role.database == "admin" && names.contains(&role.name.as_str())
}

/// MG-03. A role that somebody made with every action on everything is as good as `root`.
pub fn root(case: &Case<'_>, facts: &MongoFacts) -> Judgement {
    let is_all = |role: &Placed| {
        of_admin(&["root", "__system"])(role)
            || facts.role(role).is_some_and(|known| {
                known.privileges.iter().any(|p| {
                    p.allows("anyAction") && (p.resource == MongoResource::Any || p.resource == MongoResource::Cluster)
                })
            })
    };
    with(case, facts, is_all, "may do everything and is no named break-glass login")
}

/// MG-04.
pub fn any_database(case: &Case<'_>, facts: &MongoFacts) -> Judgement {
    let names = &["readAnyDatabase", "readWriteAnyDatabase", "dbAdminAnyDatabase"];
    with(case, facts, of_admin(names), "has rights on every database, those to come too")
}

/// MG-05.
pub fn user_admin(case: &Case<'_>, facts: &MongoFacts) -> Judgement {
    let is_one = |role: &Placed| {
        matches!(role.name.as_str(), "userAdmin" | "dbOwner") || of_admin(&["userAdminAnyDatabase"])(role)
    };
    with(case, facts, is_one, "can give itself every role of its database")
}

/// MG-07.
pub fn monitor(case: &Case<'_>, facts: &MongoFacts) -> Judgement {
    with(case, facts, of_admin(&["clusterMonitor"]), "reads the oplog and every profile, where all services' data is")
}

/// MG-08.
pub fn movers(case: &Case<'_>, facts: &MongoFacts) -> Judgement {
    let names = &["restore", "backup", "hostManager", "clusterManager", "clusterAdmin"];
    with(case, facts, of_admin(names), "has what moving and managing need")
}

/// OWN-20 on this engine.
pub fn left(case: &Case<'_>, facts: &MongoFacts) -> Judgement {
    const POWERS: &[&str] = &[
        "root",
        "__system",
        "backup",
        "restore",
        "clusterAdmin",
        "clusterManager",
        "hostManager",
        "dbAdminAnyDatabase",
        "readAnyDatabase",
        "readWriteAnyDatabase",
        "userAdminAnyDatabase",
    ];
    let mut failures = Vec::new();
    for user in facts.users().iter().filter(|user| case.map.migration.contains(&user.user.name)) {
        let roles = through(facts, user, of_admin(POWERS));
        if !roles.is_empty() {
            failures.push(failure(user, &roles, "worked for the migration, which is over, and still has powers"));
        }
    }
    Judgement::of(failures)
}

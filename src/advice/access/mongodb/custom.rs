//! MG-06, MG-17 and MG-18: roles that somebody made.

use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::model::access::mongodb::{MongoFacts, MongoPrivilege, MongoRole};
use crate::model::access::postgres::Readable;
use crate::model::ids::ServiceId;
use std::collections::BTreeSet;

/// Actions that change documents or collections.
const WRITING: [&str; 9] = [
    "anyAction",
    "collMod",
    "createCollection",
    "createIndex",
    "dropCollection",
    "dropDatabase",
    "insert",
    "remove",
    "update",
];

fn custom<'a>(case: &Case<'_>, facts: &'a MongoFacts) -> Result<Vec<&'a MongoRole>, String> {
    match &facts.roles {
        Readable::Read(roles) => {
            Ok(roles.iter().filter(|role| !role.is_built_in && !case.is_set_apart(&role.role.name)).collect())
        }
        Readable::Hidden(why) => Err(why.clone()),
    }
}

fn writes(privilege: &MongoPrivilege) -> Vec<&str> {
    privilege.actions.iter().map(String::as_str).filter(|action| WRITING.contains(action)).collect()
}

/// MG-06.
pub fn everywhere(case: &Case<'_>, facts: &MongoFacts) -> Judgement {
    let roles = match custom(case, facts) {
        Ok(roles) => roles,
        Err(why) => return Judgement::hidden(why),
    };
    let mut failures = Vec::new();
    for role in roles {
        for privilege in role.privileges.iter().filter(|p| p.resource.is_everywhere()) {
            let actions = writes(privilege);
            if actions.is_empty() {
                continue;
            }
            let quoted: Vec<String> = actions.iter().map(|action| format!("{action:?}")).collect();
            let call = |verb: &str| {
                format!(
                    "db.getSiblingDB({:?}).{verb}({:?}, [{{ resource: {}, actions: [{}] }}])",
                    role.role.database,
                    role.role.name,
                    privilege.resource,
                    quoted.join(", ")
                )
            };
            failures.push(
                Failure::new(
                    format!("{} on {}", role.role, privilege.resource),
                    format!("role {} writes in every database: {}", role.role, actions.join(", ")),
                )
                .mended(call("revokePrivilegesFromRole"), call("grantPrivilegesToRole"))
                .but("give it the same on the databases that it is for, first"),
            );
        }
    }
    Judgement::of(failures)
}

/// MG-17. A role is in use when a user or another role has it.
pub fn unused(case: &Case<'_>, facts: &MongoFacts) -> Judgement {
    let (roles, users) = match (custom(case, facts), &facts.users) {
        (Ok(roles), Readable::Read(users)) => (roles, users),
        (Err(why), _) => return Judgement::hidden(why),
        (_, Readable::Hidden(why)) => return Judgement::hidden(why),
    };
    let mut failures = Vec::new();
    for role in roles {
        let of_user = users.iter().any(|user| user.all_roles().any(|has| *has == role.role));
        let of_role = facts.roles().iter().any(|other| other.roles.contains(&role.role));
        if !of_user && !of_role {
            failures.push(
                Failure::new(role.role.to_string(), format!("nobody has the role {}", role.role)).mended_for_good(
                    format!("db.getSiblingDB({:?}).dropRole({:?})", role.role.database, role.role.name),
                    "its privileges are not kept: note them first",
                ),
            );
        }
    }
    for user in users.iter().filter(|user| user.roles.is_empty() && !case.is_set_apart(&user.user.name)) {
        failures.push(Failure::new(user.user.to_string(), format!("{} has no role", user.user)).mended_for_good(
            format!("db.getSiblingDB({:?}).dropUser({:?})", user.user.database, user.user.name),
            "its password is not kept",
        ));
    }
    Judgement::of(failures)
}

/// MG-18. Whose a role is follows from who has it; a role of several services is OWN-23's.
pub fn inherited(case: &Case<'_>, facts: &MongoFacts) -> Judgement {
    let roles = match custom(case, facts) {
        Ok(roles) => roles,
        Err(why) => return Judgement::hidden(why),
    };
    let holders = |role: &MongoRole| -> BTreeSet<&ServiceId> {
        let users = facts.users().iter().filter(|user| user.roles.contains(&role.role));
        users.filter_map(|user| case.map.service_of(&user.user.name)).map(|service| &service.id).collect()
    };
    let mut failures = Vec::new();
    for role in &roles {
        let own = holders(role);
        let [service] = own.iter().copied().collect::<Vec<_>>()[..] else { continue };
        for parent in roles.iter().filter(|parent| role.roles.contains(&parent.role)) {
            let theirs = holders(parent);
            if theirs.is_empty() || theirs.contains(service) {
                continue;
            }
            let names: Vec<&str> = theirs.iter().map(|service| service.as_str()).collect();
            let call = |verb: &str| {
                format!(
                    "db.getSiblingDB({:?}).{verb}({:?}, [{{ role: {:?}, db: {:?} }}])",
                    role.role.database, role.role.name, parent.role.name, parent.role.database
                )
            };
            failures.push(
                Failure::new(
                    format!("{} from {}", role.role, parent.role),
                    format!(
                        "role {} of service {service} inherits from {} of {}",
                        role.role,
                        parent.role,
                        names.join(" and ")
                    ),
                )
                .mended(call("revokeRolesFromRole"), call("grantRolesToRole")),
            );
        }
    }
    Judgement::of(failures)
}

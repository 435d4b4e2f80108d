//! Users and roles.

use super::{Read, missing};
use crate::model::access::mongodb::{MongoPrivilege, MongoResource, MongoRole, MongoUser, Placed};
use crate::model::access::postgres::Readable;
use crate::stores::mongodb::fields::{inner, is_set, list, text};
use crate::stores::mongodb::watch::Reader;
use crate::stores::sanitise::clean;
use mongodb::bson::{Bson, Document, doc};
use std::collections::BTreeSet;

/// Users or roles that are asked for in one command.
const AT_ONCE: usize = 100;

fn placed(document: &Document, name: &str) -> Placed {
    Placed { name: text(document, name), database: text(document, "db") }
}

fn places(document: &Document, field: &str) -> Vec<Placed> {
    let mut places: Vec<Placed> = list(document, field).map(|role| placed(role, "role")).collect();
    places.sort();
    places
}

/// All users, with where they may log in from.
pub async fn users(reader: &mut Reader) -> Read<Readable<Vec<MongoUser>>> {
    let lacks = || missing("users", "users, their roles and where they may log in from", "viewUser", true);
    let all = doc! { "usersInfo": { "forAllDBs": true } };
    let Some(answer) = reader.run_or("admin", all, lacks).await? else { return Ok(Readable::Hidden(lacks().why)) };
    let mut users: Vec<MongoUser> = list(&answer, "users").map(user).collect();
    users.sort();
    // The rest is told only of users that are named.
    for part in users.chunks_mut(AT_ONCE) {
        let names: Vec<Bson> = part
            .iter()
            .map(|user| Bson::Document(doc! { "user": user.user.name.clone(), "db": user.user.database.clone() }))
            .collect();
        let exact = doc! { "usersInfo": names, "showAuthenticationRestrictions": true };
        let Some(answer) = reader.run_or("admin", exact, lacks).await? else { continue };
        for document in list(&answer, "users") {
            let who = placed(document, "user");
            let Some(user) = part.iter_mut().find(|user| user.user == who) else { continue };
            let direct = document.get_array("authenticationRestrictions").is_ok_and(|list| !list.is_empty());
            let inherited =
                document.get_array("inheritedAuthenticationRestrictions").is_ok_and(|list| !list.is_empty());
            user.is_restricted = Some(direct || inherited);
            user.inherited = places(document, "inheritedRoles");
        }
    }
    Ok(Readable::Read(users))
}

/// A document of `usersInfo`. What is not asked for here does not leave this function.
pub fn user(document: &Document) -> MongoUser {
    let mechanisms = document.get_array("mechanisms").map(Vec::as_slice).unwrap_or_default();
    let mut mechanisms: Vec<String> = mechanisms.iter().filter_map(Bson::as_str).map(clean).collect();
    mechanisms.sort();
    let who = placed(document, "user");
    MongoUser {
        is_external: who.database == "$external",
        user: who,
        roles: places(document, "roles"),
        inherited: Vec::new(),
        mechanisms,
        is_restricted: None,
    }
}

/// Roles that somebody made, and those of the server's own that users or these roles have.
pub async fn roles(reader: &mut Reader, users: &Readable<Vec<MongoUser>>) -> Read<Readable<Vec<MongoRole>>> {
    let Readable::Read(users) = users else {
        return Ok(Readable::Hidden("users were not read, so that their roles are not known".to_owned()));
    };
    let lacks = || missing("roles", "what roles give", "viewRole", false);
    let mut wanted: BTreeSet<Placed> = users.iter().flat_map(MongoUser::all_roles).cloned().collect();
    // Roles are made in a database: those of databases in which nobody has one are found by asking each that is in use, and admin.
    let places: BTreeSet<String> =
        wanted.iter().map(|role| role.database.clone()).chain(["admin".to_owned()]).collect();
    for database in places {
        let made = doc! { "rolesInfo": 1 };
        let Some(answer) = reader.run_or(&database, made, lacks).await? else {
            return Ok(Readable::Hidden(lacks().why));
        };
        for document in list(&answer, "roles") {
            wanted.insert(placed(document, "role"));
            wanted.extend(places_of(document));
        }
    }
    let wanted: Vec<Placed> = wanted.into_iter().collect();
    let mut roles = Vec::new();
    for part in wanted.chunks(AT_ONCE) {
        let names: Vec<Bson> = part
            .iter()
            .map(|role| Bson::Document(doc! { "role": role.name.clone(), "db": role.database.clone() }))
            .collect();
        let exact = doc! { "rolesInfo": names, "showPrivileges": true };
        let Some(answer) = reader.run_or("admin", exact, lacks).await? else {
            return Ok(Readable::Hidden(lacks().why));
        };
        roles.extend(list(&answer, "roles").map(role));
    }
    roles.sort();
    Ok(Readable::Read(roles))
}

fn places_of(document: &Document) -> Vec<Placed> {
    places(document, "roles")
}

/// A document of `rolesInfo`.
pub fn role(document: &Document) -> MongoRole {
    MongoRole {
        role: placed(document, "role"),
        is_built_in: is_set(document, "isBuiltin"),
        roles: places(document, "roles"),
        privileges: privileges(document, "privileges"),
        effective: privileges(document, "inheritedPrivileges"),
    }
}

fn privileges(document: &Document, field: &str) -> Vec<MongoPrivilege> {
    let mut privileges: Vec<MongoPrivilege> = list(document, field).filter_map(privilege).collect();
    privileges.sort();
    privileges
}

fn privilege(document: &Document) -> Option<MongoPrivilege> {
    let resource = inner(document, "resource")?;
    let resource = if is_set(resource, "anyResource") {
        MongoResource::Any
    } else if is_set(resource, "cluster") {
        MongoResource::Cluster
    } else if resource.contains_key("db") {
        MongoResource::Collection { database: text(resource, "db"), collection: text(resource, "collection") }
    } else {
        // Buckets of time series: their collections have entries of their own.
        return None;
    };
    let actions = document.get_array("actions").map(Vec::as_slice).unwrap_or_default();
    let mut actions: Vec<String> = actions.iter().filter_map(Bson::as_str).map(clean).collect();
    actions.sort();
    Some(MongoPrivilege { resource, actions })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_asked_for_is_dropped() {
        let read = user(&doc! { "user": "app", "db": "shop", "mechanisms": ["SCRAM-SHA-256", "SCRAM-SHA-1"],
        "roles": [{ "role": "readWrite", "db": "shop" }],
        "credentials": { "SCRAM-SHA-1": { "storedKey": "geheim-9942" } } });
        assert_eq!(read.mechanisms, ["SCRAM-SHA-1", "SCRAM-SHA-256"]);
        assert!(!serde_json::to_string(&read).unwrap().contains("geheim"));
    }

    #[test]
    fn resources_are_told_apart() {
        let read = role(&doc! { "role": "r", "db": "admin", "isBuiltin": false, "roles": [], "privileges": [
            { "resource": { "cluster": true }, "actions": ["top"] },
            { "resource": { "anyResource": true }, "actions": ["anyAction"] },
            { "resource": { "db": "shop", "collection": "orders" }, "actions": ["insert", "find"] },
            { "resource": { "system_buckets": "x" }, "actions": ["find"] },
        ] });
        let told: Vec<String> =
            read.privileges.iter().map(|p| format!("{} {}", p.resource, p.actions.join(","))).collect();
        assert_eq!(
            told,
            [
                "{ anyResource: true } anyAction",
                "{ cluster: true } top",
                "{ db: \"shop\", collection: \"orders\" } find,insert"
            ]
        );
    }
}

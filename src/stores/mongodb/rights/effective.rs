//! Which collections privileges mean, and by which role a user has them.
//!
//! A login here is a user's name whatever database it logs in at, because a profile declares names: it may what any of its users may.

use super::{Read, missing};
use crate::model::access::login::{Login, Membership};
use crate::model::access::mongodb::{MongoFacts, MongoPrivilege, MongoResource, MongoUser, Placed};
use crate::model::access::object::{Link, LinkKind, Object, ObjectKind};
use crate::model::access::right::{EffectiveRight, EntryEnd, Right, RightPath};
use crate::stores::mongodb::fields::{inner, list, text};
use crate::stores::mongodb::watch::Reader;
use crate::stores::sanitise::clean;
use mongodb::bson::{Document, doc};
use std::collections::{BTreeMap, BTreeSet};

/// A collection or view.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Collection {
    pub database: String,
    pub name: String,
    /// Collections that a view reads; empty: it is no view.
    pub reads: Vec<String>,
}

/// What was worked out, each list sorted.
#[derive(Debug, Default)]
pub struct Effective {
    pub logins: Vec<Login>,
    pub memberships: Vec<Membership>,
    pub objects: Vec<Object>,
    pub rights: Vec<EffectiveRight>,
}

/// All collections and views of these databases, the server's own left out.
pub async fn collections(reader: &mut Reader, databases: &[String]) -> Read<Vec<Collection>> {
    let mut found = Vec::new();
    for database in databases {
        let lacks = || missing("collections", "collections and views", "listCollections", false);
        let Some(all) = reader.all_or(database, doc! { "listCollections": 1 }, lacks).await? else { continue };
        for document in &all {
            let name = text(document, "name");
            if !name.starts_with("system.") {
                found.push(Collection { database: clean(database), name, reads: view_reads(document) });
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A view's source, and what its stages look up.
fn view_reads(document: &Document) -> Vec<String> {
    let Some(options) = inner(document, "options").filter(|options| options.contains_key("viewOn")) else {
        return Vec::new();
    };
    let mut reads = BTreeSet::from([text(options, "viewOn")]);
    for stage in list(options, "pipeline") {
        for name in ["$lookup", "$graphLookup"] {
            if let Some(lookup) = inner(stage, name) {
                reads.insert(text(lookup, "from"));
            }
        }
        if let Some(union) = inner(stage, "$unionWith") {
            reads.insert(text(union, "coll"));
        }
    }
    reads.retain(|name| !name.is_empty());
    reads.into_iter().collect()
}

/// What views tie together.
pub fn links(collections: &[Collection]) -> Vec<Link> {
    let mut links = Vec::new();
    for view in collections {
        let name = format!("{}.{}", view.database, view.name);
        for read in &view.reads {
            links.push(Link {
                kind: LinkKind::View,
                name: name.clone(),
                from: name.clone(),
                to: format!("{}.{read}", view.database),
                statement: None,
                undo: None,
                is_certain: true,
                is_enabled: true,
            });
        }
    }
    links.sort();
    links
}

/// Collections with the same rights: those of a database that no privilege names, or one that some privilege does.
struct Group<'a> {
    id: u64,
    database: &'a str,
    /// Empty: all that are not named.
    collection: &'a str,
}

/// From the facts.
pub fn work_out(facts: &MongoFacts, collections: &[Collection]) -> Effective {
    let named: BTreeSet<&str> = facts
        .roles()
        .iter()
        .flat_map(|role| &role.effective)
        .filter_map(|privilege| match &privilege.resource {
            MongoResource::Collection { collection, .. } if !collection.is_empty() => Some(collection.as_str()),
            _ => None,
        })
        .collect();
    let databases: BTreeSet<&str> = collections.iter().map(|c| c.database.as_str()).collect();
    let (mut objects, mut groups) = (Vec::new(), Vec::new());
    let object = |kind, name: String, group| Object { kind, name, owner: String::new(), group };
    let mut homes: BTreeMap<&str, u64> = BTreeMap::new();
    for (at, database) in databases.into_iter().enumerate() {
        homes.insert(database, at as u64);
        objects.push(object(ObjectKind::Schema, database.to_owned(), at as u64));
        groups.push(Group { id: at as u64, database, collection: "" });
    }
    for collection in collections {
        let Some(home) = homes.get(collection.database.as_str()) else { continue };
        let mut group = *home;
        if named.contains(collection.name.as_str()) {
            group = groups.len() as u64;
            groups.push(Group { id: group, database: &collection.database, collection: &collection.name });
        }
        let kind = if collection.reads.is_empty() { ObjectKind::Table } else { ObjectKind::View };
        objects.push(object(kind, format!("{}.{}", collection.database, collection.name), group));
    }
    objects.sort();
    let mut logins: BTreeMap<&str, Login> = BTreeMap::new();
    for user in facts.users() {
        let login =
            logins.entry(&user.user.name).or_insert_with(|| Login { name: user.user.name.clone(), ..Login::default() });
        login.can_log_in = true;
        login.is_unlimited |= facts.is_unlimited(user);
    }
    let mut rights = Vec::new();
    for user in facts.users() {
        if !logins.get(user.user.name.as_str()).is_some_and(|login| login.is_unlimited) {
            for role in &user.roles {
                of_role(facts, user, role, &groups, &mut rights);
            }
        }
    }
    rights.sort();
    rights.dedup();
    let mut memberships: BTreeSet<Membership> = BTreeSet::new();
    let member = |member: &str, group: &Placed| Membership {
        member: member.to_owned(),
        group: group.to_string(),
        admin: false,
        inherit: true,
        set: true,
    };
    for user in facts.users() {
        memberships.extend(user.roles.iter().map(|role| member(&user.user.name, role)));
    }
    for role in facts.roles() {
        memberships.extend(role.roles.iter().map(|group| member(&role.role.to_string(), group)));
    }
    Effective {
        logins: logins.into_values().collect(),
        memberships: memberships.into_iter().collect(),
        objects,
        rights,
    }
}

/// Rights that a user has by one of its roles.
fn of_role(
    facts: &MongoFacts,
    user: &MongoUser,
    role: &Placed,
    groups: &[Group<'_>],
    rights: &mut Vec<EffectiveRight>,
) {
    let Some(known) = facts.role(role) else { return };
    let by: BTreeMap<String, RightPath> = known
        .effective
        .iter()
        .map(|privilege| (privilege.resource.to_string(), path(user, role, privilege, known.is_built_in)))
        .collect();
    for group in groups {
        for privilege in &known.effective {
            if !privilege.resource.covers(group.database, group.collection) {
                continue;
            }
            let Some(path) = by.get(&privilege.resource.to_string()) else { continue };
            for right in meant(privilege) {
                rights.push(EffectiveRight {
                    login: user.user.name.clone(),
                    group: group.id,
                    right,
                    becomes: None,
                    path: path.clone(),
                    columns: Vec::new(),
                });
            }
        }
    }
}

/// The neutral words for a privilege's actions.
fn meant(privilege: &MongoPrivilege) -> BTreeSet<Right> {
    let right = |action: &str| {
        Some(match action {
            "find" => Right::Read,
            "insert" => Right::Insert,
            "update" => Right::Update,
            "remove" => Right::Delete,
            "dropCollection" | "renameCollectionSameDB" => Right::Truncate,
            "createIndex" | "dropIndex" | "collMod" | "compact" => Right::Maintain,
            "createCollection" => Right::Create,
            "listCollections" | "dbStats" | "collStats" | "dropDatabase" => Right::Usage,
            _ => return None,
        })
    };
    if privilege.allows("anyAction") {
        return [Right::Read, Right::Insert, Right::Update, Right::Delete, Right::Truncate, Right::Create].into();
    }
    privilege.actions.iter().filter_map(|action| right(action)).collect()
}

/// Every right by one role ends by taking the role: a role of the server's own cannot be narrowed, and one that somebody made belongs to
/// whoever has it.
fn path(user: &MongoUser, role: &Placed, privilege: &MongoPrivilege, is_built_in: bool) -> RightPath {
    let call = |verb: &str| format!("db.getSiblingDB({:?}).{verb}({:?}, [", user.user.database, user.user.name);
    let concerns = match is_built_in {
        true => format!("{} loses everything else that {role} gives", user.user),
        false => format!(
            "{} loses everything else that {role} gives; db.getSiblingDB({:?}).revokePrivilegesFromRole({:?}, ...) narrows it for all who have it",
            user.user, role.database, role.name
        ),
    };
    RightPath::Entry {
        through: vec![role.to_string()],
        entry: format!("on {}", privilege.resource),
        end: Some(EntryEnd {
            before: call("revokeRolesFromUser"),
            word: format!("{{ role: {:?}, db: {:?} }}", role.name, role.database),
            after: "])".to_owned(),
            undo_before: call("grantRolesToUser"),
            undo_after: "])".to_owned(),
        }),
        concerns,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::access::mongodb::MongoRole;
    use crate::model::access::postgres::Readable;

    fn at(name: &str, database: &str) -> Placed {
        Placed { name: name.to_owned(), database: database.to_owned() }
    }

    #[test]
    fn rights_follow_from_roles() {
        let privilege = |database: &str, collection: &str, actions: &[&str]| MongoPrivilege {
            resource: MongoResource::Collection { database: database.to_owned(), collection: collection.to_owned() },
            actions: actions.iter().map(|a| (*a).to_owned()).collect(),
        };
        let role = |name: &str, effective| MongoRole { role: at(name, "admin"), effective, ..MongoRole::default() };
        let user = |name: &str, roles: &[&str]| MongoUser {
            user: at(name, "admin"),
            roles: roles.iter().map(|role| at(role, "admin")).collect(),
            ..MongoUser::default()
        };
        let facts = MongoFacts {
            users: Readable::Read(vec![user("app", &["one"]), user("any", &["all"]), user("top", &["root"])]),
            roles: Readable::Read(vec![
                role("one", vec![privilege("shop", "orders", &["find", "insert"])]),
                role("all", vec![privilege("", "", &["find"])]),
            ]),
            options: Readable::Read(BTreeMap::new()),
            profiling: Readable::Read(BTreeMap::new()),
            parameters: Readable::Read(BTreeMap::new()),
            is_in_set: false,
            can_audit: false,
        };
        let collection =
            |name: &str| Collection { database: "shop".to_owned(), name: name.to_owned(), reads: Vec::new() };
        let effective = work_out(&facts, &[collection("lines"), collection("orders")]);
        let told = |login: &str, name: &str| -> Vec<Right> {
            let object = effective.objects.iter().find(|o| o.name == name).unwrap();
            effective.rights.iter().filter(|r| r.login == login && r.group == object.group).map(|r| r.right).collect()
        };
        assert_eq!(told("app", "shop.orders"), [Right::Read, Right::Insert]);
        assert!(told("app", "shop.lines").is_empty());
        assert_eq!((told("any", "shop.lines"), told("any", "shop.orders")), (vec![Right::Read], vec![Right::Read]));
        assert!(told("top", "shop.lines").is_empty(), "all of them, so none is listed");
    }

    #[test]
    fn a_view_is_tied_to_what_it_looks_up() {
        let view = doc! { "name": "v", "type": "view", "options": { "viewOn": "orders", "pipeline": [{ "$lookup": { "from": "invoices" } }] } };
        assert_eq!(view_reads(&view), ["invoices", "orders"]);
        assert!(view_reads(&doc! { "name": "orders", "type": "collection", "options": {} }).is_empty());
    }
}

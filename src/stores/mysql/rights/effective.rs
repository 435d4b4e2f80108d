//! Effective rights, worked out by the server's rules: global rights and those on the database, the table, its columns add up; of several
//! patterns of one account that match a database only the most specific counts; a role's rights are there after `SET ROLE`, or at once if
//! it is a default role; a locked account has none.
//!
//! A login here is a user whatever host it comes from, because a profile declares users: it may what any of its accounts may.

use super::surroundings::Table;
use crate::model::access::login::{Login, Membership};
use crate::model::access::mysql::{
    MyAccount, MyGrant, MyScope, MysqlFacts, account, escaped, first_wildcard, ident, matches,
};
use crate::model::access::object::{Object, ObjectKind};
use crate::model::access::postgres::Readable;
use crate::model::access::right::{EffectiveRight, EntryEnd, Right, RightPath};
use std::collections::{BTreeMap, BTreeSet};

/// What was worked out, each list sorted.
#[derive(Debug, Default)]
pub struct Effective {
    pub logins: Vec<Login>,
    pub memberships: Vec<Membership>,
    pub objects: Vec<Object>,
    pub rights: Vec<EffectiveRight>,
}

/// Tables with the same rights: those of a database without grants of their own, or one with some.
struct Group<'a> {
    id: u64,
    database: &'a str,
    table: Option<&'a str>,
}

/// From the facts.
pub fn work_out(facts: &MysqlFacts, tables: &[Table]) -> Effective {
    let (Readable::Read(accounts), Readable::Read(grants)) = (&facts.accounts, &facts.grants) else {
        return Effective::default();
    };
    let (objects, groups) = objects(facts, tables, grants);
    let mut logins: BTreeMap<&str, Login> = BTreeMap::new();
    for account in accounts {
        let login =
            logins.entry(&account.user).or_insert_with(|| Login { name: account.user.clone(), ..Login::default() });
        login.can_log_in |= !account.is_role && !account.is_locked;
        login.is_unlimited |= !account.is_role && !account.is_locked && account.is_unlimited();
    }
    let mut rights = Vec::new();
    for account in accounts.iter().filter(|a| !a.is_role && !a.is_locked) {
        if logins.get(account.user.as_str()).is_some_and(|login| login.is_unlimited) {
            continue;
        }
        of_holder(facts, grants, &groups, account, &[], &mut rights);
        for way in facts.roles_of(&account.user, &account.host) {
            of_holder(facts, grants, &groups, account, &way, &mut rights);
        }
    }
    rights.sort();
    rights.dedup();
    let memberships: BTreeSet<Membership> = facts
        .members
        .iter()
        .map(|m| Membership {
            member: m.user.clone(),
            group: m.role.clone(),
            admin: m.admin,
            inherit: facts.account(&m.user, &m.host).is_none_or(|a| a.is_role || a.default_roles.contains(&m.role)),
            set: true,
        })
        .collect();
    Effective {
        logins: logins.into_values().collect(),
        memberships: memberships.into_iter().collect(),
        objects,
        rights,
    }
}

fn objects<'a>(facts: &'a MysqlFacts, tables: &'a [Table], grants: &[MyGrant]) -> (Vec<Object>, Vec<Group<'a>>) {
    let with_own: BTreeSet<(&str, &str)> = grants
        .iter()
        .filter_map(|grant| match &grant.scope {
            MyScope::Table(database, table) | MyScope::Columns(database, table, _) => {
                Some((database.as_str(), table.as_str()))
            }
            MyScope::Database(_) | MyScope::Routine(..) => None,
        })
        .collect();
    let (mut objects, mut groups) = (Vec::new(), Vec::new());
    let object = |kind, name: String, group| Object { kind, name, owner: String::new(), group };
    for (at, database) in facts.databases.iter().enumerate() {
        let id = at as u64;
        objects.push(object(ObjectKind::Schema, database.clone(), id));
        groups.push(Group { id, database, table: None });
    }
    for table in tables {
        let Some(home) = facts.databases.iter().position(|database| *database == table.database) else { continue };
        let kind = if table.is_view { ObjectKind::View } else { ObjectKind::Table };
        let mut group = home as u64;
        if with_own.contains(&(table.database.as_str(), table.name.as_str())) {
            group = (facts.databases.len() + groups.len()) as u64;
            groups.push(Group { id: group, database: &table.database, table: Some(&table.name) });
        }
        objects.push(object(kind, table.qualified(), group));
    }
    (objects, groups)
}

/// Rights that an account has by itself (`way` is empty) or through a role.
fn of_holder(
    facts: &MysqlFacts,
    grants: &[MyGrant],
    groups: &[Group<'_>],
    login: &MyAccount,
    way: &[(String, String)],
    rights: &mut Vec<EffectiveRight>,
) {
    let (user, host) = way.last().map_or((login.user.as_str(), login.host.as_str()), |(u, h)| (u.as_str(), h.as_str()));
    let Some(holder) = facts.account(user, host) else { return };
    // On MySQL all roles can be set to be active at log-in; `SET ROLE` is then no step of its own.
    let is_active = way.first().is_none_or(|(role, _)| login.default_roles.contains(role));
    let becomes = (!is_active).then(|| way.first().map(|(role, _)| role.clone())).flatten();
    let through: Vec<String> = way.iter().map(|(role, _)| role.clone()).collect();
    let of_holder: Vec<&MyGrant> = grants.iter().filter(|g| g.user == user && g.host == host).collect();
    let mut add = |group: &Group<'_>, word: &str, on: &str, columns: &[String]| {
        let Some(right) = right_of(word, group.table.is_some() || !columns.is_empty()) else { return };
        rights.push(EffectiveRight {
            login: login.user.clone(),
            group: group.id,
            right,
            becomes: becomes.clone(),
            path: path(&through, user, host, word, on, columns),
            columns: columns.to_vec(),
        });
    };
    for group in groups {
        for word in holder.global.iter().filter(|word| !holder.is_restricted(word, group.database)) {
            add(group, word, "*.*", &[]);
        }
        let is_of = |pattern: &str| match facts.are_patterns_literal() {
            true => pattern == group.database || pattern == escaped(group.database),
            false => matches(pattern, group.database),
        };
        let matching = |grant: &&&MyGrant| matches!(&grant.scope, MyScope::Database(p) if is_of(p));
        let rank = |grant: &MyGrant| match &grant.scope {
            MyScope::Database(pattern) => first_wildcard(pattern).unwrap_or(usize::MAX),
            MyScope::Table(..) | MyScope::Columns(..) | MyScope::Routine(..) => 0,
        };
        let best = of_holder.iter().filter(matching).map(|grant| rank(grant)).max();
        for grant in of_holder.iter().filter(matching).filter(|grant| Some(rank(grant)) == best) {
            let MyScope::Database(pattern) = &grant.scope else { continue };
            for word in &grant.rights {
                add(group, word, &format!("{}.*", ident(pattern)), &[]);
            }
        }
        let Some(table) = group.table else { continue };
        let on = format!("{}.{}", ident(group.database), ident(table));
        for grant in &of_holder {
            let columns: &[String] = match &grant.scope {
                MyScope::Table(database, name) if database == group.database && name == table => &[],
                MyScope::Columns(database, name, columns) if database == group.database && name == table => columns,
                _ => continue,
            };
            for word in &grant.rights {
                add(group, word, &on, columns);
            }
        }
    }
}

/// The neutral word. On a database without a table, every other right there is a reason to be in it.
fn right_of(word: &str, is_table: bool) -> Option<Right> {
    Some(match word {
        "SELECT" => Right::Read,
        "INSERT" => Right::Insert,
        "UPDATE" => Right::Update,
        "DELETE" => Right::Delete,
        // It also lets its holder empty the table.
        "DROP" => Right::Truncate,
        "REFERENCES" => Right::References,
        "TRIGGER" => Right::Trigger,
        "ALTER" | "INDEX" => Right::Maintain,
        "CREATE" => Right::Create,
        "EXECUTE"
        | "CREATE VIEW"
        | "SHOW VIEW"
        | "CREATE ROUTINE"
        | "ALTER ROUTINE"
        | "EVENT"
        | "LOCK TABLES"
        | "CREATE TEMPORARY TABLES"
        | "DELETE HISTORY"
            if !is_table =>
        {
            Right::Usage
        }
        _ => return None,
    })
}

fn path(through: &[String], user: &str, host: &str, word: &str, on: &str, columns: &[String]) -> RightPath {
    let holder = account(user, host);
    let word = match columns.is_empty() {
        true => word.to_owned(),
        false => format!("{word} ({})", columns.iter().map(|c| ident(c)).collect::<Vec<_>>().join(", ")),
    };
    let mut concerns = Vec::new();
    if on == "*.*" {
        concerns.push(format!("{holder} loses the right on every database"));
    }
    if let Some(role) = through.last() {
        concerns.push(format!("everybody in the role {role} loses it"));
    }
    RightPath::Entry {
        through: through.to_vec(),
        entry: format!("granted on {on} to {holder}"),
        end: Some(EntryEnd {
            before: "REVOKE ".to_owned(),
            word,
            after: format!(" ON {on} FROM {holder}"),
            undo_before: "GRANT ".to_owned(),
            undo_after: format!(" ON {on} TO {holder}"),
        }),
        concerns: concerns.join("; "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, global: &[&str]) -> MyAccount {
        MyAccount {
            user: name.to_owned(),
            host: "%".to_owned(),
            global: global.iter().map(|w| (*w).to_owned()).collect(),
            ..MyAccount::default()
        }
    }

    fn grant(name: &str, host: &str, scope: MyScope, rights: &[&str]) -> MyGrant {
        MyGrant {
            user: name.to_owned(),
            host: host.to_owned(),
            scope,
            rights: rights.iter().map(|w| (*w).to_owned()).collect(),
        }
    }

    fn told(effective: &Effective, login: &str, object: &str) -> Vec<String> {
        let object = effective.objects.iter().find(|o| o.name == object).unwrap();
        let of = effective.rights.iter().filter(|r| r.login == login && r.group == object.group);
        of.map(|r| format!("{}{}", r.right, if r.becomes.is_some() { " after SET ROLE" } else { "" })).collect()
    }

    #[test]
    fn the_servers_rules_are_followed() {
        let mut locked = user("locked", &["SELECT"]);
        locked.is_locked = true;
        let role = MyAccount { user: "reader".to_owned(), is_role: true, ..MyAccount::default() };
        let database = |pattern: &str| MyScope::Database(pattern.to_owned());
        let facts = MysqlFacts {
            is_mariadb: true,
            accounts: Readable::Read(vec![
                user("app", &[]),
                locked,
                role,
                user("root2", &["SELECT", "INSERT", "UPDATE", "DELETE", "DROP", "SUPER"]),
            ]),
            grants: Readable::Read(vec![
                grant("app", "%", database("svc_a"), &["DROP", "SELECT"]),
                grant("app", "%", database("svc\\_a"), &["SELECT"]),
                grant("app", "%", MyScope::Table("other".to_owned(), "t".to_owned()), &["INSERT"]),
                grant(
                    "app",
                    "%",
                    MyScope::Columns("other".to_owned(), "t".to_owned(), vec!["c".to_owned()]),
                    &["UPDATE"],
                ),
                grant("reader", "", database("other"), &["EXECUTE", "SELECT"]),
            ]),
            members: vec![crate::model::access::mysql::MyMember {
                user: "app".to_owned(),
                host: "%".to_owned(),
                role: "reader".to_owned(),
                role_host: String::new(),
                admin: false,
            }],
            proxies: Readable::Read(Vec::new()),
            databases: vec!["other".to_owned(), "svcXa".to_owned(), "svc_a".to_owned()],
            settings: BTreeMap::new(),
            plugins: Vec::new(),
            code: Readable::Read(Vec::new()),
            servers: Readable::Read(Vec::new()),
        };
        let table =
            |database: &str, name: &str| Table { database: database.to_owned(), name: name.to_owned(), is_view: false };
        let tables = [table("other", "t"), table("other", "u"), table("svcXa", "t"), table("svc_a", "t")];
        let effective = work_out(&facts, &tables);
        assert_eq!(told(&effective, "app", "svcXa.t"), ["SELECT", "TRUNCATE"], "the wildcard that nobody meant");
        assert_eq!(told(&effective, "app", "svc_a.t"), ["SELECT"], "the more specific entry alone");
        assert_eq!(told(&effective, "app", "other.t"), ["SELECT after SET ROLE", "INSERT", "UPDATE"]);
        assert_eq!(told(&effective, "app", "other.u"), ["SELECT after SET ROLE", "USAGE after SET ROLE"]);
        assert!(told(&effective, "locked", "other.u").is_empty() && told(&effective, "root2", "other.u").is_empty());
        let update = effective.rights.iter().find(|r| r.right == Right::Update).unwrap();
        let RightPath::Entry { end: Some(end), .. } = &update.path else { panic!("{update:?}") };
        assert_eq!(
            format!("{}{}{}", end.before, end.word, end.after),
            "REVOKE UPDATE (`c`) ON `other`.`t` FROM 'app'@'%'"
        );
    }
}

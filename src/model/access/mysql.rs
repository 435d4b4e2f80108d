//! What only MariaDB and MySQL have: the facts that the rules MY-01 to MY-28 judge.
//!
//! Invariant: no field holds a password, a hash of one, or the text of a program.

use crate::model::access::postgres::Readable;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An account, `'user'@'host'`, or a role.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MyAccount {
    /// User; empty for an anonymous account.
    pub user: String,
    /// Host, with its wildcards; empty for a role of MariaDB.
    pub host: String,
    /// Nobody can log in as it.
    pub is_role: bool,
    /// Authentication plugin; empty: the server's default.
    pub plugin: String,
    /// Other plugins that let it in as well.
    pub alternatives: Vec<String>,
    /// Somebody can log in as it without a password. `None`: not told, because that would show hashes.
    pub lacks_password: Option<bool>,
    /// Locked.
    pub is_locked: bool,
    /// It must connect encrypted.
    pub requires_tls: bool,
    /// `None`: the server's default.
    pub password_lifetime_days: Option<u64>,
    /// 0: no limit. `None`: not told.
    pub max_connections: Option<u64>,
    /// Another account whose password has the same hash, where hashes without salt tell. Never the hash.
    pub same_password_as: Option<String>,
    /// Global rights as `GRANT` spells them, sorted; `GRANT OPTION` among them.
    pub global: Vec<String>,
    /// Databases on which some of the global rights were taken away, and which (MySQL, `partial_revokes`).
    #[serde(default)]
    pub restrictions: Vec<(String, Vec<String>)>,
    /// Roles whose rights it has without `SET ROLE`.
    pub default_roles: Vec<String>,
}

impl MyAccount {
    /// As it stands in a statement.
    pub fn name(&self) -> String {
        account(&self.user, &self.host)
    }

    /// It has a global right.
    pub fn may(&self, right: &str) -> bool {
        self.global.iter().any(|word| word == right)
    }

    /// Its host is this machine.
    pub fn is_local(&self) -> bool {
        matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "::1")
    }

    /// The server made it for itself, or for the administrator on this machine: such accounts cannot be done without.
    pub fn is_built_in(&self) -> bool {
        let servers = ["mariadb.sys", "mysql.sys", "mysql.session", "mysql.infoschema", "mysql"];
        self.is_local() && (self.user == "root" || servers.contains(&self.user.as_str()))
    }

    /// A global right that was taken away on one database (MySQL, `partial_revokes`).
    pub fn is_restricted(&self, right: &str, database: &str) -> bool {
        self.restrictions.iter().any(|(from, rights)| from == database && rights.iter().any(|word| word == right))
    }

    /// No right is asked of it, in effect: it can give itself every one.
    pub fn is_unlimited(&self) -> bool {
        let all = ["SELECT", "INSERT", "UPDATE", "DELETE", "DROP"];
        all.iter().all(|right| self.may(right)) && (self.may("SUPER") || self.may("CREATE USER"))
    }
}

/// On what a grant below the global ones is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MyScope {
    /// Every database whose name matches, with `_`, `%` and `\`.
    Database(String),
    /// One table or view: database, name.
    Table(String, String),
    /// Columns of a table: database, table, columns.
    Columns(String, String, Vec<String>),
    /// A routine: database, name, `FUNCTION` or `PROCEDURE`.
    Routine(String, String, String),
}

/// A grant below the global ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MyGrant {
    /// User or role.
    pub user: String,
    /// Host; empty for a role of MariaDB.
    pub host: String,
    /// On what.
    pub scope: MyScope,
    /// Words as `GRANT` spells them, sorted; `GRANT OPTION` among them.
    pub rights: Vec<String>,
}

/// One account or role is in a role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MyMember {
    /// User or role.
    pub user: String,
    /// Host; empty for a role of MariaDB.
    pub host: String,
    /// The role.
    pub role: String,
    /// The role's host; empty on MariaDB.
    pub role_host: String,
    /// It may give the role to others.
    pub admin: bool,
}

/// `GRANT PROXY`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MyProxy {
    /// Who may act as another.
    pub user: String,
    /// Its host.
    pub host: String,
    /// As whom; empty: anybody.
    pub proxied_user: String,
    /// Its host.
    pub proxied_host: String,
    /// It may pass that on.
    pub with_grant: bool,
}

/// A view, routine, trigger or event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MyCode {
    /// `VIEW`, `PROCEDURE`, `FUNCTION`, `TRIGGER`, `EVENT`.
    pub kind: String,
    /// Database.
    pub database: String,
    /// Name.
    pub name: String,
    /// Whose rights it has, where it runs with its definer's: `user@host`.
    pub definer: String,
    /// It runs with its definer's rights.
    pub is_definers: bool,
    /// The table of a trigger, `database.table`; empty for others.
    pub on_table: String,
    /// False: an event that is switched off.
    pub is_enabled: bool,
    /// Tables that its text names; `None`: the text was not read.
    pub tables: Option<Vec<String>>,
}

impl MyCode {
    /// `database.name`.
    pub fn qualified(&self) -> String {
        format!("{}.{}", self.database, self.name)
    }

    /// As it stands in a statement.
    pub fn quoted(&self) -> String {
        format!("{}.{}", ident(&self.database), ident(&self.name))
    }
}

/// A server elsewhere that tables of FEDERATED, CONNECT or SPIDER are on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MyServer {
    /// Name.
    pub name: String,
    /// Wrapper, such as `mysql`.
    pub wrapper: String,
    /// Host and database there.
    pub target: String,
    /// A password is stored with it; `None`: not told. Never the password.
    pub has_password: Option<bool>,
}

/// Facts of one server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MysqlFacts {
    /// MariaDB; false: MySQL.
    pub is_mariadb: bool,
    /// Accounts and roles, sorted.
    pub accounts: Readable<Vec<MyAccount>>,
    /// Grants below the global ones, sorted.
    pub grants: Readable<Vec<MyGrant>>,
    /// Who is in which role, sorted.
    pub members: Vec<MyMember>,
    /// Who may act as whom.
    pub proxies: Readable<Vec<MyProxy>>,
    /// Databases that are not the server's own.
    pub databases: Vec<String>,
    /// Settings that rules judge, by name; one that is not here does not exist in this version.
    pub settings: BTreeMap<String, String>,
    /// Active plugins of the kinds that rules judge (audit, password validation).
    pub plugins: Vec<String>,
    /// Views, routines, triggers, events.
    pub code: Readable<Vec<MyCode>>,
    /// Servers elsewhere.
    pub servers: Readable<Vec<MyServer>>,
}

impl MysqlFacts {
    /// `_` and `%` are no wildcards in grants on a database (MySQL, `partial_revokes`).
    pub fn are_patterns_literal(&self) -> bool {
        self.settings.get("partial_revokes").is_some_and(|value| value == "ON")
    }

    /// Accounts that somebody can log in as; roles are left out. Empty where they were not read.
    pub fn logins(&self) -> impl Iterator<Item = &MyAccount> {
        let all: &[MyAccount] = match &self.accounts {
            Readable::Read(accounts) => accounts,
            Readable::Hidden(_) => &[],
        };
        all.iter().filter(|account| !account.is_role)
    }

    /// An account or role.
    pub fn account(&self, user: &str, host: &str) -> Option<&MyAccount> {
        let Readable::Read(accounts) = &self.accounts else { return None };
        accounts.iter().find(|account| account.user == user && account.host == host)
    }

    /// Roles that an account or role reaches, with the way to each: the way's last one is the role. Shortest first.
    ///
    /// Invariant: a circle ends the search, never hangs it.
    pub fn roles_of(&self, user: &str, host: &str) -> Vec<Vec<(String, String)>> {
        let mut ways: Vec<Vec<(String, String)>> = Vec::new();
        let mut at = 0;
        let mut from = Vec::new();
        let (mut holder, mut holder_host) = (user.to_owned(), host.to_owned());
        loop {
            for member in self.members.iter().filter(|m| m.user == holder && m.host == holder_host) {
                let role = (member.role.clone(), member.role_host.clone());
                let known = ways.iter().any(|way| way.last() == Some(&role)) || (role.0 == user && role.1 == host);
                if !known {
                    let mut way: Vec<(String, String)> = from.clone();
                    way.push(role);
                    ways.push(way);
                }
            }
            let Some(way) = ways.get(at) else { return ways };
            at += 1;
            let Some((role, role_host)) = way.last().cloned() else { return ways };
            (holder, holder_host) = (role, role_host);
            from.clone_from(way);
        }
    }
}

/// A name as it stands in a statement.
pub fn ident(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// An account as it stands in a statement. A role of MariaDB has no host.
pub fn account(user: &str, host: &str) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
    if host.is_empty() && !user.is_empty() { quoted(user) } else { format!("{}@{}", quoted(user), quoted(host)) }
}

/// True when a pattern of a database-level grant has a wildcard that is not escaped.
pub fn has_wildcard(pattern: &str) -> bool {
    first_wildcard(pattern).is_some()
}

/// At which character the first wildcard stands that is not escaped. The server prefers the pattern whose wildcard comes last.
pub fn first_wildcard(pattern: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in pattern.chars().enumerate() {
        match c {
            '\\' if !escaped => {
                escaped = true;
                continue;
            }
            '_' | '%' if !escaped => return Some(at),
            _ => {}
        }
        escaped = false;
    }
    None
}

/// A pattern with its wildcards escaped.
pub fn escaped(name: &str) -> String {
    name.replace('_', "\\_").replace('%', "\\%")
}

/// True when a database's name matches the pattern of a grant: `_` is any one character, `%` any text, `\` takes that away.
pub fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    // At most one way back is needed: to the last `%`.
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        let literal = match pattern.get(p) {
            Some('\\') if pattern.len() > p + 1 => Some((pattern.get(p + 1), 2)),
            Some('%') => {
                star = Some((p, n));
                p += 1;
                continue;
            }
            Some('_') => None,
            Some(_) => Some((pattern.get(p), 1)),
            None => Some((None, 1)),
        };
        let step = match literal {
            None => Some(1),
            Some((c, step)) if c == name.get(n) => Some(step),
            Some(_) => None,
        };
        match (step, star) {
            (Some(step), _) => {
                p += step;
                n += 1;
            }
            (None, Some((at, from))) => {
                p = at + 1;
                n = from + 1;
                star = Some((at, from + 1));
            }
            (None, None) => return false,
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|c| *c == '%'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_the_server_matches() {
        for (pattern, name, is) in [
            ("svc_a", "svcXa", true),
            ("svc\\_a", "svcXa", false),
            ("svc\\_a", "svc_a", true),
            ("test\\_%", "test_", true),
            ("test\\_%", "tests", false),
            ("%", "", true),
            ("%a%b", "xaybzb", true),
            ("%a%b", "xaybz", false),
            ("a", "ab", false),
            ("ab", "a", false),
        ] {
            assert_eq!(matches(pattern, name), is, "{pattern} {name}");
        }
        assert_eq!((first_wildcard("svc\\_a%"), has_wildcard("svc\\_a")), (Some(6), false));
        assert!(matches(&escaped("a_b%c"), "a_b%c") && !has_wildcard(&escaped("a_b%c")));
    }

    #[test]
    fn names_cannot_be_left() {
        assert_eq!(account("o'x\\", "%"), "'o''x\\\\'@'%'");
        assert_eq!(account("reader", ""), "'reader'");
        assert_eq!(account("", "h"), "''@'h'");
        assert_eq!(ident("a`b"), "`a``b`");
    }
}

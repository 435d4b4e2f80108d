//! What only MongoDB has: the facts that the rules MG-01 to MG-18 judge.
//!
//! Invariant: no field holds a password or a SCRAM key.

use crate::model::access::postgres::Readable;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A role or user with its database.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Placed {
    /// Name.
    pub name: String,
    /// Database.
    pub database: String,
}

impl fmt::Display for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.database)
    }
}

/// What a privilege is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MongoResource {
    /// Everything, the server's own collections too.
    Any,
    /// The server or the set itself.
    Cluster,
    /// A database and a collection; empty: all of them, the server's own collections left out.
    Collection {
        /// Database.
        database: String,
        /// Collection.
        collection: String,
    },
}

impl MongoResource {
    /// Documents of this collection are meant.
    pub fn covers(&self, database: &str, collection: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Cluster => false,
            Self::Collection { database: d, collection: c } => {
                (d.is_empty() || d == database) && (c.is_empty() || c == collection)
            }
        }
    }

    /// All databases are meant.
    pub fn is_everywhere(&self) -> bool {
        match self {
            Self::Any => true,
            Self::Cluster => false,
            Self::Collection { database, collection } => database.is_empty() && collection.is_empty(),
        }
    }
}

impl fmt::Display for MongoResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("{ anyResource: true }"),
            Self::Cluster => f.write_str("{ cluster: true }"),
            Self::Collection { database, collection } => {
                write!(f, "{{ db: {database:?}, collection: {collection:?} }}")
            }
        }
    }
}

/// A privilege.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MongoPrivilege {
    /// On what.
    pub resource: MongoResource,
    /// Actions, sorted.
    pub actions: Vec<String>,
}

impl MongoPrivilege {
    /// It has an action, by its name or by being every action.
    pub fn allows(&self, action: &str) -> bool {
        self.actions.iter().any(|a| a == action || a == "anyAction")
    }
}

/// A user.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MongoUser {
    /// Who.
    pub user: Placed,
    /// Roles that were granted to it, sorted.
    pub roles: Vec<Placed>,
    /// Roles that it has through them, sorted.
    pub inherited: Vec<Placed>,
    /// `SCRAM-SHA-1`, `SCRAM-SHA-256`.
    pub mechanisms: Vec<String>,
    /// It may log in from some addresses only; `None`: not told.
    pub is_restricted: Option<bool>,
    /// It logs in by something else than a password (x.509, LDAP).
    pub is_external: bool,
}

impl MongoUser {
    /// Every role that it has.
    pub fn all_roles(&self) -> impl Iterator<Item = &Placed> {
        self.roles.iter().chain(self.inherited.iter().filter(|role| !self.roles.contains(role)))
    }
}

/// A role that somebody made, or one of the server's own that somebody has.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MongoRole {
    /// Which.
    pub role: Placed,
    /// One of the server's own.
    pub is_built_in: bool,
    /// Roles that it inherits from, directly.
    pub roles: Vec<Placed>,
    /// Its own privileges.
    pub privileges: Vec<MongoPrivilege>,
    /// With those that it inherits.
    pub effective: Vec<MongoPrivilege>,
}

/// Facts of one server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MongoFacts {
    /// Users, sorted.
    pub users: Readable<Vec<MongoUser>>,
    /// Roles, sorted: all that somebody made, and those of the server's own that are in use.
    pub roles: Readable<Vec<MongoRole>>,
    /// The server's options that rules judge, as `security.authorization`; one that is not here has its default.
    pub options: Readable<BTreeMap<String, String>>,
    /// Databases whose profiler is on, with its level; `None` in it: the level was not told.
    pub profiling: Readable<BTreeMap<String, u64>>,
    /// Server parameters that rules judge.
    pub parameters: Readable<BTreeMap<String, String>>,
    /// It is a member of a replica set.
    pub is_in_set: bool,
    /// It is a build with auditing (Enterprise, Percona).
    pub can_audit: bool,
}

impl MongoFacts {
    /// Users; empty where they were not read.
    pub fn users(&self) -> &[MongoUser] {
        match &self.users {
            Readable::Read(users) => users,
            Readable::Hidden(_) => &[],
        }
    }

    /// Roles; empty where they were not read.
    pub fn roles(&self) -> &[MongoRole] {
        match &self.roles {
            Readable::Read(roles) => roles,
            Readable::Hidden(_) => &[],
        }
    }

    /// A role.
    pub fn role(&self, role: &Placed) -> Option<&MongoRole> {
        self.roles().iter().find(|known| known.role == *role)
    }

    /// No right is asked of a user: it has every action on everything, or can give itself that.
    pub fn is_unlimited(&self, user: &MongoUser) -> bool {
        user.all_roles().any(|role| matches!(role.name.as_str(), "root" | "__system") && role.database == "admin")
            || user
                .roles
                .iter()
                .filter_map(|role| self.role(role))
                .any(|role| role.effective.iter().any(|p| p.resource == MongoResource::Any && p.allows("anyAction")))
    }
}

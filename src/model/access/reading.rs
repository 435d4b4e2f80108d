//! One look at who may do what on a store.

use crate::model::access::login::{Login, Membership};
use crate::model::access::object::{Link, Object, ObjectKind};
use crate::model::access::postgres::PostgresFacts;
use crate::model::access::right::EffectiveRight;
use serde::{Deserialize, Serialize};

/// A service's live session, or several alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LiveLogin {
    /// Login.
    pub login: String,
    /// What the client calls itself.
    pub application: String,
    /// Address, or `local`.
    pub client: String,
    /// `Some(false)`: not encrypted; `None`: not told.
    pub encrypted: Option<bool>,
    /// It streams the log.
    pub replicates: bool,
    /// How many sessions are alike.
    pub sessions: u64,
}

/// Everything that one look gives. The lists are sorted, so that two looks can be compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccessReading {
    /// Accounts and roles.
    pub logins: Vec<Login>,
    /// Who is in which role.
    pub memberships: Vec<Membership>,
    /// Databases, schemas, tables, views, sequences, functions.
    pub objects: Vec<Object>,
    /// Rights that take effect. A login with `is_unlimited` has none listed: it has all.
    pub rights: Vec<EffectiveRight>,
    /// Ties between objects.
    pub links: Vec<Link>,
    /// Who is connected now.
    pub live: Vec<LiveLogin>,
    /// What only this engine has.
    pub engine: EngineFacts,
}

/// Facts that only one kind of engine has. Each engine's rules take theirs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "engine", content = "facts")]
pub enum EngineFacts {
    /// PostgreSQL.
    Postgres(Box<PostgresFacts>),
    /// An engine without rules of its own: only ownership is judged.
    Other,
}

impl AccessReading {
    /// PostgreSQL's facts, where it is one.
    pub fn postgres(&self) -> Option<&PostgresFacts> {
        match &self.engine {
            EngineFacts::Postgres(facts) => Some(facts),
            EngineFacts::Other => None,
        }
    }

    /// Objects of one kind.
    pub fn of_kind(&self, kind: ObjectKind) -> impl Iterator<Item = &Object> {
        self.objects.iter().filter(move |object| object.kind == kind)
    }

    /// What a login may do with an object.
    pub fn rights_of<'a>(&'a self, login: &'a str, object: &'a Object) -> impl Iterator<Item = &'a EffectiveRight> {
        // Sorted by login, then group: the range of one pair is found without looking at the rest.
        let key = (login, object.group);
        let from = self.rights.partition_point(|r| (r.login.as_str(), r.group) < key);
        self.rights.iter().skip(from).take_while(move |r| (r.login.as_str(), r.group) == key)
    }

    /// A login by its name.
    pub fn login(&self, name: &str) -> Option<&Login> {
        self.logins.iter().find(|login| login.name == name)
    }
}

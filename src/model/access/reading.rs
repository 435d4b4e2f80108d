//! One look at who may do what on a store.

use crate::model::access::login::{Login, Membership};
use crate::model::access::mongodb::MongoFacts;
use crate::model::access::mysql::MysqlFacts;
use crate::model::access::object::{Link, Object, ObjectKind};
use crate::model::access::postgres::PostgresFacts;
use crate::model::access::redis::RedisFacts;
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
    /// What could not be read, so that no rule takes an empty list for a sound one.
    pub unread: Unread,
    /// The database that names without one belong to; `None`: names are written in full, or there are no databases.
    pub home: Option<String>,
    /// What only this engine has.
    pub engine: EngineFacts,
}

/// Why parts of a reading are empty. `None`: the part was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// Logins and their rights.
    pub rights: Option<String>,
    /// Which tables sessions use: nothing is observed then, which is not the same as nobody.
    pub uses: Option<String>,
    /// What views, routines, triggers and events work on.
    pub code: Option<String>,
    /// Other logins' sessions.
    pub sessions: Option<String>,
}

/// A kind of engine, as far as rules differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EngineKind {
    /// PostgreSQL.
    Postgres,
    /// MariaDB and MySQL.
    Mysql,
    /// MongoDB.
    Mongo,
    /// Redis and Valkey.
    Redis,
    /// Another one.
    Other,
}

impl EngineKind {
    /// All that have rules of their own.
    pub const ALL: [Self; 4] = [Self::Postgres, Self::Mysql, Self::Mongo, Self::Redis];

    /// The name in sentences.
    pub fn word(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Mysql => "MariaDB and MySQL",
            Self::Mongo => "MongoDB",
            Self::Redis => "Redis and Valkey",
            Self::Other => "another engine",
        }
    }
}

/// Facts that only one kind of engine has. Each engine's rules take theirs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "engine", content = "facts")]
pub enum EngineFacts {
    /// PostgreSQL.
    Postgres(Box<PostgresFacts>),
    /// MariaDB or MySQL.
    Mysql(Box<MysqlFacts>),
    /// MongoDB.
    Mongo(Box<MongoFacts>),
    /// Redis or Valkey.
    Redis(Box<RedisFacts>),
    /// An engine without rules of its own: only ownership is judged.
    Other,
}

impl AccessReading {
    /// PostgreSQL's facts, where it is one.
    pub fn postgres(&self) -> Option<&PostgresFacts> {
        match &self.engine {
            EngineFacts::Postgres(facts) => Some(facts),
            EngineFacts::Mysql(_) | EngineFacts::Mongo(_) | EngineFacts::Redis(_) | EngineFacts::Other => None,
        }
    }

    /// Which kind of engine it is.
    pub fn kind(&self) -> EngineKind {
        match &self.engine {
            EngineFacts::Postgres(_) => EngineKind::Postgres,
            EngineFacts::Mysql(_) => EngineKind::Mysql,
            EngineFacts::Mongo(_) => EngineKind::Mongo,
            EngineFacts::Redis(_) => EngineKind::Redis,
            EngineFacts::Other => EngineKind::Other,
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

//! What only PostgreSQL has: the facts that the rules PG-01 to PG-35 judge.
//!
//! Invariant: no field holds a password, a hash of one, or an option of a user mapping.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Something that the monitoring account may not be able to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Readable<T> {
    /// It was read.
    Read(T),
    /// It was not, and why.
    Hidden(String),
}

/// How a role's password is kept. Never the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PasswordKind {
    /// None is set.
    None,
    /// MD5.
    Md5,
    /// SCRAM-SHA-256.
    Scram,
    /// Something else.
    Other,
}

/// A role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PgRole {
    /// Name.
    pub name: String,
    /// The one that initdb made.
    pub is_bootstrap: bool,
    /// SUPERUSER.
    pub superuser: bool,
    /// CREATEROLE.
    pub create_role: bool,
    /// CREATEDB.
    pub create_database: bool,
    /// LOGIN.
    pub login: bool,
    /// REPLICATION.
    pub replication: bool,
    /// BYPASSRLS.
    pub bypass_row_security: bool,
    /// CONNECTION LIMIT; -1: none.
    pub connection_limit: i32,
    /// VALID UNTIL; `None`: never expires.
    pub valid_until: Option<DateTime<Utc>>,
    /// Settings of the role, in all databases or in this one: `name`, value.
    pub settings: Vec<RoleSetting>,
}

/// `ALTER ROLE ... SET`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RoleSetting {
    /// Setting.
    pub name: String,
    /// Value.
    pub value: String,
    /// True: only in this database.
    pub in_database: bool,
}

/// One entry of an ACL, of somebody who is not the object's owner.
///
/// Invariant: PostgreSQL writes the owner's own rights into an ACL once it has any entry; those are no grants and are never here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Grant {
    /// To whom; `None`: PUBLIC.
    pub grantee: Option<String>,
    /// By whom.
    pub grantor: String,
    /// The words of the rights that may not be passed on, sorted.
    pub rights: Vec<String>,
    /// The words of those that may (WITH GRANT OPTION), sorted.
    pub grantable: Vec<String>,
}

impl Grant {
    /// All rights, whether they may be passed on or not.
    pub fn all(&self) -> Vec<&str> {
        let mut all: Vec<&str> = self.rights.iter().chain(&self.grantable).map(String::as_str).collect();
        all.sort_unstable();
        all
    }
}

/// A database, schema, language, server: what is few and has an ACL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PgContainer {
    /// Name as it stands in a statement.
    pub name: String,
    /// Owner.
    pub owner: String,
    /// Grants to others.
    pub grants: Vec<Grant>,
}

/// Kind of a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelationKind {
    /// A table, partitioned or not, or a partition.
    Table,
    /// A view.
    View,
    /// A materialised view.
    MaterialisedView,
    /// A sequence.
    Sequence,
    /// A table of a foreign server.
    ForeignTable,
}

impl RelationKind {
    /// The word of GRANT and ALTER.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Table => "TABLE",
            Self::View => "VIEW",
            Self::MaterialisedView => "MATERIALIZED VIEW",
            Self::Sequence => "SEQUENCE",
            Self::ForeignTable => "FOREIGN TABLE",
        }
    }
}

/// A table, view or sequence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PgRelation {
    /// Qualified name as it stands in a statement.
    pub name: String,
    /// Schema as it stands in a statement.
    pub schema: String,
    /// Kind.
    pub kind: RelationKind,
    /// Owner.
    pub owner: String,
    /// Its grants are those of this group in [`PostgresFacts::grants`].
    pub group: u64,
    /// Row-level security is on.
    pub row_security: bool,
    /// ... for its owner too.
    pub row_security_forced: bool,
    /// Number of policies.
    pub policies: u64,
    /// A view that works with the caller's rights.
    pub security_invoker: bool,
    /// A table of this name's partition, made and owned with it.
    pub is_partition: bool,
    /// It belongs to a column (serial, identity).
    pub is_owned_sequence: bool,
}

/// Grants on columns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ColumnGrant {
    /// The relation as it stands in a statement.
    pub relation: String,
    /// The column, quoted where it must be.
    pub column: String,
    /// The grant.
    pub grant: Grant,
}

/// `ALTER DEFAULT PRIVILEGES`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DefaultGrant {
    /// Whose future objects.
    pub owner: String,
    /// In which schema; `None`: in all.
    pub schema: Option<String>,
    /// `TABLES`, `SEQUENCES`, `FUNCTIONS`, `TYPES`, `SCHEMAS`.
    pub objects: String,
    /// The grant.
    pub grant: Grant,
}

/// A function or procedure that no extension made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PgFunction {
    /// Qualified name with argument types, as it stands in a statement.
    pub name: String,
    /// Schema.
    pub schema: String,
    /// Owner.
    pub owner: String,
    /// SECURITY DEFINER.
    pub definer: bool,
    /// Its own `search_path`; `None`: that of the caller.
    pub search_path: Option<String>,
    /// Anybody may run it.
    pub is_public: bool,
    /// Nobody touched its ACL: PUBLIC may run it by default.
    pub has_default_acl: bool,
    /// Logins that may run it although they do not own it (only asked for a definer's).
    pub callers: Vec<String>,
    /// Relations that its text names, where it can be told.
    pub relations: Vec<String>,
    /// `PROCEDURE` or `FUNCTION`.
    pub keyword: String,
    /// It is a trigger's function: it cannot be called.
    pub is_trigger: bool,
}

/// A line of pg_hba.conf that is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HbaLine {
    /// Line number.
    pub line: i32,
    /// `local`, `host`, `hostssl`, `hostnossl`, ...
    pub kind: String,
    /// Databases.
    pub databases: Vec<String>,
    /// Roles.
    pub users: Vec<String>,
    /// Address; empty for `local`.
    pub address: String,
    /// Mask, where the address has none.
    pub mask: String,
    /// `trust`, `scram-sha-256`, ...
    pub method: String,
}

/// A server elsewhere with what maps logins to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PgServer {
    /// Name, owner and grants.
    pub server: PgContainer,
    /// The wrapper: `postgres_fdw`, ...
    pub wrapper: String,
    /// Logins with a mapping; `None`: PUBLIC. Whether it holds a password, where that can be told.
    pub mappings: Vec<(Option<String>, Option<bool>)>,
}

/// A publication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    /// Name as it stands in a statement.
    pub name: String,
    /// FOR ALL TABLES.
    pub all_tables: bool,
    /// Its tables.
    pub tables: Vec<String>,
}

/// A subscription or a replication slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// Name.
    pub name: String,
    /// True for a slot.
    pub is_slot: bool,
    /// It works now.
    pub active: bool,
}

/// A trigger on an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventTrigger {
    /// Name as it stands in a statement.
    pub name: String,
    /// Owner.
    pub owner: String,
    /// Enabled in some way.
    pub enabled: bool,
    /// Made by an extension.
    pub of_extension: bool,
}

/// A trigger on a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PgTrigger {
    /// Name as it stands in a statement.
    pub name: String,
    /// Its table.
    pub table: String,
    /// The function that it runs, qualified, with arguments.
    pub function: String,
    /// Enabled in some way.
    pub enabled: bool,
}

/// Facts of one database on one server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PostgresFacts {
    /// `server_version_num`.
    pub version: i32,
    /// This database.
    pub database: PgContainer,
    /// PUBLIC may connect to it.
    pub public_connects: bool,
    /// PUBLIC may make temporary tables in it.
    pub public_makes_temporary: bool,
    /// Roles, the server's own (`pg_*`) left out.
    pub roles: Vec<PgRole>,
    /// Password kinds by role.
    pub passwords: Readable<BTreeMap<String, PasswordKind>>,
    /// Schemas, the server's own left out.
    pub schemas: Vec<PgContainer>,
    /// Tables, views, sequences.
    pub relations: Vec<PgRelation>,
    /// Grants by group of relations.
    pub grants: BTreeMap<u64, Vec<Grant>>,
    /// Grants on columns.
    pub column_grants: Vec<ColumnGrant>,
    /// Grants on objects that do not exist yet.
    pub default_grants: Vec<DefaultGrant>,
    /// Functions.
    pub functions: Vec<PgFunction>,
    /// Settings by name; one that is not here was not shown.
    pub settings: BTreeMap<String, String>,
    /// pg_hba.conf.
    pub hba: Readable<Vec<HbaLine>>,
    /// Extensions.
    pub extensions: Vec<String>,
    /// Untrusted languages that are installed, without `c` and `internal`.
    pub untrusted_languages: Vec<String>,
    /// Servers elsewhere.
    pub servers: Vec<PgServer>,
    /// Publications.
    pub publications: Vec<Publication>,
    /// Subscriptions and slots of this database.
    pub streams: Vec<Stream>,
    /// Event triggers.
    pub event_triggers: Vec<EventTrigger>,
    /// Triggers on tables.
    pub triggers: Vec<PgTrigger>,
    /// Grants on settings; `None`: before 15 there are none.
    pub parameter_grants: Option<Vec<(String, Grant)>>,
    /// Whether sessions' encryption is shown.
    pub sees_sessions: bool,
}

impl PostgresFacts {
    /// A role by its name.
    pub fn role(&self, name: &str) -> Option<&PgRole> {
        self.roles.iter().find(|role| role.name == name)
    }

    /// Grants on a relation.
    pub fn grants_on(&self, relation: &PgRelation) -> &[Grant] {
        self.grants.get(&relation.group).map_or(&[], Vec::as_slice)
    }

    /// Relations of one kind.
    pub fn of_kind(&self, kind: RelationKind) -> impl Iterator<Item = &PgRelation> {
        self.relations.iter().filter(move |relation| relation.kind == kind)
    }
}

//! From a statement's text to its canonical form and its name.

use crate::advice::dialect::Dialect;
use crate::advice::hotspots::{canonical, mongo_command, redis_command, sql, tokens};
use crate::advice::ownership::{Owned, Ownership};
use crate::model::hotspot::{Fingerprint, StatementKind};
use crate::model::ids::ServiceId;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;

/// A statement in canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its name.
    pub fingerprint: Fingerprint,
    /// What the name is made of.
    pub canonical: String,
    /// False: it could not be parsed, and the canonical form is a list of tokens.
    pub parsed: bool,
    /// What it does.
    pub kind: StatementKind,
    /// The tables that it touches: each once, in order of logical name. Redis: empty.
    pub tables: Vec<Owned>,
    /// Owners of what it touches, sorted.
    pub services: Vec<ServiceId>,
}

/// Names a statement. `database` is where it ran: MongoDB's commands name their collection only.
pub fn name(dialect: Dialect, database: &str, text: &str, ownership: &Ownership) -> Named {
    let text = text.trim();
    let read = match dialect {
        Dialect::Postgres | Dialect::MariaDb | Dialect::MySql | Dialect::Sqlite => {
            sql::with_deep_stack(|| sql::parse(dialect, text).map(|statements| canonical::of(statements, ownership)))
        }
        Dialect::MongoDb => mongo_command::canonical(database, text, ownership),
        Dialect::Redis => redis_command::canonical(text, ownership),
    };
    let parsed = read.is_some();
    let read = read.unwrap_or_else(|| Canonical { text: tokens::canonical(dialect, text), ..Canonical::default() });
    let mut services: Vec<ServiceId> = read.tables.values().filter_map(|owned| owned.service.clone()).collect();
    services.extend(read.service);
    services.sort();
    services.dedup();
    Named {
        fingerprint: digest(&read.text),
        canonical: read.text,
        parsed,
        kind: read.kind,
        tables: read.tables.into_values().collect(),
        services,
    }
}

/// What the readers of each language make of a statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Canonical {
    /// Canonical form.
    pub text: String,
    /// What it does.
    pub kind: StatementKind,
    /// Its tables by logical name.
    pub tables: BTreeMap<String, Owned>,
    /// The owner of what is no table: a key.
    pub service: Option<ServiceId>,
}

/// The first 128 bits of the SHA-256, in hexadecimal.
pub fn digest(canonical: &str) -> Fingerprint {
    let mut name = String::with_capacity(32);
    for byte in Sha256::digest(canonical.as_bytes()).iter().take(16) {
        // Writing to a string cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    Fingerprint(name)
}

/// Logical operations that are declared to be one although their statements are in unlike languages.
#[derive(Clone, Debug, Default)]
pub struct Operations(BTreeMap<Fingerprint, String>);

impl Operations {
    /// Declares that a statement is the logical operation `name`.
    pub fn declare(mut self, name: &str, statement: &Named) -> Self {
        self.0.insert(statement.fingerprint.clone(), name.to_owned());
        self
    }

    /// The logical operation of a statement.
    pub fn of(&self, fingerprint: &Fingerprint) -> Option<&str> {
        self.0.get(fingerprint).map(String::as_str)
    }
}

//! What the profile declares about access, as far as it concerns one store.

use crate::model::access::object::plain;
use crate::model::ids::{ServiceId, StoreId};
use chrono::{DateTime, NaiveDate, Utc};

/// A service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredService {
    /// Its name.
    pub id: ServiceId,
    /// The store that it owns.
    pub home: StoreId,
    /// Its logins, on every store.
    pub accounts: Vec<String>,
    /// Logical tables of other services that it may read.
    pub allowed_reads: Vec<String>,
    /// Last day on which `allowed_reads` hold; `None`: for good.
    pub until: Option<NaiveDate>,
}

/// A table of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredTable {
    /// Its name on this store, qualified and without quotes.
    pub name: String,
    /// Its name in the profile.
    pub logical: String,
    /// Its owner.
    pub service: ServiceId,
    /// When traffic went to another store; `None`: this one serves it, or will.
    pub moved_at: Option<DateTime<Utc>>,
    /// It must be here by now: a missing one is a finding.
    pub is_expected: bool,
}

/// Somebody answers for a finding until a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiver {
    /// Rule id.
    pub rule: String,
    /// Where.
    pub store: StoreId,
    /// The finding's subject, exactly.
    pub subject: String,
    /// Who answers for it.
    pub who: String,
    /// Last day.
    pub until: NaiveDate,
    /// Why.
    pub why: String,
}

/// Rules of the advice on indexes. A test compares them with what the rules call themselves.
pub const INDEX_RULES: [&str; 10] =
    ["IX-DUP", "IX-ESR", "IX-FK", "IX-INVALID", "IX-KEYS", "IX-LOST", "IX-NEW", "IX-PREFIX", "IX-SCAN", "IX-UNUSED"];

/// Ids of all rules of the access audit, of every engine, and of the advice on indexes: what a waiver may name.
pub fn rule_ids() -> Vec<String> {
    let families = [("PG", 35), ("MY", 28), ("MG", 18), ("RD", 18), ("OWN", 25)];
    let access = families.iter().flat_map(|(family, count)| (1..=*count).map(move |n| format!("{family}-{n:02}")));
    access.chain(INDEX_RULES.map(str::to_owned)).collect()
}

/// The ownership map of one store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreMap {
    /// All services of the profile: one may have rights on a store that is not its own.
    pub services: Vec<DeclaredService>,
    /// Tables that belong to somebody on this store.
    pub tables: Vec<DeclaredTable>,
    /// Named logins for emergencies: they may be superusers.
    pub break_glass: Vec<String>,
    /// Logins with which the migration works: they are powerful until `until`.
    pub migration: Vec<String>,
    /// Last day of the migration; `None`: not set, so nothing is left over yet.
    pub until: Option<NaiveDate>,
    /// Roles of a managed service: exact names, or a beginning and `*`.
    pub ignore: Vec<String>,
}

impl StoreMap {
    /// The service that a login belongs to. The first one, where two claim it (OWN-03 tells).
    pub fn service_of(&self, login: &str) -> Option<&DeclaredService> {
        self.services.iter().find(|service| service.accounts.iter().any(|account| account == login))
    }

    /// All services that claim a login.
    pub fn services_of<'a>(&'a self, login: &'a str) -> impl Iterator<Item = &'a DeclaredService> {
        self.services.iter().filter(move |service| service.accounts.iter().any(|account| account == login))
    }

    /// What is declared of a table, by its name as it stands in a statement.
    pub fn table(&self, name: &str) -> Option<&DeclaredTable> {
        let name = plain(name);
        self.tables.iter().find(|table| table.name == name)
    }

    /// The service that owns a table.
    pub fn owner_of(&self, name: &str) -> Option<&ServiceId> {
        self.table(name).map(|table| &table.service)
    }

    /// True when a service may read a table that is not its own on this day.
    pub fn may_read(&self, service: &DeclaredService, table: &DeclaredTable, today: NaiveDate) -> bool {
        service.until.is_none_or(|until| today <= until)
            && service.allowed_reads.iter().any(|name| *name == table.logical || plain(name) == table.name)
    }

    /// All logins of services, sorted, each once.
    pub fn accounts(&self) -> Vec<&str> {
        let mut accounts: Vec<&str> =
            self.services.iter().flat_map(|service| &service.accounts).map(String::as_str).collect();
        accounts.sort_unstable();
        accounts.dedup();
        accounts
    }

    /// Names of tables without a database get the one that the store is about, so that they are the names that the store shows.
    #[must_use]
    pub fn in_home(mut self, home: Option<&str>) -> Self {
        if let Some(home) = home {
            for table in self.tables.iter_mut().filter(|table| !table.name.contains('.')) {
                table.name = format!("{home}.{}", table.name);
            }
        }
        self
    }

    /// True for a role of a managed service.
    pub fn ignores(&self, role: &str) -> bool {
        self.ignore.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(beginning) => role.starts_with(beginning),
            None => pattern == role,
        })
    }

    /// True when the migration's window is over.
    pub fn is_over(&self, today: NaiveDate) -> bool {
        self.until.is_some_and(|until| today > until)
    }
}

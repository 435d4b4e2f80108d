//! What a rule judges.

use crate::model::access::declared::{DeclaredService, StoreMap};
use crate::model::access::observed::ObservedAccess;
use crate::model::access::postgres::{PgRole, PostgresFacts};
use crate::model::access::reading::AccessReading;
use crate::model::ids::StoreId;
use crate::model::monitor::MonitorRole;
use crate::model::observation::Window;
use chrono::NaiveDate;

/// One store: what it showed, what is declared of it, and what was seen over time.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The store.
    pub store: &'a StoreId,
    /// What it showed.
    pub reading: &'a AccessReading,
    /// What is declared.
    pub map: &'a StoreMap,
    /// What was seen.
    pub observed: &'a ObservedAccess,
    /// The day of the audit, in UTC.
    pub today: NaiveDate,
}

impl<'a> Case<'a> {
    /// A login that the profile names for something else than a service, Godwit's own, or one of a managed service.
    pub fn is_set_apart(&self, role: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|name| name == role);
        named(&self.map.break_glass)
            || named(&self.map.migration)
            || self.map.ignores(role)
            || MonitorRole::ALL.iter().any(|monitor| monitor.account() == role)
    }

    /// Roles that somebody can log in as and that are neither superusers nor set apart: those of services, and those nobody declared.
    pub fn applications(&self, facts: &'a PostgresFacts) -> impl Iterator<Item = &'a PgRole> {
        facts.roles.iter().filter(|role| role.login && !role.superuser && !self.is_set_apart(&role.name))
    }

    /// The accounts of services that exist here.
    pub fn accounts(&self) -> impl Iterator<Item = (&'a str, &'a DeclaredService)> {
        let reading = self.reading;
        let map = self.map;
        map.accounts().into_iter().filter_map(move |account| {
            reading.login(account)?;
            map.service_of(account).map(|service| (account, service))
        })
    }

    /// Whether any service has something on this store.
    pub fn is_declared(&self) -> bool {
        !self.map.tables.is_empty() || self.map.services.iter().any(|service| service.home == *self.store)
    }

    /// Over which time it was looked.
    pub fn window(&self) -> Option<Window> {
        self.observed.since.map(|since| Window {
            since,
            proof: format!(
                "{} looks at the tables in use; a statement shorter than the time between two is not seen",
                self.observed.looks
            ),
        })
    }
}

//! The ownership matrix: declared, granted, observed.

use super::case::Case;
use super::ownership::foreign::tables;
use crate::model::access::matrix::{Cell, Declared};
use crate::model::access::right::{EffectiveRight, Right};
use std::collections::BTreeSet;

/// Every cell with something in it, by table and login. Columns: declared logins, and whoever was seen or has rights.
pub fn matrix(case: &Case<'_>) -> Vec<Cell> {
    let mut logins: BTreeSet<&str> = case.accounts().map(|(account, _)| account).collect();
    logins.extend(case.reading.rights.iter().map(|right| right.login.as_str()));
    logins.extend(case.observed.uses().map(|(used, _)| used.login.as_str()));
    let mut cells = Vec::new();
    for (object, table) in tables(case) {
        for login in &logins {
            let services: Vec<_> = case.map.services_of(login).collect();
            let declared = if services.iter().any(|service| service.id == table.service) {
                Declared::Own
            } else if services.iter().any(|service| case.map.may_read(service, table, case.today)) {
                Declared::Reads
            } else {
                Declared::Foreign
            };
            let rights: Vec<&EffectiveRight> = case.reading.rights_of(login, object).collect();
            let seen = case.observed.of(login, &object.name);
            if declared == Declared::Foreign && rights.is_empty() && seen.is_none() {
                continue;
            }
            let mut granted: Vec<Right> = rights.iter().map(|right| right.right).collect();
            granted.dedup();
            let (looks, wrote) = seen.unwrap_or_default();
            cells.push(Cell {
                table: object.name.clone(),
                service: table.service.clone(),
                login: (*login).to_owned(),
                login_service: services.first().map(|service| service.id.clone()),
                declared,
                granted,
                paths: rights.iter().map(|right| right.told()).collect(),
                looks,
                wrote,
            });
        }
    }
    cells.sort();
    cells
}

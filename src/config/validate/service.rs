//! `[services.NAME]`. Who owns which table is compared with what pipelines move in `moves`.

use super::{Context, store_names};
use crate::config::names::{self, NameRule};
use crate::config::profile::Service;
use crate::config::raw::{RawProfile, RawService};
use crate::config::table::{Field, Placed};
use crate::model::ids::{ServiceId, StoreId};

/// The sound services, in file order.
pub(super) fn validate(raw: &RawProfile, cx: Context<'_>) -> Vec<Service> {
    raw.services.iter().filter_map(|service| one(service, raw, cx)).collect()
}

fn one(service: &RawService, raw: &RawProfile, cx: Context<'_>) -> Option<Service> {
    cx.check_name(&service.name, &service.place, NameRule::Word, "The name of the service");
    let store =
        service.store.required("store", cx.notes, &service.place, "A service needs `store`: the store that it owns.");
    let owns = service.owns.required(
        "owns",
        cx.notes,
        &service.place,
        "A service needs `owns`: the tables that belong to it.",
    );
    for entry in [owns, service.accounts.given()].into_iter().flatten().flat_map(|list| &list.value) {
        if entry.value.trim().is_empty() || entry.value.chars().any(char::is_control) {
            cx.notes.add(&entry.place, format!("`{}` cannot be a name.", names::shown(&entry.value)));
        }
    }
    let store = store.filter(|store| cx.resolves(store, "store", store_names(raw)))?;
    Some(Service {
        id: ServiceId::from(service.name.as_str()),
        store: StoreId::from(store.value.as_str()),
        owns: values(&service.owns),
        accounts: values(&service.accounts),
    })
}

fn values(list: &Field<Vec<Placed<String>>>) -> Vec<String> {
    list.given().map(|list| list.value.iter().map(|item| item.value.clone()).collect()).unwrap_or_default()
}

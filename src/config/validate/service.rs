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
    check_reads(service, raw, cx);
    let store = store.filter(|store| cx.resolves(store, "store", store_names(raw)))?;
    Some(Service {
        id: ServiceId::from(service.name.as_str()),
        store: StoreId::from(store.value.as_str()),
        owns: values(&service.owns),
        accounts: values(&service.accounts),
        allowed_reads: values(&service.allowed_reads),
        until: service.until.value(),
    })
}

/// What a service may read belongs to another one, and is spelt as that one spells it.
fn check_reads(service: &RawService, raw: &RawProfile, cx: Context<'_>) {
    let owned = |of: &dyn Fn(&RawService) -> bool| -> Vec<&str> {
        let services = raw.services.iter().filter(|s| of(s));
        services.flat_map(|s| s.owns.given()).flat_map(|list| &list.value).map(|name| name.value.as_str()).collect()
    };
    let others = owned(&|other| other.name != service.name);
    for table in service.allowed_reads.given().into_iter().flat_map(|list| &list.value) {
        if others.contains(&table.value.as_str()) {
            continue;
        }
        let own = owned(&|other| other.name == service.name).contains(&table.value.as_str());
        let name = names::shown(&table.value);
        let sentence = match own {
            true => format!("`{name}` is the service's own: it may read it anyway."),
            false => format!("No other service owns a table `{name}`."),
        };
        cx.notes.add_near(&table.place, sentence, &table.value, others.iter().copied());
    }
    if service.until.is_written() && !service.allowed_reads.is_written() {
        cx.notes.add(&service.place, "`until` is the last day of `allowed_reads`, and there are none.");
    }
}

fn values(list: &Field<Vec<Placed<String>>>) -> Vec<String> {
    list.given().map(|list| list.value.iter().map(|item| item.value.clone()).collect()).unwrap_or_default()
}

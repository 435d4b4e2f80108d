//! `[[operations]]`.

use super::{Context, store_names};
use crate::config::names;
use crate::config::problem::Place;
use crate::config::profile::{LogicalOperation, OperationStatement};
use crate::config::raw::{RawOperation, RawProfile, RawStatement};
use crate::config::table::{Field, Placed};
use crate::model::ids::StoreId;
use std::collections::BTreeSet;

/// The sound operations, in file order.
pub(super) fn validate(raw: &RawProfile, cx: Context<'_>) -> Vec<LogicalOperation> {
    let mut operations: Vec<LogicalOperation> = Vec::new();
    let mut declared: BTreeSet<(StoreId, String)> = BTreeSet::new();
    for raw_operation in &raw.operations {
        let Some(operation) = one(raw_operation, raw, cx) else { continue };
        if operations.iter().any(|known| known.name == operation.name) {
            cx.notes.add(&raw_operation.place, "Another operation has this name; put all statements under one.");
        }
        for statement in &operation.statements {
            if !declared.insert((statement.store.clone(), statement.text.clone())) {
                let sentence = format!(
                    "`{}` is declared twice for {}: a statement is one operation.",
                    names::shown(&statement.text),
                    statement.store
                );
                cx.notes.add(&raw_operation.place, sentence);
            }
        }
        operations.push(operation);
    }
    operations
}

fn one(raw: &RawOperation, profile: &RawProfile, cx: Context<'_>) -> Option<LogicalOperation> {
    let name = needed(&raw.name, "name", &raw.place, "An operation needs `name`: what it is called on screens.", cx);
    if raw.statements.len() < 2 {
        let sentence = "An operation needs at least two `statements`: what it is on one store and on another one.";
        cx.notes.add(&raw.place, sentence);
    }
    let statements: Vec<OperationStatement> =
        raw.statements.iter().filter_map(|statement| of_store(statement, profile, cx)).collect();
    Some(LogicalOperation { name: name?.value.clone(), statements })
}

fn of_store(raw: &RawStatement, profile: &RawProfile, cx: Context<'_>) -> Option<OperationStatement> {
    let store = needed(&raw.store, "store", &raw.place, "A statement needs `store`: where it runs.", cx);
    let text = needed(&raw.text, "text", &raw.place, "A statement needs `text`: as the store's engine writes it.", cx);
    let store = store.filter(|store| cx.resolves(store, "store", store_names(profile)))?;
    Some(OperationStatement { store: StoreId::from(store.value.as_str()), text: text?.value.clone() })
}

fn needed<'a>(
    field: &'a Field<String>,
    key: &str,
    place: &Place,
    sentence: &str,
    cx: Context<'_>,
) -> Option<&'a Placed<String>> {
    let text = field.required(key, cx.notes, place, sentence)?;
    if text.value.trim().is_empty() {
        cx.notes.add(&text.place, format!("`{key}` is empty."));
        return None;
    }
    Some(text)
}

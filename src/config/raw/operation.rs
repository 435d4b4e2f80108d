//! `[[operations]]` as written.

use crate::config::problem::Place;
use crate::config::table::{Field, Table};

pub(in crate::config) struct RawOperation {
    pub place: Place,
    pub name: Field<String>,
    pub statements: Vec<RawStatement>,
}

impl RawOperation {
    pub fn read(t: Table<'_>) -> Self {
        Self {
            name: t.text("name"),
            statements: t.one_or_more_tables("statements", "a statement").into_iter().map(RawStatement::read).collect(),
            place: t.finish(),
        }
    }
}

/// What the operation is on one store.
pub(in crate::config) struct RawStatement {
    pub place: Place,
    pub store: Field<String>,
    pub text: Field<String>,
}

impl RawStatement {
    fn read(t: Table<'_>) -> Self {
        Self { store: t.text("store"), text: t.text("text"), place: t.finish() }
    }
}

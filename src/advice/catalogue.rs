//! The tables of a store, found by whichever spelling of their name.

use crate::advice::names;
use crate::model::index::{ColumnUse, Index, Indexes, TableUse};
use std::collections::BTreeMap;

/// Tables with their indexes.
#[derive(Clone, Debug)]
pub struct Catalogue<'a> {
    /// By folded name.
    tables: BTreeMap<String, &'a TableUse>,
    /// Folded names by their last part.
    bare: BTreeMap<String, Vec<String>>,
    /// By folded name of the table.
    indexes: BTreeMap<String, Vec<&'a Index>>,
}

impl<'a> Catalogue<'a> {
    /// Of a reading.
    pub fn new(read: &'a Indexes) -> Self {
        let mut catalogue = Self { tables: BTreeMap::new(), bare: BTreeMap::new(), indexes: BTreeMap::new() };
        for table in &read.tables {
            let folded = names::folded(&table.table);
            catalogue.bare.entry(names::bare(&table.table)).or_default().push(folded.clone());
            catalogue.tables.insert(folded, table);
        }
        for index in &read.indexes {
            catalogue.indexes.entry(names::folded(&index.table)).or_default().push(index);
        }
        catalogue
    }

    /// The table that a name in a statement means. A bare name that two schemas have means the one in `public`, if there is one.
    pub fn table(&self, written: &str) -> Option<&'a TableUse> {
        let folded = names::folded(written);
        if let Some(table) = self.tables.get(&folded) {
            return Some(table);
        }
        let candidates = self.bare.get(&names::bare(written))?;
        let fitting: Vec<&String> = candidates.iter().filter(|name| names::meet(name, &folded)).collect();
        let meant = match fitting.as_slice() {
            [only] => Some(*only),
            several => several.iter().copied().find(|name| name.starts_with("public.")),
        };
        self.tables.get(meant?).copied()
    }

    /// The indexes of a table.
    pub fn indexes(&self, table: &str) -> &[&'a Index] {
        self.indexes.get(&names::folded(table)).map_or(&[], Vec::as_slice)
    }

    /// A column of a table.
    pub fn column(table: &'a TableUse, name: &str) -> Option<&'a ColumnUse> {
        table.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }
}

//! The tables of a store, found by whichever spelling of their name.

use crate::advice::names;
use crate::model::index::{ColumnUse, ForeignKey, Index, Indexes, TableUse};
use std::collections::BTreeMap;

/// Tables with their indexes.
#[derive(Clone, Debug, Default)]
pub struct Catalogue<'a> {
    /// By folded name.
    tables: BTreeMap<String, &'a TableUse>,
    /// Folded names by their last part.
    bare: BTreeMap<String, Vec<String>>,
    /// By folded name of the table.
    indexes: BTreeMap<String, Vec<&'a Index>>,
    /// Foreign keys by folded name of the table that refers.
    foreign_keys: BTreeMap<String, Vec<&'a ForeignKey>>,
    /// Indexes of partitions by the name of the index that they are a part of.
    parts: BTreeMap<&'a str, Vec<&'a Index>>,
}

impl<'a> Catalogue<'a> {
    /// Of a reading.
    pub fn new(read: &'a Indexes) -> Self {
        let mut catalogue = Self::default();
        for table in &read.tables {
            let folded = names::folded(&table.table);
            catalogue.bare.entry(names::bare(&table.table)).or_default().push(folded.clone());
            catalogue.tables.insert(folded, table);
        }
        for index in &read.indexes {
            catalogue.indexes.entry(names::folded(&index.table)).or_default().push(index);
            if let Some(whole) = &index.duty.part_of {
                catalogue.parts.entry(whole).or_default().push(index);
            }
        }
        for key in &read.foreign_keys {
            catalogue.foreign_keys.entry(names::folded(&key.table)).or_default().push(key);
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

    /// The table of exactly this name, however it is quoted.
    pub fn named(&self, name: &str) -> Option<&'a TableUse> {
        self.tables.get(&names::folded(name)).copied()
    }

    /// The indexes of a table.
    pub fn indexes(&self, table: &str) -> &[&'a Index] {
        self.indexes.get(&names::folded(table)).map_or(&[], Vec::as_slice)
    }

    /// The foreign keys by which a table refers to others.
    pub fn foreign_keys(&self, table: &str) -> &[&'a ForeignKey] {
        self.foreign_keys.get(&names::folded(table)).map_or(&[], Vec::as_slice)
    }

    /// The index, or those of the partitions where it is of a partitioned table: these have the counters.
    pub fn family(&self, index: &'a Index) -> Vec<&'a Index> {
        match self.parts.get(index.name.as_str()) {
            None => vec![index],
            Some(parts) => parts.iter().flat_map(|part| self.family(part)).collect(),
        }
    }

    /// A column of a table.
    pub fn column(table: &'a TableUse, name: &str) -> Option<&'a ColumnUse> {
        table.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }
}

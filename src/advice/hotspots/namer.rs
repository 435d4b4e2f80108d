//! Names of a store's statements, each made once: a server lists thousands of texts that are the same at every look.

use crate::advice::dialect::Dialect;
use crate::advice::hotspots::fingerprint::{Named, name};
use crate::advice::ownership::Ownership;
use std::collections::BTreeMap;

/// Texts that are remembered; more than any server keeps by default.
const TEXTS_KEPT: usize = 20_000;

/// Bytes of texts and canonical forms that are remembered.
const BYTES_KEPT: usize = 32 * 1024 * 1024;

/// Gives names, and remembers them.
///
/// Invariant: what is remembered is what [`name`] would say; forgetting changes nothing but the time it takes.
#[derive(Clone, Debug)]
pub struct Namer<'a> {
    dialect: Dialect,
    ownership: &'a Ownership,
    /// By database and text.
    known: BTreeMap<(String, String), Named>,
    /// Bytes in `known`.
    bytes: usize,
}

impl<'a> Namer<'a> {
    /// For one store.
    pub fn new(dialect: Dialect, ownership: &'a Ownership) -> Self {
        Self { dialect, ownership, known: BTreeMap::new(), bytes: 0 }
    }

    /// The name of a statement.
    pub fn name(&mut self, database: &str, text: &str) -> &Named {
        if self.known.len() >= TEXTS_KEPT || self.bytes >= BYTES_KEPT {
            self.known.clear();
            self.bytes = 0;
        }
        let (dialect, ownership, bytes) = (self.dialect, self.ownership, &mut self.bytes);
        self.known.entry((database.to_owned(), text.to_owned())).or_insert_with(|| {
            let named = name(dialect, database, text, ownership);
            *bytes += database.len() + text.len() + named.canonical.len();
            named
        })
    }
}

//! A store's tables: what `godwit assess` prints.

use crate::model::table::{RowIdentity, Table};
use crate::report::columns::Columns;
use serde::Serialize;

/// The JSON form, schema `godwit.assess/1`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StoreInventory {
    /// `godwit.assess/1`.
    pub schema: &'static str,
    /// The store's name in the profile.
    pub store: String,
    /// Its engine.
    pub engine: &'static str,
    /// Where it is, without secrets.
    pub address: String,
    /// The server's version.
    pub version: String,
    /// Its tables.
    pub tables: Vec<Table>,
}

impl StoreInventory {
    /// The text form. Row numbers are the server's estimates and marked with `~`.
    pub fn text(&self) -> String {
        let mut columns = Columns::new(&["TABLE", "ROWS", "BYTES", "COLUMNS", "IDENTITY"]);
        for table in &self.tables {
            columns.row([
                table.name.to_string(),
                table.estimated_rows.map_or_else(|| "unknown".to_owned(), |rows| format!("~{rows}")),
                table.size_bytes.map_or_else(|| "unknown".to_owned(), |bytes| bytes.to_string()),
                table.columns.len().to_string(),
                match &table.identity {
                    RowIdentity::Key(key) => key.join(", "),
                    RowIdentity::FullRow => "full row (no key)".to_owned(),
                    RowIdentity::Missing => "NONE: changes cannot be captured".to_owned(),
                },
            ]);
        }
        format!(
            "{}: {} {} at {}, {} tables\n\n{}",
            self.store,
            self.engine,
            self.version,
            self.address,
            self.tables.len(),
            columns.text()
        )
    }
}

//! Text as a server tells it: not always UTF-8.
//!
//! `pg_stat_activity` shows statements and names of sessions in other databases byte for byte. One client of a database in LATIN1 or SQL_ASCII
//! is enough to put bytes there that are no UTF-8, and a look that fails over them would be blind to the whole server.

use crate::stores::sanitise::clean;
use sqlx::postgres::PgRow;
use sqlx::{Row, ValueRef};

/// Texts of a row, made safe for a terminal. What is no UTF-8 becomes U+FFFD.
pub trait Told {
    /// A text; NULL is empty.
    ///
    /// # Errors
    /// The driver's: there is no such column.
    fn told(&self, column: &str) -> Result<String, sqlx::Error>;

    /// A text or NULL.
    ///
    /// # Errors
    /// The driver's: there is no such column.
    fn told_or_null(&self, column: &str) -> Result<Option<String>, sqlx::Error>;

    /// A list of texts; NULL is empty.
    ///
    /// # Errors
    /// The driver's: there is no such column, or it is no list.
    fn told_list(&self, column: &str) -> Result<Vec<String>, sqlx::Error>;
}

impl Told for PgRow {
    fn told(&self, column: &str) -> Result<String, sqlx::Error> {
        Ok(self.told_or_null(column)?.unwrap_or_default())
    }

    fn told_or_null(&self, column: &str) -> Result<Option<String>, sqlx::Error> {
        let value = self.try_get_raw(column)?;
        if value.is_null() {
            return Ok(None);
        }
        let bytes = value.as_bytes().map_err(sqlx::Error::Decode)?;
        Ok(Some(clean(&String::from_utf8_lossy(bytes))))
    }

    fn told_list(&self, column: &str) -> Result<Vec<String>, sqlx::Error> {
        // Unchecked, because the driver knows bytes under another type's name; their form is the same.
        let list: Option<Vec<Vec<u8>>> = self.try_get_unchecked(column)?;
        Ok(list.unwrap_or_default().iter().map(|bytes| clean(&String::from_utf8_lossy(bytes))).collect())
    }
}

//! Accounts: SQLite has none. Who may read and write is decided by the file's mode, which the pre-flight checks look at.

use super::store::SqliteStore;
use crate::model::table::TableName;
use crate::stores::{Access, Result};
use async_trait::async_trait;

#[async_trait]
impl Access for SqliteStore {
    async fn grants(&self, _account: &str, _tables: &[TableName]) -> Result<Vec<(String, String)>> {
        Ok(Vec::new())
    }

    async fn account_exists(&self, _account: &str) -> Result<bool> {
        Ok(true)
    }
}

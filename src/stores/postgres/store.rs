//! An opened PostgreSQL store.

use crate::stores::error::{ErrorKind, Operation, StoreError};
use crate::stores::postgres::address::Address;
use crate::stores::postgres::connect::Connector;
use crate::stores::postgres::holds::Holds;
use crate::stores::{OpenOptions, Result};
use std::sync::Arc;

/// One database on one PostgreSQL server.
pub struct PostgresStore {
    connector: Arc<Connector>,
    holds: Arc<Holds>,
}

impl PostgresStore {
    /// Opens the store behind a URL; does not connect. The error never repeats the URL.
    pub fn open(options: OpenOptions, url: &str) -> Result<Self> {
        let address = Address::parse(url)
            .map_err(|reason| StoreError::new(&options.id, Operation::Connect, ErrorKind::Rejected, reason))?;
        Ok(Self { connector: Arc::new(Connector::new(options, address)), holds: Arc::default() })
    }

    /// Its connections.
    pub(super) fn connector(&self) -> &Arc<Connector> {
        &self.connector
    }

    /// Sessions that hold writers, or may still hold them.
    pub(super) fn holds(&self) -> &Arc<Holds> {
        &self.holds
    }
}

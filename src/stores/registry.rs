//! The one place that knows which engines there are.

use crate::model::ids::StoreId;
use crate::stores::error::{ErrorKind, Operation, StoreError};
use crate::stores::mongodb::store::MongoStore;
use crate::stores::mysql::store::MysqlStore;
use crate::stores::postgres::address::Address;
use crate::stores::postgres::bouncer::Bouncer;
use crate::stores::postgres::store::PostgresStore;
use crate::stores::redis::store::{Flavour, RedisStore};
use crate::stores::sqlite::connect::path_of;
use crate::stores::sqlite::store::SqliteStore;
use crate::stores::{OpenOptions, Pooler, Result, StoreRef};
use std::sync::Arc;

/// Opens a store by its engine word. Does not connect.
///
/// # Errors
/// [`ErrorKind::Unsupported`] for an unknown engine, [`ErrorKind::NotFound`] for a URL that cannot be read; never contains the URL.
pub fn open(engine: &str, options: OpenOptions, url: &str) -> Result<StoreRef> {
    match engine {
        "sqlite" => {
            let path = path_of(url).map_err(|why| {
                StoreError::new(
                    &options.id,
                    Operation::Connect,
                    ErrorKind::NotFound,
                    format!("the url cannot be read: {why}"),
                )
            })?;
            Ok(Arc::new(SqliteStore::new(options, path)))
        }
        "postgres" => Ok(Arc::new(PostgresStore::open(options, url)?)),
        "mongodb" => Ok(Arc::new(MongoStore::open(options, url)?)),
        "redis" => Ok(Arc::new(RedisStore::open(Flavour::Redis, options, url)?)),
        "valkey" => Ok(Arc::new(RedisStore::open(Flavour::Valkey, options, url)?)),
        "mariadb" => Ok(Arc::new(MysqlStore::open(options, "mariadb", url)?)),
        "mysql" => Ok(Arc::new(MysqlStore::open(options, "mysql", url)?)),
        _ => Err(unknown(&options.id, engine)),
    }
}

/// Opens a PgBouncer's admin console. Does not connect. `id` names it in errors, which never contain the URL.
///
/// # Errors
/// [`ErrorKind::NotFound`] for a URL that cannot be read.
pub fn pooler(id: StoreId, url: &str) -> Result<Arc<dyn Pooler>> {
    match Address::parse(url) {
        Ok(address) => Ok(Arc::new(Bouncer::new(id, address))),
        Err(why) => {
            Err(StoreError::new(&id, Operation::Connect, ErrorKind::NotFound, format!("the url cannot be read: {why}")))
        }
    }
}

fn unknown(id: &StoreId, engine: &str) -> StoreError {
    StoreError::new(
        id,
        Operation::Connect,
        ErrorKind::Unsupported,
        format!(
            "the engine `{engine}` is not known; there are `postgres`, `sqlite`, `mariadb`, `mysql`, `mongodb`, `redis` and `valkey`"
        ),
    )
}

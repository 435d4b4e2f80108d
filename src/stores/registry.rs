//! The one place that knows which engines there are.

use crate::model::ids::StoreId;
use crate::stores::error::{ErrorKind, Operation, StoreError};
use crate::stores::{OpenOptions, Result, StoreRef};

/// Opens a store by its engine word. Does not connect.
///
/// # Errors
/// [`ErrorKind::Unsupported`] for an unknown engine, [`ErrorKind::NotFound`] for a URL that cannot be read; never contains the URL.
pub fn open(engine: &str, options: OpenOptions, _url: &str) -> Result<StoreRef> {
    Err(unknown(&options.id, engine))
}

fn unknown(id: &StoreId, engine: &str) -> StoreError {
    StoreError::new(
        id,
        Operation::Connect,
        ErrorKind::Unsupported,
        format!("the engine `{engine}` is not known; there are `postgres` and `sqlite`"),
    )
}

//! `godwit replication`.

use crate::cli::args::ReplicationArgs;
use crate::cli::failure::Outcome;
use crate::cli::output::Output;
use crate::cli::watching::{self, watch};
use crate::model::view::{View, ViewKind};
use crate::report::replication::replication;
use chrono::Utc;

/// Prints links and kept logs.
///
/// # Errors
/// See [`watch`].
pub async fn run(args: &ReplicationArgs, out: Output) -> Outcome {
    let make = |view| match view {
        View::Replication(stores) => {
            let (stores, whole) = watching::chosen(stores, &args.stores)?;
            Ok(Some((replication(&stores, args.trouble), whole)))
        }
        _ => Ok(None),
    };
    watch(&args.reading, out, ViewKind::Replication, make, |report| report.text(Utc::now())).await
}

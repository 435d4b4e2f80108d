//! `godwit access`.

use crate::cli::args::AccessArgs;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::Output;
use crate::cli::watching::{self, watch};
use crate::model::view::{View, ViewKind};
use crate::report::access::{AccessReport, access};
use crate::report::finding::FindingFilter;
use chrono::Utc;

/// Prints the findings of the access audit.
///
/// # Errors
/// See [`watch`].
pub async fn run(args: &AccessArgs, out: Output) -> Outcome {
    let filter =
        FindingFilter { all: args.all, least: args.severity, rule: args.rule.clone(), text: args.filter.clone() };
    let make = |view| chosen(view, args, &filter);
    watch(&args.reading, out, ViewKind::Access, make, |report| report.text(Utc::now())).await
}

/// The findings of the asked-for stores.
fn chosen(view: View, args: &AccessArgs, filter: &FindingFilter) -> Result<Option<(AccessReport, bool)>, Failure> {
    let View::Access(stores) = view else { return Ok(None) };
    let (stores, whole) = watching::chosen(stores, &args.stores)?;
    Ok(Some((access(&stores, filter), whole)))
}

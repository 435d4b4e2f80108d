//! `godwit indexes`.

use crate::cli::args::IndexesArgs;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::Output;
use crate::cli::watching::{self, watch};
use crate::model::view::{View, ViewKind};
use crate::report::finding::FindingFilter;
use crate::report::indexes::{IndexesReport, indexes};
use chrono::Utc;

/// Prints the advice on indexes.
///
/// # Errors
/// See [`watch`].
pub async fn run(args: &IndexesArgs, out: Output) -> Outcome {
    let filter = FindingFilter { all: true, least: args.severity, rule: args.rule.clone(), text: args.table.clone() };
    let make = |view| chosen(view, args, &filter);
    watch(&args.reading, out, ViewKind::Indexes, make, |report| report.text(Utc::now())).await
}

/// The advice for the asked-for stores.
fn chosen(view: View, args: &IndexesArgs, filter: &FindingFilter) -> Result<Option<(IndexesReport, bool)>, Failure> {
    let View::Indexes(stores) = view else { return Ok(None) };
    let (stores, whole) = watching::chosen(stores, &args.stores)?;
    Ok(Some((indexes(&stores, filter), whole)))
}

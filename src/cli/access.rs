//! `godwit access`.

use crate::cli::args::AccessArgs;
use crate::cli::failure::Outcome;
use crate::cli::output::Output;
use crate::cli::watching::watch;
use crate::model::view::{View, ViewKind};
use crate::report::access::{AccessReport, FindingFilter, access};
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

/// The asked-for stores of a view, and whether each of them was read or has failed at least once.
fn chosen(view: View, args: &AccessArgs, filter: &FindingFilter) -> Option<(AccessReport, bool)> {
    let View::Access(mut stores) = view else { return None };
    if !args.stores.is_empty() {
        stores.retain(|id, _| args.stores.iter().any(|store| store == id.as_str()));
    }
    let whole = !stores.is_empty() && stores.values().all(|reading| reading.asked_at.is_some());
    Some((access(&stores, filter), whole))
}

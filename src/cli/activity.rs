//! `godwit activity` and `godwit locks`.

use crate::cli::args::ActivityArgs;
use crate::cli::failure::Outcome;
use crate::cli::output::Output;
use crate::cli::watching::watch;
use crate::model::observation::ByStore;
use crate::model::session::Activity;
use crate::model::view::{View, ViewKind};
use crate::report::activity::{SessionFilter, activity, locks};
use chrono::Utc;

/// Prints sessions.
///
/// # Errors
/// See [`watch`].
pub async fn run(args: &ActivityArgs, out: Output) -> Outcome {
    let filter = filter(args);
    let make = |view| chosen(view, args).map(|(view, whole)| (activity(&view, &filter), whole));
    watch(&args.reading, out, ViewKind::Activity, make, |report| report.text(Utc::now())).await
}

/// Prints lock trees.
///
/// # Errors
/// See [`watch`].
pub async fn run_locks(args: &ActivityArgs, out: Output) -> Outcome {
    let filter = filter(args);
    let make = |view| chosen(view, args).map(|(view, whole)| (locks(&view, &filter), whole));
    watch(&args.reading, out, ViewKind::Activity, make, |report| report.text(Utc::now())).await
}

fn filter(args: &ActivityArgs) -> SessionFilter {
    SessionFilter { all: args.all, text: args.filter.clone(), masked: args.mask }
}

/// The asked-for stores of a view, and whether each of them was read or has failed at least once.
fn chosen(view: View, args: &ActivityArgs) -> Option<(ByStore<Activity>, bool)> {
    let View::Activity(mut stores) = view else { return None };
    if !args.stores.is_empty() {
        stores.retain(|id, _| args.stores.iter().any(|store| store == id.as_str()));
    }
    let whole = !stores.is_empty() && stores.values().all(|reading| reading.asked_at.is_some());
    Some((stores, whole))
}

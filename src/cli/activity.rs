//! `godwit activity` and `godwit locks`.

use crate::cli::args::ActivityArgs;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::Output;
use crate::cli::watching::{self, watch};
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
    let make = |view| Ok(chosen(view, args)?.map(|(view, whole)| (activity(&view, &filter), whole)));
    watch(&args.reading, out, ViewKind::Activity, make, |report| report.text(Utc::now())).await
}

/// Prints lock trees.
///
/// # Errors
/// See [`watch`].
pub async fn run_locks(args: &ActivityArgs, out: Output) -> Outcome {
    let filter = filter(args);
    let make = |view| Ok(chosen(view, args)?.map(|(view, whole)| (locks(&view, &filter), whole)));
    watch(&args.reading, out, ViewKind::Activity, make, |report| report.text(Utc::now())).await
}

fn filter(args: &ActivityArgs) -> SessionFilter {
    SessionFilter { all: args.all, text: args.filter.clone(), masked: args.mask }
}

/// Sessions of the asked-for stores.
fn chosen(view: View, args: &ActivityArgs) -> Result<Option<(ByStore<Activity>, bool)>, Failure> {
    match view {
        View::Activity(stores) => watching::chosen(stores, &args.stores).map(Some),
        _ => Ok(None),
    }
}

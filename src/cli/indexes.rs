//! `godwit indexes`.

use crate::cli::act;
use crate::cli::args::{Acting, IndexesArgs};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::goal::Goal;
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::cli::watching::{self, watch};
use crate::model::command::Action;
use crate::model::fold::Migration;
use crate::model::ids::PhaseId;
use crate::model::index_order::FindingName;
use crate::model::view::{View, ViewKind};
use crate::report::finding::FindingFilter;
use crate::report::indexes::{IndexesReport, indexes};
use chrono::Utc;

/// Prints the advice on indexes, or takes one of it into a phase or out of it.
///
/// # Errors
/// See [`watch`] and [`act::send`].
pub async fn run(args: &IndexesArgs, out: Output) -> Outcome {
    if let Some(finding) = args.take.as_ref().or(args.leave.as_ref()) {
        return decide(args, finding, out).await;
    }
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

/// Takes a finding into a phase, or out of it.
async fn decide(args: &IndexesArgs, finding: &str, out: Output) -> Outcome {
    let mut session = Session::open(&args.reading.which.find()?).await?;
    let migration = &session.migration;
    let stores = migration.declared.iter().flat_map(|pipeline| [pipeline.from.as_str(), pipeline.to.as_str()]);
    let stores: Vec<String> = stores.chain(args.stores.iter().map(String::as_str)).map(str::to_owned).collect();
    let mut finding =
        FindingName::parse(finding, |word| stores.iter().any(|store| store == word)).map_err(Failure::usage)?;
    // A store that is named beside it is where it is.
    if let (None, [store]) = (&finding.store, args.stores.as_slice()) {
        finding.store = Some(store.as_str().into());
    }
    // What is taken out is where it was taken in.
    let phase = phase(args, migration, args.leave.is_some().then_some(&finding))?;
    let action = match args.take {
        Some(_) => Action::TakeIndex { phase, finding },
        None => Action::LeaveIndex { phase, finding },
    };
    let acting = Acting { which: args.reading.which.clone(), json: args.reading.json, ..Acting::default() };
    act::send(&mut session, &acting, out, action, None, Goal::Answered).await
}

/// The named phase, or the next one that can build indexes.
fn phase(args: &IndexesArgs, migration: &Migration, finding: Option<&FindingName>) -> Result<PhaseId, Failure> {
    if let Some(phase) = &args.phase {
        return Ok(PhaseId::from(phase.as_str()));
    }
    if let Some(phase) = finding.and_then(|finding| migration.index_taken(finding)).map(|(phase, _)| phase) {
        return Ok(phase.id.clone());
    }
    migration.phase_for_indexes().map(|phase| phase.id.clone()).ok_or_else(|| {
        let why = "the plans of all tune and watch phases of this migration are made; roll one back to build more, or run the statement yourself";
        Failure::new(Exit::Rejected, why)
    })
}

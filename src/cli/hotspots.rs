//! `godwit hotspots`.

use crate::cli::args::HotSpotsArgs;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::cli::watching::{self, watch};
use crate::model::ids::PipelineId;
use crate::model::view::{View, ViewKind};
use crate::report::hotspots::{HotSpotsReport, SpotFilter, hotspots};
use crate::report::sides::sides;
use chrono::Utc;

/// Prints statements by what they cost, or the two sides of moves against each other.
///
/// # Errors
/// See [`watch`]; and a pipeline that the migration does not have.
pub async fn run(args: &HotSpotsArgs, out: Output) -> Outcome {
    match &args.compare {
        Some(pipeline) => compare(args, pipeline.as_deref(), out).await,
        None => list(args, out).await,
    }
}

async fn list(args: &HotSpotsArgs, out: Output) -> Outcome {
    let filter = SpotFilter {
        order: args.order,
        service: args.service.clone(),
        table: args.table.clone(),
        login: args.login.clone(),
        top: args.top,
        crossing: args.crossing,
    };
    let make = |view| chosen(view, args, &filter);
    watch(&args.reading, out, ViewKind::HotSpots, make, |report| report.text(Utc::now())).await
}

/// The statements of the asked-for stores.
fn chosen(view: View, args: &HotSpotsArgs, filter: &SpotFilter) -> Result<Option<(HotSpotsReport, bool)>, Failure> {
    let View::HotSpots(now) = view else { return Ok(None) };
    let (stores, whole) = watching::chosen(now.stores, &args.stores)?;
    Ok(Some((hotspots(&stores, filter), whole)))
}

async fn compare(args: &HotSpotsArgs, pipeline: Option<&str>, out: Output) -> Outcome {
    let asked = pipelines(args, pipeline).await?;
    let make = |view| {
        let View::HotSpots(now) = view else { return Ok(None) };
        let report = sides(&now.sides, &asked, args.top);
        // What was not compared by the time that every store was read is told to be unknown.
        let whole = now.stores.values().all(|reading| reading.asked_at.is_some());
        Ok(Some((report, whole)))
    };
    watch(&args.reading, out, ViewKind::HotSpots, make, |report| report.text()).await
}

/// The pipeline that was named, or all.
async fn pipelines(args: &HotSpotsArgs, named: Option<&str>) -> Result<Vec<PipelineId>, Failure> {
    let session = Session::open(&args.reading.which.find()?).await?;
    let known: Vec<PipelineId> = session.migration.declared.iter().map(|pipeline| pipeline.id.clone()).collect();
    match named {
        None => Ok(known),
        Some(name) if known.iter().any(|id| id.as_str() == name) => Ok(vec![name.into()]),
        Some(name) => {
            let known: Vec<&str> = known.iter().map(|id| id.as_str()).collect();
            Err(Failure::usage(format!("the migration has no pipeline {name}; it has {}", known.join(", "))))
        }
    }
}

//! Comparisons that an operator asks for outside a phase: begun and ended in the journal, and gone on with by the next engine.

use crate::engine::core::CoreRef;
use crate::engine::dispatcher::AppendError;
use crate::engine::steps::step::StepError;
use crate::engine::steps::verification::{Pass, PassSummary, REACHED_EVERY, repair_drift};
use crate::model::comparison::{AskedComparison, ComparisonEvent};
use crate::model::event::Event;
use crate::model::ids::{Operator, PipelineId, Seq};
use crate::model::reason::Reason;
use crate::pipelines::copier::control::{self, Control, Wish};
use chrono::{DateTime, Utc};

/// Journals that a comparison of these pipelines was asked for, and starts it in a task of its own. The first row that it caused.
///
/// # Errors
/// When the journal cannot be written; then nothing is compared.
pub async fn start(
    core: &CoreRef,
    by: &Operator,
    pipelines: Vec<PipelineId>,
    tables: Vec<String>,
    repair: bool,
) -> Result<Seq, AppendError> {
    let started = ComparisonEvent::Started { tables: tables.clone(), repair, by: by.clone() };
    let events =
        pipelines.iter().map(|id| Event::Comparison { pipeline: id.clone(), event: started.clone() }).collect();
    let entries = core.dispatcher.append(events).await?;
    let asked = AskedComparison { tables, repair, by: by.clone(), at: Utc::now() };
    spawn(core, pipelines.into_iter().map(|id| (id, asked.clone(), None)).collect());
    Ok(entries.first().map_or(Seq(0), |entry| entry.seq))
}

/// Goes on with what the last engine had begun.
pub fn resume(core: &CoreRef) {
    let state = core.dispatcher.state();
    let begun: Vec<_> = state
        .comparisons
        .iter()
        .filter(|(id, _)| core.pipeline(id).is_ok())
        .filter_map(|(id, record)| record.asked.clone().map(|asked| (id.clone(), asked.clone(), Some(asked.at))))
        .collect();
    if !begun.is_empty() {
        spawn(core, begun);
    }
}

/// A pipeline to compare: what was asked for, and since when an earlier engine was at it.
type Asked = (PipelineId, AskedComparison, Option<DateTime<Utc>>);

/// Compares pipelines one after the other.
fn spawn(core: &CoreRef, work: Vec<Asked>) {
    let core = core.clone();
    tokio::spawn(async move {
        let (controller, control) = control::channel();
        let mut stop = core.stop.subscribe();
        let stopping = async {
            // As far as the end of the process leaves time, the range in work comes to its end and it is written down how far it was.
            let _ = stop.wait_for(Option::is_some).await;
            controller.wish(Wish::Stop);
            std::future::pending::<()>().await;
        };
        let comparing = async {
            for (pipeline, asked, since) in work {
                conclude(&core, &pipeline, run(&core, &pipeline, &asked, since, &control).await).await;
            }
        };
        tokio::select! {
            () = comparing => {}
            () = stopping => {}
        }
    });
}

/// One pipeline: a pass, and where asked for, a repair and a pass over what is there then.
async fn run(
    core: &CoreRef,
    pipeline: &PipelineId,
    asked: &AskedComparison,
    since: Option<DateTime<Utc>>,
    control: &Control,
) -> Result<PassSummary, StepError> {
    let pass = |since| Pass {
        core,
        pipeline,
        only: &asked.tables,
        since,
        for_repair: asked.repair,
        control,
        reached_every: REACHED_EVERY,
    };
    let summary = pass(since).run().await?;
    if !asked.repair || summary.drift.is_empty() {
        return Ok(summary);
    }
    let rows = repair_drift(core, pipeline, &summary.drift, &asked.by).await?;
    tracing::info!(%pipeline, rows, "repaired");
    // What is shown must be what is there after the repair.
    pass(None).run().await
}

/// Journals how it ended. One that the engine's end interrupted has not ended: the next engine goes on.
async fn conclude(core: &CoreRef, pipeline: &PipelineId, outcome: Result<PassSummary, StepError>) {
    let event = match outcome {
        Ok(summary) => {
            ComparisonEvent::Ended { tables: summary.tables as u64, rows: summary.rows, drift: summary.counts }
        }
        Err(StepError::Interrupted) => return,
        Err(StepError::Failed { reason, .. }) => ComparisonEvent::Failed {
            reason: Reason::new(reason.what, format!("{}; then `godwit verify` again", reason.next)),
        },
    };
    if let Err(error) = core.dispatcher.append(vec![Event::Comparison { pipeline: pipeline.clone(), event }]).await {
        tracing::error!(%pipeline, %error, "how the comparison ended could not be journaled");
    }
}

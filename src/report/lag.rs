//! Lag and runway: what `godwit lag` prints. A lag is never a bare number: how it was measured and when stand beside it.

use crate::model::ids::PipelineId;
use crate::model::lag::{LagMethod, Reading};
use crate::model::sample::{PipelineSample, Samples};
use crate::report::columns::Columns;
use crate::report::moment;
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::BTreeMap;

/// The JSON form, schema `godwit.lag/1`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LagReport {
    /// `godwit.lag/1`.
    pub schema: &'static str,
    /// When the readings were put together.
    pub at: Option<DateTime<Utc>>,
    /// By pipeline.
    pub pipelines: BTreeMap<PipelineId, LagLine>,
}

/// One pipeline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LagLine {
    /// End-to-end lag in milliseconds.
    pub lag_ms: Reading<u64>,
    /// How it was found out.
    pub method: LagMethod,
    /// Distance in bytes of log, or log rows.
    pub distance: Reading<u64>,
    /// Row changes applied a second.
    pub applied_per_second: Reading<u64>,
    /// Log that the source keeps for this pipeline, in bytes or rows.
    pub retained: Reading<u64>,
    /// Bytes or rows a second by which that log grows.
    pub written_per_second: Reading<u64>,
    /// Bytes free where the source keeps its log.
    pub disk_free: Reading<u64>,
    /// Seconds until the source log that is needed is gone; `null` inside `known`: it will not be.
    pub runway_seconds: Reading<Option<u64>>,
    /// Why it is being slowed down.
    pub throttled_by: Vec<String>,
    /// True when the source moves on and the applied position does not.
    pub stalled: bool,
    /// When the applied position last moved.
    pub moved_at: Option<DateTime<Utc>>,
    /// Writes of somebody else that were met on the target.
    pub anomalies: u64,
    /// When it was sampled.
    pub at: DateTime<Utc>,
}

/// Puts the report together.
pub fn lag(samples: &Samples) -> LagReport {
    LagReport {
        schema: "godwit.lag/1",
        at: samples.at,
        pipelines: samples.pipelines.iter().map(|(id, sample)| (id.clone(), line(sample))).collect(),
    }
}

fn line(sample: &PipelineSample) -> LagLine {
    LagLine {
        lag_ms: sample.lag.lag_ms.clone(),
        method: sample.lag.method,
        distance: sample.lag.distance.clone(),
        applied_per_second: sample.applied_per_second.clone(),
        retained: sample.runway.retained.clone(),
        written_per_second: sample.runway.written_per_second.clone(),
        disk_free: sample.runway.disk_free.clone(),
        runway_seconds: sample.runway.seconds.clone(),
        throttled_by: sample.throttled_by.clone(),
        stalled: sample.stalled,
        moved_at: sample.moved_at,
        anomalies: sample.anomalies,
        at: sample.lag.at,
    }
}

impl LagReport {
    /// The text form, seen at `now`.
    pub fn text(&self, now: DateTime<Utc>) -> String {
        let mut columns = Columns::new(&[
            "PIPELINE",
            "LAG",
            "MEASURED BY",
            "SAMPLED",
            "DISTANCE",
            "APPLIED/S",
            "LOG KEPT",
            "RUNWAY",
            "REMARKS",
        ]);
        for (id, line) in &self.pipelines {
            columns.row([
                id.to_string(),
                told(&line.lag_ms, |ms| moment::span(*ms)),
                match line.method {
                    LagMethod::Marker => "marker",
                    LagMethod::Position => "position",
                }
                .to_owned(),
                format!("{} ago", moment::age(line.at, now)),
                told(&line.distance, u64::to_string),
                told(&line.applied_per_second, u64::to_string),
                told(&line.retained, u64::to_string),
                told(&line.runway_seconds, |seconds| match seconds {
                    Some(seconds) => moment::span(seconds.saturating_mul(1000)),
                    None => "not limited".to_owned(),
                }),
                line.remarks(now),
            ]);
        }
        columns.text()
    }
}

impl LagLine {
    fn remarks(&self, now: DateTime<Utc>) -> String {
        let mut remarks = Vec::new();
        if self.stalled {
            let since = self
                .moved_at
                .map_or_else(|| "it never moved".to_owned(), |at| format!("last moved {} ago", moment::age(at, now)));
            remarks.push(format!("STALLED, {since}"));
        }
        if !self.throttled_by.is_empty() {
            remarks.push(format!("slowed down by {}", self.throttled_by.join(", ")));
        }
        if self.anomalies > 0 {
            remarks.push(format!("{} writes of somebody else on the target", self.anomalies));
        }
        remarks.join("; ")
    }
}

/// A reading as text; unknown is told with its reason and is never zero.
pub fn told<T>(reading: &Reading<T>, text: impl FnOnce(&T) -> String) -> String {
    match reading {
        Reading::Known(value) => text(value),
        Reading::Unknown(why) => format!("unknown ({why})"),
    }
}

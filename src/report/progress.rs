//! Copy progress: what `godwit progress` prints.

use crate::model::ids::PipelineId;
use crate::model::lag::Reading;
use crate::model::progress::TableProgress;
use crate::model::sample::{Samples, VerifyProgress};
use crate::report::columns::Columns;
use crate::report::lag::told;
use crate::report::moment;
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The JSON form, schema `godwit.progress/1`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Progress {
    /// `godwit.progress/1`.
    pub schema: &'static str,
    /// When the readings were put together.
    pub at: Option<DateTime<Utc>>,
    /// Copies, by pipeline.
    pub copies: BTreeMap<PipelineId, CopyLine>,
    /// Verification passes that run now, by pipeline.
    pub verifying: BTreeMap<PipelineId, VerifyProgress>,
}

/// One pipeline's copy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CopyLine {
    /// Rows a second.
    pub rows_per_second: Reading<u64>,
    /// Seconds until the copy ends.
    pub eta_seconds: Reading<u64>,
    /// Why it is being slowed down.
    pub throttled_by: Vec<String>,
    /// One entry a table.
    pub tables: Vec<TableProgress>,
}

/// How far a running verification pass is, in one line.
pub fn verifying(pipeline: &PipelineId, pass: &VerifyProgress) -> String {
    format!(
        "{pipeline}: verifying {}, {}/{} chunks, {} rows waiting to be re-checked",
        pass.table, pass.chunks_done, pass.chunks_total, pass.rechecking
    )
}

/// Puts the report together.
pub fn progress(samples: &Samples) -> Progress {
    Progress {
        schema: "godwit.progress/1",
        at: samples.at,
        copies: samples
            .pipelines
            .iter()
            .map(|(id, sample)| {
                let line = CopyLine {
                    rows_per_second: sample.copied_per_second.clone(),
                    eta_seconds: sample.copy_eta_seconds.clone(),
                    throttled_by: sample.throttled_by.clone(),
                    tables: sample.copy.tables.clone(),
                };
                (id.clone(), line)
            })
            .collect(),
        verifying: samples.verifying.clone(),
    }
}

impl Progress {
    /// The text form. Estimates are marked with `~`: only committed chunks tell how far a copy is.
    pub fn text(&self) -> String {
        let mut columns = Columns::new(&["PIPELINE", "TABLE", "CHUNKS", "ROWS", "OF ABOUT", "BYTES"]);
        for (id, copy) in &self.copies {
            for table in &copy.tables {
                columns.row([
                    id.to_string(),
                    table.table.to_string(),
                    match table.chunks_total {
                        Some(total) => format!("{}/{total}", table.chunks_done),
                        None => "not planned".to_owned(),
                    },
                    table.rows_done.to_string(),
                    table.estimated_rows.map_or_else(|| "unknown".to_owned(), |rows| format!("~{rows}")),
                    table.bytes_done.to_string(),
                ]);
            }
        }
        let mut text = columns.text();
        for (id, copy) in &self.copies {
            let slowed = if copy.throttled_by.is_empty() {
                String::new()
            } else {
                format!(", slowed down by {}", copy.throttled_by.join(", "))
            };
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "{id}: {} rows/s, time left {}{slowed}",
                told(&copy.rows_per_second, u64::to_string),
                told(&copy.eta_seconds, |s| moment::span(s.saturating_mul(1000))),
            );
        }
        for (id, pass) in &self.verifying {
            let _ = writeln!(text, "{}", verifying(id, pass));
        }
        text
    }
}

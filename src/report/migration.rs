//! The report of a migration: phases, steps, verification, and the journal's head hash, for people (text, HTML) and programs (JSON).

use crate::model::fold::{Migration, PhaseRecord};
use crate::model::ids::{PipelineId, Seq};
use crate::model::lag::Reading;
use crate::model::phase::PhaseKind;
use crate::model::step::{StepRecord, StepStatus};
use crate::model::verification::TableVerification;
use crate::report::columns::Columns;
use crate::report::moment;
use crate::report::status::detail;
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The JSON form, schema `godwit.report/1`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MigrationReport {
    /// `godwit.report/1`.
    pub schema: &'static str,
    /// When it was written.
    pub written_at: DateTime<Utc>,
    /// Migration name.
    pub migration: String,
    /// `env` of the profile.
    pub env: Option<String>,
    /// Digest of the profile.
    pub profile_digest: String,
    /// Last journal row that is part of it.
    pub head: Seq,
    /// The journal's check; unknown when the file could not be read.
    pub journal: Reading<JournalHead>,
    /// The ladder.
    pub phases: Vec<PhaseReport>,
    /// Tables by pipeline.
    pub verification: BTreeMap<PipelineId, Vec<TableVerification>>,
}

/// The journal's last row, after its whole chain was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JournalHead {
    /// Rows.
    pub rows: u64,
    /// Hash of the last row.
    pub head_hash: String,
}

/// One phase with its steps.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PhaseReport {
    /// Name.
    pub id: String,
    /// Kind.
    pub kind: PhaseKind,
    /// Status word.
    pub status: &'static str,
    /// Why it stands there.
    pub detail: String,
    /// When it last started running.
    pub started_at: Option<DateTime<Utc>>,
    /// When its status last changed.
    pub changed_at: DateTime<Utc>,
    /// Steps in the order in which they were first begun.
    pub steps: Vec<StepRecord>,
}

/// Puts the report together.
pub fn report(migration: &Migration, journal: Reading<JournalHead>, written_at: DateTime<Utc>) -> MigrationReport {
    MigrationReport {
        schema: "godwit.report/1",
        written_at,
        migration: migration.name.clone(),
        env: migration.env.clone(),
        profile_digest: migration.digest.clone(),
        head: migration.head,
        journal,
        phases: migration.phases.iter().map(phase).collect(),
        verification: migration.verification.clone(),
    }
}

fn phase(record: &PhaseRecord) -> PhaseReport {
    PhaseReport {
        id: record.id.to_string(),
        kind: record.kind,
        status: record.status.word(),
        detail: detail(record),
        started_at: record.started_at,
        changed_at: record.changed_at,
        steps: record.steps.clone(),
    }
}

/// The word for a step's status.
pub fn step_word(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Intended => "in doubt or running",
        StepStatus::Done => "done",
        StepStatus::Failed => "failed",
        StepStatus::Undoing => "being taken back",
        StepStatus::Undone => "taken back",
        StepStatus::UndoFailed => "could not be taken back",
    }
}

/// What is known of a table's equality, in words. A table that was never scanned is never verified.
pub fn table_word(table: &TableVerification) -> String {
    match (table.is_verified(), table.full_pass_at) {
        (true, _) => "verified".to_owned(),
        (false, None) => "never fully compared".to_owned(),
        (false, Some(_)) => format!(
            "{} missing, {} extra, {} changed, {} unresolved",
            table.drift.missing, table.drift.extra, table.drift.changed, table.drift.unresolved
        ),
    }
}

impl MigrationReport {
    /// The journal's line.
    pub fn journal_line(&self) -> String {
        match &self.journal {
            Reading::Known(head) => format!("{} rows, chain checked, head hash {}", head.rows, head.head_hash),
            Reading::Unknown(why) => format!("not checked: {why}"),
        }
    }

    /// The text form.
    pub fn text(&self) -> String {
        let env = self.env.as_ref().map_or_else(String::new, |env| format!(" ({env})"));
        let mut text = format!(
            "Report of the migration {}{env}, written {}\nprofile digest {}\njournal: {}\n",
            self.migration,
            moment::stamp(self.written_at),
            self.profile_digest,
            self.journal_line()
        );
        for phase in &self.phases {
            let detail = if phase.detail.is_empty() { String::new() } else { format!(": {}", phase.detail) };
            // Writing to a String cannot fail; this holds for every line below.
            let _ =
                writeln!(text, "\n{} is {} since {}{detail}", phase.id, phase.status, moment::stamp(phase.changed_at));
            if phase.steps.is_empty() {
                continue;
            }
            let mut steps = Columns::new(&["  STEP", "STATUS", "ATTEMPTS", "AT", "EVIDENCE"]);
            for step in &phase.steps {
                steps.row([
                    format!("  {}", step.id),
                    step_word(step.status).to_owned(),
                    step.attempts.to_string(),
                    moment::stamp(step.at),
                    step.note.clone(),
                ]);
            }
            text.push_str(&steps.text());
        }
        text.push_str("\nVerification\n");
        let mut tables =
            Columns::new(&["  PIPELINE", "TABLE", "RESULT", "ROWS COMPARED", "LAST FULL PASS", "CHANGED SINCE"]);
        for (pipeline, verified) in &self.verification {
            for table in verified {
                tables.row([
                    format!("  {pipeline}"),
                    table.table.to_string(),
                    table_word(table),
                    table.rows_compared.to_string(),
                    table.full_pass_at.map_or_else(|| "never".to_owned(), moment::stamp),
                    table.changed_since.map_or_else(|| "unknown".to_owned(), |rows| rows.to_string()),
                ]);
            }
        }
        text.push_str(&tables.text());
        text
    }
}

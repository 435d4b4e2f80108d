//! Readings of a pipeline in words: the same on the overview and on the pipelines screen. Unknown is never a number.

use crate::model::change::Position;
use crate::model::lag::{Lag, LagMethod, Reading};
use crate::model::pipeline::{PipelineState, Stage};
use crate::model::sample::PipelineSample;
use crate::report::event::grouped;
use crate::tui::state::overview::PipelineRow;
use crate::tui::state::picture::Picture;
use crate::tui::theme::Tone;
use crate::tui::units::{age, bytes, duration_ms, forecast, lasting, percent, short_count};
use crate::tui::widgets::table::Cell;
use chrono::{DateTime, TimeDelta, Utc};

/// A runway shorter than this is shown as trouble, in seconds.
const SHORT_RUNWAY_SECONDS: u64 = 3_600;

/// `, read 3 min ago`; nothing for a fresh reading, which needs no words.
pub fn read_words(now: DateTime<Utc>, at: DateTime<Utc>) -> String {
    if now - at < TimeDelta::seconds(10) { String::new() } else { format!(", read {} ago", age(now, at)) }
}

/// How a lag was found out.
pub fn method_words(method: LagMethod) -> &'static str {
    match method {
        LagMethod::Marker => "by marker",
        LagMethod::Position => "by position",
    }
}

/// The tone of a runway.
pub fn runway_tone(seconds: u64) -> Tone {
    if seconds < SHORT_RUNWAY_SECONDS { Tone::Bad } else { Tone::Plain }
}

/// A lag in a cell: `-` where there can be none, `?` where it is not known, `120 ms ?` where it is old.
pub fn lag_cell<'a>(row: &PipelineRow<'_>, picture: &Picture) -> Cell<'a> {
    let known = row.sample.map(|s| (&s.lag.lag_ms, picture.now - s.lag.at > TimeDelta::seconds(15)));
    match known {
        _ if row.is_idle() => (Tone::Dim, "-".into()),
        None | Some((Reading::Unknown(_), _)) if row.record.stage == Stage::Copy => (Tone::Dim, "?".into()),
        None | Some((Reading::Unknown(_), _)) => (Tone::Warn, "?".into()),
        Some((Reading::Known(ms), true)) => (Tone::Warn, format!("{} ?", duration_ms(*ms)).into()),
        Some((Reading::Known(ms), false)) => (Tone::Plain, duration_ms(*ms).into()),
    }
}

/// A runway in a cell.
pub fn runway_cell<'a>(row: &PipelineRow<'_>, picture: &Picture) -> Cell<'a> {
    match row.sample.map(|s| &s.runway.seconds) {
        _ if row.is_idle() => (Tone::Dim, "-".into()),
        None => (Tone::Dim, "?".into()),
        Some(Reading::Unknown(_)) => (Tone::Warn, "?".into()),
        Some(Reading::Known(None)) => (Tone::Plain, "no limit".into()),
        Some(Reading::Known(Some(seconds))) => {
            let stale = if picture.is_stale() { " ?" } else { "" };
            (runway_tone(*seconds), format!("{}{stale}", forecast(*seconds)).into())
        }
    }
}

/// What is wrong with a pipeline, the most urgent first.
pub fn alarms(row: &PipelineRow<'_>, picture: &Picture) -> Vec<(Tone, String)> {
    let mut alarms = Vec::new();
    match &row.record.state {
        PipelineState::Failed { reason } => alarms.push((Tone::Bad, format!("! {reason}"))),
        PipelineState::Retrying { reason, attempt } => {
            alarms.push((Tone::Warn, format!("# attempt {attempt}: {reason}")));
        }
        PipelineState::Stopped
        | PipelineState::Starting
        | PipelineState::Running
        | PipelineState::Pausing
        | PipelineState::Paused => {}
    }
    let Some(sample) = row.sample else { return alarms };
    if sample.stalled {
        let still = sample.moved_at.map_or_else(|| "at all".to_owned(), |at| lasting(picture.now, at));
        alarms.push((Tone::Bad, format!("! stalled: the source moves on, the target has not followed {still}")));
    }
    if sample.anomalies > 0 {
        let changes = grouped(sample.anomalies);
        alarms
            .push((Tone::Bad, format!("! {changes} changes met unexpected rows: somebody else writes to the target")));
    }
    alarms
}

/// Alarms, and whatever else explains a pipeline's row.
pub fn notes(row: &PipelineRow<'_>, picture: &Picture) -> Vec<(Tone, String)> {
    let mut notes = alarms(row, picture);
    let copying = row.record.stage == Stage::Copy;
    if let (true, Some(sample)) = (copying, row.sample) {
        notes.push((Tone::Busy, format!("* {}", copy_words(sample))));
    }
    if let Some(sample) = row.sample.filter(|s| !s.throttled_by.is_empty()) {
        notes.push((Tone::Warn, format!("~ slowed down by {}", sample.throttled_by.join("; "))));
    }
    let lag = match row.sample.map(|s| &s.lag) {
        _ if row.is_idle() => None,
        None => Some("lag unknown: nothing has been read yet".to_owned()),
        Some(Lag { lag_ms: Reading::Unknown(why), method, at, .. }) => {
            Some(format!("lag unknown: {why} ({}{})", method_words(*method), read_words(picture.now, *at)))
        }
        Some(lag) if picture.now - lag.at > TimeDelta::seconds(15) => {
            Some(format!("lag is {} old ({})", age(picture.now, lag.at), method_words(lag.method)))
        }
        Some(_) => None,
    };
    // While rows are being copied nobody expects a lag: the note is there, but does not call.
    let tone = if copying { Tone::Dim } else { Tone::Warn };
    notes.extend(lag.map(|words| (tone, format!("? {words}"))));
    notes
}

/// A distance in the log's own unit.
pub fn distance_words(lag: &Lag) -> String {
    match (&lag.distance, lag.source_position.or(lag.applied_position)) {
        (Reading::Known(distance), Some(Position::LogRow(_))) => format!("{} log rows behind", grouped(*distance)),
        (Reading::Known(distance), _) => format!("{} of log behind", bytes(*distance)),
        (Reading::Unknown(why), _) => format!("? unknown: {why}"),
    }
}

/// How far a copy is. Rows by statistics are called an estimate and never make a percentage.
pub fn copy_words(sample: &PipelineSample) -> String {
    let copy = &sample.copy;
    let chunks = match copy.chunks() {
        Some((done, total)) => match percent(done, total) {
            Some(percent) => format!("{percent} %, {} of {} chunks", grouped(done), grouped(total)),
            None => "no chunks".to_owned(),
        },
        None => "chunks are being planned".to_owned(),
    };
    let complete = copy.chunks().is_some_and(|(done, total)| done == total);
    let left = match &sample.copy_eta_seconds {
        Reading::Known(seconds) if !complete => format!(", {} left", forecast(*seconds)),
        _ => String::new(),
    };
    let estimate = copy.tables.iter().map(|t| t.estimated_rows).sum::<Option<u64>>();
    let estimate = estimate.map_or_else(String::new, |rows| format!(" (est. {})", short_count(rows)));
    let speed = match &sample.copied_per_second {
        Reading::Known(rate) if *rate > 0 && !complete => format!(", {}/s", short_count(*rate)),
        _ => String::new(),
    };
    format!("{chunks}{left}; {} rows{estimate}{speed}", grouped(copy.rows_done()))
}

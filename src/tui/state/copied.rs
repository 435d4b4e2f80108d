//! What `y` copies: the selected line, the plan in a dialog, all fields of a journal row. Cleaned, so that pasting it into
//! a shell cannot run what a server wrote into a name.

use crate::model::event::Entry;
use crate::model::finding::Finding;
use crate::model::observation::{Missing, StoreReading};
use crate::model::plan::Plan;
use crate::model::session::Party;
use crate::report::replication::lag_words;
use crate::tui::clean::{clean, clean_lines};
use crate::tui::state::activity::SessionRow;
use crate::tui::state::cockpit::Cockpit;
use crate::tui::state::dialog::Stage;
use crate::tui::state::findings::FindingRow;
use crate::tui::state::hotspots::HotRow;
use crate::tui::state::next::next;
use crate::tui::state::replication::{Item, ReplicationRow};
use crate::tui::state::screen::Screen;
use crate::tui::state::verification::verdict;
use serde_json::Value;

/// The text to copy now; `None` when nothing is selected.
pub fn copied(cockpit: &Cockpit) -> Option<String> {
    let picture = cockpit.picture();
    if let Some(dialog) = &cockpit.dialog {
        return match (&dialog.plan, &dialog.stage) {
            (Some(plan), _) => Some(statements(plan)),
            (None, Stage::Failed { why }) => Some(clean(why).into_owned()),
            (None, Stage::Done { message, lines }) => {
                let all: Vec<_> = std::iter::once(message).chain(lines).map(|line| clean(line)).collect();
                Some(all.join("\n"))
            }
            (None, Stage::Planning | Stage::Prompting | Stage::Waiting) => None,
        };
    }
    let line = match cockpit.screen {
        Screen::Overview => {
            let next = next(picture, cockpit.options.observe);
            format!("{} - {}", next.word, next.text)
        }
        Screen::Phases => {
            let (_, phase) = cockpit.phases.selected(picture)?;
            match phase.steps.iter().rev().find(|step| !step.note.is_empty()) {
                Some(step) => format!("{}: {}; {}: {}", phase.id, phase.status.word(), step.id, step.note),
                None => format!("{}: {}", phase.id, phase.status.word()),
            }
        }
        Screen::Pipelines => {
            let (_, row) = cockpit.pipelines.selected(picture)?;
            let (record, writable) = (row.record, if row.record.writable { "yes" } else { "no" });
            format!(
                "{}: state {}, stage {}, traffic {}, writable {writable}",
                row.id,
                record.state.word(),
                record.stage.word(),
                record.traffic.word()
            )
        }
        Screen::Verification => {
            let rows = cockpit.verification.rows(picture);
            let row = rows.get(cockpit.verification.selected(&rows)?)?;
            let mut line = format!("{} {}: {}", row.pipeline, row.table, verdict(row.found).0);
            for sample in row.found.iter().flat_map(|found| &found.sample) {
                line.push_str(&format!("\n{:?} {}", sample.kind, sample.key.join(", ")));
            }
            return Some(clean_lines(&line).collect::<Vec<_>>().join("\n"));
        }
        Screen::Activity | Screen::Locks => {
            let Some(row) = cockpit.selected_session() else { return lock_line(cockpit) };
            let zoomed =
                if cockpit.screen == Screen::Activity { cockpit.activity.zoomed } else { cockpit.locks.zoomed };
            let statement = if cockpit.masked { "(masked)" } else { row.session.statement.as_str() };
            // The detail gives the statement alone, for EXPLAIN; the list the line, for a message.
            if zoomed { statement.to_owned() } else { session_line(&row, statement) }
        }
        Screen::Replication => {
            let rows = cockpit.replication.rows(picture);
            replication_line(rows.get(cockpit.replication.selected(&rows)?)?)
        }
        Screen::Journal => {
            let seq = *cockpit.journal.rows().get(cockpit.journal.selected())?;
            let line = picture.line(cockpit.journal.detail.unwrap_or(seq))?;
            if cockpit.journal.detail.is_some() {
                let all: Vec<String> = fields(&line.entry).into_iter().map(|(k, v)| format!("{k}: {v}")).collect();
                return Some(all.iter().flat_map(|line| clean_lines(line)).collect::<Vec<_>>().join("\n"));
            }
            format!("{} {} {}", line.entry.seq, line.entry.at.to_rfc3339(), line.sentence)
        }
        Screen::HotSpots => match cockpit.hotspots.target(picture.hot_spots())? {
            // The server's text is kept in its lines, without what could steer a terminal.
            HotRow::Spot(row) if !cockpit.masked => return Some(lines(&row.spot.text)),
            HotRow::Both(_, found) if !cockpit.masked => return Some(lines(&found.name)),
            HotRow::New(_, spot) | HotRow::Gone(_, spot) if !cockpit.masked => return Some(lines(&spot.text)),
            HotRow::Store(_, reading) => enabling(reading)?,
            _ => "(masked)".to_owned(),
        },
        Screen::Indexes | Screen::Access => match finding_row(cockpit)? {
            FindingRow::Finding(finding, _) => match &finding.statement {
                Some(statement) => return Some(lines(statement)),
                None => finding_line(finding),
            },
            FindingRow::Store(_, reading) => enabling(reading)?,
        },
    };
    Some(clean(&line).into_owned())
}

/// What takes the statement of the selected finding back.
pub fn undo(cockpit: &Cockpit) -> Option<String> {
    match finding_row(cockpit)? {
        FindingRow::Finding(finding, _) => finding.undo.as_deref().map(lines),
        FindingRow::Store(..) => None,
    }
}

fn finding_row(cockpit: &Cockpit) -> Option<FindingRow<'_>> {
    let picture = cockpit.picture();
    match cockpit.screen {
        Screen::Indexes => cockpit.indexes.target(picture.indexes()),
        Screen::Access => cockpit.access.target(picture.access()),
        _ => None,
    }
}

fn finding_line(finding: &Finding) -> String {
    let (store, rule) = (&finding.store, &finding.rule);
    let (severity, verdict) = (finding.severity.word(), finding.verdict.word());
    format!("{store} {rule} {severity}, {verdict}, {}: {}", finding.subject, finding.sentence)
}

/// The statement that makes visible what is missing, the first one that there is.
fn enabling<T>(reading: &StoreReading<T>) -> Option<String> {
    let missing: &[Missing] = reading.latest.as_ref().map_or(&[], |read| &read.missing);
    missing.iter().find_map(|missing| missing.enable.clone())
}

/// A text of several lines, each cleaned.
fn lines(text: &str) -> String {
    clean_lines(text).collect::<Vec<_>>().join("\n")
}

fn session_line(row: &SessionRow<'_>, statement: &str) -> String {
    let s = row.session;
    let open = s.transaction_since.map_or_else(String::new, |at| format!(", transaction since {}", at.to_rfc3339()));
    let waits = if s.wait.is_empty() { String::new() } else { format!(", waits for {}", s.wait) };
    let who = [s.login.as_str(), &s.application, &s.client].into_iter().filter(|w| !w.is_empty()).collect::<Vec<_>>();
    format!("{} {} ({}): {}{open}{waits}: {statement}", row.store, s.key, who.join(", "), s.state.word())
}

/// A line of a lock tree that is no session: what the server told of it.
fn lock_line(cockpit: &Cockpit) -> Option<String> {
    if cockpit.screen != Screen::Locks {
        return None;
    }
    let rows = cockpit.locks.rows(cockpit.picture());
    let row = rows.get(cockpit.locks.selected(&rows)?)?;
    let who = match &row.node.party {
        Party::Session(key) => format!("session {key}, which the last reading does not show"),
        Party::Prepared(name) => format!("prepared transaction '{name}'"),
        Party::Unknown => "somebody whom the server does not name".to_owned(),
    };
    let waits = row
        .node
        .edge
        .as_ref()
        .map_or_else(String::new, |edge| format!(", waits for {} on {}", edge.wanted, edge.object));
    Some(clean(&format!("{}: {who}{waits}, blocks {}", row.store, row.node.blocks)).into_owned())
}

fn replication_line(row: &ReplicationRow<'_>) -> String {
    match row.item {
        Item::Server => format!("{}: {}", row.store, row.read.value.reading.role.word()),
        Item::Link(link) => {
            let error = link.error.as_ref().map_or_else(String::new, |why| format!(", {why}"));
            let lags: Vec<String> = link.lag.iter().map(lag_words).collect();
            format!("{} {} {}: {}{error}; {}", row.store, link.name, link.peer, link.state, lags.join("; "))
        }
        Item::Log(log, _) => {
            let problem = log.problem.as_ref().map_or_else(String::new, |why| format!(", {why}"));
            format!("{} log {}: {}{problem}", row.store, log.name, log.state)
        }
    }
}

/// All statements of a plan, one after the other.
fn statements(plan: &Plan) -> String {
    let all = plan.steps.iter().flat_map(|step| &step.does).flat_map(|statement| clean_lines(statement));
    all.collect::<Vec<_>>().join("\n")
}

/// Every field of a journal row with its path, in the order in which the journal writes them.
pub fn fields(entry: &Entry) -> Vec<(String, String)> {
    let mut out = Vec::new();
    match serde_json::to_value(entry) {
        Ok(value) => flatten("", &value, &mut out),
        Err(error) => out.push(("error".to_owned(), error.to_string())),
    }
    // Row and time first: everybody looks for them.
    out.sort_by_key(|(path, _)| match path.as_str() {
        "seq" => 0,
        "at" => 1,
        "kind" => 2,
        _ => 3,
    });
    out
}

fn flatten(path: &str, value: &Value, out: &mut Vec<(String, String)>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(map) => map.iter().for_each(|(name, value)| flatten(&below(name), value, out)),
        Value::Array(items) if items.iter().any(|i| i.is_object() || i.is_array()) => {
            items.iter().enumerate().for_each(|(at, value)| flatten(&below(&at.to_string()), value, out));
        }
        Value::Array(items) => {
            let words: Vec<String> = items.iter().map(scalar).collect();
            out.push((path.to_owned(), words.join(", ")));
        }
        value => out.push((path.to_owned(), scalar(value))),
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

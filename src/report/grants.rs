//! Statements of monitoring roles: what `godwit grants` prints, ready to be run by an administrator.

use crate::model::monitor::{GrantStatement, MonitorRole};
use serde::Serialize;
use std::fmt::Write;

/// The JSON form, schema `godwit.grants/1`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GrantsReport {
    /// `godwit.grants/1`.
    pub schema: &'static str,
    /// The store.
    pub store: String,
    /// The role.
    pub role: MonitorRole,
    /// Statements in order.
    pub statements: Vec<GrantStatement>,
}

impl GrantsReport {
    /// A report.
    pub fn new(store: &str, role: MonitorRole, statements: Vec<GrantStatement>) -> Self {
        Self { schema: "godwit.grants/1", store: store.to_owned(), role, statements }
    }

    /// The text form: comments of the engine's own kind are not used, because engines differ; reasons stand on lines that begin with `--`.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "-- {}: what the monitoring role `{}` needs, and nothing more. Replace PASSWORD.",
            self.store, self.role
        );
        for (required, heading) in [(true, None), (false, Some("-- Optional: everything else works without these."))] {
            let mut statements = self.statements.iter().filter(|s| s.required == required).peekable();
            if let (Some(heading), Some(_)) = (heading, statements.peek()) {
                let _ = writeln!(text, "{heading}");
            }
            for statement in statements {
                let _ = writeln!(text, "-- {}", statement.why);
                let _ = writeln!(text, "{};", statement.statement.trim_end_matches(';'));
            }
        }
        let _ = writeln!(text, "-- To take it back:");
        for statement in self.statements.iter().rev().filter(|s| !s.undo.is_empty()) {
            let _ = writeln!(text, "--   {};", statement.undo.trim_end_matches(';'));
        }
        text
    }
}

//! What ending a session would do: what `godwit cancel` and `godwit kill` print before they ask.

use crate::model::ending::EndingPlan;
use std::fmt::Write;

/// The text: whose session, what it does, what speaks against it, and the exact statement.
pub fn text(ending: &EndingPlan) -> String {
    let mut text = format!(
        "{} session {} on {} (born {}): {}\n",
        ending.how.word(),
        ending.session,
        ending.store,
        ending.session.born,
        ending.who
    );
    if !ending.doing.is_empty() {
        let _ = writeln!(text, "  its statement: {}", ending.doing);
    }
    for warning in &ending.warnings {
        let _ = writeln!(text, "  beware: {warning}");
    }
    let _ = writeln!(text, "  would run: {}", ending.statement);
    text
}

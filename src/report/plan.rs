//! A plan as it is printed for approval: every statement, its undo, the way back, and the hash that consent binds to.

use crate::model::plan::{Direction, Plan};
use std::fmt::Write;

/// The text form.
pub fn text(plan: &Plan) -> String {
    let mut text = String::new();
    let title = match plan.direction {
        Direction::Forward => "plan of",
        Direction::Rollback => "plan to take back",
    };
    // Writing to a String cannot fail; this holds for every line below.
    let _ = writeln!(text, "{title} phase {}, {} steps", plan.phase, plan.steps.len());
    for (number, step) in plan.steps.iter().enumerate() {
        let _ = writeln!(text, "\n{:>3}. {}: {}", number + 1, step.id, step.title);
        for statement in &step.does {
            block(&mut text, "do", statement);
        }
        for statement in &step.undo {
            block(&mut text, "undo", statement);
        }
        if step.point_of_no_return {
            let _ =
                writeln!(text, "     ==== point of no return: from here only forward, or back by reverse sync ====");
        }
    }
    if !plan.notes.is_empty() || !plan.sizes.is_empty() {
        text.push('\n');
    }
    for note in &plan.notes {
        let _ = writeln!(text, "note: {note}");
    }
    for size in &plan.sizes {
        let _ = writeln!(text, "size: {size}");
    }
    for queue in &plan.queues {
        for (number, line) in queue.lines().iter().enumerate() {
            let word = if number == 0 { "\nlock queue:" } else { "           " };
            let _ = writeln!(text, "{word} {line}");
        }
    }
    let _ = writeln!(text, "\nway back: {}", plan.way_back);
    let _ = writeln!(text, "hash: {} (short: {})", plan.hash, plan.short_hash());
    text
}

/// A statement of several lines stays together: its first line carries the word.
fn block(text: &mut String, word: &str, statement: &str) {
    for (number, line) in statement.lines().enumerate() {
        let word = if number == 0 { word } else { "" };
        let _ = writeln!(text, "     {word:>4}  {line}");
    }
}

//! What a dialog prints of a plan, line by line.

use crate::model::plan::{Direction, Plan};

/// The plan as lines: statements verbatim, with their undo and the point of no return in place.
pub fn plan_lines(plan: &Plan) -> Vec<PlanLine> {
    let mut lines = Vec::new();
    for (at, step) in plan.steps.iter().enumerate() {
        lines.push(PlanLine::Step(format!("{}. {}  {}", at + 1, step.id, step.title)));
        lines.extend(step.does.iter().flat_map(|s| s.lines()).map(|s| PlanLine::Does(s.to_owned())));
        // The undo of a roll back would be the phase itself: it is not printed twice.
        if plan.direction == Direction::Forward {
            lines.extend(step.undo.iter().flat_map(|s| s.lines()).map(|s| PlanLine::Undo(s.to_owned())));
        }
        if step.point_of_no_return {
            lines.push(PlanLine::NoReturn);
        }
    }
    lines.extend(plan.notes.iter().chain(&plan.sizes).map(|n| PlanLine::Note(n.clone())));
    lines.extend(plan.queues.iter().flat_map(|queue| queue.lines()).map(PlanLine::Note));
    lines
}

/// One line of a printed plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanLine {
    /// A step's number, id and title.
    Step(String),
    /// A statement or call.
    Does(String),
    /// What takes it back.
    Undo(String),
    /// The step above is the point of no return.
    NoReturn,
    /// What will not be done, and why.
    Note(String),
}

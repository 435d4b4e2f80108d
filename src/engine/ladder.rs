//! What a change of one phase means for the others.

use crate::model::event::Event;
use crate::model::fold::Migration;
use crate::model::phase::{PhaseEvent, PhaseStatus};

/// Events that follow from the present state: a phase is unlocked when every earlier one is finished, and locked again when one
/// of them no longer is. Applying them leaves nothing more to follow.
pub fn consequences(migration: &Migration) -> Vec<Event> {
    let mut events = Vec::new();
    let mut open = true;
    for phase in &migration.phases {
        let event = match (&phase.status, open) {
            (PhaseStatus::Pending, true) => Some(PhaseEvent::Unlocked),
            (
                PhaseStatus::Ready
                | PhaseStatus::Blocked { .. }
                | PhaseStatus::RolledBack
                | PhaseStatus::AwaitingApproval { .. },
                false,
            ) => Some(PhaseEvent::Locked),
            _ => None,
        };
        if let Some(event) = event {
            events.push(Event::Phase { phase: phase.id.clone(), event });
        }
        open = open && phase.status.is_finished();
    }
    events
}

/// The phase that the migration waits for: the first one that is not finished.
pub fn current(migration: &Migration) -> Option<&crate::model::fold::PhaseRecord> {
    migration.phases.iter().find(|p| !p.status.is_finished())
}

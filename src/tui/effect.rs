//! What the cockpit wants done outside itself. The runner does it; nothing in the state waits for it.

use crate::model::command::Command;

/// An effect of an input.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Hand this to the engine; the link's id comes back through [`Cockpit::on_sent`](crate::tui::state::cockpit::Cockpit::on_sent).
    Send(Command),
    /// Put this on the operator's clipboard.
    Copy(String),
    /// Stop the process until the shell continues it.
    Suspend,
    /// Draw every cell again.
    Repaint,
    /// Leave. The engine goes on.
    Quit,
}

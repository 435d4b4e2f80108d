//! Why a cockpit ended other than by the operator's wish.

/// Errors of the cockpit. The engine and its work are not touched by any of them.
#[derive(Debug, thiserror::Error)]
pub enum CockpitError {
    /// The terminal could not be set up.
    #[error(
        "the terminal cannot be prepared for the cockpit: {0}; try `godwit status --watch`, which needs no cockpit"
    )]
    Prepare(#[source] std::io::Error),
    /// The terminal could not be given back as it was.
    #[error("the terminal could not be restored: {0}; type `reset` and press Enter")]
    Restore(#[source] std::io::Error),
    /// Writing to the terminal failed: usually the window or the SSH connection is gone.
    #[error("writing to the terminal failed: {0}; the engine goes on, attach again with `godwit attach`")]
    Draw(String),
    /// Reading keys failed or the terminal is gone.
    #[error("reading keys failed: {0}; the engine goes on, attach again with `godwit attach`")]
    Input(String),
    /// Signals could not be listened to.
    #[error("signals cannot be listened to: {0}")]
    Signals(#[source] std::io::Error),
    /// The task that talks to the engine ended: a defect in Godwit.
    #[error("the link to the engine ended unexpectedly; the engine goes on, attach again with `godwit attach`")]
    LinkEnded,
}

//! Signals as a stream, so that the loop has one place where things arrive.

use crate::tui::error::CockpitError;
use futures_util::Stream;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::signal::unix::{Signal as Listener, SignalKind, signal};

/// A signal that the cockpit answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM, SIGINT or SIGHUP: restore the terminal and leave. The engine goes on.
    Leave,
    /// SIGTSTP from outside (the key `^Z` arrives as a byte in raw mode): restore the terminal and stop.
    Stop,
    /// SIGCONT: take the terminal again and draw everything.
    Continue,
}

/// The listeners. Installed once; they stay installed for the life of the process.
pub struct Signals {
    listeners: Vec<(Signal, Listener)>,
}

impl Signals {
    /// Listens.
    ///
    /// # Errors
    /// [`CockpitError::Signals`] when a handler cannot be installed.
    pub fn listen() -> Result<Self, CockpitError> {
        let kinds = [
            (Signal::Leave, SignalKind::terminate()),
            (Signal::Leave, SignalKind::interrupt()),
            (Signal::Leave, SignalKind::hangup()),
            (Signal::Stop, SignalKind::from_raw(nix::sys::signal::Signal::SIGTSTP as i32)),
            (Signal::Continue, SignalKind::from_raw(nix::sys::signal::Signal::SIGCONT as i32)),
        ];
        let listeners = kinds
            .into_iter()
            .map(|(meaning, kind)| Ok((meaning, signal(kind)?)))
            .collect::<Result<_, std::io::Error>>()
            .map_err(CockpitError::Signals)?;
        Ok(Self { listeners })
    }
}

impl Stream for Signals {
    type Item = Signal;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Signal>> {
        for (meaning, listener) in &mut self.listeners {
            if let Poll::Ready(Some(())) = listener.poll_recv(cx) {
                return Poll::Ready(Some(*meaning));
            }
        }
        Poll::Pending
    }
}

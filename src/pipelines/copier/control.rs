//! What a running pipeline is asked to do.

use tokio::sync::watch;

/// What its owner wants. Set by the engine; the pipeline looks between batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Move data.
    Run,
    /// Finish what is in flight, then hold still with connections kept.
    Pause,
    /// Finish what is in flight, then end.
    Stop,
}

/// The owner's end.
#[derive(Debug)]
pub struct Controller(watch::Sender<Wish>);

/// The pipeline's end.
#[derive(Clone, Debug)]
pub struct Control(watch::Receiver<Wish>);

/// A connected pair that starts with `Run`.
pub fn channel() -> (Controller, Control) {
    let (sender, receiver) = watch::channel(Wish::Run);
    (Controller(sender), Control(receiver))
}

impl Controller {
    /// Says what is wanted from now on.
    pub fn wish(&self, wish: Wish) {
        self.0.send_replace(wish);
    }

    /// Another end that hears the same wishes.
    pub fn subscribe(&self) -> Control {
        Control(self.0.subscribe())
    }

    /// What is wanted now.
    pub fn current(&self) -> Wish {
        *self.0.borrow()
    }
}

impl Control {
    /// What is wanted now. A dropped owner means `Stop`.
    pub fn wish(&self) -> Wish {
        if self.0.has_changed().is_err() { Wish::Stop } else { *self.0.borrow() }
    }

    /// Returns at once with `Run` or `Stop`; while paused it waits for either.
    pub async fn unless_paused(&mut self) -> Wish {
        match self.0.wait_for(|wish| *wish != Wish::Pause).await {
            Ok(wish) => *wish,
            Err(_) => Wish::Stop,
        }
    }

    /// Waits until something else than `Run` is wanted.
    pub async fn interrupted(&mut self) -> Wish {
        match self.0.wait_for(|wish| *wish != Wish::Run).await {
            Ok(wish) => *wish,
            Err(_) => Wish::Stop,
        }
    }
}

//! What a running piece of work is asked to do, and when a pause is confirmed.

use tokio::sync::watch;

/// What its owner wants. Set by the engine; the work looks at safe points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Go on.
    Run,
    /// Finish what is in flight, then hold still.
    Pause,
    /// Finish what is in flight, then end.
    Stop,
}

/// Lanes of the work: how many there are and how many of them hold still.
#[derive(Clone, Copy, Debug, Default)]
struct Lanes {
    running: usize,
    holding: usize,
}

/// The owner's end.
#[derive(Clone, Debug)]
pub struct Controller {
    wish: watch::Sender<Wish>,
    lanes: watch::Sender<Lanes>,
}

/// The work's end.
#[derive(Clone, Debug)]
pub struct Control {
    wish: watch::Receiver<Wish>,
    lanes: watch::Sender<Lanes>,
}

/// A connected pair that starts with `Run`.
pub fn channel() -> (Controller, Control) {
    let (wish, receiver) = watch::channel(Wish::Run);
    let lanes = watch::Sender::new(Lanes::default());
    (Controller { wish, lanes: lanes.clone() }, Control { wish: receiver, lanes })
}

impl Controller {
    /// Says what is wanted from now on.
    pub fn wish(&self, wish: Wish) {
        self.wish.send_replace(wish);
    }

    /// What is wanted now.
    pub fn current(&self) -> Wish {
        *self.wish.borrow()
    }

    /// Waits until the wish is the given one.
    pub async fn until(&self, wish: Wish) {
        // The sender lives in `self`, so the channel cannot close while we wait.
        let _ = self.wish.subscribe().wait_for(|w| *w == wish).await;
    }

    /// Waits until every lane holds still: only then is a pause confirmed.
    pub async fn held(&self) {
        let _ = self.lanes.subscribe().wait_for(|lanes| lanes.running == lanes.holding).await;
    }
}

impl Control {
    /// What is wanted now. A dropped owner means `Stop`.
    pub fn wish(&self) -> Wish {
        if self.wish.has_changed().is_err() { Wish::Stop } else { *self.wish.borrow() }
    }

    /// Enters a lane: from now until the lane is dropped a pause is confirmed only while it holds still.
    pub fn enter(&self) -> Lane {
        self.lanes.send_modify(|l| l.running += 1);
        Lane { control: self.clone() }
    }

    /// Waits until the owner says anything anew, even the same as before.
    pub async fn next_wish(&mut self) -> Wish {
        self.wish.mark_unchanged();
        match self.wish.changed().await {
            Ok(()) => *self.wish.borrow_and_update(),
            Err(_) => Wish::Stop,
        }
    }

    /// Waits until `Stop` is wanted, whatever else is wanted meanwhile.
    pub async fn stopped(&mut self) {
        // An error means that the owner is gone, which is `Stop` too.
        let _ = self.wish.wait_for(|wish| *wish == Wish::Stop).await;
    }

    /// Waits until something else than `Run` is wanted.
    pub async fn interrupted(&mut self) -> Wish {
        match self.wish.wait_for(|wish| *wish != Wish::Run).await {
            Ok(wish) => *wish,
            Err(_) => Wish::Stop,
        }
    }
}

/// One lane of work.
#[derive(Debug)]
pub struct Lane {
    control: Control,
}

impl Lane {
    /// A safe point: returns at once with `Run` or `Stop`; while paused it holds still until either is wanted.
    pub async fn unless_paused(&mut self) -> Wish {
        if self.control.wish() != Wish::Pause {
            return self.control.wish();
        }
        let _holding = Holding::begin(&self.control.lanes);
        match self.control.wish.wait_for(|wish| *wish != Wish::Pause).await {
            Ok(wish) => *wish,
            Err(_) => Wish::Stop,
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.control.lanes.send_modify(|l| l.running -= 1);
    }
}

/// Counts a holding lane for as long as it lives, also when the wait is dropped.
struct Holding<'a>(&'a watch::Sender<Lanes>);

impl<'a> Holding<'a> {
    fn begin(lanes: &'a watch::Sender<Lanes>) -> Self {
        lanes.send_modify(|l| l.holding += 1);
        Self(lanes)
    }
}

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|l| l.holding -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn a_pause_is_confirmed_only_when_every_lane_holds() {
        let (controller, control) = channel();
        let (mut a, mut b) = (control.enter(), control.enter());
        controller.wish(Wish::Pause);
        let mut a_waits = Box::pin(a.unless_paused());
        assert!((&mut a_waits).now_or_never().is_none());
        assert!(controller.held().now_or_never().is_none(), "b is still moving");
        let mut b_waits = Box::pin(b.unless_paused());
        assert!((&mut b_waits).now_or_never().is_none());
        controller.held().await;
        controller.wish(Wish::Run);
        assert_eq!((a_waits.await, b_waits.await), (Wish::Run, Wish::Run));
    }

    #[tokio::test]
    async fn a_dropped_owner_stops_the_work() {
        let (controller, control) = channel();
        drop(controller);
        assert_eq!(control.wish(), Wish::Stop);
        assert_eq!(control.enter().unless_paused().await, Wish::Stop);
    }
}

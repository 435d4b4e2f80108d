//! The operator's terminal: taken at the start, given back on every way out.
//!
//! Invariant: while a [`Seat`] of [`RealSeat`] exists the terminal is in raw mode on the alternate screen, except while the
//! process is stopped. Dropping it gives the terminal back, also when a panic unwinds.

use crate::tui::clipboard::osc52;
use crate::tui::error::CockpitError;
use crossterm::cursor::{Hide, Show};
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use nix::sys::signal::{Signal, raise};
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// What the loop needs from the terminal besides drawing.
pub trait Seat {
    /// Gives the terminal back, stops the process, and takes the terminal again once the shell continues it.
    ///
    /// # Errors
    /// [`CockpitError::Restore`] or [`CockpitError::Prepare`].
    fn suspend(&mut self) -> Result<(), CockpitError>;

    /// Takes the terminal again after somebody else had it.
    ///
    /// # Errors
    /// [`CockpitError::Prepare`].
    fn retake(&mut self) -> Result<(), CockpitError>;

    /// Puts text on the operator's clipboard. False when it is too long for that.
    ///
    /// # Errors
    /// [`CockpitError::Draw`].
    fn copy(&mut self, text: &str) -> Result<bool, CockpitError>;
}

/// True while the terminal is ours: what the panic hook looks at. Set only by [`RealSeat`].
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal on standard output. There is one a process.
pub struct RealSeat(());

impl RealSeat {
    /// Takes the terminal, and makes sure that a panic gives it back before its message is printed.
    ///
    /// # Errors
    /// [`CockpitError::Prepare`]; the terminal is then as it was.
    pub fn take() -> Result<Self, CockpitError> {
        let earlier = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if TAKEN.swap(false, Ordering::SeqCst) {
                // Without a terminal left there is nobody to tell; the message below still goes to standard error.
                let _gone = leave();
            }
            earlier(panic);
        }));
        let mut seat = Self(());
        seat.retake()?;
        Ok(seat)
    }

    /// Gives the terminal back.
    ///
    /// # Errors
    /// [`CockpitError::Restore`].
    pub fn give_back(&mut self) -> Result<(), CockpitError> {
        if TAKEN.swap(false, Ordering::SeqCst) {
            leave().map_err(CockpitError::Restore)?;
        }
        Ok(())
    }
}

impl Seat for RealSeat {
    fn suspend(&mut self) -> Result<(), CockpitError> {
        self.give_back()?;
        // SIGSTOP, not SIGTSTP: a SIGTSTP that a process raises itself is dropped in an orphaned process group, and the
        // terminal would be left in between.
        raise(Signal::SIGSTOP).map_err(|errno| CockpitError::Restore(errno.into()))?;
        self.retake()
    }

    fn retake(&mut self) -> Result<(), CockpitError> {
        enable_raw_mode().map_err(CockpitError::Prepare)?;
        TAKEN.store(true, Ordering::SeqCst);
        // Pasted text must not be taken for keys, so it is asked for in brackets. The mouse stays the terminal's.
        execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, Hide).map_err(CockpitError::Prepare)
    }

    fn copy(&mut self, text: &str) -> Result<bool, CockpitError> {
        let Some(sequence) = osc52(text) else { return Ok(false) };
        let mut out = io::stdout();
        out.write_all(sequence.as_bytes())
            .and_then(|()| out.flush())
            .map_err(|error| CockpitError::Draw(error.to_string()))?;
        Ok(true)
    }
}

impl Drop for RealSeat {
    fn drop(&mut self) {
        if TAKEN.swap(false, Ordering::SeqCst) {
            // Reached on errors and panics only; the first error is already on its way to the operator.
            let _second_error = leave();
        }
    }
}

fn leave() -> io::Result<()> {
    // Both halves are tried even if the first fails: cooked mode matters even where the screen cannot be written.
    let screen = execute!(io::stdout(), DisableBracketedPaste, LeaveAlternateScreen, Show);
    let mode = disable_raw_mode();
    screen.and(mode)
}

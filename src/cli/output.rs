//! The one way to standard output and standard error.
//!
//! Lines are appended and never rewritten. Control bytes, escape sequences and bidi controls never get through: names and errors come
//! from servers that we do not trust. A reader that went away ends the program quietly (see [`Failure`]).

use crate::cli::failure::Failure;
use crate::report::line::{clean, escaped};
use serde::Serialize;
use std::io::{IsTerminal, Write};

/// Where a command prints, and in which form.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// One JSON document a line instead of text.
    pub json: bool,
    /// `--plain`, `TERM=dumb`, or no terminal: no cockpit is opened.
    pub plain: bool,
}

impl Output {
    /// The form that follows from the arguments and the environment.
    pub fn new(json: bool, plain: bool) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|t| t == "dumb");
        Self { json, plain: plain || dumb || !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() }
    }

    /// Prints text; each of its lines is cleaned and ended.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn text(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        for line in text.lines() {
            writeln!(stdout, "{}", clean(line))?;
        }
        Ok(stdout.flush()?)
    }

    /// Prints one JSON document on one line; what would command a terminal is in it as escapes.
    ///
    /// # Errors
    /// When the value cannot be written as JSON or standard output cannot be written.
    pub fn document<T: Serialize>(&self, value: &T) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(std::io::Error::other)?;
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{}", escaped(&text))?;
        Ok(stdout.flush()?)
    }

    /// Prints `value` as JSON when that was asked for, else the text.
    ///
    /// # Errors
    /// See [`Output::text`].
    pub fn either<T: Serialize>(&self, value: &T, text: impl FnOnce() -> String) -> Result<(), Failure> {
        if self.json { self.document(value) } else { self.text(&text()) }
    }

    /// Prints a line that is not part of the result (a question, what is being waited for) to standard error.
    /// Nobody reads it when that fails, so a failure ends nothing.
    pub fn aside(&self, line: &str) {
        let mut stderr = std::io::stderr().lock();
        // Nothing can be reported when standard error itself is gone.
        let _ = writeln!(stderr, "{}", clean(line));
    }
}

/// Prints the last sentence of a failed command.
pub fn complain(sentence: &str) {
    if sentence.is_empty() {
        return;
    }
    let mut stderr = std::io::stderr().lock();
    for line in sentence.lines() {
        // Nothing can be reported when standard error itself is gone.
        let _ = writeln!(stderr, "godwit: {}", clean(line));
    }
}

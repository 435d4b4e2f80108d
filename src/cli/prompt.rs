//! Questions to a person. Without a terminal no question is ever asked.

use crate::cli::failure::Failure;
use crate::report::line::clean;
use std::io::{IsTerminal, Write};

/// True when a question can be asked and answered.
pub fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks for a line. `None` at end of input.
///
/// # Errors
/// When there is no terminal, or it cannot be read.
fn line(question: &str) -> Result<Option<String>, Failure> {
    if !can_ask() {
        return Err(Failure::usage("there is no terminal to ask on"));
    }
    let mut stderr = std::io::stderr().lock();
    write!(stderr, "{} ", clean(question))?;
    stderr.flush()?;
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer)?;
    Ok((read > 0).then(|| answer.trim().to_owned()))
}

/// Asks a question that only a typed `yes` answers with yes. There is no default.
///
/// # Errors
/// When there is no terminal, or it cannot be read.
pub fn yes(question: &str) -> Result<bool, Failure> {
    Ok(line(&format!("{question} Type yes to go on:"))?.is_some_and(|answer| answer == "yes"))
}

/// Asks for a name to be typed. `None` when nothing was typed.
///
/// # Errors
/// When there is no terminal, or it cannot be read.
pub fn name(question: &str) -> Result<Option<String>, Failure> {
    Ok(line(question)?.filter(|answer| !answer.is_empty()))
}

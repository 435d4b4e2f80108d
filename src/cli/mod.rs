//! The command line: arguments, one file per command, plain and JSON output.

pub mod args;
pub mod choice;
pub mod demo;
pub mod exit;
pub mod failure;
pub mod output;
pub mod prompt;
pub mod session;

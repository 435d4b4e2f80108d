//! The profile file: from TOML text to a [`profile::Profile`] in which every name resolves.
//!
//! ```text
//! text -> toml::de::DeTable (positions) -> raw (types, unknown keys) -> validate (names, rules) -> Profile
//! ```
//!
//! Every layer writes what it finds into one `problem::Notebook` and goes on, so that an operator gets all problems of
//! a profile at once. Secrets are only named here; [`secret`] reads them at the moment they are used.

pub mod duration;
mod form;
pub mod ladder;
mod load;
mod names;
mod ownership;
pub mod problem;
pub mod profile;
mod raw;
pub mod secret;
pub mod size;
mod source;
mod table;
mod template;
pub mod url;
mod validate;
pub mod window;

pub use load::load;
pub use problem::{Problem, ProfileProblems};

#[cfg(test)]
mod tests;

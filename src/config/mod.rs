//! The profile file: from TOML text to a [`profile::Profile`] in which every name resolves.

pub mod profile;

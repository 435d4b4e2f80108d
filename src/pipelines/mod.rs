//! Pipelines: what keeps data moving from a source store to a target store. One folder per kind.

pub mod copier;

//! Where a copier reads and writes, and under which names.

use crate::model::ids::PipelineId;
use crate::model::table::TableMap;
use crate::stores::{ApplySpec, CaptureSpec, StoreRef};

/// One direction of a pipeline: from the side that is captured to the side that is written.
#[derive(Clone)]
pub struct CopierRoute {
    /// The pipeline.
    pub pipeline: PipelineId,
    /// Captured store.
    pub source: StoreRef,
    /// Written store.
    pub target: StoreRef,
    /// What is captured.
    pub capture: CaptureSpec,
    /// What is applied.
    pub apply: ApplySpec,
}

impl CopierRoute {
    /// The forward direction of a pipeline: captures the old side, writes the new one.
    pub fn forward(migration: &str, pipeline: &PipelineId, old: &StoreRef, new: &StoreRef, maps: &[TableMap]) -> Self {
        let (name, opposite) = names(migration, pipeline);
        Self::assemble(pipeline, old, new, maps.to_vec(), name, opposite)
    }

    /// The reverse direction: captures the new side, keeps the old one current. `maps` are the forward ones.
    pub fn reverse(migration: &str, pipeline: &PipelineId, old: &StoreRef, new: &StoreRef, maps: &[TableMap]) -> Self {
        let (opposite, name) = names(migration, pipeline);
        Self::assemble(pipeline, new, old, maps.iter().map(TableMap::reversed).collect(), name, opposite)
    }

    /// A carrier: captures tables that were made on the new side and brings them to the old one, beside the reverse direction, until
    /// a roll back has switched and they belong to the mapping. `maps` are forward ones, of these tables only.
    pub fn carrier(migration: &str, pipeline: &PipelineId, old: &StoreRef, new: &StoreRef, maps: &[TableMap]) -> Self {
        let (forward, _) = names(migration, pipeline);
        let name = format!("{}c", forward.trim_end_matches('f'));
        let tables = maps.iter().map(TableMap::reversed).collect();
        Self::assemble(&carrier_id(pipeline), new, old, tables, name, forward)
    }

    fn assemble(
        pipeline: &PipelineId,
        source: &StoreRef,
        target: &StoreRef,
        tables: Vec<TableMap>,
        name: String,
        opposite: String,
    ) -> Self {
        Self {
            pipeline: pipeline.clone(),
            source: source.clone(),
            target: target.clone(),
            capture: CaptureSpec { name: name.clone(), ignore_origin: opposite, tables: tables.clone() },
            apply: ApplySpec { name, tables },
        }
    }
}

/// The name of a pipeline's carrier. No profile can declare it, so it never meets a pipeline's.
pub fn carrier_id(pipeline: &PipelineId) -> PipelineId {
    PipelineId(format!("{pipeline} (new tables)"))
}

/// Longest capture name that every engine takes.
const MAX_NAME: usize = 50;

/// Names of the forward and the reverse capture: `godwit_MIGRATION_PIPELINE_f` and `..._r`, in the characters that slots allow.
/// A name that is too long is cut and made unique again by a hash of the whole.
fn names(migration: &str, pipeline: &PipelineId) -> (String, String) {
    let raw = format!("godwit_{migration}_{pipeline}");
    let mut base: String = raw
        .chars()
        .map(|c| match c.to_ascii_lowercase() {
            c if c.is_ascii_lowercase() || c.is_ascii_digit() => c,
            _ => '_',
        })
        .collect();
    // Two profiles' names that differ only in characters which slots do not allow must not meet either.
    if base != raw || base.len() > MAX_NAME - 2 {
        let digest = xxhash_rust::xxh3::xxh3_64(raw.as_bytes());
        base.truncate(MAX_NAME - 2 - 9);
        base = format!("{base}_{:08x}", digest >> 32);
    }
    (format!("{base}_f"), format!("{base}_r"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_slots_and_stay_apart() {
        let long = "x".repeat(80);
        let cases = [
            ("shop", "orders"),
            ("shop", "Orders"),
            ("shop-1", "orders"),
            ("shop_1", "orders"),
            (&long, "a"),
            (&long, "b"),
        ];
        let mut seen = std::collections::HashSet::new();
        for (migration, pipeline) in cases {
            let (forward, reverse) = names(migration, &PipelineId::from(pipeline));
            for name in [forward, reverse] {
                assert!(name.len() <= MAX_NAME, "{name}");
                assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'), "{name}");
                assert!(seen.insert(name.clone()), "{name} twice");
            }
        }
    }
}

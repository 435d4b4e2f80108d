//! What the migration read by itself: its copies and comparisons read whole tables, which must not look like the application's doing.

use crate::advice::catalogue::Catalogue;
use crate::advice::indexes::inspection::OwnScans;
use crate::engine::core::CoreRef;
use crate::model::ids::StoreId;
use crate::model::pipeline::Stage;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// When each table of a store was last seen being copied or compared, by its name in the profile.
#[derive(Debug, Default)]
pub struct OwnWork(BTreeMap<String, DateTime<Utc>>);

impl OwnWork {
    /// Notes what is in work now. To be called often: work that begins and ends between two calls is not seen.
    pub fn note(&mut self, core: &CoreRef, store: &StoreId, now: DateTime<Utc>) {
        for pipeline in core.profile.pipelines.iter().filter(|p| p.from == *store || p.to == *store) {
            let is_copied = core.record(&pipeline.id).stage == Stage::Copy;
            let is_compared = core.samples.borrow().verifying.contains_key(&pipeline.id);
            if !is_copied && !is_compared {
                continue;
            }
            for rule in &pipeline.tables {
                let name = if pipeline.from == *store { &rule.from } else { &rule.to };
                self.0.insert(name.clone(), now);
            }
        }
    }

    /// The tables that were read since `begin`, by the names that the store prints. How often is not known, so none of their scans
    /// counts as the application's.
    pub fn since(&self, begin: DateTime<Utc>, catalogue: &Catalogue<'_>) -> BTreeMap<String, OwnScans> {
        let all = OwnScans { scans: u64::MAX, rows: u64::MAX };
        let busy = self.0.iter().filter(|(_, last)| **last >= begin);
        busy.filter_map(|(name, _)| Some((catalogue.table(name)?.table.clone(), all))).collect()
    }
}

//! State of the overview: its filter and the selected store.

use crate::model::ids::{PipelineId, StoreId};
use crate::model::pipeline::{PipelineRecord, PipelineState};
use crate::model::sample::{PipelineSample, StoreSample};
use crate::tui::state::filter::Filter;
use crate::tui::state::list::Motion;
use crate::tui::state::picture::Picture;

/// What the overview remembers.
#[derive(Clone, Debug, Default)]
pub struct OverviewState {
    /// Narrows pipelines and stores.
    pub filter: Filter,
    /// Row in the list of stores.
    pub store: usize,
}

impl OverviewState {
    /// Moves in the list of stores.
    pub fn go(&mut self, motion: Motion, picture: &Picture) {
        self.store = motion.from(self.store, self.stores(picture).len());
    }

    /// Pipelines that the filter lets through, those in trouble first.
    pub fn pipelines<'a>(&self, picture: &'a Picture) -> Vec<PipelineRow<'a>> {
        let mut rows = pipelines(picture, &self.filter);
        rows.sort_by_key(|row| !row.is_in_trouble());
        rows
    }

    /// Stores that the filter lets through, unreachable ones first.
    pub fn stores<'a>(&self, picture: &'a Picture) -> Vec<(&'a StoreId, &'a StoreSample)> {
        let mut rows: Vec<_> = picture
            .samples
            .stores
            .iter()
            .filter(|(id, s)| self.filter.is_empty() || self.filter.matches(&[id.as_str(), &s.engine, &s.address]))
            .collect();
        rows.sort_by_key(|(_, store)| store.version.known().is_some());
        rows
    }
}

/// A pipeline with all that is known of it.
#[derive(Clone, Copy, Debug)]
pub struct PipelineRow<'a> {
    /// Its name.
    pub id: &'a PipelineId,
    /// Source store.
    pub from: &'a str,
    /// Target store.
    pub to: &'a str,
    /// What the journal tells.
    pub record: &'a PipelineRecord,
    /// What was last read.
    pub sample: Option<&'a PipelineSample>,
}

impl PipelineRow<'_> {
    /// True when somebody should look.
    pub fn is_in_trouble(&self) -> bool {
        matches!(self.record.state, PipelineState::Retrying { .. } | PipelineState::Failed { .. })
            || self.sample.is_some_and(|s| s.stalled || s.anomalies > 0)
    }

    /// True when nothing is captured and nothing runs, so that a lag does not exist.
    pub fn is_idle(&self) -> bool {
        self.record.stage == crate::model::pipeline::Stage::Idle && self.record.state == PipelineState::Stopped
    }
}

/// Declared pipelines in file order that the filter lets through.
pub fn pipelines<'a>(picture: &'a Picture, filter: &Filter) -> Vec<PipelineRow<'a>> {
    picture
        .migration
        .declared
        .iter()
        .filter_map(|declared| {
            let record = picture.migration.pipelines.get(&declared.id)?;
            let row = PipelineRow {
                id: &declared.id,
                from: &declared.from,
                to: &declared.to,
                record,
                sample: picture.samples.pipelines.get(&declared.id),
            };
            let words = [row.id.as_str(), row.from, row.to, record.state.word(), record.stage.word()];
            filter.matches(&words).then_some(row)
        })
        .collect()
}

//! State of the pipelines screen: which pipeline is selected and how far its detail is scrolled.

use crate::model::ids::PipelineId;
use crate::tui::state::filter::Filter;
use crate::tui::state::list::Motion;
use crate::tui::state::overview::{PipelineRow, pipelines};
use crate::tui::state::picture::Picture;

/// What the pipelines screen remembers.
#[derive(Clone, Debug, Default)]
pub struct PipelinesState {
    /// Narrows the list.
    pub filter: Filter,
    /// The operator's choice.
    pub chosen: Option<PipelineId>,
    /// First line of the detail.
    pub scroll: usize,
    /// True while the detail has the whole width.
    pub zoomed: bool,
}

impl PipelinesState {
    /// Pipelines that the filter lets through, in file order.
    pub fn rows<'a>(&self, picture: &'a Picture) -> Vec<PipelineRow<'a>> {
        pipelines(picture, &self.filter)
    }

    /// The selected pipeline and its row.
    pub fn selected<'a>(&self, picture: &'a Picture) -> Option<(usize, PipelineRow<'a>)> {
        let rows = self.rows(picture);
        let at = rows.iter().position(|p| Some(p.id) == self.chosen.as_ref()).unwrap_or(0);
        rows.get(at).map(|row| (at, *row))
    }

    /// Moves in the list, or in the detail when it has the whole width.
    pub fn go(&mut self, motion: Motion, picture: &Picture) {
        if self.zoomed || matches!(motion, Motion::PageUp | Motion::PageDown) {
            self.scroll = motion.from(self.scroll, usize::MAX);
            return;
        }
        let rows = self.rows(picture);
        let at = self.selected(picture).map_or(0, |(at, _)| at);
        if let Some(row) = rows.get(motion.from(at, rows.len())) {
            if self.chosen.as_ref() != Some(row.id) {
                self.scroll = 0;
            }
            self.chosen = Some(row.id.clone());
        }
    }
}

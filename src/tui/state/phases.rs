//! State of the phases screen: which phase is selected and how far its detail is scrolled.

use crate::model::fold::PhaseRecord;
use crate::model::ids::PhaseId;
use crate::tui::state::filter::Filter;
use crate::tui::state::list::Motion;
use crate::tui::state::next::next;
use crate::tui::state::picture::Picture;

/// What the phases screen remembers.
#[derive(Clone, Debug, Default)]
pub struct PhasesState {
    /// Narrows the ladder.
    pub filter: Filter,
    /// The operator's choice; until there is one, the phase that the migration waits for.
    pub chosen: Option<PhaseId>,
    /// First line of the detail.
    pub scroll: usize,
    /// True while the detail has the whole width.
    pub zoomed: bool,
}

impl PhasesState {
    /// Phases that the filter lets through.
    pub fn rows<'a>(&self, picture: &'a Picture) -> Vec<&'a PhaseRecord> {
        let phases = picture.migration.phases.iter();
        phases.filter(|p| self.filter.matches(&[p.id.as_str(), p.status.word()])).collect()
    }

    /// The selected phase and its row.
    pub fn selected<'a>(&self, picture: &'a Picture) -> Option<(usize, &'a PhaseRecord)> {
        let rows = self.rows(picture);
        let wanted = self.chosen.clone().or_else(|| next(picture, true).phase);
        let at = rows.iter().position(|p| Some(&p.id) == wanted.as_ref()).unwrap_or(0);
        rows.get(at).map(|phase| (at, *phase))
    }

    /// Moves in the ladder, or in the detail when it has the whole width.
    pub fn go(&mut self, motion: Motion, picture: &Picture) {
        if self.zoomed || matches!(motion, Motion::PageUp | Motion::PageDown) {
            self.scroll = motion.from(self.scroll, usize::MAX);
            return;
        }
        let at = self.selected(picture).map_or(0, |(at, _)| at);
        let rows = self.rows(picture);
        if let Some(phase) = rows.get(motion.from(at, rows.len())) {
            self.select(phase.id.clone());
        }
    }

    /// Selects a phase.
    pub fn select(&mut self, id: PhaseId) {
        if self.chosen.as_ref() != Some(&id) {
            self.scroll = 0;
        }
        self.chosen = Some(id);
    }
}

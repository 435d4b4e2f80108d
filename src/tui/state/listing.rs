//! What the keys that screens share do on the one that is shown: move, open, close, filter, order.

use crate::tui::state::cockpit::Cockpit;
use crate::tui::state::filter::Filter;
use crate::tui::state::list::Motion;
use crate::tui::state::next::next;
use crate::tui::state::screen::Screen;

impl Cockpit {
    /// Orders the list by the next thing, or by the one before.
    pub(super) fn sort(&mut self, forward: bool) {
        match self.screen {
            Screen::Activity => self.activity.order = self.activity.order.turned(forward),
            Screen::Locks => self.locks.order = self.locks.order.turned(forward),
            Screen::Replication => self.replication.order = self.replication.order.turned(forward),
            Screen::HotSpots => self.hotspots.turn_order(forward),
            Screen::Indexes => self.indexes.turn_order(forward),
            Screen::Access => self.access.turn_order(forward),
            Screen::Overview | Screen::Phases | Screen::Pipelines | Screen::Verification | Screen::Journal => {}
        }
    }

    /// Lists everything, or only what matters.
    pub(super) fn list_all(&mut self) {
        match self.screen {
            Screen::Indexes => self.indexes.toggle_all(),
            Screen::Access => self.access.toggle_all(),
            _ => self.activity.all = !self.activity.all,
        }
    }

    /// Moves in the list, or in the text that covers it.
    pub(super) fn go(&mut self, motion: Motion) {
        let picture = self.frozen.as_deref().unwrap_or(&self.live);
        match self.screen {
            Screen::Overview => self.overview.go(motion, picture),
            Screen::Phases => self.phases.go(motion, picture),
            Screen::Pipelines => self.pipelines.go(motion, picture),
            Screen::Verification => self.verification.go(motion, picture),
            Screen::Journal => self.journal.go(motion),
            Screen::Activity => self.activity.go(motion, picture),
            Screen::Locks => self.locks.go(motion, picture),
            Screen::Replication => self.replication.go(motion, picture),
            Screen::HotSpots => self.hotspots.go(motion, picture.hot_spots()),
            Screen::Indexes => self.indexes.go(motion, picture.indexes()),
            Screen::Access => self.access.go(motion, picture.access()),
        }
    }

    /// Shows everything about the selected line.
    pub(super) fn open_detail(&mut self) {
        let picture = self.frozen.as_deref().unwrap_or(&self.live);
        match self.screen {
            Screen::Overview => {
                if let Some(phase) = next(picture, self.options.observe).phase {
                    self.phases.select(phase);
                }
                self.screen = Screen::Phases;
            }
            Screen::Phases => self.phases.zoomed = true,
            Screen::Pipelines => self.pipelines.zoomed = true,
            Screen::Verification => {}
            Screen::Journal => self.journal.open(),
            Screen::Activity => self.activity.open(picture),
            Screen::Locks => self.locks.open(picture),
            Screen::Replication => self.replication.open(picture),
            Screen::HotSpots => self.hotspots.open(picture.hot_spots()),
            Screen::Indexes => self.indexes.open(picture.indexes()),
            Screen::Access => self.access.open(picture.access()),
        }
    }

    /// Closes the innermost thing that is open: a detail, then the filter.
    pub(super) fn back(&mut self) {
        match self.screen {
            Screen::Phases if self.phases.zoomed => self.phases.zoomed = false,
            Screen::Pipelines if self.pipelines.zoomed => self.pipelines.zoomed = false,
            Screen::Journal if self.journal.detail.is_some() => self.journal.detail = None,
            Screen::Activity if self.activity.zoomed => self.activity.zoomed = false,
            Screen::Locks if self.locks.zoomed => self.locks.zoomed = false,
            Screen::Replication if self.replication.zoomed => self.replication.zoomed = false,
            Screen::HotSpots if self.hotspots.zoomed => self.hotspots.zoomed = false,
            Screen::Indexes if self.indexes.zoomed => self.indexes.zoomed = false,
            Screen::Access if self.access.zoomed => self.access.zoomed = false,
            _ if !self.filter().is_empty() => self.set_filter(Filter::default()),
            _ => {}
        }
    }

    /// The filter of the screen shown.
    pub fn filter(&self) -> &Filter {
        match self.screen {
            Screen::Overview => &self.overview.filter,
            Screen::Phases => &self.phases.filter,
            Screen::Pipelines => &self.pipelines.filter,
            Screen::Verification => &self.verification.filter,
            Screen::Journal => self.journal.filter(),
            Screen::Activity => &self.activity.filter,
            Screen::Locks => &self.locks.filter,
            Screen::Replication => &self.replication.filter,
            Screen::HotSpots => self.hotspots.filter(),
            Screen::Indexes => self.indexes.filter(),
            Screen::Access => self.access.filter(),
        }
    }

    /// Narrows the list.
    pub(super) fn set_filter(&mut self, filter: Filter) {
        let picture = self.frozen.as_deref().unwrap_or(&self.live);
        match self.screen {
            Screen::Overview => self.overview.filter = filter,
            Screen::Phases => self.phases.filter = filter,
            Screen::Pipelines => self.pipelines.filter = filter,
            Screen::Verification => self.verification.filter = filter,
            Screen::Journal => self.journal.set_filter(filter, picture),
            Screen::Activity => self.activity.filter = filter,
            Screen::Locks => self.locks.filter = filter,
            Screen::Replication => self.replication.filter = filter,
            Screen::HotSpots => self.hotspots.set_filter(filter),
            Screen::Indexes => self.indexes.set_filter(filter),
            Screen::Access => self.access.set_filter(filter),
        }
    }

    /// The scroll position of the topmost text.
    pub(super) fn scroll_mut(&mut self) -> Option<&mut usize> {
        if let Some(dialog) = &mut self.dialog {
            return Some(&mut dialog.scroll);
        }
        if let Some(help) = &mut self.help {
            return Some(help);
        }
        match self.screen {
            Screen::Phases => Some(&mut self.phases.scroll),
            Screen::Pipelines => Some(&mut self.pipelines.scroll),
            Screen::Verification => Some(&mut self.verification.scroll),
            Screen::Journal => Some(&mut self.journal.scroll),
            Screen::Activity => Some(&mut self.activity.scroll),
            Screen::Locks => Some(&mut self.locks.scroll),
            Screen::Replication => Some(&mut self.replication.scroll),
            Screen::HotSpots => Some(&mut self.hotspots.scroll),
            Screen::Indexes => Some(&mut self.indexes.scroll),
            Screen::Access => Some(&mut self.access.scroll),
            Screen::Overview => None,
        }
    }
}

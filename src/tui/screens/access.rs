//! Access audit of all stores: effective rights and what was seen in use, against what the profile declares.
//!
//! The list is that of [`findings`].

use crate::tui::screens::findings::{self, OWN, Subject};
use crate::tui::state::cockpit::Cockpit;
use crate::tui::theme::Tone;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::table::Column;
use ratatui::layout::Rect;

const AUDIT: Subject = Subject {
    title: "access audit",
    columns: &[OWN[0], OWN[1], OWN[2], OWN[3], OWN[4], OWN[5], Column::new("CIS", 6, 2)],
    more: |finding, _| {
        let number = finding.cis.clone().unwrap_or_default();
        vec![(Tone::Dim, number.into())]
    },
    clean: "every rule was looked at and holds",
    absent: "no store of this migration has accounts and rights",
};

/// Draws the screen; the detail scrolls.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, cockpit: &Cockpit, small: bool) -> usize {
    findings::draw(canvas, area, cockpit, small, &cockpit.access, cockpit.picture().access(), &AUDIT)
}

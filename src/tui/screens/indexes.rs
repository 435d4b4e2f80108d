//! Index advice of all stores: indexes that lack, that nothing reads, that say twice the same.
//!
//! The list is that of [`findings`]; where there is room it also tells what each advice saves, how large its index is and which phase builds it.

use crate::model::finding::Finding;
use crate::model::index_order::FindingName;
use crate::tui::screens::findings::{self, OWN, Subject};
use crate::tui::state::cockpit::Cockpit;
use crate::tui::state::picture::Picture;
use crate::tui::theme::Tone;
use crate::tui::units::{bytes, statement_time};
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::table::{Cell, Column};
use ratatui::layout::Rect;

const ADVICE: Subject = Subject {
    title: "index advice",
    columns: &[
        OWN[0],
        OWN[1],
        OWN[2],
        OWN[3],
        OWN[4],
        OWN[5],
        Column::new("saves", 10, 2).right(),
        Column::new("size", 8, 3).right(),
        Column::new("in plan of", 10, 2),
        Column::new("confidence", 10, 4),
    ],
    more,
    clean: "no index is missing, unused, double or invalid, as far as the rules see",
    absent: "no store of this migration has indexes to advise on",
};

/// Draws the screen; the detail scrolls.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, cockpit: &Cockpit, small: bool) -> usize {
    findings::draw(canvas, area, cockpit, small, &cockpit.indexes, cockpit.picture().indexes(), &ADVICE)
}

fn more(finding: &Finding, picture: &Picture) -> Vec<Cell<'static>> {
    let effect = finding.effect.as_ref();
    let saves = effect.and_then(|effect| effect.saves_us_per_second);
    let saves = saves.map_or_else(|| "-".to_owned(), |us| format!("{}/s", statement_time(us)));
    let size = effect.and_then(|effect| effect.bytes).map_or_else(|| "-".to_owned(), bytes);
    let phase = picture.migration.index_taken(&FindingName::of(finding)).map(|(phase, _)| phase.id.to_string());
    let phase = phase.unwrap_or_else(|| "-".to_owned());
    vec![
        (Tone::Good, saves.into()),
        (Tone::Plain, size.into()),
        (Tone::Key, phase.into()),
        (Tone::Dim, finding.confidence.word().into()),
    ]
}

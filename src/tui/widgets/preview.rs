//! What the selected row says in full, below a list that is too narrow for it and has no room for a detail.

use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::table::band;
use crate::tui::widgets::text::Text;
use ratatui::layout::Rect;

/// Rows that it takes, its heading included.
const ROWS: usize = 4;

/// A list with fewer rows than this keeps them all.
const LIST_ROWS: usize = 8;

/// Divides a list: the list, and the preview below it where there is room for both.
pub fn divide(list: Rect) -> (Rect, Option<Rect>) {
    let height = usize::from(list.height);
    if height < LIST_ROWS + ROWS {
        return (list, None);
    }
    (band(list, 0, height - ROWS), Some(band(list, height - ROWS, ROWS)))
}

/// Draws the beginning of a text under a heading.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, title: &str, text: &Text<'_>) {
    canvas.heading(area, 0, title, "Enter: all of it");
    let rows = text.wrap(usize::from(area.width));
    for (at, row) in rows.iter().take(usize::from(area.height).saturating_sub(1)).enumerate() {
        canvas.line(area, 1 + at, row);
    }
}

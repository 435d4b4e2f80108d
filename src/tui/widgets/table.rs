//! Tables: fixed columns with priorities, so that a changing value shifts nothing and a narrow terminal drops what matters least.

use crate::tui::clean::{begin, clean};
use crate::tui::theme::Tone;
use crate::tui::widgets::canvas::{Canvas, u16_of};
use crate::tui::widgets::text::{Text, fit};
use ratatui::layout::Rect;
use std::borrow::Cow;
use unicode_width::UnicodeWidthStr;

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its head.
    pub title: &'static str,
    /// Columns of the terminal that it takes at least.
    pub width: usize,
    /// Takes what is left over.
    pub grows: bool,
    /// 0 is never dropped; the highest goes first.
    pub rank: u8,
    /// Numbers stand to the right.
    pub right: bool,
}

impl Column {
    /// A column of fixed width.
    pub const fn new(title: &'static str, width: usize, rank: u8) -> Self {
        Self { title, width, grows: false, rank, right: false }
    }

    /// Takes what is left over.
    pub const fn grows(mut self) -> Self {
        self.grows = true;
        self
    }

    /// Right-aligned.
    pub const fn right(mut self) -> Self {
        self.right = true;
        self
    }
}

/// One cell.
pub type Cell<'a> = (Tone, Cow<'a, str>);

/// A row: a mark in front and one cell for each column.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// The mark.
    pub mark: (Tone, char),
    /// Cells in column order.
    pub cells: Vec<Cell<'a>>,
}

/// Columns taken by the selection and the mark in front of each row.
const FRONT: usize = 4;

/// As much of a text as a cell looks at: more than any terminal is wide, however many escape sequences are among it.
const CELL_BYTES: usize = 4 * 1024;

/// Gap between columns.
const GAP: usize = 2;

/// Widths of the columns that fit into `width`; 0 for dropped ones.
fn widths(columns: &[Column], width: usize) -> Vec<usize> {
    let mut kept: Vec<bool> = vec![true; columns.len()];
    let needed = |kept: &[bool]| -> usize {
        let shown = columns.iter().zip(kept).filter(|(_, kept)| **kept);
        shown.map(|(c, _)| c.width + GAP).sum::<usize>() + FRONT
    };
    while needed(&kept) > width + GAP {
        let worst =
            (0..columns.len()).filter(|&at| kept[at] && columns[at].rank > 0).max_by_key(|&at| columns[at].rank);
        match worst {
            Some(at) => kept[at] = false,
            None => break,
        }
    }
    let spare = (width + GAP).saturating_sub(needed(&kept));
    let growing = columns.iter().zip(&kept).filter(|(c, kept)| c.grows && **kept).count().max(1);
    let widen = |c: &Column| if c.grows { c.width + spare / growing } else { c.width };
    columns.iter().zip(&kept).map(|(c, kept)| if *kept { widen(c) } else { 0 }).collect()
}

/// The head of a table as a line.
pub fn head<'a>(width: usize, columns: &[Column]) -> Text<'a> {
    let cells = columns.iter().map(|c| (Tone::Dim, Cow::Borrowed(c.title))).collect();
    line(width, columns, &Row { mark: (Tone::Dim, ' '), cells }, false)
}

/// One row of a table as a line of `width` columns.
pub fn line<'a>(width: usize, columns: &[Column], row: &Row<'_>, selected: bool) -> Text<'a> {
    let mut line = Text::of(row.mark.0, format!("{} {} ", if selected { '>' } else { ' ' }, row.mark.1));
    let mut first = true;
    for ((column, width), (tone, cell)) in columns.iter().zip(widths(columns, width)).zip(&row.cells) {
        if width == 0 {
            continue;
        }
        let cell = clean(begin(cell, CELL_BYTES));
        let shown = fit(&cell, width);
        let pad = " ".repeat(width.saturating_sub(shown.width()));
        let gap = if first { "" } else { "  " };
        first = false;
        line = if column.right {
            line.plain(format!("{gap}{pad}")).add(*tone, shown.into_owned())
        } else {
            line.plain(gap).add(*tone, format!("{shown}{pad}"))
        };
    }
    line
}

/// Draws one row of a table; a selected one has a `>` and the tone of selection.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, at: usize, columns: &[Column], row: &Row<'_>, selected: bool) {
    canvas.line(area, at, &line(usize::from(area.width), columns, row, selected));
    if selected {
        canvas.tint(area, at, Tone::Selected);
    }
}

/// A rectangle of whole rows: `from` rows below the top of `area`, at most `height` of them.
pub fn band(area: Rect, from: usize, height: usize) -> Rect {
    let from = u16_of(from).min(area.height);
    Rect { y: area.y + from, height: u16_of(height).min(area.height - from), ..area }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] =
        [Column::new("name", 8, 0).grows(), Column::new("lag", 6, 1), Column::new("address", 12, 2)];

    #[test]
    fn the_least_important_column_goes_first() {
        assert_eq!(widths(&COLUMNS, 80), [54, 6, 12]);
        assert_eq!(widths(&COLUMNS, 34), [8, 6, 12]);
        assert_eq!(widths(&COLUMNS, 31), [19, 6, 0]);
        assert_eq!(widths(&COLUMNS, 10), [8, 0, 0]);
    }
}

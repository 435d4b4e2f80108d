//! Drawing into a buffer: lines, headings and blocks of text, clipped to their areas.

use crate::tui::theme::{Theme, Tone};
use crate::tui::widgets::text::Text;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// A buffer with the theme that turns tones into styles.
pub struct Canvas<'b> {
    buffer: &'b mut Buffer,
    theme: Theme,
}

impl<'b> Canvas<'b> {
    /// Draws into `buffer`.
    pub fn new(buffer: &'b mut Buffer, theme: Theme) -> Self {
        Self { buffer, theme }
    }

    /// The whole buffer.
    pub fn area(&self) -> Rect {
        *self.buffer.area()
    }

    /// Draws a line into row `row` of `area`, cut with an ellipsis. Rows outside the area are not drawn.
    pub fn line(&mut self, area: Rect, row: usize, text: &Text<'_>) {
        let area = area.intersection(self.area());
        let Some(y) = u16::try_from(row).ok().and_then(|row| area.y.checked_add(row)) else { return };
        if y >= area.bottom() {
            return;
        }
        let width = usize::from(area.width);
        let cut = text.width() > width;
        let mut left = if cut { width.saturating_sub(1) } else { width };
        let mut x = area.x;
        let mut style = self.theme.style(Tone::Plain);
        for piece in &text.pieces {
            style = self.theme.style(piece.tone);
            let (end, _) = self.buffer.set_stringn(x, y, piece.text.as_ref(), left, style);
            left = left.saturating_sub(usize::from(end - x));
            x = end;
            if left == 0 {
                break;
            }
        }
        if cut {
            self.buffer.set_stringn(x, y, "…", 1.min(width), style);
        }
    }

    /// Draws a line that ends at the right edge of `area`.
    pub fn line_right(&mut self, area: Rect, row: usize, text: &Text<'_>) {
        let width = u16::try_from(text.width()).unwrap_or(u16::MAX).min(area.width);
        self.line(Rect { x: area.right() - width, width, ..area }, row, text);
    }

    /// Draws a heading: the title and a rule to the right edge, with a remark at its end.
    pub fn heading(&mut self, area: Rect, row: usize, title: &str, remark: &str) {
        let title = Text::of(Tone::Strong, title);
        let used = title.width() + 1;
        let remark = Text::of(Tone::Dim, remark);
        let width = usize::from(area.width);
        let rule = width.saturating_sub(used + if remark.width() > 0 { remark.width() + 1 } else { 0 });
        self.line(area, row, &title);
        let start = Rect { x: area.x.saturating_add(u16_of(used)).min(area.right()), width: u16_of(rule), ..area };
        self.line(start, row, &Text::of(Tone::Dim, "─".repeat(rule)));
        if rule > 0 {
            self.line_right(area, row, &remark);
        }
    }

    /// Draws a vertical rule along the left edge of `area`.
    pub fn bar(&mut self, area: Rect) {
        for row in 0..usize::from(area.height) {
            self.line(Rect { width: 1.min(area.width), ..area }, row, &Text::of(Tone::Dim, "│"));
        }
    }

    /// Empties an area.
    pub fn clear(&mut self, area: Rect) {
        let area = area.intersection(self.area());
        for y in area.top()..area.bottom() {
            for x in area.left()..area.right() {
                if let Some(cell) = self.buffer.cell_mut((x, y)) {
                    cell.reset();
                }
            }
        }
    }

    /// Gives a whole row a tone without changing its text.
    pub fn tint(&mut self, area: Rect, row: usize, tone: Tone) {
        let Some(y) = u16::try_from(row).ok().and_then(|row| area.y.checked_add(row)) else { return };
        if y < area.bottom() {
            let row = Rect { y, height: 1, ..area }.intersection(self.area());
            self.buffer.set_style(row, self.theme.style(tone));
        }
    }

    /// Draws lines broken to the width of `area`, beginning with row `offset` of the broken text, and returns the largest
    /// useful offset. With more text than room the last row says how much is left.
    pub fn prose(&mut self, area: Rect, lines: &[Text<'_>], offset: usize) -> usize {
        let rows: Vec<Text<'static>> = lines.iter().flat_map(|line| line.wrap(usize::from(area.width))).collect();
        self.rows(area, &rows, offset)
    }

    /// Like [`Canvas::prose`] for lines that are not broken.
    pub fn rows(&mut self, area: Rect, rows: &[Text<'_>], offset: usize) -> usize {
        let height = usize::from(area.height);
        if rows.len() <= height {
            for (at, row) in rows.iter().enumerate() {
                self.line(area, at, row);
            }
            return 0;
        }
        // One row is given to the words that say where one is.
        let visible = height.saturating_sub(1).max(1);
        let last = rows.len() - visible;
        let offset = offset.min(last);
        for (at, row) in rows.iter().skip(offset).take(visible).enumerate() {
            self.line(area, at, row);
        }
        if height > 1 {
            let end = offset + visible;
            let left = rows.len() - end;
            let words = if left == 0 { "end".to_owned() } else { format!("{left} more lines, PgDn") };
            self.line_right(area, height - 1, &Text::of(Tone::Dim, format!("─ {words} ─")));
        }
        last
    }
}

/// Columns as the terminal counts them.
pub fn u16_of(columns: usize) -> u16 {
    u16::try_from(columns).unwrap_or(u16::MAX)
}

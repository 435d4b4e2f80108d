//! The last rows: what may be pressed now, what is being typed, and what was just said.

use crate::tui::input::{Binding, Context, bindings};
use crate::tui::state::cockpit::Cockpit;
use crate::tui::theme::Tone;
use crate::tui::widgets::canvas::{Canvas, u16_of};
use crate::tui::widgets::table::band;
use crate::tui::widgets::text::Text;
use ratatui::layout::Rect;

/// Most rows that a notice covers.
const NOTICE_ROWS: usize = 4;

/// The keys that the footer of the present context offers, in order, as many as fit into `width`. The help key is last.
pub fn offered(cockpit: &Cockpit, width: usize) -> Vec<&'static Binding> {
    let mut open: Vec<(u8, &Binding)> =
        bindings(cockpit.context()).filter(|b| b.is_open(cockpit)).filter_map(|b| Some((b.footer?, b))).collect();
    open.sort_by_key(|(order, _)| *order);
    let mut used = 0;
    let mut shown: Vec<(u8, &Binding)> = Vec::new();
    for (order, binding) in open {
        let needed = label(binding).width() + 3;
        if used + needed <= width {
            used += needed;
            shown.push((order, binding));
        }
    }
    shown.sort_by_key(|(order, _)| if *order == 0 { u8::MAX } else { *order });
    shown.into_iter().map(|(_, binding)| binding).collect()
}

fn label(binding: &Binding) -> Text<'static> {
    let key = binding.keys.first().map_or_else(String::new, |k| k.name());
    Text::of(Tone::Key, key).plain(format!(" {}", binding.label))
}

/// Draws the last row of `area`: an input line, or the keys. A notice covers rows above it.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, cockpit: &Cockpit) {
    let height = usize::from(area.height);
    let last = height.saturating_sub(1);
    match cockpit.context() {
        Context::CommandLine => {
            if let Some(line) = &cockpit.command_line {
                typing(canvas, area, last, ":", &line.text);
                let above = band(area, last.saturating_sub(1), usize::from(last > 0));
                canvas.clear(above);
                let hint = match &line.note {
                    Some(note) => Text::of(Tone::Warn, note.as_str()),
                    None => suggestions(&line.suggestions(cockpit.picture()), usize::from(area.width)),
                };
                canvas.line(above, 0, &hint);
            }
            return;
        }
        Context::Filter => {
            if let Some(line) = &cockpit.filter_line {
                typing(canvas, area, last, "/", &line.text);
            }
            return;
        }
        _ => {}
    }
    let keys = offered(cockpit, usize::from(area.width));
    let mut line = Text::new();
    for binding in &keys {
        let label = label(binding);
        let gap = if line.pieces.is_empty() { " " } else { "   " };
        line = line.plain(gap);
        line.pieces.extend(label.pieces);
    }
    canvas.line(area, last, &line);
    if !cockpit.filter().is_empty() && matches!(cockpit.context(), Context::On(_)) {
        let filter = Text::of(Tone::Call, format!(" filter: {} ", cockpit.filter().text()));
        let free = usize::from(area.width).saturating_sub(line.width() + 1);
        if filter.width() <= free {
            canvas.line_right(area, last, &filter);
        }
    }
    if let Some(notice) = &cockpit.notice {
        let mark = if notice.tone == Tone::Good { "+ " } else { "! " };
        let text = Text::of(notice.tone, mark).add(notice.tone, notice.text.as_str()).hang(2);
        let rows = text.wrap(usize::from(area.width).saturating_sub(2));
        let shown = rows.len().min(NOTICE_ROWS).min(last);
        let place = band(area, last - shown, shown);
        canvas.clear(place);
        for (at, row) in rows.iter().take(shown).enumerate() {
            canvas.line(
                Rect { x: place.x + 1.min(place.width), width: place.width.saturating_sub(1), ..place },
                at,
                row,
            );
        }
    }
}

/// An input line; the reversed cell is where typing goes. A text that is too long shows its end.
pub fn typing(canvas: &mut Canvas<'_>, area: Rect, row: usize, prompt: &str, text: &str) {
    canvas.clear(band(area, row, 1));
    let prompt = Text::of(Tone::Key, prompt);
    let room = usize::from(area.width).saturating_sub(prompt.width() + 2);
    let skipped = text.chars().count().saturating_sub(room);
    let shown: String = text.chars().skip(skipped).collect();
    let line = prompt.plain(shown).add(Tone::Selected, " ");
    canvas.line(Rect { width: area.width.min(u16_of(line.width() + 1)), ..area }, row, &line);
}

fn suggestions(words: &[String], width: usize) -> Text<'static> {
    let mut line = Text::new().plain(" ");
    for (at, word) in words.iter().enumerate() {
        if line.width() + word.len() + 3 > width {
            return line.dim(format!("+{}", words.len() - at));
        }
        line = line.dim(format!("{word}  "));
    }
    line
}

//! The whole frame: header, the screen, what covers it, and the footer.

use crate::tui::screens::{
    access, activity, dialog, help, hotspots, indexes, journal, locks, overview, phases, pipelines, replication,
    verification,
};
use crate::tui::state::cockpit::Cockpit;
use crate::tui::state::screen::Screen;
use crate::tui::theme::{Theme, Tone};
use crate::tui::widgets::canvas::{Canvas, u16_of};
use crate::tui::widgets::table::band;
use crate::tui::widgets::text::Text;
use crate::tui::widgets::{footer, header};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Below this size one pane is shown, without its neighbours.
pub const SMALL: (u16, u16) = (60, 15);

/// Draws everything into `buffer` and returns the largest useful scroll offset of the topmost text.
pub fn draw(cockpit: &Cockpit, theme: Theme, buffer: &mut Buffer) -> usize {
    buffer.reset();
    let canvas = &mut Canvas::new(buffer, theme);
    let area = canvas.area();
    let small = area.width < SMALL.0 || area.height < SMALL.1;
    let height = usize::from(area.height);
    header::draw(canvas, area, cockpit);
    let coach = cockpit.options.coach.as_ref().filter(|_| !small).map(|coach| coach.advice(cockpit));
    let below = 1 + usize::from(coach.is_some());
    let body = band(area, 2, height.saturating_sub(2 + below));
    if let Some(advice) = coach {
        let line = Text::of(Tone::Call, " -> ").add(Tone::Strong, advice);
        canvas.line(area, height - 2, &line);
    }
    let last = draw_body(canvas, body, cockpit, small);
    if small && body.height > 2 {
        let words = format!(" {}x{}: one pane; {}x{} shows all ", area.width, area.height, SMALL.0, SMALL.1);
        let row = usize::from(body.height) - 1;
        canvas.clear(band(body, row, 1));
        canvas.line(body, row, &Text::of(Tone::Dim, words));
    }
    footer::draw(canvas, band(area, 2, height.saturating_sub(2)), cockpit);
    last
}

fn draw_body(canvas: &mut Canvas<'_>, body: Rect, cockpit: &Cockpit, small: bool) -> usize {
    if cockpit.help.is_some() {
        return help::draw(canvas, body, cockpit);
    }
    let last = match cockpit.screen {
        Screen::Overview => overview::draw(canvas, body, cockpit),
        Screen::Phases => phases::draw(canvas, body, cockpit, small),
        Screen::Pipelines => pipelines::draw(canvas, body, cockpit, small),
        Screen::Verification => verification::draw(canvas, body, cockpit, small),
        Screen::Journal => journal::draw(canvas, body, cockpit),
        Screen::Activity => activity::draw(canvas, body, cockpit, small),
        Screen::Locks => locks::draw(canvas, body, cockpit, small),
        Screen::Replication => replication::draw(canvas, body, cockpit, small),
        Screen::HotSpots => hotspots::draw(canvas, body, cockpit, small),
        Screen::Indexes => indexes::draw(canvas, body, cockpit, small),
        Screen::Access => access::draw(canvas, body, cockpit, small),
    };
    match &cockpit.dialog {
        Some(open) => dialog::draw(canvas, body, cockpit, open),
        None if cockpit.leaving => {
            dialog::draw_leaving(canvas, body, cockpit);
            last
        }
        None => last,
    }
}

/// The left `width` columns of `area`, and the rest behind a rule.
pub fn split(canvas: &mut Canvas<'_>, area: Rect, width: usize) -> (Rect, Rect) {
    let rule_at = u16_of(width).min(area.width.saturating_sub(1));
    canvas.bar(Rect { x: area.x + rule_at, width: area.width - rule_at, ..area });
    let used = (rule_at + 2).min(area.width);
    let left = Rect { width: rule_at.saturating_sub(1), ..area };
    (left, Rect { x: area.x + used, width: area.width - used, ..area })
}

//! All keys of the screen that help was asked on, from the key table; those that are not possible now say why.

use crate::tui::input::{Binding, Context, Intent, bindings};
use crate::tui::state::cockpit::Cockpit;
use crate::tui::state::findings::SEVERITIES;
use crate::tui::state::screen::Screen;
use crate::tui::theme::Tone;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::mark::LEGEND;
use crate::tui::widgets::table::band;
use crate::tui::widgets::text::Text;
use ratatui::layout::Rect;

/// Columns that keys take.
const KEYS: usize = 16;

/// Draws the help; it scrolls.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, cockpit: &Cockpit) -> usize {
    canvas.heading(area, 0, &format!("keys on {}", cockpit.screen.word()), "Esc closes");
    let here = Context::On(cockpit.screen);
    let means = |screen: &Screen, intent| bindings(Context::On(*screen)).any(|b| b.intent == intent);
    let everywhere = |b: &&Binding| Screen::ALL.iter().all(|screen| means(screen, b.intent));
    let moving = |b: &&Binding| matches!(b.intent, Intent::Move(_) | Intent::Open | Intent::Back);
    let screens = |b: &&Binding| matches!(b.intent, Intent::Go(_) | Intent::Following | Intent::Preceding);
    let mut lines: Vec<Text<'static>> = Vec::new();
    let own: Vec<&Binding> = bindings(here).filter(|b| !everywhere(b) && !moving(b)).collect();
    for binding in &own {
        lines.push(line(cockpit, binding));
    }
    if !own.is_empty() {
        lines.push(Text::new());
    }
    for binding in bindings(here).filter(|b| everywhere(b) && !moving(b) && !screens(b)) {
        lines.push(line(cockpit, binding));
    }
    lines.push(Text::new());
    for binding in bindings(here).filter(|b| moving(b) || screens(b)) {
        lines.push(line(cockpit, binding));
    }
    lines.push(Text::new());
    lines.push(Text::of(Tone::Strong, "marks"));
    for (mark, words) in LEGEND {
        lines.push(Text::new().plain(format!("  {mark:<KEYS$}")).dim(words));
    }
    if cockpit.screen.fields().contains(&"severity") {
        for severity in SEVERITIES.iter().rev() {
            lines.push(Text::new().plain(format!("  {:<KEYS$}", severity.mark())).dim(severity.word()));
        }
    }
    lines.push(Text::new());
    for words in [
        "Nothing is sent before y, or in production before the typed name. Esc leaves everything as it is.",
        "p freezes the display only; P pauses work. Leaving the cockpit never stops the engine.",
        "Filters: all words must occur, !word must not.",
    ] {
        lines.push(Text::of(Tone::Dim, words));
    }
    let fields = cockpit.screen.fields();
    if !fields.is_empty() {
        let names: Vec<String> = fields.iter().map(|name| format!("{name}:")).collect();
        let least = if fields.contains(&"least") { "; least:high finds high and critical" } else { "" };
        lines.push(Text::of(Tone::Dim, format!("Here a filter also knows {}{least}.", names.join(" "))));
    }
    canvas.prose(band(area, 1, usize::from(area.height)), &lines, cockpit.help.unwrap_or(0))
}

fn line(cockpit: &Cockpit, binding: &Binding) -> Text<'static> {
    let keys: Vec<String> = binding.keys.iter().map(|k| k.name()).collect();
    let keys = format!("  {:<KEYS$}", keys.join(" "));
    match cockpit.why_not(binding.intent) {
        None => Text::of(Tone::Key, keys).plain(binding.label).hang(KEYS + 2),
        Some(why) => Text::of(Tone::Dim, keys).dim(format!("{}  (not now: {why})", binding.label)).hang(KEYS + 2),
    }
}

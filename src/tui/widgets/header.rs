//! The first two rows: which migration, where, as whom, with whom; then the screens.
//!
//! ```text
//!  shop  PRODUCTION   mina, approver   with ben, li              engine 4312 up
//! [1 overview]  2 pha  3 pip  4 ver  5 jou  6 act  7 loc  8 rep  9 hot  0 ind  u acc
//! ```

use crate::model::sample::Presence;
use crate::tui::state::cockpit::Cockpit;
use crate::tui::state::picture::{LinkState, Picture};
use crate::tui::state::screen::Screen;
use crate::tui::theme::Tone;
use crate::tui::units::age;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::text::Text;
use ratatui::layout::Rect;
use std::collections::BTreeSet;

/// Draws both rows at the top of `area`.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, cockpit: &Cockpit) {
    // The link is shown as it is even while the display is frozen.
    let link = link(cockpit.live(), area.width >= 60);
    let room = usize::from(area.width).saturating_sub(link.width() + 2);
    let left = identity(cockpit, room);
    canvas.line(Rect { width: area.width.min(u16::try_from(room).unwrap_or(u16::MAX)), ..area }, 0, &left);
    canvas.line_right(area, 0, &link);
    let (remark, matters) = remark(cockpit);
    let width = usize::from(area.width);
    let tabs = tabs(cockpit, if matters { width.saturating_sub(remark.width() + 1) } else { width });
    canvas.line(area, 1, &tabs);
    if matters || tabs.width() + remark.width() < width {
        canvas.line_right(area, 1, &remark);
    }
}

/// Who and where, from the most important to the least, as far as there is room.
fn identity(cockpit: &Cockpit, room: usize) -> Text<'static> {
    let picture = cockpit.picture();
    let name = match (picture.migration.name.as_str(), &picture.welcome) {
        ("", Some(welcome)) => welcome.migration.clone(),
        ("", None) => "godwit".to_owned(),
        (name, _) => name.to_owned(),
    };
    let mut line = Text::of(Tone::Strong, format!(" {name} "));
    line = match picture.migration.env.as_deref() {
        Some("production") => line.plain(" ").add(Tone::Production, " PRODUCTION "),
        Some(env) => line.plain(format!(" {env}")),
        None => line,
    };
    let me = match (&picture.welcome, cockpit.options.observe) {
        (Some(welcome), true) => format!("   {}, observing", welcome.operator),
        (Some(welcome), false) => format!("   {}, {}", welcome.operator, welcome.role),
        (None, _) => String::new(),
    };
    if line.width() + me.len() <= room {
        line = line.plain(me);
    }
    let others = others(picture);
    if !others.is_empty() && line.width() + others.len() + 3 <= room {
        line = line.dim(format!("   {others}"));
    }
    line
}

/// Who else is connected, once each; many are counted.
fn others(picture: &Picture) -> String {
    let me = picture.operator().map(|o| o.as_str());
    let mut mine = 0;
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for Presence { operator, client, .. } in &picture.samples.present {
        if Some(operator.as_str()) == me {
            mine += usize::from(client == "cockpit");
        } else {
            names.insert(operator);
        }
    }
    let mut words: Vec<String> = names.iter().take(3).map(|n| (*n).to_owned()).collect();
    if names.len() > 3 {
        words.push(format!("{} more", names.len() - 3));
    }
    if mine > 1 {
        words.push("yourself elsewhere".to_owned());
    }
    if words.is_empty() { String::new() } else { format!("with {}", words.join(", ")) }
}

/// The connection; on a narrow terminal without the engine's process id.
fn link(live: &Picture, wide: bool) -> Text<'static> {
    match (&live.link, &live.welcome) {
        (LinkState::Up { .. }, Some(welcome)) if wide => {
            Text::of(Tone::Plain, format!("engine {} ", welcome.pid)).add(Tone::Good, "up ")
        }
        (LinkState::Up { .. }, Some(_)) => Text::of(Tone::Good, "up "),
        (LinkState::Up { .. } | LinkState::Connecting, _) => Text::of(Tone::Busy, "connecting "),
        (LinkState::Down { since, .. }, _) => Text::of(Tone::Bad, format!("! reconnecting {} ", age(live.now, *since))),
    }
}

/// Words shorter than this say nothing: digits alone are easier to read.
const SHORTEST_WORD: usize = 3;

/// The screens; where the words do not fit, those of the others are cut alike, and left out when nothing is left of them.
fn tabs(cockpit: &Cockpit, width: usize) -> Text<'static> {
    let label = |screen: &Screen, longest: usize| {
        let word = screen.word().get(..longest).unwrap_or(screen.word());
        format!("{} {word}", screen.key())
    };
    let columns = |longest: usize, gap: usize| {
        let others = Screen::ALL.iter().filter(|s| **s != cockpit.screen);
        let others: usize = others.map(|s| label(s, longest).len() + gap).sum();
        others + label(&cockpit.screen, usize::MAX).len() + 2
    };
    // Words as long as they fit with two blanks between them; with one blank rather than without words.
    let wide = (SHORTEST_WORD..=Screen::LONGEST_WORD).rev().find(|longest| columns(*longest, 2) <= width);
    let narrow = (columns(SHORTEST_WORD, 1) < width).then_some(SHORTEST_WORD);
    let mut line = Text::new();
    for screen in &Screen::ALL {
        let is_shown = *screen == cockpit.screen;
        let label = match wide.or(narrow) {
            _ if is_shown => format!("[{}]", label(screen, usize::MAX)),
            Some(longest) => label(screen, longest),
            None => screen.key().to_string(),
        };
        // The brackets of the one shown stand where a blank does.
        let blank = if is_shown && (wide.is_some() || line.pieces.is_empty()) { "" } else { " " };
        line = line.plain(blank).add(if is_shown { Tone::Strong } else { Tone::Plain }, label);
        line = if wide.is_some() && !is_shown { line.plain(" ") } else { line };
    }
    line
}

/// At the right of the tabs: whether what is shown is the present, and whether that matters more than the words of the tabs.
fn remark(cockpit: &Cockpit) -> (Text<'static>, bool) {
    let (picture, live) = (cockpit.picture(), cockpit.live());
    if cockpit.is_frozen() {
        return (Text::of(Tone::Call, format!("FROZEN {} ", age(live.now, picture.now))), true);
    }
    match picture.samples.at {
        Some(at) if picture.is_stale() => (Text::of(Tone::Warn, format!("read {} ago ", age(picture.now, at))), true),
        _ if picture.migration.head.0 > 0 => {
            (Text::of(Tone::Dim, format!("journal {} ", picture.migration.head)), false)
        }
        _ => (Text::new(), false),
    }
}

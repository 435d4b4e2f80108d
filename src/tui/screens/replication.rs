//! Replication of the stores themselves: links in both directions, logs that are kept, and how long those last.
//!
//! ```text
//! links and logs ─────────────────────────────────────── 1 of 3 in trouble
//!     store    what                 state                      lag or kept   runway
//!   + legacy   server               primary
//! > ! legacy   -> replica-2         catchup, async             1.2 GB ?
//!   + legacy   log godwit_orders    logical, reserved          1.2 GB kept   6 h
//! ```

use crate::model::lag::Reading;
use crate::model::replication::{
    Kept, LagUnit, LinkDirection, LinkLag, LogRetention, LogRunway, ReplicaLink, ReplicationRole,
};
use crate::tui::state::cockpit::Cockpit;
use crate::tui::state::list::page;
use crate::tui::state::replication::{Item, ReplicationRow};
use crate::tui::theme::Tone;
use crate::tui::units::{ago, bytes, duration_ms, forecast, lasting};
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::mark::Mark;
use crate::tui::widgets::reading::runway_tone;
use crate::tui::widgets::stores;
use crate::tui::widgets::table::{self, Cell, Column, Row, band};
use crate::tui::widgets::text::Text;
use ratatui::layout::Rect;

const COLUMNS: [Column; 6] = [
    Column::new("store", 10, 0),
    Column::new("what", 18, 0).grows(),
    Column::new("state", 16, 0).grows(),
    Column::new("lag or kept", 12, 0).right(),
    Column::new("runway", 9, 1).right(),
    Column::new("measured by", 30, 2).grows(),
];

/// Draws the screen; the detail scrolls.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, cockpit: &Cockpit, small: bool) -> usize {
    let (picture, state) = (cockpit.picture(), &cockpit.replication);
    let rows = state.rows(picture);
    let selected = state.selected(&rows);
    let chosen = selected.and_then(|at| rows.get(at));
    if state.zoomed {
        return draw_detail(canvas, area, cockpit, chosen);
    }
    let room = if small { 2 } else { (usize::from(area.height) / 5).max(4) };
    let waiting = stores::waiting_words(cockpit.live().is_up());
    let used = stores::draw(canvas, area, picture.replication(), picture.now, room, waiting);
    let (list, below) = stores::divide(area, used, rows.len());
    let items = rows.iter().filter(|row| !matches!(row.item, Item::Server)).count();
    let trouble = rows.iter().filter(|row| row.is_in_trouble()).count();
    let remark = format!("{trouble} of {items} in trouble, {}", state.order.words());
    canvas.heading(list, 0, "links and logs", &remark);
    canvas.line(list, 1, &table::head(usize::from(list.width), &COLUMNS));
    let body = band(list, 2, usize::from(list.height));
    if rows.is_empty() && picture.replication().is_some() {
        let read = stores::any_read(picture.replication());
        let words = stores::empty_words(&state.filter, read, "nothing is replicated");
        canvas.line(body, 0, &Text::of(Tone::Dim, format!("    {words}")));
    }
    let shown = page(state.cursor.place(selected), rows.len(), usize::from(body.height));
    for (at, index) in shown.enumerate() {
        if let Some(row) = rows.get(index) {
            table::draw(canvas, body, at, &COLUMNS, &table_row(row), Some(index) == selected);
        }
    }
    match below {
        Some(below) => draw_detail(canvas, below, cockpit, chosen),
        None => 0,
    }
}

/// What a line is called.
pub fn title(item: Item<'_>) -> String {
    match item {
        Item::Server => "server".to_owned(),
        Item::Link(link) => match link.direction {
            LinkDirection::Outgoing => format!("-> {}", link.name),
            LinkDirection::Incoming => format!("<- {}", link.name),
        },
        Item::Log(log, _) => format!("{} {}", log.kind.word(), log.name),
    }
}

fn table_row<'a>(row: &ReplicationRow<'a>) -> Row<'a> {
    let none = || (Tone::Dim, "".into());
    let (mark, state, amount, runway, method): (Mark, Cell<'a>, Cell<'a>, Cell<'a>, Cell<'a>) = match row.item {
        Item::Server => {
            let role = row.read.value.reading.role;
            let tone = if role == ReplicationRole::Other { Tone::Warn } else { Tone::Plain };
            let mark = if role == ReplicationRole::Other { (Tone::Warn, '?') } else { (Tone::Dim, ' ') };
            (mark, (tone, role.word().into()), none(), none(), none())
        }
        Item::Link(link) => {
            let (tone, sign) = if row.is_in_trouble() { (Tone::Bad, '!') } else { (Tone::Good, '+') };
            // State and error come before any number.
            let state = link.error.as_ref().map_or_else(|| link.state.clone(), |why| format!("{}: {why}", link.state));
            let best = best(link);
            let method = best.map_or("", |lag| lag.method.as_str());
            ((tone, sign), (tone, state.into()), lag_cell(link, best), none(), (Tone::Dim, method.into()))
        }
        Item::Log(log, runway) => {
            let (tone, sign) = if log.problem.is_some() { (Tone::Bad, '!') } else { (Tone::Good, '+') };
            let kept = match &log.retained_bytes {
                Reading::Known(kept) => (Tone::Plain, format!("{} {}", bytes(*kept), log.kind.participle()).into()),
                Reading::Unknown(_) => (Tone::Warn, format!("? {}", log.kind.participle()).into()),
            };
            let reader = if log.active { "" } else { ", nobody reads it" };
            ((tone, sign), (tone, format!("{}{reader}", log.state).into()), kept, runway_cell(runway), none())
        }
    };
    let cells = vec![
        (Tone::Dim, row.store.as_str().into()),
        (Tone::Plain, title(row.item).into()),
        state,
        amount,
        runway,
        method,
    ];
    Row { mark, cells }
}

/// The first measure that is known, else the first.
fn best(link: &ReplicaLink) -> Option<&LinkLag> {
    link.lag.iter().find(|lag| matches!(lag.amount, Reading::Known(_))).or(link.lag.first())
}

/// A number of a link that does not move says nothing of how far it is: it gets a question mark.
fn lag_cell<'a>(link: &ReplicaLink, best: Option<&LinkLag>) -> Cell<'a> {
    match best {
        None => (Tone::Dim, "-".into()),
        Some(LinkLag { amount: Reading::Unknown(_), .. }) => (Tone::Warn, "?".into()),
        Some(LinkLag { amount: Reading::Known(n), unit, .. }) if link.healthy => {
            (Tone::Plain, amount(*n, *unit).into())
        }
        Some(LinkLag { amount: Reading::Known(n), unit, .. }) => {
            (Tone::Warn, format!("{} ?", amount(*n, *unit)).into())
        }
    }
}

fn amount(number: u64, unit: LagUnit) -> String {
    match unit {
        LagUnit::Milliseconds => duration_ms(number),
        LagUnit::Bytes => bytes(number),
    }
}

fn runway_cell<'a>(runway: Option<&LogRunway>) -> Cell<'a> {
    match runway.map(|runway| &runway.seconds) {
        None | Some(Reading::Unknown(_)) => (Tone::Dim, "?".into()),
        Some(Reading::Known(None)) => (Tone::Plain, "no limit".into()),
        Some(Reading::Known(Some(seconds))) => (runway_tone(*seconds), forecast(*seconds).into()),
    }
}

fn field(label: &str, tone: Tone, text: impl Into<String>) -> Text<'static> {
    Text::of(Tone::Dim, format!("{label:<10}")).add(tone, text.into()).hang(10)
}

fn unknown(label: &str, why: &str) -> Text<'static> {
    field(label, Tone::Warn, "? unknown: ").plain(why.to_owned())
}

fn draw_detail(canvas: &mut Canvas<'_>, area: Rect, cockpit: &Cockpit, chosen: Option<&ReplicationRow<'_>>) -> usize {
    let (picture, state) = (cockpit.picture(), &cockpit.replication);
    let remark = if state.zoomed { "Esc closes" } else { "" };
    let place = band(area, 1, usize::from(area.height));
    let Some(row) = chosen else {
        if state.zoomed {
            canvas.heading(area, 0, "link or log", remark);
            canvas.line(place, 0, &Text::of(Tone::Warn, "the last reading has it no more"));
        }
        return 0;
    };
    canvas.heading(area, 0, &format!("{} on {}", title(row.item), row.store), remark);
    let read = format!(", read {}", ago(picture.now, row.read.at));
    let mut lines = match row.item {
        Item::Server => server(row, cockpit),
        Item::Link(link) => link_lines(link, &read),
        Item::Log(log, runway) => log_lines(log, runway, &read),
    };
    lines.push(Text::new());
    lines.extend(stores::lines(row.store, picture.replication(), picture.now));
    canvas.prose(place, &lines, state.scroll)
}

fn server(row: &ReplicationRow<'_>, cockpit: &Cockpit) -> Vec<Text<'static>> {
    let now = &row.read.value.reading;
    let started = match now.started_at {
        Some(at) => format!("runs {}", lasting(cockpit.picture().now, at)),
        None => "since when it runs is not known".to_owned(),
    };
    let count = |direction| now.links.iter().filter(|link| link.direction == direction).count();
    vec![
        field("role", Tone::Strong, now.role.word()),
        field("started", Tone::Plain, started),
        field("follow it", Tone::Plain, count(LinkDirection::Outgoing).to_string()),
        field("it follows", Tone::Plain, count(LinkDirection::Incoming).to_string()),
        field("logs kept", Tone::Plain, now.retention.len().to_string()),
    ]
}

fn link_lines(link: &ReplicaLink, read: &str) -> Vec<Text<'static>> {
    let (tone, words) = if link.healthy { (Tone::Good, "moves") } else { (Tone::Bad, "does not move") };
    let mut lines = vec![field("state", tone, format!("{words}: {}", link.state))];
    match &link.error {
        Some(why) => lines.push(field("error", Tone::Bad, why.clone())),
        None => lines.push(field("error", Tone::Dim, "none is reported")),
    }
    lines.push(field("peer", Tone::Plain, if link.peer.is_empty() { "not shown" } else { &link.peer }));
    for lag in &link.lag {
        let method = format!(", {}{read}", lag.method);
        lines.push(match &lag.amount {
            Reading::Known(n) if link.healthy => field("lag", Tone::Strong, amount(*n, lag.unit)).dim(method),
            Reading::Known(n) => {
                field("lag", Tone::Warn, format!("{} when it last moved, or longer", amount(*n, lag.unit))).dim(method)
            }
            Reading::Unknown(why) => unknown("lag", why).dim(method),
        });
    }
    lines
}

fn log_lines(log: &LogRetention, runway: Option<&LogRunway>, read: &str) -> Vec<Text<'static>> {
    let mut lines = vec![field("state", Tone::Strong, log.state.clone())];
    match &log.problem {
        Some(problem) => lines.push(field("problem", Tone::Bad, problem.clone())),
        None => lines.push(field("problem", Tone::Dim, "none")),
    }
    if log.kind == Kept::Log {
        let reader = if log.active { "somebody reads it now" } else { "nobody reads it now" };
        lines.push(field("reader", Tone::Plain, reader));
    }
    lines.push(match &log.retained_bytes {
        Reading::Known(kept) => field(log.kind.participle(), Tone::Plain, bytes(*kept)).dim(read.to_owned()),
        Reading::Unknown(why) => unknown(log.kind.participle(), why),
    });
    lines.push(match &log.room_bytes {
        Reading::Known(Some(room)) => field("room", Tone::Plain, format!("{} more may be written", bytes(*room))),
        Reading::Known(None) => field("room", Tone::Plain, "only the disk limits it"),
        Reading::Unknown(why) => unknown("room", why),
    });
    if let Reading::Known(seconds) = &log.covers_seconds {
        lines.push(field("covers", Tone::Plain, format!("the last {}", forecast(*seconds))));
    }
    if let Some(runway) = runway {
        lines.extend(runway_lines(runway));
    }
    lines
}

fn runway_lines(runway: &LogRunway) -> Vec<Text<'static>> {
    let speed = match &runway.bytes_per_second {
        Reading::Known(speed) => {
            let words = format!("{} a second over the last {}", bytes(*speed), forecast(runway.window_seconds));
            field("grows by", Tone::Plain, words)
        }
        Reading::Unknown(why) => unknown("grows by", why),
    };
    let left = match &runway.seconds {
        Reading::Known(Some(seconds)) => {
            field("runway", runway_tone(*seconds), forecast(*seconds)).plain(" at that speed, then the server cuts it")
        }
        Reading::Known(None) => field("runway", Tone::Plain, "nothing limits it, or it does not grow"),
        Reading::Unknown(why) => unknown("runway", why),
    };
    vec![speed, left]
}

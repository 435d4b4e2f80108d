//! Who waits for whom, as trees: roots wait for nobody, each line waits for the line above of one depth less.
//!
//! ```text
//! lock trees ────────────────────── 1 tree, 2 sessions wait
//!     store   who                            blocks  waits   what
//! > = legacy  18231 app_rw shop-api               2          idle in tx 14 min: UPDATE ...
//!   # legacy  └ 18240 app_rw shop-api             1  3 min   ROW EXCLUSIVE on table public.orders (held as ...)
//! ```

use crate::model::session::Party;
use crate::tui::screens::session::{self, MASK, short_state, since};
use crate::tui::state::cockpit::Cockpit;
use crate::tui::state::list::page;
use crate::tui::state::locks::{LockRow, LockSum, sum};
use crate::tui::theme::Tone;
use crate::tui::units::lasting;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::stores;
use crate::tui::widgets::table::{self, Column, Row, band};
use crate::tui::widgets::text::Text;
use ratatui::layout::Rect;

const COLUMNS: [Column; 5] = [
    Column::new("store", 10, 3),
    Column::new("who", 25, 0).grows(),
    Column::new("blocks", 6, 1).right(),
    Column::new("waits", 6, 0).right(),
    Column::new("what", 24, 0).grows(),
];

/// Deepest indent that is drawn; what is deeper says how deep.
const DEEPEST: usize = 5;

/// Draws the screen; the detail scrolls.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, cockpit: &Cockpit, small: bool) -> usize {
    let (picture, state) = (cockpit.picture(), &cockpit.locks);
    let rows = state.rows(picture);
    let selected = state.selected(&rows);
    let chosen = selected.and_then(|at| rows.get(at));
    if state.zoomed {
        return draw_detail(canvas, area, cockpit, chosen);
    }
    let room = if small { 2 } else { (usize::from(area.height) / 5).max(4) };
    let waiting = stores::waiting_words(cockpit.live().is_up());
    let used = stores::draw(canvas, area, picture.activity(), picture.now, room, waiting);
    let (list, below) = stores::divide(area, used, rows.len());
    let remark = format!("{}, {}", sum_words(sum(&rows)), state.order.words());
    canvas.heading(list, 0, "lock trees", &remark);
    canvas.line(list, 1, &table::head(usize::from(list.width), &COLUMNS));
    let body = band(list, 2, usize::from(list.height));
    if rows.is_empty() && picture.activity().is_some() {
        let read = stores::any_read(picture.activity());
        let words = stores::empty_words(&state.filter, read, "nobody waits for a lock");
        canvas.line(body, 0, &Text::of(Tone::Dim, format!("    {words}")));
    }
    let shown = page(state.cursor.place(selected), rows.len(), usize::from(body.height));
    for (at, index) in shown.enumerate() {
        if let Some(row) = rows.get(index) {
            table::draw(canvas, body, at, &COLUMNS, &table_row(row, cockpit), Some(index) == selected);
        }
    }
    match below {
        Some(below) => draw_detail(canvas, below, cockpit, chosen),
        None => 0,
    }
}

fn sum_words(sum: LockSum) -> String {
    let plural = |n: usize, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
    let mut words = format!("{}, {}", plural(sum.trees, "tree", "trees"), plural(sum.waiting, "waits", "wait"));
    if sum.deadlocks > 0 {
        words.push_str(&format!(", {}", plural(sum.deadlocks, "DEADLOCK", "DEADLOCKS")));
    }
    words
}

fn who(row: &LockRow<'_>) -> String {
    match (&row.node.party, row.session) {
        (Party::Session(key), Some(found)) => {
            format!("{key} {} {}", found.session.login, found.session.application).trim_end().to_owned()
        }
        (Party::Session(key), None) => key.to_string(),
        (Party::Prepared(name), _) => format!("prepared '{name}'"),
        (Party::Unknown, _) => "not named by the server".to_owned(),
    }
}

fn table_row<'a>(row: &LockRow<'a>, cockpit: &Cockpit) -> Row<'a> {
    let (now, node) = (cockpit.picture().now, row.node);
    let mark = match (node.cycle, row.session) {
        (true, _) => (Tone::Bad, 'X'),
        (false, Some(found)) => session::mark(found.session.state),
        (false, None) => (Tone::Warn, '?'),
    };
    let indent = match node.depth {
        0 => String::new(),
        depth if depth <= DEEPEST => format!("{}└ ", "  ".repeat(depth - 1)),
        depth => format!("{}└{depth} ", "  ".repeat(DEEPEST - 1)),
    };
    let (waits, what) = match (&node.edge, row.session) {
        _ if node.cycle => (String::new(), "DEADLOCK: leads back to a line above".to_owned()),
        (Some(edge), _) if node.again => (since(now, edge.since), "see above".to_owned()),
        (Some(edge), _) => (since(now, edge.since), session::wait_words(edge)),
        (None, Some(found)) => {
            let s = found.session;
            let open = s.transaction_since.map_or_else(String::new, |at| format!(" {}", lasting(now, at)));
            let statement = if cockpit.masked { MASK } else { &s.statement };
            (String::new(), format!("{}{open}: {statement}", short_state(s.state)))
        }
        (None, None) if matches!(node.party, Party::Prepared(_)) => {
            (String::new(), "ends only by COMMIT PREPARED or ROLLBACK PREPARED".to_owned())
        }
        (None, None) => (String::new(), "nothing is known of it".to_owned()),
    };
    let blocks = if node.blocks == 0 { String::new() } else { node.blocks.to_string() };
    Row {
        mark,
        cells: vec![
            (Tone::Dim, row.store.as_str().into()),
            (Tone::Plain, format!("{indent}{}", who(row)).into()),
            (Tone::Strong, blocks.into()),
            (Tone::Warn, waits.into()),
            (Tone::Plain, what.into()),
        ],
    }
}

fn draw_detail(canvas: &mut Canvas<'_>, area: Rect, cockpit: &Cockpit, chosen: Option<&LockRow<'_>>) -> usize {
    let state = &cockpit.locks;
    let place = band(area, 1, usize::from(area.height));
    let remark = if state.zoomed { "Esc closes" } else { "" };
    let Some(row) = chosen else {
        if state.zoomed {
            canvas.heading(area, 0, "lock", remark);
            canvas.line(place, 0, &Text::of(Tone::Warn, "it waits no longer, and nobody waits for it"));
        }
        return 0;
    };
    canvas.heading(area, 0, &format!("{} on {}", who(row), row.store), remark);
    let mut lines = Vec::new();
    if row.node.cycle {
        lines.push(Text::of(
            Tone::Bad,
            "X DEADLOCK: this branch leads back to a line above. Ending one of them frees the others.",
        ));
    }
    match (&row.node.party, row.session) {
        (_, Some(found)) => lines.extend(session::detail(&found, cockpit)),
        (Party::Prepared(name), None) => lines.push(
            Text::of(Tone::Warn, "? ")
                .plain(format!(
                    "The transaction '{name}' was prepared and belongs to no session. It holds its locks until somebody runs COMMIT PREPARED '{name}' or ROLLBACK PREPARED '{name}'."
                ))
                .hang(2),
        ),
        (_, None) => lines.push(Text::of(Tone::Warn, "? the server tells nothing more of it")),
    }
    canvas.prose(place, &lines, state.scroll)
}

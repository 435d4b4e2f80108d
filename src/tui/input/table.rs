//! The table of keys.

use crate::tui::input::{Binding, Context, Intent, Key, bind};
use crate::tui::state::act::Act;
use crate::tui::state::list::Motion;
use crate::tui::state::screen::Screen;
use crossterm::event::KeyCode;

use Context::{CommandLine as Line, Confirm, Detail, Fields, Filter, Help, Leaving, On, Result as Ended, Waiting};
use Screen::{
    Access, Activity, HotSpots, Indexes, Journal, Locks, Overview, Phases, Pipelines, Replication, Verification,
};

const SCREENS: &[Context] = &[
    On(Overview),
    On(Phases),
    On(Pipelines),
    On(Verification),
    On(Journal),
    On(Activity),
    On(Locks),
    On(Replication),
    On(HotSpots),
    On(Indexes),
    On(Access),
];
const LADDER: &[Context] = &[On(Overview), On(Phases)];
const PIPES: &[Context] = &[On(Pipelines)];
const PROOFS: &[Context] = &[On(Verification)];
const SESSIONS: &[Context] = &[On(Activity), On(Locks)];
const STATEMENTS: &[Context] = &[On(Activity), On(Locks), On(HotSpots)];
const ADVICE: &[Context] = &[On(Indexes), On(Access)];
const INDEXES: &[Context] = &[On(Indexes)];
const SORTED: &[Context] = &[On(Activity), On(Locks), On(Replication), On(HotSpots), On(Indexes), On(Access)];
const OPENING: &[Context] = &[
    On(Overview),
    On(Phases),
    On(Pipelines),
    On(Journal),
    On(Activity),
    On(Locks),
    On(Replication),
    On(HotSpots),
    On(Indexes),
    On(Access),
];
const TEXTS: &[Context] = &[
    On(Overview),
    On(Phases),
    On(Pipelines),
    On(Verification),
    On(Journal),
    On(Activity),
    On(Locks),
    On(Replication),
    On(HotSpots),
    On(Indexes),
    On(Access),
    Detail,
    Help,
    Confirm,
    Waiting,
    Ended,
];
const READINGS: &[Context] = &[Detail, Help, Confirm, Waiting, Ended];
const FIELDS_MOVE: &[Context] = &[Fields];
const EVERYWHERE: &[Context] = &[
    On(Overview),
    On(Phases),
    On(Pipelines),
    On(Verification),
    On(Journal),
    On(Activity),
    On(Locks),
    On(Replication),
    On(HotSpots),
    On(Indexes),
    On(Access),
    Detail,
    Help,
    Confirm,
    Fields,
    Waiting,
    Ended,
    Line,
    Filter,
    Leaving,
];
pub(super) const TYPED: &[Context] = &[Fields, Line, Filter];
const COVERS: &[Context] = &[Detail, Help, Waiting, Ended];
const ENDED: &[Context] = &[Detail, Help, Ended];
const REFUSES: &[Context] = &[Confirm, Leaving];
const COPIES: &[Context] = &[
    On(Overview),
    On(Phases),
    On(Pipelines),
    On(Verification),
    On(Journal),
    On(Activity),
    On(Locks),
    On(Replication),
    On(HotSpots),
    Detail,
    Ended,
];

/// The table. For one key in one context the first line that is open wins, so that `P` can pause and resume.
pub static BINDINGS: &[Binding] = &[
    // Acts on phases, in the order of a phase's life.
    bind(&[Key::char('r')], Intent::Act(Act::Run), LADDER, "run").shown(10),
    bind(&[Key::char('A')], Intent::Act(Act::Approve), LADDER, "approve").shown(10),
    bind(&[Key::char('A')], Intent::Act(Act::Approve), &[Ended], "approve it now").shown(1),
    bind(&[Key::char('w')], Intent::Act(Act::Withdraw), LADDER, "withdraw").shown(13),
    bind(&[Key::char('P')], Intent::Act(Act::Pause), LADDER, "pause").shown(11),
    bind(&[Key::char('P')], Intent::Act(Act::Resume), LADDER, "resume").shown(11),
    bind(&[Key::char('t')], Intent::Act(Act::Retry), LADDER, "retry").shown(10),
    bind(&[Key::char('B')], Intent::Act(Act::Rollback), LADDER, "roll back").shown(12),
    bind(&[Key::char('X')], Intent::Act(Act::Skip), LADDER, "skip").shown(14),
    // Acts on pipelines.
    bind(&[Key::char('P')], Intent::Act(Act::PausePipeline), PIPES, "pause").shown(11),
    bind(&[Key::char('P')], Intent::Act(Act::ResumePipeline), PIPES, "resume").shown(11),
    bind(&[Key::char('s')], Intent::Act(Act::Throttle), PIPES, "set limit").shown(12),
    // Acts on tables.
    bind(&[Key::char('v')], Intent::Act(Act::Verify), PROOFS, "verify now").shown(10),
    bind(&[Key::char('E')], Intent::Act(Act::Repair), PROOFS, "repair").shown(12),
    // Acts on sessions, and how they are listed.
    bind(&[Key::char('C')], Intent::Act(Act::Cancel), SESSIONS, "cancel statement").shown(10),
    bind(&[Key::char('K')], Intent::Act(Act::Kill), SESSIONS, "kill session").shown(11),
    bind(&[Key::char('a')], Intent::ListAll, &[On(Activity)], "idle too").shown(23),
    // Acts on index advice.
    bind(&[Key::char('T')], Intent::Act(Act::Take), INDEXES, "take").shown(10),
    bind(&[Key::char('T')], Intent::Act(Act::Leave), INDEXES, "leave out").shown(10),
    // How lists are shown.
    bind(&[Key::char('t')], Intent::NextList, &[On(HotSpots)], "next list").shown(19),
    bind(&[Key::char('>')], Intent::Sort(true), SORTED, "sort").shown(20),
    bind(&[Key::char('<')], Intent::Sort(false), SORTED, "sort back"),
    bind(&[Key::char('a')], Intent::ListAll, ADVICE, "passes too").shown(23),
    bind(&[Key::char('m')], Intent::Mask, STATEMENTS, "mask statements").shown(29),
    // Dialogs.
    bind(&[Key::char('y')], Intent::Yes, REFUSES, "yes, do it").shown(1),
    bind(&[Key::char('n'), Key::of(KeyCode::Esc), Key::char('q')], Intent::Back, REFUSES, "no").shown(2),
    bind(&[Key::of(KeyCode::Enter)], Intent::Submit, TYPED, "ok").shown(1),
    bind(&[Key::of(KeyCode::Esc)], Intent::Back, TYPED, "cancel").shown(2),
    bind(&[Key::of(KeyCode::Tab)], Intent::NextField, FIELDS_MOVE, "next field").shown(3),
    bind(&[Key::of(KeyCode::BackTab)], Intent::PreviousField, FIELDS_MOVE, "field before"),
    bind(&[Key::of(KeyCode::Tab)], Intent::Complete, &[Line], "complete").shown(3),
    bind(&[Key::of(KeyCode::Backspace), Key::control('h')], Intent::Erase, TYPED, "erase"),
    bind(&[Key::control('u'), Key::control('w')], Intent::EraseAll, TYPED, "erase all"),
    bind(&[Key::of(KeyCode::Up)], Intent::Move(Motion::Up), FIELDS_MOVE, "line up, choice before"),
    bind(&[Key::of(KeyCode::Down)], Intent::Move(Motion::Down), FIELDS_MOVE, "line down, next choice"),
    bind(&[Key::of(KeyCode::PageUp)], Intent::Move(Motion::PageUp), FIELDS_MOVE, "page up"),
    bind(&[Key::of(KeyCode::PageDown)], Intent::Move(Motion::PageDown), FIELDS_MOVE, "page down").shown(4),
    bind(&[Key::of(KeyCode::Esc), Key::char('q')], Intent::Back, COVERS, "close").shown(1),
    bind(&[Key::of(KeyCode::Enter)], Intent::Back, ENDED, "close"),
    // Moving.
    bind(&[Key::of(KeyCode::Up), Key::char('k')], Intent::Move(Motion::Up), TEXTS, "up"),
    bind(&[Key::of(KeyCode::Down), Key::char('j')], Intent::Move(Motion::Down), TEXTS, "down"),
    bind(&[Key::of(KeyCode::PageUp), Key::control('b')], Intent::Move(Motion::PageUp), TEXTS, "page up"),
    bind(&[Key::of(KeyCode::PageDown), Key::control('f')], Intent::Move(Motion::PageDown), SCREENS, "page down"),
    bind(&[Key::of(KeyCode::PageDown), Key::control('f')], Intent::Move(Motion::PageDown), READINGS, "page down")
        .shown(4),
    bind(&[Key::of(KeyCode::Home), Key::char('g')], Intent::Move(Motion::Top), TEXTS, "first"),
    bind(&[Key::of(KeyCode::End), Key::char('G')], Intent::Move(Motion::Bottom), TEXTS, "last"),
    bind(&[Key::of(KeyCode::Enter)], Intent::Open, OPENING, "detail").shown(22),
    bind(&[Key::of(KeyCode::Esc)], Intent::Back, SCREENS, "back"),
    bind(&[Key::char('f')], Intent::Follow, &[On(Journal)], "follow").shown(20),
    // Screens.
    bind(&[Key::char('1')], Intent::Go(Overview), SCREENS, "overview"),
    bind(&[Key::char('2')], Intent::Go(Phases), SCREENS, "phases"),
    bind(&[Key::char('3')], Intent::Go(Pipelines), SCREENS, "pipelines"),
    bind(&[Key::char('4')], Intent::Go(Verification), SCREENS, "verification"),
    bind(&[Key::char('5')], Intent::Go(Journal), SCREENS, "journal"),
    bind(&[Key::char('6')], Intent::Go(Activity), SCREENS, "activity"),
    bind(&[Key::char('7')], Intent::Go(Locks), SCREENS, "locks"),
    bind(&[Key::char('8')], Intent::Go(Replication), SCREENS, "replication"),
    bind(&[Key::char('9')], Intent::Go(HotSpots), SCREENS, "hot spots"),
    bind(&[Key::char('0')], Intent::Go(Indexes), SCREENS, "index advice"),
    bind(&[Key::char('u')], Intent::Go(Access), SCREENS, "access audit (users' rights)"),
    bind(&[Key::of(KeyCode::Tab), Key::char(']')], Intent::Following, SCREENS, "next screen"),
    bind(&[Key::of(KeyCode::BackTab), Key::char('[')], Intent::Preceding, SCREENS, "screen before"),
    // Everywhere on screens.
    bind(&[Key::char('?'), Key::of(KeyCode::F(1))], Intent::Help, SCREENS, "help").shown(0),
    bind(&[Key::char('/')], Intent::Filter, SCREENS, "filter").shown(24),
    bind(&[Key::char(':')], Intent::Command, SCREENS, "command").shown(25),
    bind(&[Key::char('y')], Intent::Copy, COPIES, "copy").shown(30),
    bind(&[Key::char('y')], Intent::Copy, ADVICE, "copy statement").shown(21),
    bind(&[Key::char('Y')], Intent::CopyUndo, ADVICE, "copy undo").shown(28),
    bind(&[Key::char('p')], Intent::Freeze, SCREENS, "freeze display").shown(31),
    bind(&[Key::char('p')], Intent::Thaw, SCREENS, "thaw display").shown(5),
    bind(&[Key::char('q')], Intent::Quit, SCREENS, "quit").shown(26),
    bind(&[Key::control('l')], Intent::Repaint, EVERYWHERE, "draw again"),
    bind(&[Key::control('z')], Intent::Suspend, EVERYWHERE, "suspend"),
    bind(&[Key::control('c')], Intent::Quit, EVERYWHERE, "quit"),
];

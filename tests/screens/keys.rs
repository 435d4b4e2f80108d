//! Keys: what is shown works, and nothing that the state forbids is ever sent.

use crate::fixture::*;
use crate::{advice, stores};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use godwit::model::command::{Action, Answer, Command};
use godwit::model::event::Event;
use godwit::model::ids::{Operator, Seq};
use godwit::model::index_order::FindingName;
use godwit::model::phase::{PhaseEvent, PhaseStatus};
use godwit::model::pipeline::{PipelineEvent, PipelineState};
use godwit::model::plan::Direction;
use godwit::model::reason::{FailurePolicy, Reason};
use godwit::model::role::Role;
use godwit::model::sample::Samples;
use godwit::model::view::View;
use godwit::tui::CockpitOptions;
use godwit::tui::effect::Effect;
use godwit::tui::input::{Binding, Context, Intent, Key, bindings};
use godwit::tui::screens::frame;
use godwit::tui::state::act::{Act, Takes, Target};
use godwit::tui::state::cockpit::Cockpit;
use godwit::tui::state::dialog::{Dialog, Wish};
use godwit::tui::state::screen::Screen;
use godwit::tui::theme::Theme;
use godwit::tui::widgets::footer::offered;
use godwit::wire::client::LinkEvent;
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;

/// A phase in every status, so that each key is legal somewhere.
fn every_status(env: Option<&str>) -> Vec<(Story, Samples)> {
    let begin = || awaiting(env);
    let mut all = vec![(Story::begin(env), healthy()), begin(), troubled(env)];
    let mut with = |tell: &dyn Fn(&mut Story)| {
        let (mut story, samples) = begin();
        tell(&mut story);
        all.push((story, samples));
    };
    let started = |s: &mut Story| {
        s.approve("cutover", "mina").approve("cutover", "li").phase("cutover", PhaseEvent::Started);
    };
    with(&|s| started(s));
    with(&|s| {
        started(s);
        s.phase("cutover", PhaseEvent::PauseRequested { by: "ben".into() });
    });
    with(&|s| {
        started(s);
        s.phase("cutover", PhaseEvent::PauseRequested { by: "ben".into() }).phase("cutover", PhaseEvent::Paused);
        s.pipeline("orders", PipelineEvent::State { state: PipelineState::Paused });
    });
    for policy in [FailurePolicy::Retry, FailurePolicy::RollBack, FailurePolicy::Complete] {
        with(&|s| {
            started(s);
            s.fail("cutover", policy);
        });
    }
    with(&|s| {
        started(s);
        s.phase("cutover", PhaseEvent::Succeeded);
    });
    with(&|s| {
        s.tell(Event::Index { phase: "watch".into(), event: advice::taken() });
    });
    with(&|s| {
        started(s);
        s.phase("cutover", PhaseEvent::RollbackStarted { by: "li".into(), plan: PLAN.into() });
        s.phase("cutover", PhaseEvent::Stuck { reason: Reason::new("a", "b") });
    });
    with(&|s| {
        s.phase("cutover", PhaseEvent::Blocked { reasons: vec!["lag".into()] });
    });
    with(&|s| {
        s.phase("cutover", PhaseEvent::Skipped { by: "li".into(), why: "x".into() });
    });
    all
}

const SCREENS: [&str; 11] = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "0", "u"];

/// What the screens of advice show.
fn advised() -> Vec<View> {
    vec![View::HotSpots(advice::busy()), advice::advice(), advice::audits()]
}

/// Everything that a key could change, in one string.
fn fingerprint(cockpit: &Cockpit) -> String {
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {} {} {:?} {:?} {:?} {:?} {} {:?} {:?} {:?}",
        cockpit.screen,
        cockpit.overview,
        cockpit.phases,
        cockpit.pipelines,
        cockpit.verification,
        cockpit.journal,
        cockpit.dialog,
        cockpit.command_line,
        cockpit.help,
        cockpit.leaving,
        cockpit.is_frozen(),
        cockpit.filter_line,
        cockpit.activity,
        cockpit.locks,
        cockpit.replication,
        cockpit.masked,
        cockpit.hotspots,
        cockpit.indexes,
        cockpit.access,
    )
}

#[test]
fn every_key_in_the_footer_does_something() {
    for (story, samples) in every_status(None) {
        for role in [Role::Viewer, Role::Operator, Role::Approver] {
            for screen in SCREENS {
                let mut cockpit = cockpit_of(&story, samples.clone(), "mina", role, CockpitOptions::default());
                stores::show(&mut cockpit, advised());
                press(&mut cockpit, screen);
                for binding in offered(&cockpit, 200) {
                    let mut after = cockpit.clone();
                    let effect = after.on_key(binding.keys[0]);
                    let changed = fingerprint(&after) != fingerprint(&cockpit);
                    assert!(effect.is_some() || changed, "{} on screen {screen} as {role}", binding.label);
                    assert!(after.notice.is_none(), "{} was refused: {:?}", binding.label, after.notice);
                }
            }
        }
    }
}

#[test]
fn a_viewer_and_an_observer_are_offered_nothing_that_acts() {
    for (story, samples) in every_status(None) {
        let observe = CockpitOptions { observe: true, ..CockpitOptions::default() };
        for (role, options) in [(Role::Viewer, CockpitOptions::default()), (Role::Approver, observe)] {
            for screen in SCREENS {
                let mut cockpit = cockpit_of(&story, samples.clone(), "mina", role, options.clone());
                press(&mut cockpit, screen);
                assert!(offered(&cockpit, 200).iter().all(|b| !matches!(b.intent, Intent::Act(_))));
            }
        }
    }
}

/// What each act sends agrees with the model about role and danger.
#[test]
fn acts_agree_with_the_model_about_role_and_danger() {
    let mut seen = Vec::new();
    for (story, samples) in every_status(None) {
        let mut cockpit = cockpit_of(&story, samples, "mina", Role::Approver, CockpitOptions::default());
        stores::show(&mut cockpit, vec![stores::jammed(), advice::advice()]);
        let picture = cockpit.live();
        for act in Act::ALL {
            let targets: Vec<Target> = match act.takes() {
                Takes::Phase => picture.migration.phases.iter().map(|p| Target::Phase(p.id.clone())).collect(),
                Takes::Pipeline => picture.migration.pipelines.keys().cloned().map(Target::Pipeline).collect(),
                Takes::Tables => vec![Target::Table("orders".into(), "public.orders".into()), Target::Whole],
                Takes::Session => vec![Target::Session("legacy".into(), stores::key(18_260))],
                Takes::Advice => vec![Target::advice(FindingName::of(&advice::missing_key()), picture)],
                Takes::Nothing => vec![Target::Whole],
            };
            for target in targets.into_iter().filter(|t| act.why_not(t, picture, false).is_none()) {
                let (mut dialog, first) = Dialog::open(act, target.clone(), picture);
                if let (Some(direction), Target::Phase(id)) = (act.plan(), &target) {
                    dialog.answer(Answer::Planned { plan: plan(id.as_str(), direction), seq: None }, picture);
                }
                if let Some(how) = act.ending() {
                    dialog.answer(Answer::Ending { ending: stores::ending(18_260, how, &[]) }, picture);
                }
                dialog.fields.iter_mut().for_each(|f| f.value.push_str(if f.value.is_empty() { "x" } else { "" }));
                let command = match (dialog.confirm(picture, false), first) {
                    (Wish::Send(command), _) => command,
                    (_, Some(command)) if act == Act::Check => command,
                    (wish, _) => panic!("{act:?} on {target:?} does not send: {wish:?}, {:?}", dialog.note),
                };
                assert_eq!(command.action.needs(), act.role(), "{act:?}");
                assert_eq!(command.action.is_dangerous(), act.is_dangerous(), "{act:?}");
                seen.push(act);
            }
        }
    }
    for act in Act::ALL {
        assert!(seen.contains(&act), "{act:?} was possible in no situation");
    }
}

#[test]
fn without_colour_no_cell_has_one() {
    for (story, samples) in every_status(Some("production")) {
        let mut cockpit = cockpit(&story, samples);
        stores::show(&mut cockpit, advised());
        for screen in SCREENS {
            press(&mut cockpit, screen);
            let mut buffer = Buffer::empty(Rect::new(0, 0, 80, 24));
            frame::draw(&cockpit, Theme::new(false), &mut buffer);
            assert!(buffer.content().iter().all(|c| c.fg == Color::Reset && c.bg == Color::Reset));
        }
    }
}

#[test]
fn server_text_cannot_steer_the_terminal() {
    let mut story = Story::begin(None);
    let evil = "\u{1b}[2J\u{1b}]52;c;ZXZpbA==\u{7}\u{202e}evil\r\nline";
    story.at(5).phase("assess", PhaseEvent::Blocked { reasons: vec![evil.into()] });
    story.pipeline("orders", PipelineEvent::State { state: PipelineState::Failed { reason: Reason::new(evil, evil) } });
    let mut samples = healthy();
    samples.stores.insert(evil.into(), store(evil, evil, evil));
    let mut cockpit = cockpit(&story, samples);
    for screen in ["1", "2", "3", "4", "5", "5 Enter"] {
        press(&mut cockpit, screen);
        let shown = shown(&mut cockpit, 200, 60);
        assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown}");
        assert!(!shown.contains('\u{202e}') && !shown.contains("[2J") && !shown.contains("52;c"), "{shown}");
    }
    for effect in press(&mut cockpit, "y") {
        if let Effect::Copy(text) = effect {
            assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        }
    }
}

/// True when the status lets the engine begin what the command asks for.
fn is_legal(command: &Command, cockpit: &Cockpit) -> bool {
    let picture = cockpit.live();
    let Some(id) = command.action.phase() else { return true };
    let status = &picture.phase(id).unwrap().status;
    let by: Operator = "x".into();
    let event = match &command.action {
        Action::Plan { .. } => return true,
        Action::Run { .. } => PhaseEvent::PlanRequested { by, plan: String::new() },
        Action::Approve { plan, .. } => {
            return matches!(status, PhaseStatus::AwaitingApproval { plan: asked, .. } if asked == plan);
        }
        Action::Withdraw { .. } => PhaseEvent::ApprovalVoid { why: String::new() },
        Action::Pause { .. } => PhaseEvent::PauseRequested { by },
        Action::Resume { .. } => PhaseEvent::ResumeRequested { by },
        Action::Retry { .. } => PhaseEvent::RetryRequested { by },
        Action::Rollback { .. } => PhaseEvent::RollbackStarted { by, plan: String::new() },
        Action::Skip { why, .. } => PhaseEvent::Skipped { by, why: why.clone() },
        _ => return true,
    };
    status.next(&event).is_ok()
}

/// What happens in a random run.
#[derive(Clone, Debug)]
enum Happening {
    Key(KeyCode, bool),
    Paste(String),
    /// The engine answers the oldest command.
    Answer(u8),
    /// Something happens to the cutover, if its status allows it.
    Event(u8),
    Down,
    Up,
    Draw(u16, u16),
}

fn happening() -> impl Strategy<Value = Happening> {
    let bound: Vec<Key> = godwit::tui::input::BINDINGS.iter().flat_map(|b: &Binding| b.keys.iter().copied()).collect();
    let bound = prop::sample::select(bound).prop_map(|k| Happening::Key(k.code, k.control));
    prop_oneof![
        12 => bound,
        4 => prop::sample::select(vec!['A', 'y', 'B', 'r', 'P', 'X', 't', 'w', 'v', 'E', 's', 'C', 'K', '6', '7', '9', '0', 'u']).prop_map(|c| Happening::Key(KeyCode::Char(c), false)),
        2 => Just(Happening::Key(KeyCode::Enter, false)),
        2 => any::<char>().prop_map(|c| Happening::Key(KeyCode::Char(c), false)),
        1 => "(approve|rollback|skip|run|pause) (cutover|watch|x)".prop_map(Happening::Paste),
        4 => any::<u8>().prop_map(Happening::Answer),
        3 => any::<u8>().prop_map(Happening::Event),
        1 => Just(Happening::Down),
        2 => Just(Happening::Up),
        1 => (1u16..150, 1u16..50).prop_map(|(w, h)| Happening::Draw(w, h)),
    ]
}

fn phase_event(n: u8) -> PhaseEvent {
    let by: Operator = "li".into();
    match n % 10 {
        0 => PhaseEvent::PlanRequested { by, plan: PLAN.into() },
        1 => PhaseEvent::Started,
        2 => PhaseEvent::PauseRequested { by },
        3 => PhaseEvent::Paused,
        4 => PhaseEvent::Failed { reason: Reason::new("a", "b"), policy: FailurePolicy::Retry },
        5 => PhaseEvent::RollbackStarted { by, plan: PLAN.into() },
        6 => PhaseEvent::RolledBack,
        7 => PhaseEvent::ApprovalVoid { why: "x".into() },
        8 => PhaseEvent::Succeeded,
        _ => PhaseEvent::Stuck { reason: Reason::new("a", "b") },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_keys_panics_or_sends_what_is_forbidden(
        happenings in prop::collection::vec(happening(), 1..80),
        production in any::<bool>(),
        role in prop::sample::select(vec![Role::Viewer, Role::Operator, Role::Approver]),
    ) {
        let (mut story, samples) = awaiting(production.then_some("production"));
        let mut cockpit = cockpit_of(&story, samples, "mina", role, CockpitOptions::default());
        stores::show(&mut cockpit, vec![stores::jammed(), stores::replication()]);
        stores::show(&mut cockpit, advised());
        let mut open: Vec<(u64, Command)> = Vec::new();
        let mut next_id = 1;
        for happening in happenings {
            let effect = match happening {
                Happening::Key(code, control) => {
                    let modifiers = if control { KeyModifiers::CONTROL } else { KeyModifiers::NONE };
                    Key::from_event(&KeyEvent::new(code, modifiers)).and_then(|key| cockpit.on_key(key))
                }
                Happening::Paste(text) => {
                    cockpit.on_paste(&text);
                    None
                }
                Happening::Answer(n) if !open.is_empty() => {
                    let (id, command) = open.remove(0);
                    let answer = match (&command.action, n % 3) {
                        (_, 0) => Answer::Rejected { why: "no".into() },
                        (Action::Plan { phase, direction }, _) => {
                            Answer::Planned { plan: plan(phase.as_str(), *direction), seq: None }
                        }
                        (Action::ShowEnding { session, how, .. }, _) => {
                            Answer::Ending { ending: stores::ending(session.id.parse().unwrap(), *how, &[]) }
                        }
                        (Action::Run { phase }, _) => {
                            Answer::Planned { plan: plan(phase.as_str(), Direction::Forward), seq: Some(Seq(1)) }
                        }
                        _ => Answer::Accepted { seq: Seq(1), message: "ok".into() },
                    };
                    cockpit.on_link(LinkEvent::Answer(id, Box::new(answer)));
                    None
                }
                Happening::Event(n) => {
                    let event = phase_event(n);
                    if cockpit.live().phase(&"cutover".into()).unwrap().status.next(&event).is_ok() {
                        story.phase("cutover", event);
                        cockpit.on_link(LinkEvent::Entries(story.entries().split_off(story.entries().len() - 1)));
                    }
                    None
                }
                Happening::Down => {
                    open.clear();
                    cockpit.on_link(LinkEvent::Down { why: "gone".into(), retry_in: std::time::Duration::from_secs(1) });
                    None
                }
                Happening::Up => {
                    cockpit.on_link(LinkEvent::Up(welcome(story.head(), "mina", role)));
                    None
                }
                Happening::Draw(width, height) => {
                    shown(&mut cockpit, width, height);
                    None
                }
                Happening::Answer(_) => None,
            };
            if let Some(Effect::Send(command)) = effect {
                prop_assert!(cockpit.live().is_up(), "sent without a connection: {command:?}");
                prop_assert!(is_legal(&command, &cockpit), "forbidden: {command:?}");
                prop_assert!(command.action.needs() <= role, "beyond the role {role}: {command:?}");
                if command.action.phase().is_some() && !matches!(command.action, Action::Plan { .. }) {
                    let phase = cockpit.live().phase(command.action.phase().unwrap()).unwrap();
                    prop_assert_eq!(command.expected_seq, Some(phase.changed_seq));
                }
                if production && command.action.is_dangerous() {
                    prop_assert!(command.confirm.is_some(), "no name was typed: {command:?}");
                }
                cockpit.on_sent(Some(next_id));
                open.push((next_id, command));
                next_id += 1;
            }
        }
    }
}

/// The page for operators names every screen with its key.
#[test]
fn the_page_of_keys_is_true() {
    let page = include_str!("../../docs/operator/cockpit.md");
    for screen in Screen::ALL {
        let row = format!("| `{}` | {} |", screen.key(), screen.word());
        assert!(page.contains(&row), "{row}");
        let binding = bindings(Context::On(Screen::Overview)).find(|b| b.intent == Intent::Go(screen)).unwrap();
        assert_eq!(binding.keys, [key(&screen.key().to_string())]);
    }
}

#[test]
fn every_context_can_be_left() {
    let contexts = [
        Context::Detail,
        Context::Help,
        Context::Confirm,
        Context::Fields,
        Context::Waiting,
        Context::Result,
        Context::CommandLine,
        Context::Filter,
        Context::Leaving,
    ];
    for context in contexts {
        assert!(bindings(context).any(|b| b.intent == Intent::Back), "{context:?}");
        assert!(bindings(context).any(|b| b.intent == Intent::Quit), "{context:?}");
        assert!(bindings(context).any(|b| b.intent == Intent::Suspend), "{context:?}");
    }
}

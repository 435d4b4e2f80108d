//! The `:` line: every screen and every act by its word, with completion.

use crate::model::finding::Finding;
use crate::model::ids::PipelineId;
use crate::model::index_order::FindingName;
use crate::tui::state::act::{Act, Takes, Target};
use crate::tui::state::activity::sessions;
use crate::tui::state::picture::Picture;
use crate::tui::state::screen::Screen;
use crate::tui::state::verification::tables;

/// What a typed line means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// Show a screen.
    Go(Screen),
    /// Open an act's dialog.
    Act(Act, Target),
    /// Freeze or thaw the display.
    Freeze,
    /// Show the keys.
    Help,
    /// Leave.
    Quit,
}

/// Words that are neither screens nor acts.
static OTHERS: [(&str, Typed); 3] = [("freeze", Typed::Freeze), ("help", Typed::Help), ("quit", Typed::Quit)];

/// Most suggestions that are worked out; more cannot be read anyway.
const MAX_SUGGESTIONS: usize = 50;

/// The line being typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// What was typed.
    pub text: String,
    /// Why the last try was not understood.
    pub note: Option<String>,
}

impl CommandLine {
    /// What could stand in place of the last word.
    pub fn suggestions(&self, picture: &Picture) -> Vec<String> {
        let (verb, rest) = match self.text.trim_start().split_once(' ') {
            None => {
                let words = Screen::ALL.iter().map(|s| s.word()).chain(Act::ALL.iter().map(|a| a.verb()));
                let all = words.chain(OTHERS.iter().map(|(word, _)| *word));
                let begun = self.text.trim_start();
                return all.filter(|w| w.starts_with(begun)).map(str::to_owned).collect();
            }
            Some((verb, rest)) => (verb, rest.trim_start()),
        };
        let Some(act) = act(verb) else { return Vec::new() };
        let names: Vec<String> = match act.takes() {
            Takes::Phase => picture.migration.phases.iter().map(|p| p.id.to_string()).collect(),
            Takes::Pipeline => picture.migration.pipelines.keys().map(ToString::to_string).collect(),
            Takes::Tables => {
                let pipelines = picture.migration.pipelines.keys().map(ToString::to_string);
                pipelines.chain(tables(picture).into_iter().map(|row| row.table)).collect()
            }
            Takes::Session => picture
                .activity()
                .map(|view| sessions(view).map(|row| format!("{} {}", row.store, row.session.key)).collect())
                .unwrap_or_default(),
            Takes::Advice => buildable(picture).map(|finding| FindingName::of(finding).to_string()).collect(),
            Takes::Nothing => Vec::new(),
        };
        let (possible, rest_of): (Vec<String>, Vec<String>) = names
            .into_iter()
            .filter(|name| name.starts_with(rest))
            .partition(|name| target(act, name, picture).is_ok_and(|t| act.why_not(&t, picture, false).is_none()));
        possible.into_iter().chain(rest_of).take(MAX_SUGGESTIONS).map(|name| format!("{verb} {name}")).collect()
    }

    /// Completes as far as all suggestions agree; with one left, wholly.
    pub fn complete(&mut self, picture: &Picture) {
        let suggestions = self.suggestions(picture);
        match suggestions.as_slice() {
            [] => {}
            [one] => {
                let takes_more = !one.contains(' ') && act(one).is_some_and(|a| a.takes() != Takes::Nothing);
                self.text = if takes_more { format!("{one} ") } else { one.clone() };
            }
            [first, others @ ..] => {
                let shared = others.iter().fold(first.as_str(), |shared, other| common_prefix(shared, other));
                if shared.len() > self.text.len() {
                    self.text = shared.to_owned();
                }
            }
        }
    }

    /// What the line means.
    ///
    /// # Errors
    /// One sentence that says what is wrong and what would be right.
    pub fn parse(&self, picture: &Picture) -> Result<Typed, String> {
        let text = self.text.trim();
        let (verb, name) = text.split_once(' ').map_or((text, ""), |(verb, name)| (verb, name.trim()));
        if let Some(screen) = Screen::by_word(verb) {
            return Ok(Typed::Go(screen));
        }
        if let Some((_, typed)) = OTHERS.iter().find(|(word, _)| *word == verb) {
            return Ok(typed.clone());
        }
        match act(verb) {
            Some(act) => Ok(Typed::Act(act, target(act, name, picture)?)),
            None => {
                let known = Screen::ALL.iter().map(|s| s.word()).chain(Act::ALL.iter().map(|a| a.verb()));
                let near = known.max_by(|a, b| strsim::jaro(a, verb).total_cmp(&strsim::jaro(b, verb)));
                Err(format!("there is no command {verb}; the nearest is {}", near.unwrap_or("help")))
            }
        }
    }
}

fn act(verb: &str) -> Option<Act> {
    Act::ALL.into_iter().find(|a| a.verb() == verb)
}

fn target(act: Act, name: &str, picture: &Picture) -> Result<Target, String> {
    let pipeline = || picture.migration.pipelines.keys().find(|id| id.as_str() == name);
    match act.takes() {
        Takes::Nothing if name.is_empty() => Ok(Target::Whole),
        Takes::Nothing => Err(format!("{} takes no name", act.verb())),
        Takes::Tables if name.is_empty() => Ok(Target::Whole),
        _ if name.is_empty() => Err(format!("{} what? Tab shows the names", act.verb())),
        Takes::Phase => match picture.migration.phases.iter().find(|p| p.id.as_str() == name) {
            Some(phase) => Ok(Target::Phase(phase.id.clone())),
            None => Err(format!("there is no phase {name}; Tab shows the names")),
        },
        Takes::Pipeline => match pipeline() {
            Some(id) => Ok(Target::Pipeline(id.clone())),
            None => Err(format!("there is no pipeline {name}; Tab shows the names")),
        },
        Takes::Session => session(name, picture),
        Takes::Advice => {
            let stores = picture.indexes().ok_or("no index was read yet: show the advice first (indexes)")?;
            let finding = FindingName::parse(name, |word| stores.keys().any(|store| store.as_str() == word))?;
            Ok(Target::advice(finding, picture))
        }
        Takes::Tables => match pipeline() {
            Some(id) => Ok(Target::Pipeline(id.clone())),
            None => table(name, picture),
        },
    }
}

/// Findings of the index advice that a phase can build.
fn buildable(picture: &Picture) -> impl Iterator<Item = &Finding> {
    let read = picture.indexes().into_iter().flatten().filter_map(|(_, reading)| reading.latest.as_ref());
    read.flat_map(|read| &read.value.findings).filter(|finding| finding.makes.is_some())
}

/// A session by its store and id, as the activity screen shows them.
fn session(name: &str, picture: &Picture) -> Result<Target, String> {
    let view = picture.activity().ok_or("no session was read yet: show them first (activity)")?;
    let Some((store, id)) = name.split_once(' ') else { return Err("name the store and the session".to_owned()) };
    match sessions(view).find(|row| row.store.as_str() == store && row.session.key.id == id.trim()) {
        Some(row) => Ok(Target::Session(row.store.clone(), row.session.key.clone())),
        None => Err(format!("the last reading has no session {id} on {store}")),
    }
}

/// A table by its source name; a name that two pipelines have is refused rather than guessed.
fn table(name: &str, picture: &Picture) -> Result<Target, String> {
    let rows = tables(picture);
    let found: Vec<&PipelineId> = rows.iter().filter(|row| row.table == name).map(|row| row.pipeline).collect();
    match found.as_slice() {
        [pipeline] => Ok(Target::Table((*pipeline).clone(), name.to_owned())),
        [] => Err(format!("there is no pipeline and no table {name}; Tab shows the names")),
        _ => Err(format!("several pipelines have a table {name}: choose it on the verification screen")),
    }
}

fn common_prefix<'a>(a: &'a str, b: &str) -> &'a str {
    let len: usize = a.chars().zip(b.chars()).take_while(|(x, y)| x == y).map(|(x, _)| x.len_utf8()).sum();
    a.get(..len).unwrap_or(a)
}

//! What is wrong with a profile: where, which key, why and what to write instead.

use super::names;
use serde::Serialize;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// More problems than this are counted, not listed: nobody reads them, and the search for near names has a price.
const LISTED: usize = 200;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Line and column, both from 1; the column counts characters. `None` when the file itself could not be read.
    pub at: Option<(usize, usize)>,
    /// Dotted path of the key, such as `stores.orders-db.url`; list items count from 1. Empty: the file as a whole.
    pub key: String,
    /// What is wrong and what to do, in whole sentences. Never holds a value that could be a secret.
    pub sentence: String,
    /// The valid name that is most like the one written, when one is near enough.
    pub nearest: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)?;
        match &self.nearest {
            Some(name) => write!(f, " Did you mean `{name}`?"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with one profile, sorted by position. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProfileProblems {
    /// The file as it was named.
    pub path: PathBuf,
    /// The problems, by line and column.
    pub problems: Vec<Problem>,
    /// Problems beyond those listed.
    pub more: usize,
}

impl ProfileProblems {
    /// One problem with the file as a whole.
    pub(super) fn of_file(path: &Path, sentence: String) -> Self {
        let problem = Problem { at: None, key: String::new(), sentence, nearest: None };
        Self { path: path.to_owned(), problems: vec![problem], more: 0 }
    }
}

impl fmt::Display for ProfileProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = names::visible(&self.path.display().to_string());
        for problem in &self.problems {
            f.write_str(&file)?;
            if let Some((line, column)) = problem.at {
                write!(f, ":{line}:{column}")?;
            }
            if !problem.key.is_empty() {
                write!(f, ": {}", problem.key)?;
            }
            writeln!(f, "\n    {problem}")?;
        }
        if self.more > 0 {
            writeln!(f, "... and {} more.", self.more)?;
        }
        match self.problems.len() + self.more {
            1 => f.write_str("1 problem in the profile; nothing was started."),
            count => write!(f, "{count} problems in the profile; nothing was started."),
        }
    }
}

impl std::error::Error for ProfileProblems {}

/// Where something stands in the file.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Byte offset of the key or value.
    pub offset: usize,
    /// Dotted path of the key.
    pub key: String,
}

impl Place {
    /// The place of the file as a whole: its first byte.
    pub fn file() -> Self {
        Self { offset: 0, key: String::new() }
    }

    /// A key below this one, written at `span`.
    pub fn child(&self, key: &str, span: Range<usize>) -> Self {
        let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        let key = if bare { key.to_owned() } else { format!("\"{}\"", names::shown(key)) };
        let key = if self.key.is_empty() { key } else { format!("{}.{key}", self.key) };
        Self { offset: span.start, key }
    }

    /// An item of the list at this place; `index` counts from 0, what is shown from 1.
    pub fn item(&self, index: usize, span: Range<usize>) -> Self {
        Self { offset: span.start, key: format!("{}[{}]", self.key, index + 1) }
    }
}

/// Collects problems while a profile is read. Written to through `&self`, because readers of nested tables hold it together.
pub(super) struct Notebook<'a> {
    text: &'a str,
    found: RefCell<Vec<(usize, Problem)>>,
    /// Paths of keys that are missing only because they are misspelt.
    meant: RefCell<BTreeSet<String>>,
}

impl<'a> Notebook<'a> {
    /// An empty notebook for the profile with this text.
    pub fn new(text: &'a str) -> Self {
        Self { text, found: RefCell::default(), meant: RefCell::default() }
    }

    /// Notes a problem.
    pub fn add(&self, place: &Place, sentence: impl Into<String>) {
        self.push(place, sentence.into(), None);
    }

    /// Notes a problem with a name, and looks for the name that was meant.
    pub fn add_near<'n>(
        &self,
        place: &Place,
        sentence: impl Into<String>,
        written: &str,
        valid: impl IntoIterator<Item = &'n str>,
    ) {
        let nearest = if self.found.borrow().len() < LISTED { names::nearest(written, valid) } else { None };
        self.push(place, sentence.into(), nearest.map(names::shown));
    }

    /// Notes an unknown key of `table`, and remembers which key was probably meant.
    pub fn add_misspelt(&self, table: &Place, place: &Place, sentence: String, written: &str, valid: &[&str]) {
        self.add_near(place, sentence, written, valid.iter().copied());
        if let Some((_, Problem { nearest: Some(key), .. })) = self.found.borrow().last() {
            self.meant.borrow_mut().insert(table.child(key, 0..0).key);
        }
    }

    /// True when a misspelling of this key of `table` was noted.
    pub fn was_meant(&self, table: &Place, key: &str) -> bool {
        self.meant.borrow().contains(&table.child(key, 0..0).key)
    }

    /// Invariant: no sentence holds a character that could move the cursor, whatever names the profile has.
    fn push(&self, place: &Place, sentence: String, nearest: Option<String>) {
        let sentence = names::visible(&sentence);
        let problem = Problem { at: None, key: place.key.clone(), sentence, nearest };
        self.found.borrow_mut().push((place.offset, problem));
    }

    /// True while nothing was noted.
    pub fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// The problems with lines and columns, sorted by position.
    pub fn close(self, path: &Path) -> ProfileProblems {
        let mut found = self.found.into_inner();
        found.sort_by_key(|(offset, _)| *offset);
        let more = found.len().saturating_sub(LISTED);
        found.truncate(LISTED);
        let mut lines = Lines { text: self.text, offset: 0, line: 1, start: 0 };
        let problems = found.into_iter().map(|(offset, p)| Problem { at: Some(lines.position(offset)), ..p }).collect();
        ProfileProblems { path: path.to_owned(), problems, more }
    }
}

/// Walks over a text once, turning ascending byte offsets into lines and columns.
struct Lines<'a> {
    text: &'a str,
    offset: usize,
    line: usize,
    start: usize,
}

impl Lines<'_> {
    fn position(&mut self, offset: usize) -> (usize, usize) {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        for (i, _) in self.text[self.offset..offset].match_indices('\n') {
            self.line += 1;
            self.start = self.offset + i + 1;
        }
        self.offset = offset;
        (self.line, self.text[self.start..offset].chars().count() + 1)
    }
}

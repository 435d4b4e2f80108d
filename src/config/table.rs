//! Reading one TOML table, key by key, so that each wrong type and each unknown key is noted and the rest is still read.
//!
//! Why not `#[derive(Deserialize)]`: serde stops at the first error, and a DBA who mends a profile at night should see all
//! of them. The rule is the same as `deny_unknown_fields`: [`Table::finish`] refuses every key that nobody asked for, and
//! names those that were asked for, so that the list of valid keys cannot go stale.

use super::problem::{Notebook, Place};
use super::{duration, names, size};
use std::cell::RefCell;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Placed<T> {
    pub value: T,
    pub place: Place,
}

/// A key of a table.
#[derive(Clone, Debug, Default)]
pub(super) enum Field<T> {
    /// Not written.
    #[default]
    Absent,
    /// Written, but already noted as wrong: whoever needs it says nothing more.
    Refused,
    /// Written and of the right type.
    Given(Placed<T>),
}

impl<T> Field<T> {
    /// The value, if it is there and of the right type.
    pub fn given(&self) -> Option<&Placed<T>> {
        match self {
            Self::Given(placed) => Some(placed),
            Self::Absent | Self::Refused => None,
        }
    }

    /// True when the key is written, right or wrong.
    pub fn is_written(&self) -> bool {
        !matches!(self, Self::Absent)
    }

    /// The value; notes `sentence` at `owner` when `key` is missing, unless a misspelling of it was noted.
    pub fn required(&self, key: &str, notes: &Notebook<'_>, owner: &Place, sentence: &str) -> Option<&Placed<T>> {
        if !self.is_written() && !notes.was_meant(owner, key) {
            notes.add(owner, sentence);
        }
        self.given()
    }
}

impl<T: Clone> Field<T> {
    /// The value, or the default when it is missing or was refused.
    pub fn or(&self, default: T) -> T {
        self.given().map_or(default, |placed| placed.value.clone())
    }

    /// The value, if any.
    pub fn value(&self) -> Option<T> {
        self.given().map(|placed| placed.value.clone())
    }
}

/// A list item: text, or a table of its own.
pub(super) enum Item<'a> {
    Text(Placed<String>),
    Table(Table<'a>),
}

/// A TOML table that is being read.
pub(super) struct Table<'a> {
    notes: &'a Notebook<'a>,
    /// Where the table's own key stands.
    pub place: Place,
    /// What the table describes, with its article, for sentences: `a store`.
    what: &'static str,
    entries: &'a DeTable<'a>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Table<'a> {
    /// The whole file.
    pub fn root(notes: &'a Notebook<'a>, entries: &'a DeTable<'a>) -> Self {
        Self::new(notes, Place::file(), "the profile", entries)
    }

    fn new(notes: &'a Notebook<'a>, place: Place, what: &'static str, entries: &'a DeTable<'a>) -> Self {
        Self { notes, place, what, entries, asked: RefCell::default() }
    }

    /// What the table describes can depend on what is in it.
    pub fn call_it(&mut self, what: &'static str) {
        self.what = what;
    }

    /// Notes every key that nobody asked for.
    pub fn finish(self) -> Place {
        let asked = self.asked.into_inner();
        for (key, _) in self.entries.iter().filter(|(key, _)| !asked.contains(&key.get_ref().as_ref())) {
            let written = key.get_ref().as_ref();
            let place = self.place.child(written, key.span());
            let what = self.what;
            let sentence = match written {
                "password" | "passwd" | "pwd" | "secret" | "token" => {
                    format!("A profile holds no secrets. {}", super::url::WHERE_SECRETS_GO)
                }
                _ => format!(
                    "`{}` is not a key of {what}, which takes {}.",
                    names::shown(written),
                    names::listed(asked.iter().copied())
                ),
            };
            self.notes.add_misspelt(&self.place, &place, sentence, written, &asked);
        }
        self.place
    }

    /// Notes a value of the wrong type. Says which type it has, never what it is: it could be a secret.
    fn refuse<T>(&self, place: &Place, wanted: &str, found: &DeValue<'_>) -> Field<T> {
        self.notes.add(place, format!("This must be {wanted}; it is {}.", type_of(found)));
        Field::Refused
    }

    fn find(&self, key: &'static str) -> Option<(Place, &'a DeValue<'a>)> {
        self.asked.borrow_mut().push(key);
        let value = self.entries.get(key)?;
        Some((self.place.child(key, value.span()), value.get_ref()))
    }

    /// Where the key stands, if it is written; does not count as asking for it.
    pub fn written_at(&self, key: &str) -> Option<Place> {
        self.entries.get_key_value(key).map(|(written, _)| self.place.child(key, written.span()))
    }

    /// The first of the keys that is written, when the kind of a table follows from which key it has. Notes that none is.
    pub fn choose(&self, keys: &[&'static str]) -> Option<&'static str> {
        let chosen = keys.iter().find(|key| self.entries.contains_key(**key));
        if chosen.is_none() {
            let (what, choice) = (self.what, names::listed(keys.iter().copied()));
            let sentence = format!("The kind of {what} follows from its keys: it needs one of {choice}.");
            match in_file_order(self.entries)
                .iter()
                .map(|(key, _)| key.get_ref().as_ref())
                .find(|written| names::nearest(written, keys.iter().copied()).is_some())
            {
                Some(written) => self.notes.add_near(&self.place, sentence, written, keys.iter().copied()),
                None => self.notes.add(&self.place, sentence),
            }
        }
        chosen.copied()
    }

    /// A text.
    pub fn text(&self, key: &'static str) -> Field<String> {
        self.parsed(key, "text in quotes", |text| Ok(text.to_owned()))
    }

    /// A duration such as `"3s"` between two bounds, both allowed.
    pub fn duration(&self, key: &'static str, least: Duration, most: Duration) -> Field<Duration> {
        self.parsed(key, "a duration in quotes, such as \"3s\"", |text| {
            let value = duration::parse(text)?;
            match value < least || value > most {
                true => Err(format!("This must be {} to {}.", duration::format(least), duration::format(most))),
                false => Ok(value),
            }
        })
    }

    /// A size in bytes such as `"16MB"` between two bounds, both allowed.
    pub fn size(&self, key: &'static str, least: u64, most: u64) -> Field<u64> {
        self.parsed(key, "a size in quotes, such as \"16MB\"", |text| {
            let value = size::parse(text)?;
            match value < least || value > most {
                true => Err(format!("This must be {} to {}.", size::format(least), size::format(most))),
                false => Ok(value),
            }
        })
    }

    /// A text that `parse` turns into a value or refuses with a sentence.
    pub fn parsed<T>(
        &self,
        key: &'static str,
        wanted: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Field<T> {
        let Some((place, value)) = self.find(key) else { return Field::Absent };
        let DeValue::String(text) = value else { return self.refuse(&place, wanted, value) };
        match parse(text) {
            Ok(value) => Field::Given(Placed { value, place }),
            Err(sentence) => {
                self.notes.add(&place, sentence);
                Field::Refused
            }
        }
    }

    /// A whole number between two bounds, both allowed.
    pub fn integer(&self, key: &'static str, least: u64, most: u64) -> Field<u64> {
        let Some((place, value)) = self.find(key) else { return Field::Absent };
        let DeValue::Integer(number) = value else { return self.refuse(&place, "a whole number", value) };
        match u64::from_str_radix(number.as_str(), number.radix()).ok().filter(|n| (least..=most).contains(n)) {
            Some(value) => Field::Given(Placed { value, place }),
            None => {
                self.notes.add(&place, format!("This must be {least} to {most}."));
                Field::Refused
            }
        }
    }

    /// A number above `above` and at most `most`. `what` says what it measures.
    pub fn number(&self, key: &'static str, above: f64, most: f64, what: &str) -> Field<f64> {
        let Some((place, value)) = self.find(key) else { return Field::Absent };
        let number = match value {
            DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse::<f64>().ok(),
            _ => return self.refuse(&place, "a number such as 0.7", value),
        };
        // NaN is neither above nor at most anything, so it ends in the second arm.
        match number.filter(|n| *n > above && *n <= most) {
            Some(value) => Field::Given(Placed { value, place }),
            None => {
                self.notes.add(&place, format!("This is {what}: more than {above} and at most {most}."));
                Field::Refused
            }
        }
    }

    /// `true` or `false`.
    pub fn boolean(&self, key: &'static str) -> Field<bool> {
        let Some((place, value)) = self.find(key) else { return Field::Absent };
        match value {
            DeValue::Boolean(value) => Field::Given(Placed { value: *value, place }),
            _ => self.refuse(&place, "true or false, without quotes", value),
        }
    }

    /// A list of texts, without duplicates and not empty.
    pub fn texts(&self, key: &'static str) -> Field<Vec<Placed<String>>> {
        let list = self.arguments(key);
        if let Field::Given(list) = &list {
            let mut seen = std::collections::BTreeSet::new();
            for item in list.value.iter().filter(|item| !seen.insert(item.value.as_str())) {
                self.notes.add(&item.place, format!("`{}` is listed twice; leave it once.", names::shown(&item.value)));
            }
        }
        list
    }

    /// A list of texts in which the same one may stand twice: a command.
    pub fn arguments(&self, key: &'static str) -> Field<Vec<Placed<String>>> {
        let Some((place, value)) = self.find(key) else { return Field::Absent };
        let wanted = "a list of texts in brackets, such as [\"a\", \"b\"]";
        let DeValue::Array(array) = value else { return self.refuse(&place, wanted, value) };
        let mut texts = Vec::new();
        for (item_place, item) in self.items(&place, array) {
            match item {
                DeValue::String(text) => texts.push(Placed { value: text.as_ref().to_owned(), place: item_place }),
                other => {
                    self.refuse::<()>(&item_place, "text in quotes", other);
                }
            }
        }
        if texts.is_empty() { Field::Refused } else { Field::Given(Placed { value: texts, place }) }
    }

    /// A list whose items are texts or tables.
    pub fn texts_or_tables(&self, key: &'static str, what: &'static str) -> Field<Vec<Item<'a>>> {
        let Some((place, value)) = self.find(key) else { return Field::Absent };
        let DeValue::Array(array) = value else { return self.refuse(&place, "a list in brackets", value) };
        let mut items = Vec::new();
        for (item_place, item) in self.items(&place, array) {
            match item {
                DeValue::String(text) => {
                    items.push(Item::Text(Placed { value: text.as_ref().to_owned(), place: item_place }));
                }
                DeValue::Table(entries) => items.push(Item::Table(Table::new(self.notes, item_place, what, entries))),
                other => {
                    self.refuse::<()>(&item_place, "text in quotes, or a table in braces", other);
                }
            }
        }
        if items.is_empty() { Field::Refused } else { Field::Given(Placed { value: items, place }) }
    }

    /// A table, or a list of tables.
    pub fn one_or_more_tables(&self, key: &'static str, what: &'static str) -> Vec<Table<'a>> {
        let Some((place, value)) = self.find(key) else { return Vec::new() };
        let array = match value {
            DeValue::Table(entries) => return vec![Table::new(self.notes, place, what, entries)],
            DeValue::Array(array) => array,
            other => {
                self.refuse::<()>(&place, "a table in braces, or a list of them", other);
                return Vec::new();
            }
        };
        let mut tables = Vec::new();
        for (item_place, item) in self.items(&place, array) {
            match item {
                DeValue::Table(entries) => tables.push(Table::new(self.notes, item_place, what, entries)),
                other => {
                    self.refuse::<()>(&item_place, "a table in braces", other);
                }
            }
        }
        tables
    }

    /// A table below this one.
    pub fn table(&self, key: &'static str, what: &'static str) -> Option<Table<'a>> {
        let (place, value) = self.find(key)?;
        match value {
            DeValue::Table(entries) => {
                Some(Table::new(self.notes, self.written_at(key).unwrap_or(place), what, entries))
            }
            other => {
                self.refuse::<()>(&place, "a table: keys in braces, or below a line in brackets", other);
                None
            }
        }
    }

    /// The named tables below a key, such as `[stores.legacy]`, in file order.
    pub fn named_tables(&self, key: &'static str, what: &'static str) -> Vec<(String, Table<'a>)> {
        let Some((place, value)) = self.find(key) else { return Vec::new() };
        let DeValue::Table(entries) = value else {
            self.refuse::<()>(&place, &format!("tables with names: write [{key}.NAME]"), value);
            return Vec::new();
        };
        let place = self.written_at(key).unwrap_or(place);
        let mut tables = Vec::new();
        for (name, value) in in_file_order(entries) {
            let name_place = place.child(name.get_ref(), name.span());
            match value.get_ref() {
                DeValue::Table(entries) => {
                    tables.push((name.get_ref().to_string(), Table::new(self.notes, name_place, what, entries)));
                }
                other => {
                    self.refuse::<()>(&name_place, &format!("a table: write [{key}.NAME] and its keys below"), other);
                }
            }
        }
        tables
    }

    /// A table whose keys are free and whose values are texts, in file order.
    pub fn pairs(&self, key: &'static str) -> Vec<(Placed<String>, Placed<String>)> {
        let Some((place, value)) = self.find(key) else { return Vec::new() };
        let DeValue::Table(entries) = value else {
            self.refuse::<()>(&place, "a table in braces, such as { old = \"new\" }", value);
            return Vec::new();
        };
        let mut pairs = Vec::new();
        for (name, value) in in_file_order(entries) {
            let name_place = place.child(name.get_ref(), name.span());
            let value_place = place.child(name.get_ref(), value.span());
            match value.get_ref() {
                DeValue::String(text) => pairs.push((
                    Placed { value: name.get_ref().to_string(), place: name_place },
                    Placed { value: text.as_ref().to_owned(), place: value_place },
                )),
                other => {
                    self.refuse::<()>(&value_place, "text in quotes", other);
                }
            }
        }
        pairs
    }

    /// The items of a list with their places; an empty list is noted.
    fn items(&self, place: &Place, array: &'a DeArray<'a>) -> Vec<(Place, &'a DeValue<'a>)> {
        if array.is_empty() {
            self.notes.add(place, "The list is empty: name at least one item.");
        }
        array.iter().enumerate().map(|(i, item)| (place.item(i, item.span()), item.get_ref())).collect()
    }
}

type Entry<'a> = (&'a Spanned<toml::de::DeString<'a>>, &'a Spanned<DeValue<'a>>);

fn in_file_order<'a>(entries: &'a DeTable<'a>) -> Vec<Entry<'a>> {
    let mut ordered: Vec<Entry<'a>> = entries.iter().collect();
    ordered.sort_by_key(|(key, _)| key.span().start);
    ordered
}

fn type_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

//! What rights are about, and the links between objects that tie services together.

use serde::{Deserialize, Serialize};

/// Kind of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    /// The database that is looked at.
    Database,
    /// A schema.
    Schema,
    /// A table, collection or key pattern: what services own.
    Table,
    /// A view.
    View,
    /// A view that keeps its rows.
    MaterialisedView,
    /// A sequence.
    Sequence,
    /// A function, procedure or routine.
    Function,
    /// A server elsewhere.
    ForeignServer,
    /// A stored language.
    Language,
}

impl ObjectKind {
    /// The word of messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Schema => "schema",
            Self::Table => "table",
            Self::View => "view",
            Self::MaterialisedView => "materialised view",
            Self::Sequence => "sequence",
            Self::Function => "function",
            Self::ForeignServer => "foreign server",
            Self::Language => "language",
        }
    }
}

/// Something that has an owner.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Object {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its name as it stands in a statement: qualified, and quoted where it must be.
    pub name: String,
    /// Its owner, without quotes.
    pub owner: String,
    /// Objects of one group have the same owner and the same grants: what is true of the rights on one is true of all.
    pub group: u64,
}

/// What ties two objects together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    /// `from` has a foreign key to `to`.
    ForeignKey,
    /// `from` is a view that reads `to`.
    View,
    /// A trigger on `from` works on `to`.
    Trigger,
    /// The function `from` works on `to`.
    Function,
    /// The scheduled event `from` works on `to`.
    Event,
    /// A default of `from` takes its numbers from a sequence of `to`.
    Sequence,
}

/// Two objects that are tied together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Link {
    /// How.
    pub kind: LinkKind,
    /// Name of what ties them: constraint, view, trigger, function, sequence; as it stands in a statement.
    pub name: String,
    /// The dependent side.
    pub from: String,
    /// What it depends on.
    pub to: String,
    /// What takes the link away; `None`: it has to be rebuilt by hand.
    pub statement: Option<String>,
    /// What makes it again.
    pub undo: Option<String>,
    /// False: read out of a program's text by its words, so it could be a coincidence.
    pub is_certain: bool,
    /// False: it is switched off.
    pub is_enabled: bool,
}

/// A name without the quotes of SQL, for comparing names that were spelt differently: `"Weird"."a b"` is `Weird.a b`.
pub fn plain(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut chars = name.chars().peekable();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                out.push('"');
            }
            '"' => quoted = !quoted,
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn quotes_go_and_quoted_quotes_stay() {
        assert_eq!(plain("public.orders"), "public.orders");
        assert_eq!(plain("\"Weird\".\"a \"\"b\"\"\""), "Weird.a \"b\"");
    }
}

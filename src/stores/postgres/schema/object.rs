//! Names of schema objects, as journaled and asked for again: `table sales.orders`, `constraint orders_pkey on sales.orders`.

use crate::model::table::TableName;
use crate::stores::postgres::quote;
use crate::stores::postgres::relation::schema_of;
use std::fmt;

/// A schema object that Godwit makes on a target. Its text form is unique and can be read back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Object {
    /// A schema.
    Schema(String),
    /// An extension.
    Extension(String),
    /// An enum, composite or range type.
    Type(TableName),
    /// A domain.
    Domain(TableName),
    /// A sequence that is not an identity column's.
    Sequence(TableName),
    /// A table or a partition.
    Table(TableName),
    /// A column that was added to a table that stood already.
    Column(TableName, String),
    /// A column's NOT NULL that came after its values.
    NotNull(TableName, String),
    /// The link from a sequence to the column that owns it.
    SequenceOwner(TableName),
    /// A column's storage that is not its type's.
    Storage(TableName, String),
    /// A constraint of a table.
    Constraint(TableName, String),
    /// An index.
    Index(TableName),
    /// A table's replica identity that is not the primary key.
    ReplicaIdentity(TableName),
    /// A table's comment.
    TableComment(TableName),
    /// A column's comment.
    ColumnComment(TableName, String),
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schema(name) => write!(f, "schema {}", plain(name)),
            Self::Extension(name) => write!(f, "extension {}", plain(name)),
            Self::Type(name) => write!(f, "type {}", dotted(name)),
            Self::Domain(name) => write!(f, "domain {}", dotted(name)),
            Self::Sequence(name) => write!(f, "sequence {}", dotted(name)),
            Self::Table(name) => write!(f, "table {}", dotted(name)),
            Self::Column(table, column) => write!(f, "column {}.{}", dotted(table), plain(column)),
            Self::NotNull(table, column) => write!(f, "not null of {}.{}", dotted(table), plain(column)),
            Self::SequenceOwner(name) => write!(f, "owner of sequence {}", dotted(name)),
            Self::Storage(table, column) => write!(f, "storage of {}.{}", dotted(table), plain(column)),
            Self::Constraint(table, name) => write!(f, "constraint {} on {}", plain(name), dotted(table)),
            Self::Index(name) => write!(f, "index {}", dotted(name)),
            Self::ReplicaIdentity(table) => write!(f, "replica identity of {}", dotted(table)),
            Self::TableComment(table) => write!(f, "comment on table {}", dotted(table)),
            Self::ColumnComment(table, column) => write!(f, "comment on column {}.{}", dotted(table), plain(column)),
        }
    }
}

impl Object {
    /// Reads a text form; `None` when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let object = if let Some(rest) = text.strip_prefix("constraint ") {
            let (name, rest) = identifier(rest)?;
            Self::Constraint(table(rest.strip_prefix(" on ")?)?, name)
        } else if let Some(rest) = text.strip_prefix("schema ") {
            Self::Schema(only(rest)?)
        } else if let Some(rest) = text.strip_prefix("extension ") {
            Self::Extension(only(rest)?)
        } else if let Some(rest) = text.strip_prefix("storage of ") {
            let (table, column) = column(rest)?;
            Self::Storage(table, column)
        } else if let Some(rest) = text.strip_prefix("column ") {
            let (table, column) = column(rest)?;
            Self::Column(table, column)
        } else if let Some(rest) = text.strip_prefix("not null of ") {
            let (table, column) = column(rest)?;
            Self::NotNull(table, column)
        } else if let Some(rest) = text.strip_prefix("comment on column ") {
            let (table, column) = column(rest)?;
            Self::ColumnComment(table, column)
        } else {
            type Make = fn(TableName) -> Object;
            const KINDS: [(&str, Make); 8] = [
                ("type ", Object::Type),
                ("domain ", Object::Domain),
                ("sequence ", Object::Sequence),
                ("table ", Object::Table),
                ("owner of sequence ", Object::SequenceOwner),
                ("index ", Object::Index),
                ("replica identity of ", Object::ReplicaIdentity),
                ("comment on table ", Object::TableComment),
            ];
            let (rest, make) = KINDS.iter().find_map(|(prefix, make)| Some((text.strip_prefix(prefix)?, make)))?;
            make(table(rest)?)
        };
        Some(object)
    }

    /// The query of one boolean that tells whether the object is there.
    pub fn exists_query(&self) -> String {
        let relation = |name: &TableName| format!("to_regclass({})", quote::literal(&quote::table(name)));
        match self {
            Self::Schema(name) => {
                format!("SELECT to_regnamespace({}) IS NOT NULL", quote::literal(&quote::ident(name)))
            }
            Self::Extension(name) => {
                format!("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = {})", quote::literal(name))
            }
            Self::Type(name) | Self::Domain(name) => {
                format!("SELECT to_regtype({}) IS NOT NULL", quote::literal(&quote::table(name)))
            }
            Self::Sequence(name) | Self::Table(name) | Self::Index(name) => {
                format!("SELECT {} IS NOT NULL", relation(name))
            }
            Self::Column(table, column) => format!(
                "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = {} AND attname = {} AND attnum > 0)",
                relation(table),
                quote::literal(column)
            ),
            Self::NotNull(table, column) => format!(
                "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = {} AND attname = {} AND attnotnull)",
                relation(table),
                quote::literal(column)
            ),
            Self::SequenceOwner(name) => format!(
                "SELECT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = {} AND deptype = 'a' AND refobjsubid > 0)",
                relation(name)
            ),
            Self::Storage(table, column) => format!(
                "SELECT EXISTS (SELECT FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
                  WHERE a.attrelid = {} AND a.attname = {} AND a.attstorage <> t.typstorage)",
                relation(table),
                quote::literal(column)
            ),
            Self::Constraint(table, name) => format!(
                "SELECT EXISTS (SELECT FROM pg_constraint WHERE conrelid = {} AND conname = {})",
                relation(table),
                quote::literal(name)
            ),
            Self::ReplicaIdentity(table) => {
                format!("SELECT EXISTS (SELECT FROM pg_class WHERE oid = {} AND relreplident <> 'd')", relation(table))
            }
            Self::TableComment(table) => format!("SELECT obj_description({}, 'pg_class') IS NOT NULL", relation(table)),
            Self::ColumnComment(table, column) => format!(
                "SELECT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = {} AND a.attname = {} AND col_description(a.attrelid, a.attnum) IS NOT NULL)",
                relation(table),
                quote::literal(column)
            ),
        }
    }
}

/// A name for people: quoted only where it must be to be read back.
pub fn plain(name: &str) -> String {
    let simple = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if simple { name.to_owned() } else { quote::ident(name) }
}

/// A qualified name for people, which can be read back.
pub fn dotted(name: &TableName) -> String {
    format!("{}.{}", plain(schema_of(name)), plain(&name.name))
}

/// The identifier at the beginning of a text, unquoted, and what follows it.
pub fn identifier(text: &str) -> Option<(String, &str)> {
    let Some(inside) = text.strip_prefix('"') else {
        let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut name = String::new();
    let mut characters = inside.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        if c != '"' {
            name.push(c);
        } else if characters.next_if(|&(_, next)| next == '"').is_some() {
            name.push('"');
        } else {
            return Some((name, &inside[at + 1..]));
        }
    }
    None
}

fn only(text: &str) -> Option<String> {
    let (name, rest) = identifier(text)?;
    rest.is_empty().then_some(name)
}

fn two(text: &str) -> Option<(TableName, &str)> {
    let (schema, rest) = identifier(text)?;
    let (name, rest) = identifier(rest.strip_prefix('.')?)?;
    Some((TableName::in_schema(&schema, &name), rest))
}

fn table(text: &str) -> Option<TableName> {
    let (name, rest) = two(text)?;
    rest.is_empty().then_some(name)
}

fn column(text: &str) -> Option<(TableName, String)> {
    let (name, rest) = two(text)?;
    Some((name, only(rest.strip_prefix('.')?)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn simple_names_are_plain() {
        let orders = TableName::in_schema("sales", "orders");
        assert_eq!(Object::Table(orders.clone()).to_string(), "table sales.orders");
        assert_eq!(
            Object::Constraint(orders, "Orders pkey".into()).to_string(),
            "constraint \"Orders pkey\" on sales.orders"
        );
    }

    #[test]
    fn nonsense_is_not_an_object() {
        for text in ["", "table", "table x", "table x.y.z", "table \"x.y", "view a.b", "constraint a b.c", "schema a b"]
        {
            assert_eq!(Object::parse(text), None, "{text}");
        }
    }

    fn any_name() -> impl Strategy<Value = String> {
        "[a-zA-Z_ .\"'on주]{1,12}"
    }

    proptest! {
        #[test]
        fn text_forms_can_be_read_back(schema in any_name(), name in any_name(), part in any_name()) {
            let table = TableName::in_schema(&schema, &name);
            for object in [
                Object::Schema(schema.clone()), Object::Extension(part.clone()), Object::Type(table.clone()), Object::Domain(table.clone()),
                Object::Sequence(table.clone()), Object::Table(table.clone()), Object::SequenceOwner(table.clone()),
                Object::Storage(table.clone(), part.clone()), Object::Column(table.clone(), part.clone()),
                Object::NotNull(table.clone(), part.clone()), Object::Constraint(table.clone(), part.clone()), Object::Index(table.clone()),
                Object::ReplicaIdentity(table.clone()), Object::TableComment(table.clone()), Object::ColumnComment(table.clone(), part.clone()),
            ] {
                prop_assert_eq!(Object::parse(&object.to_string()), Some(object));
            }
        }
    }
}

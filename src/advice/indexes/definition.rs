//! The statements that make and remove an index, in each language.

use crate::advice::dialect::Dialect;
use crate::advice::names;
use crate::model::index::{Index, IndexPart, Indexes};
use crate::model::index_order::IndexBuild;

/// Longest beginning of a name: PostgreSQL cuts names at 63 bytes, MySQL refuses more than 64; `_idx` and a number follow.
const STEM_BYTES: usize = 56;

/// An index that is to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted<'a> {
    /// Its table, as the engine prints it.
    pub table: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Key parts.
    pub parts: &'a [IndexPart],
    /// Columns to carry along.
    pub include: &'a [String],
    /// Predicate; empty: none.
    pub predicate: &'a str,
    /// Unique.
    pub unique: bool,
}

/// A name for an index on these columns of a table that no index of the store bears yet.
pub fn free_name(existing: &Indexes, table: &str, parts: &[IndexPart], predicate: &str) -> String {
    let stem = stem(table, parts, predicate);
    let is_taken = |name: &str| existing.indexes.iter().any(|index| names::bare(&index.name) == name);
    let mut name = format!("{stem}_idx");
    let mut number = 1;
    while is_taken(&name) {
        number += 1;
        name = format!("{stem}_idx{number}");
    }
    name
}

fn stem(table: &str, parts: &[IndexPart], predicate: &str) -> String {
    let mut stem = names::bare(table);
    for part in parts {
        stem.push('_');
        stem.push_str(&part.term);
    }
    if !predicate.is_empty() {
        stem.push_str("_some");
    }
    let plain = |c: char| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let mut stem: String = stem.chars().map(plain).collect();
    let mut end = STEM_BYTES.min(stem.len());
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    stem.truncate(end);
    stem
}

/// The statement that makes it while the table stays in use.
pub fn create(dialect: Dialect, wanted: &Wanted<'_>) -> String {
    let unique = if wanted.unique { "UNIQUE " } else { "" };
    let name = dialect.quoted(wanted.name);
    match dialect {
        Dialect::Postgres => {
            format!("CREATE {unique}INDEX CONCURRENTLY {name} ON {}{}", wanted.table, tail(dialect, wanted))
        }
        // A file has no schemas, and its catalogue prints names without quotes.
        Dialect::Sqlite => {
            format!("CREATE {unique}INDEX {name} ON {}{}", dialect.quoted(wanted.table), tail(dialect, wanted))
        }
        Dialect::MariaDb | Dialect::MySql => format!(
            "ALTER TABLE {} ADD {unique}INDEX {name} ({}), ALGORITHM=INPLACE, LOCK=NONE",
            dialect.table(wanted.table),
            keys(dialect, wanted.parts)
        ),
        Dialect::MongoDb => {
            let (database, collection) = wanted.table.split_once('.').unwrap_or(("test", wanted.table));
            let keys: Vec<String> = wanted
                .parts
                .iter()
                .map(|part| format!("\"{}\": {}", part.term, if part.descending { -1 } else { 1 }))
                .collect();
            let unique = if wanted.unique { ", unique: true" } else { "" };
            format!(
                "db.getSiblingDB(\"{database}\").getCollection(\"{collection}\").createIndex({{{}}}, {{name: \"{}\"{unique}}})",
                keys.join(", "),
                wanted.name
            )
        }
        Dialect::Redis => String::new(),
    }
}

/// The order for it: what an operator may take into a plan. `None`: its statement does not say all that `wanted` asks for.
pub fn build(dialect: Dialect, wanted: &Wanted<'_>) -> Option<IndexBuild> {
    let is_plain = wanted.predicate.is_empty() && wanted.parts.iter().all(|part| part.operator_class.is_empty());
    if dialect == Dialect::Redis || (dialect == Dialect::MongoDb && !is_plain) {
        return None;
    }
    Some(IndexBuild {
        table: wanted.table.to_owned(),
        name: wanted.name.to_owned(),
        parts: wanted.parts.to_vec(),
        unique: wanted.unique,
        statement: create(dialect, wanted),
        undo: drop(dialect, wanted.table, wanted.name),
    })
}

/// The statement for a planner that tries it without building it: no `CONCURRENTLY`, no name.
pub fn hypothetical(wanted: &Wanted<'_>) -> String {
    format!("CREATE INDEX ON {}{}", wanted.table, tail(Dialect::Postgres, wanted))
}

/// The statement that removes an index by name.
pub fn drop(dialect: Dialect, table: &str, name: &str) -> String {
    match dialect {
        // An index is in the schema of its table.
        Dialect::Postgres => {
            let schema = table.rsplit_once('.').map(|(schema, _)| schema).filter(|_| !name.contains('.'));
            let name = if name.contains('.') { name.to_owned() } else { dialect.quoted(name) };
            format!("DROP INDEX CONCURRENTLY {}{name}", schema.map(|schema| format!("{schema}.")).unwrap_or_default())
        }
        Dialect::Sqlite => format!("DROP INDEX {}", dialect.quoted(name)),
        Dialect::MariaDb | Dialect::MySql => {
            format!("ALTER TABLE {} DROP INDEX {}", dialect.table(table), dialect.quoted(&names::bare(name)))
        }
        Dialect::MongoDb => {
            let (database, collection) = table.split_once('.').unwrap_or(("test", table));
            format!("db.getSiblingDB(\"{database}\").getCollection(\"{collection}\").dropIndex(\"{name}\")")
        }
        Dialect::Redis => String::new(),
    }
}

/// The statement that makes an existing index again.
pub fn again(dialect: Dialect, index: &Index) -> String {
    if dialect == Dialect::Postgres && !index.definition.is_empty() {
        return concurrently(&index.definition);
    }
    let name = if dialect == Dialect::MongoDb { index.name.clone() } else { names::bare(&index.name) };
    let wanted = Wanted {
        table: &index.table,
        name: &name,
        parts: &index.parts,
        include: &index.include,
        predicate: &index.predicate,
        unique: index.duty.unique,
    };
    if dialect == Dialect::Sqlite && !index.definition.is_empty() {
        return index.definition.clone();
    }
    create(dialect, &wanted)
}

/// A statement of PostgreSQL's that makes an index, without its lock.
pub fn concurrently(definition: &str) -> String {
    if definition.contains(" CONCURRENTLY ") {
        return definition.to_owned();
    }
    definition.replacen("INDEX ", "INDEX CONCURRENTLY ", 1)
}

/// What is locked while it is made.
pub fn locking(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => {
            "reads and writes go on; it waits for every transaction that is older than it, and another DDL on the table waits for it; after a failure an invalid index stays and has to be dropped"
        }
        Dialect::MariaDb | Dialect::MySql => {
            "reads and writes go on; the metadata lock at its begin and its end waits for open transactions on the table, and every statement behind it waits too; replicas apply it after the source is done"
        }
        Dialect::Sqlite => "writers wait until it is built",
        Dialect::MongoDb => {
            "reads and writes go on but for the begin and the end of the build, which lock the collection"
        }
        Dialect::Redis => "",
    }
}

/// What is locked while one is dropped.
pub fn locking_of_drop(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => "reads and writes go on; it waits for the transactions that use the index",
        Dialect::MariaDb | Dialect::MySql => {
            "short, but its metadata lock waits for open transactions on the table, and every statement behind it waits too"
        }
        Dialect::Sqlite | Dialect::MongoDb => "short: it locks the table",
        Dialect::Redis => "",
    }
}

/// Bytes of a tree over these columns of a table: tuple head and pointer, widths, at 90 % fill.
pub fn bytes(rows: f64, widths: f64) -> u64 {
    (rows * (8.0 + widths + 4.0) / 0.9).max(0.0) as u64
}

fn tail(dialect: Dialect, wanted: &Wanted<'_>) -> String {
    let mut text = format!(" ({})", keys(dialect, wanted.parts));
    if dialect == Dialect::Postgres && !wanted.include.is_empty() {
        let columns: Vec<String> = wanted.include.iter().map(|column| dialect.quoted(column)).collect();
        text.push_str(&format!(" INCLUDE ({})", columns.join(", ")));
    }
    if !wanted.predicate.is_empty() {
        text.push_str(&format!(" WHERE {}", wanted.predicate));
    }
    text
}

fn keys(dialect: Dialect, parts: &[IndexPart]) -> String {
    let words = parts.iter().map(|part| {
        let mut word = match part.is_expression {
            true => format!("({})", part.term),
            false => dialect.quoted(&part.term),
        };
        if let Some(prefix) = part.prefix {
            word.push_str(&format!("({prefix})"));
        }
        if dialect == Dialect::Postgres && !part.collation.is_empty() {
            word.push_str(&format!(" COLLATE {}", dialect.quoted(&part.collation)));
        }
        if dialect == Dialect::Postgres && !part.operator_class.is_empty() {
            word.push_str(&format!(" {}", part.operator_class));
        }
        if part.descending {
            word.push_str(" DESC");
        }
        // PostgreSQL's default is NULLS LAST ascending, NULLS FIRST descending.
        if dialect == Dialect::Postgres && part.nulls_first != part.descending {
            word.push_str(if part.nulls_first { " NULLS FIRST" } else { " NULLS LAST" });
        }
        word
    });
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advice::indexes::shape::plain;
    use crate::model::observation::Window;
    use chrono::{DateTime, Utc};

    #[test]
    fn names_are_short_plain_and_distinct() {
        let none = Indexes {
            window: Window { since: DateTime::<Utc>::UNIX_EPOCH, proof: String::new() },
            epoch: String::new(),
            replicas_unread: Vec::new(),
            follows_as: None,
            tables: Vec::new(),
            indexes: Vec::new(),
            foreign_keys: Vec::new(),
        };
        let of = |table: &str, column: &str, predicate: &str| free_name(&none, table, &[plain(column)], predicate);
        assert_eq!(of("public.\"Order\"", "lower(é-mail)", ""), "order_lower_é_mail__idx");
        assert_eq!(of("public.orders", "a", "b IS NULL"), "orders_a_some_idx");
        let long = of("public.orders", &"é".repeat(90), "");
        assert!(long.len() <= 63 && long.ends_with("_idx"), "{long}");
    }
}

//! The language of a store's statements.

use sqlparser::dialect::{Dialect as Grammar, MySqlDialect, PostgreSqlDialect, SQLiteDialect};

/// Which language the statements of a store are written in, and how its names are quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// MariaDB.
    MariaDb,
    /// MySQL.
    MySql,
    /// SQLite.
    Sqlite,
    /// MongoDB: commands as JSON documents.
    MongoDb,
    /// Redis and Valkey: a command and its key.
    Redis,
}

impl Dialect {
    /// By the engine's word in the profile.
    pub fn of_engine(word: &str) -> Option<Self> {
        Some(match word {
            "postgres" => Self::Postgres,
            "mariadb" => Self::MariaDb,
            "mysql" => Self::MySql,
            "sqlite" => Self::Sqlite,
            "mongodb" => Self::MongoDb,
            "redis" | "valkey" => Self::Redis,
            _ => return None,
        })
    }

    /// The parser's grammar; `None`: it is not SQL.
    pub fn grammar(self) -> Option<&'static dyn Grammar> {
        Some(match self {
            Self::Postgres => &PostgreSqlDialect {},
            Self::MariaDb | Self::MySql => &MySqlDialect {},
            Self::Sqlite => &SQLiteDialect {},
            Self::MongoDb | Self::Redis => return None,
        })
    }

    /// MariaDB or MySQL.
    pub fn is_innodb(self) -> bool {
        matches!(self, Self::MariaDb | Self::MySql)
    }

    /// A table's name as the store prints it, as it is written in a statement. PostgreSQL's come quoted already.
    pub fn table(self, printed: &str) -> String {
        if !self.is_innodb() || printed.contains('`') {
            return printed.to_owned();
        }
        let parts: Vec<String> = printed.splitn(2, '.').map(|part| self.quoted(part)).collect();
        parts.join(".")
    }

    /// A name as it is written in a statement: quoted where it has to be.
    pub fn quoted(self, name: &str) -> String {
        match self {
            Self::MariaDb | Self::MySql => format!("`{}`", name.replace('`', "``")),
            Self::Postgres | Self::Sqlite if !is_plain(name) => format!("\"{}\"", name.replace('"', "\"\"")),
            Self::Postgres | Self::Sqlite | Self::MongoDb | Self::Redis => name.to_owned(),
        }
    }
}

/// A name that means itself without quotes on PostgreSQL: lower case and no key word that could stand there.
fn is_plain(name: &str) -> bool {
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    starts
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !RESERVED.contains(&name)
}

/// Key words that need quotes as a column's name (PostgreSQL's reserved words).
const RESERVED: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "between",
    "binary",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "fetch",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "group",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "intersect",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "natural",
    "not",
    "notnull",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "overlaps",
    "placing",
    "primary",
    "references",
    "returning",
    "right",
    "select",
    "session_user",
    "similar",
    "some",
    "symmetric",
    "table",
    "tablesample",
    "then",
    "to",
    "trailing",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_they_have_to_be() {
        assert_eq!(Dialect::Postgres.quoted("order_id"), "order_id");
        assert_eq!(Dialect::Postgres.quoted("Order"), "\"Order\"");
        assert_eq!(Dialect::Postgres.quoted("user"), "\"user\"");
        assert_eq!(Dialect::Postgres.quoted("a\"b"), "\"a\"\"b\"");
        assert_eq!(Dialect::MySql.quoted("a`b"), "`a``b`");
        assert_eq!(Dialect::MariaDb.table("shop.order-lines"), "`shop`.`order-lines`");
        assert_eq!(Dialect::Postgres.table("public.\"Order\""), "public.\"Order\"");
    }
}

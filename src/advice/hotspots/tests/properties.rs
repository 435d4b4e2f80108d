//! Properties of names over generated statements: what must not change a name, and what must.

use super::fixture::ownership;
use crate::advice::dialect::Dialect;
use crate::advice::hotspots::fingerprint::{Named, name};
use proptest::prelude::*;

const TABLES: [&str; 4] = ["orders", "customers", "users_2009", "users_2010"];
const COLUMNS: [&str; 4] = ["id", "status", "customer_id", "created_at"];

/// What a statement asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Meaning {
    table: usize,
    columns: Vec<usize>,
    conditions: Vec<(usize, Condition)>,
    /// A second table that is joined on a column.
    join: Option<(usize, usize)>,
    order: Option<(usize, bool)>,
    is_limited: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Equal,
    Greater,
    In,
    Null,
}

/// How it is written down.
#[derive(Clone, Debug)]
struct Style {
    aliases: Option<(String, String)>,
    is_upper: bool,
    has_comments: bool,
    is_qualified: bool,
    literal: u32,
    list: usize,
    is_turned: bool,
}

fn meaning() -> impl Strategy<Value = Meaning> {
    let condition =
        prop_oneof![Just(Condition::Equal), Just(Condition::Greater), Just(Condition::In), Just(Condition::Null)];
    (
        0..TABLES.len(),
        prop::collection::vec(0..COLUMNS.len(), 1..4),
        prop::collection::vec((0..COLUMNS.len(), condition), 0..4),
        prop::option::of((0..2usize, 0..COLUMNS.len())),
        prop::option::of((0..COLUMNS.len(), any::<bool>())),
        any::<bool>(),
    )
        .prop_map(|(table, columns, conditions, join, order, is_limited)| Meaning {
            table,
            columns,
            conditions,
            // A table joined with itself is tested case by case.
            join: join.filter(|(other, _)| *other != table),
            order,
            is_limited,
        })
}

fn style() -> impl Strategy<Value = Style> {
    let alias = "[a-z]{1,2}[0-9]";
    (prop::option::of((alias, alias)), any::<[bool; 4]>(), 0..1_000_000u32, 1..6usize).prop_map(
        |(aliases, [is_upper, has_comments, is_qualified, is_turned], literal, list)| Style {
            aliases: aliases.filter(|(one, other)| one != other),
            is_upper,
            has_comments,
            is_qualified,
            literal,
            list,
            is_turned,
        },
    )
}

fn write(meaning: &Meaning, style: &Style) -> String {
    let schema = if style.is_qualified { "public." } else { "" };
    let table = |at: usize, alias: Option<&String>| {
        let alias = alias.map(|alias| format!(" AS {alias}")).unwrap_or_default();
        format!("{schema}{}{alias}", TABLES[at])
    };
    let aliases = style.aliases.as_ref();
    let first = aliases.map_or(TABLES[meaning.table], |(alias, _)| alias);
    // With two tables every column is qualified: whose an unqualified one is cannot be seen.
    let is_qualified = meaning.join.is_some() || style.is_turned || aliases.is_some();
    let column = |at: usize| if is_qualified { format!("{first}.{}", COLUMNS[at]) } else { COLUMNS[at].to_owned() };
    let comment = if style.has_comments { " /* a 'comment' */ " } else { " " };
    let shown: Vec<String> = meaning.columns.iter().map(|at| column(*at)).collect();
    let mut text = format!("SELECT {}{comment}FROM {}", shown.join(", "), table(meaning.table, aliases.map(|a| &a.0)));
    if let Some((other, on)) = meaning.join {
        let second = aliases.map_or(TABLES[other], |(_, alias)| alias);
        let (left, right) = (column(on), format!("{second}.id"));
        let (left, right) = if style.is_turned { (right, left) } else { (left, right) };
        text.push_str(&format!(" JOIN {} ON {left} = {right}", table(other, aliases.map(|a| &a.1))));
    }
    let conditions: Vec<String> = meaning
        .conditions
        .iter()
        .map(|(at, condition)| {
            let (column, value) = (column(*at), style.literal);
            match condition {
                Condition::Equal if style.is_turned => format!("'{value}' = {column}"),
                Condition::Equal => format!("{column} = {value}"),
                Condition::Greater => format!("{column} > ${}", value % 9 + 1),
                Condition::In => format!("{column} IN ({})", vec![value.to_string(); style.list].join(",")),
                Condition::Null => format!("{column} IS NULL"),
            }
        })
        .collect();
    if !conditions.is_empty() {
        text.push_str(&format!(" WHERE {}", conditions.join(" AND ")));
    }
    if let Some((at, down)) = meaning.order {
        text.push_str(&format!(" ORDER BY {}{}", column(at), if down { " DESC" } else { "" }));
    }
    if meaning.is_limited {
        text.push_str(&format!(" LIMIT {}", style.literal));
    }
    if style.is_upper { text.to_uppercase() } else { text }
}

fn named(text: &str) -> Named {
    name(Dialect::Postgres, "shop", text, &ownership())
}

proptest! {
    #[test]
    fn a_name_does_not_depend_on_how_it_is_written(meaning in meaning(), one in style(), other in style()) {
        let (one, other) = (write(&meaning, &one), write(&meaning, &other));
        let (a, b) = (named(&one), named(&other));
        prop_assert!(a.parsed, "{}", one);
        prop_assert_eq!(&a.canonical, &b.canonical, "{} / {}", one, other);
        prop_assert_eq!(a.fingerprint, b.fingerprint);
    }

    #[test]
    fn a_canonical_form_is_its_own_canonical_form(meaning in meaning(), style in style()) {
        let first = named(&write(&meaning, &style));
        let again = named(&first.canonical);
        prop_assert_eq!(&first.canonical, &again.canonical);
        prop_assert_eq!(first.services, again.services);
    }

    #[test]
    fn unlike_meanings_have_unlike_names(one in meaning(), other in meaning(), style in style()) {
        prop_assume!(one != other);
        let (a, b) = (write(&one, &style), write(&other, &style));
        prop_assert_ne!(named(&a).fingerprint, named(&b).fingerprint, "{} / {}", a, b);
    }

    #[test]
    fn any_text_gets_a_name(text in "\\PC{0,200}") {
        for dialect in [Dialect::Postgres, Dialect::MariaDb, Dialect::Sqlite, Dialect::MongoDb, Dialect::Redis] {
            let named = name(dialect, "shop", &text, &ownership());
            prop_assert_eq!(named.fingerprint.0.len(), 32);
        }
    }
}

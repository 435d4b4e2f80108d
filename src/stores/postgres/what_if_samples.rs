//! Plans with values: the most common one, a middling one and a rare one, from the server's own statistics.
//!
//! Invariant: no value leaves the server. One anonymous block picks the values, plans with them as parameters and hands out costs; what
//! would be logged of it, and an error in it, names the columns and never a value. `pg_stats` shows what the account may read, so that nobody
//! needs another right than EXPLAIN does.

use crate::model::what_if::{ParameterPlace, ParameterRole, Parameters};
use crate::stores::postgres::quote::literal;
use serde::Deserialize;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor};
use std::collections::BTreeSet;

/// The answer to one sample.
#[derive(Debug, Deserialize)]
pub struct Planned {
    /// Cost.
    pub cost: f64,
    /// Share of the rows of the table in question.
    pub share: f64,
    /// Indexes that are used in a condition or for order.
    pub used: Vec<String>,
}

/// Asks for each of [`Sample::ALL`](crate::model::what_if::Sample::ALL); `None` in its place: there is no such value, or no plan for it.
///
/// # Errors
/// The driver's.
pub async fn ask(
    connection: &mut PgConnection,
    statement: &str,
    parameters: &Parameters,
) -> Result<Vec<Option<Planned>>, sqlx::Error> {
    if parameters.places.is_empty() {
        return Ok(Vec::new());
    }
    let types = types(connection, statement).await?;
    connection.execute(AssertSqlSafe(block(statement, &types, parameters))).await?;
    let told: String =
        sqlx::query_scalar("SELECT current_setting('godwit.what_if')").fetch_one(&mut *connection).await?;
    serde_json::from_str(&told).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// What the server takes each parameter to be.
async fn types(connection: &mut PgConnection, statement: &str) -> Result<Vec<String>, sqlx::Error> {
    connection.execute(AssertSqlSafe(format!("PREPARE godwit_what_if AS {statement}"))).await?;
    let types =
        sqlx::query_scalar("SELECT parameter_types::text[] FROM pg_prepared_statements WHERE name = 'godwit_what_if'")
            .fetch_one(&mut *connection)
            .await?;
    connection.execute("DEALLOCATE godwit_what_if").await?;
    Ok(types)
}

/// The statistics of one column, into the variables of the block.
fn statistics(place: &ParameterPlace) -> String {
    let (table, column) = (literal(&place.table), literal(&place.column));
    format!(
        "SELECT s.most_common_vals::text::text[], coalesce(s.most_common_freqs, '{{}}')::float8[], s.histogram_bounds::text::text[], s.null_frac, format_type(a.atttypid, a.atttypmod),
                CASE WHEN s.n_distinct < 0 THEN -s.n_distinct * greatest(c.reltuples, 1) ELSE s.n_distinct END
           INTO STRICT common, freqs, bounds, nulls, kind, kinds
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = {column}
           JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname
          WHERE c.oid = {table}::regclass AND s.inherited = (c.relkind = 'p');
         commons := coalesce(cardinality(common), 0); parts := coalesce(cardinality(bounds), 0);"
    )
}

/// Puts a value that its column equals. The `nth` parameter of the same column gets the next value.
fn equal(place: &ParameterPlace, nth: usize, is_of_table: bool) -> String {
    let count = if place.role == ParameterRole::List { 3 } else { 1 };
    let slice = |list: &str| match place.role {
        ParameterRole::List => format!("{list}[place:place + 2]::text"),
        ParameterRole::Equal | ParameterRole::Low | ParameterRole::High => format!("{list}[place]"),
    };
    format!(
        "{statistics}
         CASE sample
         WHEN 1 THEN place := least({nth}, commons);
         WHEN 2 THEN SELECT coalesce(min(i), CASE WHEN parts > 0 THEN 0 ELSE commons END) INTO place FROM generate_subscripts(freqs, 1) i
                      WHERE (SELECT sum(f) FROM unnest(freqs[1:i]) f) >= 0.5 * (1 - nulls);
         ELSE place := CASE WHEN parts > 0 THEN 0 ELSE greatest(commons - {nth} + 1, 1) END;
         END CASE;
         IF place > 0 AND commons > 0 THEN
             p{parameter} := {of_common};
             part := freqs[place];
         ELSE
             place := least(greatest(CASE sample WHEN 3 THEN parts * 3 / 4 ELSE (parts + 1) / 2 END + {nth} - 1, 1), parts);
             p{parameter} := {of_bounds};
             SELECT greatest(1 - nulls - coalesce(sum(f), 0), 0) / greatest(kinds - commons, 1) INTO part FROM unnest(freqs) f;
         END IF;
         {known}{share}",
        statistics = statistics(place),
        parameter = place.parameter,
        of_common = slice("common"),
        of_bounds = slice("bounds"),
        known = known(place.parameter),
        share = if is_of_table { format!("share := share * least(part * {count}, 1);") } else { String::new() },
    )
}

/// Puts a bound of a column: the place in its histogram, from 0 to 1, for each sample. A column of few values has no histogram: they are put in order.
fn bound(place: &ParameterPlace, at: [f64; 3]) -> String {
    format!(
        "{statistics}
         IF parts = 0 THEN
             EXECUTE format('SELECT array_agg(v ORDER BY v)::text[] FROM unnest($1::%s[]) v', kind) INTO bounds USING common::text;
             parts := coalesce(cardinality(bounds), 0);
         END IF;
         p{parameter} := bounds[1 + round((ARRAY[{first}, {second}, {third}]::float8[])[sample] * (parts - 1))::int];
         {known}",
        statistics = statistics(place),
        parameter = place.parameter,
        first = at[0],
        second = at[1],
        third = at[2],
        known = known(place.parameter),
    )
}

/// A value that was not found is not taken for NULL.
fn known(parameter: u32) -> String {
    format!("IF p{parameter} IS NULL THEN RAISE EXCEPTION 'no statistics'; END IF;\n")
}

/// All assignments.
fn assignments(parameters: &Parameters) -> String {
    let ranged: BTreeSet<(&str, &str)> = parameters
        .places
        .iter()
        .filter(|place| matches!(place.role, ParameterRole::Low | ParameterRole::High))
        .map(|place| (place.table.as_str(), place.column.as_str()))
        .collect();
    // Columns are taken to be independent, so that each leaves its part of the whole.
    let each = parameters.widths.map(|width| width.powf(1.0 / ranged.len().max(1) as f64));
    let mut text = String::new();
    for (at, place) in parameters.places.iter().enumerate() {
        let same = |other: &&ParameterPlace| other.table == place.table && other.column == place.column;
        let has = |role| parameters.places.iter().filter(same).any(|other| other.role == role);
        text.push_str(&match place.role {
            ParameterRole::Equal | ParameterRole::List => {
                let nth = 1 + parameters.places[..at].iter().filter(same).count();
                equal(place, nth, place.table == parameters.table)
            }
            ParameterRole::Low if has(ParameterRole::High) => bound(place, each.map(|width| (1.0 - width) / 2.0)),
            ParameterRole::High if has(ParameterRole::Low) => bound(place, each.map(|width| (1.0 + width) / 2.0)),
            ParameterRole::Low => bound(place, each.map(|width| 1.0 - width)),
            ParameterRole::High => bound(place, each),
        });
    }
    for (table, _) in &ranged {
        if *table == parameters.table {
            let [first, second, third] = each;
            text.push_str(&format!("share := share * (ARRAY[{first}, {second}, {third}]::float8[])[sample];\n"));
        }
    }
    text
}

/// The whole block. Parameters without a place are NULL, or 0 where something is added to them; a plan that they fold away is none.
fn block(statement: &str, types: &[String], parameters: &Parameters) -> String {
    let mut declared = String::new();
    let mut begun = String::new();
    for (at, kind) in types.iter().enumerate() {
        let number = at + 1;
        declared.push_str(&format!("p{number} {kind};\n"));
        let is_limit = parameters.limits.iter().any(|limit| *limit as usize == number);
        let value = match kind.as_str() {
            _ if is_limit => parameters.limit.max(1).to_string(),
            "smallint" | "integer" | "bigint" | "numeric" => "0".to_owned(),
            _ => "NULL".to_owned(),
        };
        begun.push_str(&format!("p{number} := {value};\n"));
    }
    let names: Vec<String> = (1..=types.len()).map(|number| format!("p{number}")).collect();
    let explain = literal(&format!("EXPLAIN (FORMAT JSON) {statement}"));
    // Names of the statement are looked up in public, ours never: somebody else may make functions there.
    let body = format!(
        "DECLARE
             {declared}
             told jsonb; answers jsonb := '[]'; common text[]; freqs float8[]; bounds text[]; nulls float8; kind text; kinds float8;
             commons int; parts int; place int; share float8; part float8;
         BEGIN
             PERFORM pg_catalog.set_config('search_path', 'pg_catalog', true);
             FOR sample IN 1..3 LOOP
                 BEGIN
                     share := 1;
                     {begun}
                     {assigned}
                     PERFORM set_config('search_path', 'public, pg_catalog', true);
                     EXECUTE {explain} INTO told USING {names};
                     PERFORM pg_catalog.set_config('search_path', 'pg_catalog', true);
                     IF told @? 'strict $.** ? (exists (@.\"One-Time Filter\"))' THEN RAISE EXCEPTION 'nothing is left to plan'; END IF;
                     answers := answers || jsonb_build_object('cost', told #> '{{0,Plan,Total Cost}}', 'share', share, 'used', (
                         SELECT coalesce(jsonb_agg(node -> 'Index Name'), '[]') FROM jsonb_path_query(told, 'strict $.** ? (exists (@.\"Index Name\"))') node
                          WHERE node ? 'Index Cond' OR node ->> 'Node Type' = 'Index Scan'));
                 EXCEPTION WHEN OTHERS THEN
                     answers := answers || 'null'::jsonb;
                 END;
             END LOOP;
             PERFORM set_config('godwit.what_if', answers::text, true);
             PERFORM pg_catalog.set_config('search_path', 'public, pg_catalog', true);
         END",
        assigned = assignments(parameters),
        names = names.join(", "),
    );
    // A quoted body: names in somebody's statement may hold any dollar tag.
    format!("DO {}", literal(&body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(parameter: u32, column: &str, role: ParameterRole) -> ParameterPlace {
        ParameterPlace { parameter, table: "public.t".to_owned(), column: column.to_owned(), role }
    }

    #[test]
    fn bounds_meet_in_the_middle_and_one_alone_takes_the_end() {
        let of = |places: Vec<ParameterPlace>| {
            assignments(&Parameters {
                places,
                table: "public.t".to_owned(),
                widths: [0.9, 0.5, 0.25],
                ..Parameters::default()
            })
        };
        let both = of(vec![place(1, "a", ParameterRole::Low), place(2, "a", ParameterRole::High)]);
        assert!(both.contains("p1 := bounds[1 + round((ARRAY[0.04999999999999999, 0.25, 0.375]"), "{both}");
        assert!(both.contains("p2 := bounds[1 + round((ARRAY[0.95, 0.75, 0.625]"), "{both}");
        assert_eq!(both.matches("share := share *").count(), 1, "two bounds of one column are one range: {both}");
        assert!(of(vec![place(1, "a", ParameterRole::Low)]).contains("ARRAY[0.09999999999999998, 0.5, 0.75]"));
        assert!(of(vec![place(1, "a", ParameterRole::High)]).contains("p1 := bounds[1 + round((ARRAY[0.9, 0.5, 0.25]"));
        let two = of(vec![place(1, "a", ParameterRole::High), place(2, "b", ParameterRole::High)]);
        assert_eq!(two.matches("0.5]::float8[])[sample] *").count(), 2, "each column leaves its part: {two}");
    }

    #[test]
    fn a_statement_cannot_end_the_block_that_asks_about_it() {
        let statement = r#"SELECT 1 AS "$godwit$; $$ it's \'; DROP TABLE t; --""#;
        let sent = block(statement, &[], &Parameters::default());
        // The string after DO ends where the text ends, and not before: inside, quotes and backslashes come in pairs.
        let mut inside = sent.strip_prefix("DO  E'").unwrap().chars();
        while let Some(c) = inside.next() {
            if c == '\'' || c == '\\' {
                let next = inside.next();
                assert!(next == Some(c) || (c == '\'' && next.is_none()), "{sent}");
            }
        }
        assert!(sent.ends_with("END'"), "{sent}");
    }

    #[test]
    fn only_the_tables_own_conditions_are_a_share_of_it_and_a_second_value_is_another_one() {
        let elsewhere = ParameterPlace { table: "public.u".to_owned(), ..place(3, "x", ParameterRole::Equal) };
        let parameters = Parameters {
            places: vec![place(1, "a", ParameterRole::Equal), place(2, "a", ParameterRole::Equal), elsewhere],
            table: "public.t".to_owned(),
            ..Parameters::default()
        };
        let text = assignments(&parameters);
        assert_eq!(text.matches("share := share *").count(), 2, "{text}");
        assert!(text.contains("least(1, commons)") && text.contains("least(2, commons)"), "{text}");
    }
}

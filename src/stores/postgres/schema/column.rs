//! One column more on a table that stands already, and which type may follow which.

use crate::model::schema::{SchemaPart, SchemaStatement};
use crate::model::table::TableMap;
use crate::stores::postgres::quote;
use crate::stores::postgres::schema::object::Object;
use crate::stores::postgres::schema::relations::SourceRelation;
use crate::stores::postgres::schema::script::Builder;
use crate::stores::postgres::schema::sequences::MappedSequence;
use crate::stores::postgres::schema::{dependencies, sequences, tables, types};
use sqlx::postgres::PgConnection;

/// Adds what one column needs, the column, and its NOT NULL behind its values: on the target there are rows that do not have any yet.
/// The inner error says why it cannot be had there.
pub async fn add(
    connection: &mut PgConnection,
    builder: &mut Builder,
    root: &SourceRelation,
    uses: &[MappedSequence],
    column: &str,
) -> Result<Result<(), String>, sqlx::Error> {
    let Some(found) = root.columns.iter().find(|c| c.name == column) else {
        return Ok(Err("the column is gone".to_owned()));
    };
    let Some(target) = found.target.clone() else { return Ok(Err("the column is not mapped".to_owned())) };
    if found.identity == "a" {
        return Ok(Err(
            "it is GENERATED ALWAYS AS IDENTITY: its values cannot be carried into rows that are there".to_owned()
        ));
    }
    let own: Vec<MappedSequence> =
        uses.iter().filter(|s| s.map == root.map && s.used.column == column).cloned().collect();
    let mut alone = root.clone();
    alone.columns.retain(|c| c.name == column);
    types::add(&mut *connection, builder, std::slice::from_ref(&alone)).await?;
    sequences::add(builder, &own);
    let expressions = found.expression.iter().map(|(oid, _)| *oid).collect();
    let depends = dependencies::read(connection, "pg_attrdef", expressions).await?;
    let mut nullable = found.clone();
    nullable.not_null = false;
    let Some(definition) = tables::definition(builder, root, &nullable, &target, &own, &depends) else {
        return Ok(Err("its expression cannot be had there".to_owned()));
    };
    let (table, name) = (quote::table(&root.target), quote::ident(&target));
    builder.add(
        SchemaPart::Tables,
        Object::Column(root.target.clone(), target.clone()),
        format!("ALTER TABLE {table} ADD COLUMN {definition}"),
        format!("ALTER TABLE {table} DROP COLUMN {name}"),
    );
    sequences::add_owners(builder, &own);
    if found.not_null && found.identity.is_empty() {
        let alter = format!("ALTER TABLE {table} ALTER COLUMN {name}");
        builder.add(
            SchemaPart::Rest,
            Object::NotNull(root.target.clone(), target),
            format!("{alter} SET NOT NULL"),
            format!("{alter} DROP NOT NULL"),
        );
    }
    Ok(Ok(()))
}

/// Gives a target column another type.
pub fn retype(map: &TableMap, column: &str, to: &str) -> Option<SchemaStatement> {
    let mapped = map.columns.iter().find(|c| c.source == column)?;
    let alter = format!("ALTER TABLE {} ALTER COLUMN {} TYPE", quote::table(&map.target), quote::ident(&mapped.target));
    Some(SchemaStatement {
        part: SchemaPart::Tables,
        object: Object::Column(map.target.clone(), mapped.target.clone()).to_string(),
        statement: format!("{alter} {to}"),
        undo: format!("{alter} {}", mapped.target_type),
    })
}

/// True when every value of `narrow` is one of `wide` and is written with the same text. Types are spelled as `format_type` does.
pub fn holds(wide: &str, narrow: &str) -> bool {
    if wide == narrow {
        return true;
    }
    let ((wide, wide_size), (narrow, narrow_size)) = (parts(wide), parts(narrow));
    const WHOLE: [&str; 4] = ["smallint", "integer", "bigint", "numeric"];
    let rank = |name: &str| WHOLE.iter().position(|w| *w == name);
    match (wide, narrow) {
        ("numeric", "numeric") => match (wide_size, narrow_size) {
            (None, _) => true,
            // Another scale writes the same number with other digits behind the point.
            (Some(wide), Some(narrow)) => {
                let (wide, narrow) = (precision(wide), precision(narrow));
                wide.1 == narrow.1 && wide.0 >= narrow.0
            }
            (Some(_), None) => false,
        },
        ("text", "character varying") => true,
        ("character varying" | "bit varying", name) if name == wide => match (wide_size, narrow_size) {
            (None, _) => true,
            (Some(wide), Some(narrow)) => precision(wide).0 >= precision(narrow).0,
            (Some(_), None) => false,
        },
        _ => match (rank(wide), rank(narrow)) {
            (Some(w), Some(n)) => wide_size.is_none() && narrow_size.is_none() && w > n,
            _ => false,
        },
    }
}

/// `numeric(12,2)` as its name and what is between the parentheses.
fn parts(name: &str) -> (&str, Option<&str>) {
    match name.strip_suffix(')').and_then(|rest| rest.split_once('(')) {
        Some((name, size)) => (name, Some(size)),
        None => (name, None),
    }
}

fn precision(size: &str) -> (u32, i32) {
    let (precision, scale) = size.split_once(',').unwrap_or((size, "0"));
    (precision.trim().parse().unwrap_or(0), scale.trim().parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_types_with_the_same_text_hold_each_other() {
        for (wide, narrow) in [
            ("bigint", "integer"),
            ("integer", "smallint"),
            ("numeric", "bigint"),
            ("numeric", "numeric(10,2)"),
            ("numeric(12,2)", "numeric(10,2)"),
            ("text", "character varying(9)"),
            ("text", "character varying"),
            ("character varying(20)", "character varying(9)"),
            ("character varying", "character varying(9)"),
            ("public.mood", "public.mood"),
        ] {
            assert!(holds(wide, narrow), "{wide} {narrow}");
            assert!(wide == narrow || !holds(narrow, wide), "{narrow} {wide}");
        }
        for (wide, narrow) in [
            ("double precision", "real"),
            ("numeric(12,4)", "numeric(10,2)"),
            ("numeric(10,2)", "integer"),
            ("timestamp with time zone", "timestamp without time zone"),
            ("character(9)", "character varying(5)"),
            ("text", "integer"),
            ("bigint[]", "integer[]"),
        ] {
            assert!(!holds(wide, narrow), "{wide} {narrow}");
        }
    }
}

//! Tables and partitions with their columns.

use crate::model::schema::SchemaPart;
use crate::model::table::TableName;
use crate::stores::postgres::quote;
use crate::stores::postgres::schema::dependencies::{self, Dependencies};
use crate::stores::postgres::schema::object::Object;
use crate::stores::postgres::schema::relations::{Fit, SourceColumn, SourceRelation};
use crate::stores::postgres::schema::rewrite;
use crate::stores::postgres::schema::script::Builder;
use crate::stores::postgres::schema::sequences::MappedSequence;
use sqlx::postgres::PgConnection;
use std::collections::HashMap;

/// Adds all tables; returns those that cannot be built, with the reason.
pub async fn add(
    connection: &mut PgConnection,
    builder: &mut Builder,
    relations: &[SourceRelation],
    sequences: &[MappedSequence],
) -> Result<Vec<(TableName, String)>, sqlx::Error> {
    let expressions =
        relations.iter().flat_map(|r| &r.columns).filter_map(|c| c.expression.as_ref().map(|(oid, _)| *oid));
    let depends = dependencies::read(connection, "pg_attrdef", expressions.collect()).await?;
    let by_oid: HashMap<i64, &SourceRelation> = relations.iter().map(|r| (r.oid, r)).collect();
    let mut problems = Vec::new();
    for relation in relations {
        let statement = match relation.parent {
            None => root(builder, relation, sequences, &depends),
            Some(parent) => by_oid
                .get(&parent)
                .ok_or_else(|| "its parent is not mapped".to_owned())
                .and_then(|parent| partition(relation, parent)),
        };
        match statement {
            Ok(statement) => {
                let quoted = quote::table(&relation.target);
                let object = Object::Table(relation.target.clone());
                builder.add(SchemaPart::Tables, object, statement, format!("DROP TABLE {quoted}"));
                add_storage(builder, relation);
            }
            Err(reason) => problems.push((relation.source.clone(), reason)),
        }
    }
    Ok(problems)
}

fn root(
    builder: &mut Builder,
    relation: &SourceRelation,
    sequences: &[MappedSequence],
    depends: &HashMap<i64, Dependencies>,
) -> Result<String, String> {
    let mut columns = Vec::new();
    for column in &relation.columns {
        let Some(target) = &column.target else { continue };
        if let Some(definition) = definition(builder, relation, column, target, sequences, depends) {
            columns.push(definition);
        }
    }
    if columns.is_empty() {
        return Err("the mapping leaves no column".to_owned());
    }
    let unlogged = if relation.persistence == "u" { "UNLOGGED " } else { "" };
    Ok(format!(
        "CREATE {unlogged}TABLE {} (\n  {}\n){}{}",
        quote::table(&relation.target),
        columns.join(",\n  "),
        partition_by(relation)?,
        options(relation)
    ))
}

fn partition(relation: &SourceRelation, parent: &SourceRelation) -> Result<String, String> {
    let bound = relation.bound.as_deref().ok_or("it has no partition bound")?;
    let unlogged = if relation.persistence == "u" { "UNLOGGED " } else { "" };
    Ok(format!(
        "CREATE {unlogged}TABLE {} PARTITION OF {} {bound}{}{}",
        quote::table(&relation.target),
        quote::table(&parent.target),
        partition_by(relation)?,
        options(relation)
    ))
}

fn partition_by(relation: &SourceRelation) -> Result<String, String> {
    let Some(key) = &relation.partition_key else { return Ok(String::new()) };
    let all_same = relation.columns.iter().all(|c| c.target.as_deref() == Some(&c.name));
    let key = if all_same { Some(key.clone()) } else { rewrite::rename_columns(key, &|c| relation.target_column(c)) };
    key.map(|key| format!(" PARTITION BY {key}")).ok_or_else(|| {
        "its partition key is an expression or needs a column that the mapping renames or leaves out".to_owned()
    })
}

/// Values of storage parameters are plain words and numbers; quoting them is legal for all.
fn options(relation: &SourceRelation) -> String {
    let option = |option: &String| {
        let (name, value) = option.split_once('=').unwrap_or((option, "true"));
        format!("{name} = {}", quote::literal(value))
    };
    let all: Vec<String> = relation.options.iter().map(option).collect();
    if all.is_empty() { String::new() } else { format!(" WITH ({})", all.join(", ")) }
}

/// One column; `None` when a computed column cannot be had on the target.
pub fn definition(
    builder: &mut Builder,
    relation: &SourceRelation,
    column: &SourceColumn,
    target: &str,
    sequences: &[MappedSequence],
    depends: &HashMap<i64, Dependencies>,
) -> Option<String> {
    let mut text = format!("{} {}", quote::ident(target), column.type_name);
    // The grammar wants the compression before the collation.
    match column.compression.as_deref() {
        Some("l") => text.push_str(" COMPRESSION lz4"),
        Some("p") => text.push_str(" COMPRESSION pglz"),
        _ => {}
    }
    if let Some(collation) = &column.collation {
        text.push_str(&format!(" COLLATE {collation}"));
    }
    let own: Vec<&MappedSequence> =
        sequences.iter().filter(|s| s.map == relation.map && s.used.column == column.name).collect();
    if !column.identity.is_empty() {
        let when = if column.identity == "a" { "ALWAYS" } else { "BY DEFAULT" };
        let options = own.iter().find(|s| s.is_identity()).map(|s| format!(" ({})", s.identity_options()));
        text.push_str(&format!(" GENERATED {when} AS IDENTITY{}", options.unwrap_or_default()));
    } else if let Some((oid, expression)) = &column.expression {
        let what = if column.generated.is_empty() { "default" } else { "generated column" };
        match expression_on_target(builder, relation, column, *oid, expression, &own, depends) {
            Ok(expression) if column.generated.is_empty() => text.push_str(&format!(" DEFAULT {expression}")),
            Ok(expression) => {
                let kind = if column.generated == "v" { "VIRTUAL" } else { "STORED" };
                text.push_str(&format!(" GENERATED ALWAYS AS ({expression}) {kind}"));
            }
            Err(reason) => {
                builder.leave_out(format!("{what} {}.{}: {reason}", relation.source, column.name));
                if !column.generated.is_empty() {
                    return None;
                }
            }
        }
    }
    if column.not_null {
        text.push_str(" NOT NULL");
    }
    Some(text)
}

/// The expression as the target must have it, or why it cannot.
fn expression_on_target(
    builder: &mut Builder,
    relation: &SourceRelation,
    column: &SourceColumn,
    oid: i64,
    expression: &str,
    sequences: &[&MappedSequence],
    depends: &HashMap<i64, Dependencies>,
) -> Result<String, String> {
    let empty = Dependencies::default();
    let needs = depends.get(&oid).unwrap_or(&empty);
    if let Some(function) = needs.functions.first() {
        return Err(format!("it calls {function}, and functions are not moved"));
    }
    // An expression lists its own column, too.
    let others: Vec<i16> = needs.columns.iter().copied().filter(|&n| n != column.number).collect();
    match relation.fit(&others) {
        Fit::AsIs => {}
        Fit::Renamed(other) => return Err(format!("it mentions {other}, which the mapping renames")),
        Fit::Missing(other) => return Err(format!("it mentions {other}, which the mapping leaves out")),
    }
    for (extension, schema) in &needs.extensions {
        builder.extension(extension, schema);
    }
    let moved = sequences.iter().find(|s| s.target != s.used.sequence());
    match moved {
        None => Ok(expression.to_owned()),
        Some(sequence) if sequence.used.is_number || is_plain_nextval(expression) => {
            Ok(format!("nextval({}::regclass)", quote::literal(&quote::table(&sequence.target))))
        }
        Some(sequence) => Err(format!(
            "it uses sequence {} inside an expression, and that is {} on the target",
            sequence.used.sequence(),
            sequence.target
        )),
    }
}

/// True for `nextval('...'::regclass)` and nothing around it.
fn is_plain_nextval(expression: &str) -> bool {
    expression
        .strip_prefix("nextval('")
        .and_then(|rest| rest.strip_suffix("'::regclass)"))
        .is_some_and(|name| !name.contains('\''))
}

fn add_storage(builder: &mut Builder, relation: &SourceRelation) {
    let word = |letter: &str| match letter {
        "p" => "PLAIN",
        "e" => "EXTERNAL",
        "m" => "MAIN",
        _ => "EXTENDED",
    };
    for column in &relation.columns {
        let (Some(target), Some((storage, usual))) = (&column.target, &column.storage) else { continue };
        let alter =
            format!("ALTER TABLE {} ALTER COLUMN {} SET STORAGE", quote::table(&relation.target), quote::ident(target));
        builder.add(
            SchemaPart::Tables,
            Object::Storage(relation.target.clone(), target.clone()),
            format!("{alter} {}", word(storage)),
            format!("{alter} {}", word(usual)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_nextval() {
        assert!(is_plain_nextval("nextval('public.t_id_seq'::regclass)"));
        assert!(!is_plain_nextval("nextval('a'::regclass) + nextval('b'::regclass)"));
        assert!(!is_plain_nextval("('ORD'::text || nextval('a'::regclass))"));
    }
}

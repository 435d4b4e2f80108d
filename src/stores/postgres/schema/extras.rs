//! Comments, and what is named but not moved: triggers, policies, rules, extended statistics.

use crate::model::schema::SchemaPart;
use crate::stores::postgres::fence::TRIGGER;
use crate::stores::postgres::quote;
use crate::stores::postgres::schema::object::Object;
use crate::stores::postgres::schema::relations::SourceRelation;
use crate::stores::postgres::schema::script::Builder;
use sqlx::postgres::PgConnection;

/// What hangs on a table and stays behind, as `(oid, sentence)`.
const LEFT_OUT: &str = "
    SELECT tgrelid::int8, format('trigger %s on %s: it calls %s, and functions are not moved', tgname, tgrelid::regclass, tgfoid::regprocedure)
      FROM pg_trigger WHERE tgrelid::int8 = ANY ($1) AND NOT tgisinternal AND tgparentid = 0 AND tgname <> $2
    UNION ALL
    SELECT polrelid::int8, format('policy %s on %s: row-level security is not moved; make it on the target if the service relies on it', polname, polrelid::regclass)
      FROM pg_policy WHERE polrelid::int8 = ANY ($1)
    UNION ALL
    SELECT ev_class::int8, format('rule %s on %s: rules are not moved', rulename, ev_class::regclass)
      FROM pg_rewrite WHERE ev_class::int8 = ANY ($1) AND rulename <> '_RETURN'
    UNION ALL
    SELECT stxrelid::int8, format('statistics %s on %s: extended statistics are not moved; make them on the target: %s', stxname, stxrelid::regclass, pg_get_statisticsobjdef(oid))
      FROM pg_statistic_ext WHERE stxrelid::int8 = ANY ($1)
    ORDER BY 2";

/// Adds comments and names what stays behind.
pub async fn add(
    connection: &mut PgConnection,
    builder: &mut Builder,
    relations: &[SourceRelation],
) -> Result<(), sqlx::Error> {
    let oids: Vec<i64> = relations.iter().map(|r| r.oid).collect();
    let left: Vec<(i64, String)> =
        sqlx::query_as(LEFT_OUT).bind(&oids).bind(TRIGGER).fetch_all(&mut *connection).await?;
    for (_, sentence) in left {
        builder.leave_out(sentence);
    }
    let comments: Vec<(i64, i32, String)> = sqlx::query_as(
        "SELECT objoid::int8, objsubid, description FROM pg_description
          WHERE classoid = 'pg_class'::regclass AND objoid::int8 = ANY ($1) ORDER BY array_position($1, objoid::int8), 2",
    )
    .bind(&oids)
    .fetch_all(connection)
    .await?;
    for (oid, number, text) in comments {
        let Some(relation) = relations.iter().find(|r| r.oid == oid) else { continue };
        let table = quote::table(&relation.target);
        let (object, subject) = if number == 0 {
            (Object::TableComment(relation.target.clone()), format!("TABLE {table}"))
        } else {
            let column = relation.columns.iter().find(|c| i32::from(c.number) == number);
            let Some(target) = column.and_then(|c| c.target.as_ref()) else { continue };
            (
                Object::ColumnComment(relation.target.clone(), target.clone()),
                format!("COLUMN {table}.{}", quote::ident(target)),
            )
        };
        builder.add(
            SchemaPart::Rest,
            object,
            format!("COMMENT ON {subject} IS {}", quote::literal(&text)),
            format!("COMMENT ON {subject} IS NULL"),
        );
    }
    Ok(())
}

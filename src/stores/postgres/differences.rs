//! One look at the catalogue: how the published tables differ from their mapping.

use crate::model::schema_change::{self, Difference, SchemaChange};
use crate::model::table::{Column, Generation, Table, TableMap, TableName};
use crate::stores::CaptureSpec;
use crate::stores::postgres::columns::array_literal;
use crate::stores::postgres::inventory::row_identity;
use crate::stores::postgres::quote;
use crate::stores::postgres::wire::connection::Connection;
use crate::stores::postgres::wire::failure::Outcome;
use std::collections::BTreeMap;

/// One row for each mapped table: whether it is there and published, what identifies its rows, and its columns, each as
/// `[name, type, not null, has default, number]`. Computed columns are not in the log and not in a mapping.
const TABLES: &str = "
    SELECT root.n, c.oid IS NOT NULL AS there, r.oid IS NOT NULL AS published, c.relreplident AS identity,
           (SELECT to_json(array_agg(a.attname ORDER BY k.n)) FROM pg_index i
              CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, n)
              JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
             WHERE i.indrelid = c.oid AND i.indisvalid AND k.n <= i.indnkeyatts AND i.indisprimary AND i.indimmediate) AS primary_key,
           (SELECT to_json(array_agg(a.attname ORDER BY k.n)) FROM pg_index i
              CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, n)
              JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
             WHERE i.indrelid = c.oid AND i.indisvalid AND k.n <= i.indnkeyatts AND i.indisreplident) AS identity_index,
           (SELECT json_agg(json_build_array(a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                                             a.atthasdef OR a.attidentity <> '', a.attnum) ORDER BY a.attnum)
              FROM pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '') AS columns
      FROM unnest($2::text[]) WITH ORDINALITY AS root (name, n)
      LEFT JOIN pg_class c ON c.oid = to_regclass(root.name)
      LEFT JOIN pg_publication p ON p.pubname = $1
      LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = c.oid
     ORDER BY root.n";

/// Published tables under names that are not mapped: a mapped table that was renamed keeps its place in the publication.
const STRANGERS: &str = "
    SELECT n.nspname, c.relname FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid
      JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE p.pubname = $1 AND NOT EXISTS (SELECT FROM unnest($2::text[]) AS root (name) WHERE to_regclass(root.name) = c.oid)";

/// What a publication's comment remembers of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remembered {
    /// Columns that are left out on purpose.
    pub left_out: Vec<String>,
    /// `attnum` of each mapped column: it tells a renamed column from a new one, and a column that was made anew from itself. Empty
    /// for captures of older versions.
    pub numbers: BTreeMap<String, i16>,
}

/// Reads every difference. `remembered` is by table index.
pub async fn read(
    connection: &mut Connection,
    publication: &str,
    spec: &CaptureSpec,
    remembered: &[Remembered],
) -> Outcome<Vec<SchemaChange>> {
    let names: Vec<String> = spec.tables.iter().map(|map| quote::table(&map.source)).collect();
    let names = array_literal(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let answer = connection.query_with(TABLES, &[Some(publication), Some(&names)]).await?;
    let (mut found, mut absent) = (Vec::new(), Vec::new());
    let nothing = Remembered::default();
    for (index, (map, row)) in spec.tables.iter().zip(&answer.rows).enumerate() {
        let text = |at: usize| row.get(at).and_then(Option::as_deref);
        let change = |difference| SchemaChange { table: map.source.clone(), difference };
        match (text(1) == Some("t"), text(2) == Some("t")) {
            (true, true) => {
                let known = remembered.get(index).unwrap_or(&nothing);
                found.extend(
                    compare(map, known, &columns(text(6)), [text(3), text(4), text(5)]).into_iter().map(change),
                );
            }
            (true, false) => found.push(change(Difference::Remade)),
            (false, _) => absent.push(map),
        }
    }
    if absent.is_empty() {
        return Ok(found);
    }
    let strangers = connection.query_with(STRANGERS, &[Some(publication), Some(&names)]).await?.rows;
    for map in &absent {
        let difference = match (&absent[..], &strangers[..]) {
            // Only one is missed and one is strange: it is the same.
            ([_], [row]) => Difference::TableRenamed { now: name(row) },
            _ => Difference::Gone,
        };
        found.push(SchemaChange { table: map.source.clone(), difference });
    }
    Ok(found)
}

fn name(row: &[Option<String>]) -> TableName {
    let text = |at: usize| row.get(at).and_then(Option::as_deref).unwrap_or_default();
    TableName::in_schema(text(0), text(1))
}

/// A column with its `attnum`.
type Numbered = (Column, i16);

fn columns(text: Option<&str>) -> Vec<Numbered> {
    let rows: Vec<(String, String, bool, bool, i16)> =
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    rows.into_iter()
        .map(|(name, type_name, not_null, has_default, number)| {
            let generation = Generation::Plain;
            (Column { name, type_name, nullable: !not_null, generation, has_default }, number)
        })
        .collect()
}

/// One table. `identity` is its setting, primary key and identity index.
fn compare(map: &TableMap, known: &Remembered, columns: &[Numbered], identity: [Option<&str>; 3]) -> Vec<Difference> {
    let [setting, primary_key, identity_index] = identity;
    let names = |text: Option<&str>| text.and_then(|t| serde_json::from_str::<Vec<String>>(t).ok());
    let now = Table {
        name: map.source.clone(),
        columns: columns.iter().map(|(column, _)| column.clone()).collect(),
        identity: row_identity(setting.unwrap_or_default(), names(primary_key), names(identity_index)),
        estimated_rows: None,
        size_bytes: None,
    };
    let renames: Vec<(String, String)> = known
        .numbers
        .iter()
        .filter_map(|(name, number)| {
            let (now, _) = columns.iter().find(|(_, n)| n == number)?;
            (now.name != *name).then(|| (name.clone(), now.name.clone()))
        })
        .collect();
    let renames = (!known.numbers.is_empty()).then_some(&renames[..]);
    let mut found: Vec<Difference> = schema_change::differences(map, &known.left_out, renames, &now)
        .into_iter()
        .map(|change| change.difference)
        .collect();
    // Under its old name and another number: it was dropped and made anew, and nothing in the log says what its rows hold now.
    let anew = columns.iter().filter(|(column, number)| {
        map.columns.iter().any(|c| c.source == column.name)
            && !found.iter().any(|d| d.column() == Some(&column.name))
            && !known.numbers.is_empty()
            && known.numbers.get(&column.name) != Some(number)
    });
    let anew: Vec<Difference> = anew.map(|(column, _)| Difference::Added { column: column.clone() }).collect();
    found.extend(anew);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::table::ColumnMap;

    fn map() -> TableMap {
        let column = |name: &str| ColumnMap {
            source: name.to_owned(),
            target: name.to_owned(),
            source_type: "integer".to_owned(),
            target_type: "integer".to_owned(),
        };
        TableMap {
            source: TableName::in_schema("public", "t"),
            target: TableName::in_schema("public", "t"),
            columns: vec![column("id"), column("a")],
            key: vec![0],
        }
    }

    fn found(columns: &str) -> Vec<String> {
        let known = Remembered {
            left_out: vec!["secret".into()],
            numbers: BTreeMap::from([("id".to_owned(), 1), ("a".to_owned(), 2)]),
        };
        let key = Some(r#"["id"]"#);
        compare(&map(), &known, &super::columns(Some(columns)), [Some("d"), key, None])
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn numbers_tell_renamed_dropped_and_remade_columns_apart() {
        let id = r#"["id","integer",true,false,1]"#;
        let with = |rest: &str| found(&format!("[{id}{rest}]"));
        assert!(with(r#",["a","integer",false,false,2],["secret","text",false,false,3]"#).is_empty());
        assert_eq!(
            with(r#",["b","integer",false,false,2]"#),
            ["column a is gone and b is there instead: it was renamed"]
        );
        assert_eq!(
            with(r#",["b","integer",false,true,4]"#),
            ["column a is gone", "column b (integer, with a default) was added"]
        );
        assert_eq!(with(r#",["a","integer",false,false,4]"#), ["column a (integer) was added"]);
        assert_eq!(with(r#",["a","bigint",false,false,2]"#), ["column a is now bigint, it was integer"]);
    }
}

//! Where a table is cut into ranges of its key.
//!
//! Three ways, by what they cost: hopping along the key's index reads the whole index once and is exact; a sample of the table's pages reads
//! almost nothing and is right to a fifth or so; sorting the keys reads the table and is only for small tables without a fitting index.
//! Hopping over 6 million keys took a tenth of the time in which their rows were compared, hence the sample for large tables.

use crate::model::table::TableName;
use crate::stores::KeyRange;
use crate::stores::postgres::key_order::{self, KeyColumn, KeyOrder};
use crate::stores::postgres::relation::schema_of;
use sqlx::postgres::PgConnection;

/// A table that gives fewer ranges is cut exactly.
const SAMPLED_RANGES: f64 = 8.0;
/// Pages sampled for each range: enough that a range is hardly ever twice as large as another.
const PAGES_A_RANGE: f64 = 32.0;
/// Where no index serves the order, one scan sums all ranges; more of them make the choice of the range dearer than the hash.
const UNINDEXED_RANGES: f64 = 1024.0;

/// How a table is cut.
#[derive(Clone, Debug, PartialEq)]
pub enum Cutting {
    /// By this statement again and again, each time after the last cut, until it finds nothing.
    Hop,
    /// By this statement, which gives all cuts.
    All(String),
}

/// What the catalogue tells of a table's size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size {
    /// Pages of its heaps now.
    pub pages: f64,
    /// Rows by the density that was found when it was last analyzed.
    pub rows: f64,
}

/// Reads a table's size; `None` where it was never analyzed, or a part of it cannot be sampled.
pub async fn size(connection: &mut PgConnection, table: &TableName) -> Result<Option<Size>, sqlx::Error> {
    let (pages, rows): (Option<f64>, Option<f64>) = sqlx::query_as(
        "WITH leaf AS (
              SELECT c.relpages, c.reltuples, c.relkind, pg_relation_size(c.oid) / current_setting('block_size')::float8 AS pages
                FROM pg_class root JOIN pg_namespace ns ON ns.oid = root.relnamespace
                CROSS JOIN LATERAL (SELECT root.oid AS relid UNION SELECT relid FROM pg_partition_tree(root.oid)) AS tree
                JOIN pg_class c ON c.oid = tree.relid
               WHERE ns.nspname = $1 AND root.relname = $2 AND c.relkind <> 'p')
         SELECT sum(pages)::float8, sum(CASE WHEN relpages > 0 THEN reltuples / relpages * pages ELSE 0 END)::float8
           FROM leaf HAVING bool_and(relkind IN ('r', 'm') AND (reltuples > 0 OR pages = 0))",
    )
    .bind(schema_of(table))
    .bind(&table.name)
    .fetch_optional(connection)
    .await?
    .unwrap_or_default();
    Ok(pages.zip(rows).filter(|(pages, rows)| *pages > 0.0 && *rows > 0.0).map(|(pages, rows)| Size { pages, rows }))
}

/// Chooses the way to cut `within` of a table into ranges of `rows` rows. `None` when the range does not fit the key.
pub fn cutting(
    table: &str,
    key: &[KeyColumn],
    order: &KeyOrder,
    within: &KeyRange,
    rows: u64,
    size: Option<Size>,
) -> Option<Cutting> {
    let indexed = key_order::is_indexed(key, order);
    let rows = rows as f64;
    let wanted = size.map(|size| size.rows / rows).filter(|ranges| *ranges >= SAMPLED_RANGES && within.upto.is_none());
    let condition = key_order::condition(key, order, within)?;
    let sort = key_order::sort_expressions(key, order).join(", ");
    let names = names(key);
    let every_nth = |from: &str, nth: &str| {
        Cutting::All(format!(
            "SELECT {names} FROM (SELECT {names}, row_number() OVER (ORDER BY {sort}) AS godwit_n, count(*) OVER () AS godwit_all \
             FROM {from}{condition}) AS cut WHERE godwit_n % {nth} = 0 ORDER BY godwit_n"
        ))
    };
    Some(match (wanted.zip(size), indexed) {
        (Some((ranges, size)), _) => {
            let ranges = if indexed { ranges } else { ranges.min(UNINDEXED_RANGES) };
            let percent = (100.0 * ranges * PAGES_A_RANGE / size.pages).clamp(0.01, 100.0);
            // What one range's share of the sample holds.
            let nth = (size.rows / ranges * percent / 100.0).max(1.0).round();
            every_nth(&format!("{table} TABLESAMPLE SYSTEM ({percent:.4})"), &format!("{nth:.0}"))
        }
        (None, true) => Cutting::Hop,
        (None, false) => every_nth(table, &format!("greatest({rows:.0}, godwit_all / {UNINDEXED_RANGES:.0} + 1)")),
    })
}

/// The statement that finds the last key of the first `rows` rows of a range. `None` when the range does not fit the key.
pub fn next_cut(table: &str, key: &[KeyColumn], order: &KeyOrder, range: &KeyRange, rows: u64) -> Option<String> {
    let condition = key_order::condition(key, order, range)?;
    let sort = key_order::sort_expressions(key, order).join(", ");
    Some(format!(
        "SELECT {} FROM {table}{condition} ORDER BY {sort} OFFSET {} LIMIT 1",
        names(key),
        rows.saturating_sub(1)
    ))
}

/// The number of the range that a row lies in, by a search among the ends of `ranges`, which follow each other. `None` when one does not
/// fit the key.
pub fn bucket(key: &[KeyColumn], order: &KeyOrder, ranges: &[KeyRange]) -> Option<String> {
    search(key, order, ranges, 0)
}

fn search(key: &[KeyColumn], order: &KeyOrder, ranges: &[KeyRange], first: usize) -> Option<String> {
    if ranges.len() < 2 {
        return Some(first.to_string());
    }
    let (lower, upper) = ranges.split_at(ranges.len() / 2);
    let end = lower.last()?.upto.as_ref()?;
    Some(format!(
        "CASE WHEN {} THEN {} ELSE {} END",
        key_order::not_above(key, order, end)?,
        search(key, order, lower, first)?,
        search(key, order, upper, first + lower.len())?
    ))
}

/// Ranges between cuts that lie within one.
pub fn between(within: &KeyRange, cuts: Vec<crate::model::value::Key>) -> Vec<KeyRange> {
    let mut ranges = Vec::with_capacity(cuts.len() + 1);
    let mut after = within.after.clone();
    for cut in cuts {
        ranges.push(KeyRange { after: after.replace(cut.clone()), upto: Some(cut) });
    }
    ranges.push(KeyRange { after, upto: within.upto.clone() });
    ranges
}

fn names(key: &[KeyColumn]) -> String {
    let names: Vec<&str> = key.iter().map(|c| c.quoted.as_str()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::value::Value;
    use crate::stores::postgres::key_order::SortsBy;

    fn column(sorts_by: SortsBy) -> KeyColumn {
        KeyColumn { quoted: "\"k\"".into(), type_name: "text".into(), base_type: 25, deterministic: true, sorts_by }
    }

    fn key(n: i64) -> Vec<Value> {
        vec![Value::Int(n)]
    }

    #[test]
    fn ranges_cover_everything_once() {
        assert_eq!(between(&KeyRange::default(), vec![]), [KeyRange::default()]);
        let within = KeyRange { after: Some(key(0)), upto: Some(key(9)) };
        assert_eq!(
            between(&within, vec![key(1), key(5)]),
            [
                KeyRange { after: Some(key(0)), upto: Some(key(1)) },
                KeyRange { after: Some(key(1)), upto: Some(key(5)) },
                KeyRange { after: Some(key(5)), upto: Some(key(9)) },
            ]
        );
    }

    #[test]
    fn small_tables_are_cut_exactly_and_large_ones_by_a_sample() {
        let whole = KeyRange::default();
        let unindexed = [column(SortsBy::Collation(None))];
        let indexed = [column(SortsBy::Value)];
        let large = Some(Size { pages: 100_000.0, rows: 5_000_000.0 });
        let cut = |key: &[KeyColumn], within, size| cutting("t", key, &KeyOrder::Bytes, within, 100_000, size).unwrap();
        assert_eq!(cut(&indexed, &whole, None), Cutting::Hop);
        assert_eq!(cut(&indexed, &whole, Some(Size { pages: 10.0, rows: 500_000.0 })), Cutting::Hop);
        assert!(matches!(cut(&unindexed, &whole, None), Cutting::All(sql) if sql.contains("greatest(100000, ")));
        // 50 ranges of 32 pages each are 1.6 % of the pages, and 1600 rows a range.
        assert!(matches!(cut(&indexed, &whole, large), Cutting::All(sql)
            if sql.contains("SYSTEM (1.6000)") && sql.contains("godwit_n % 1600 = 0")));
        // The inside of a range is cut exactly: it was found to differ, and is small.
        let within = KeyRange { after: Some(key(1)), upto: Some(key(2)) };
        assert_eq!(cut(&indexed, &within, large), Cutting::Hop);
    }

    #[test]
    fn a_row_is_put_into_its_range_by_halving() {
        let key_column = [column(SortsBy::Collation(None))];
        let ranges = between(&KeyRange::default(), vec![key(1), key(2)]);
        assert_eq!(
            bucket(&key_column, &KeyOrder::Bytes, &ranges).unwrap(),
            "CASE WHEN \"k\" COLLATE \"C\" <= '1'::text THEN 0 ELSE CASE WHEN \"k\" COLLATE \"C\" <= '2'::text THEN 1 ELSE 2 END END"
        );
    }
}

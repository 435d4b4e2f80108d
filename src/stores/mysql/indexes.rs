//! Indexes, the tables under them and foreign keys, from the catalogue; their use from `index_use`.

use crate::model::index::{ColumnUse, ForeignKey, Index, IndexDuty, IndexPart, Indexes, TableUse};
use crate::model::lag::Reading;
use crate::model::observation::Observation;
use crate::model::what_if::{Parameters, WhatIf};
use crate::stores::Result;
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::mysql::capability::Capability;
use crate::stores::mysql::index_use::{self, IndexUse, Switch};
use crate::stores::mysql::line::Line;
use crate::stores::mysql::missing;
use crate::stores::mysql::store::MysqlStore;
use crate::stores::mysql::watch::{Read, Reader, literal};
use crate::stores::observe::IndexStats;
use async_trait::async_trait;
use std::collections::BTreeMap;

/// Schemas whose tables are nobody's; or the one that the store is about.
pub fn ours(column: &str, scope: Option<&str>) -> String {
    match scope {
        Some(database) => format!("{column} = {}", literal(database)),
        None => format!("{column} NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema')"),
    }
}

/// What differs: MariaDB's `IGNORED` is MySQL's `IS_VISIBLE` the other way round; only MySQL has expressions.
fn parts_sql(server: &Capability, scope: Option<&str>) -> String {
    let hidden = if server.has("information_schema.statistics.ignored") {
        "IGNORED = 'YES'"
    } else if server.has("information_schema.statistics.is_visible") {
        "IS_VISIBLE = 'NO'"
    } else {
        "0"
    };
    let expression = if server.has("information_schema.statistics.expression") { "EXPRESSION" } else { "NULL" };
    format!(
        "SELECT TABLE_SCHEMA AS db, TABLE_NAME AS tbl, INDEX_NAME AS idx, NON_UNIQUE AS non_unique, SEQ_IN_INDEX AS at, COLUMN_NAME AS term,
                COLLATION AS direction, SUB_PART AS prefix, INDEX_TYPE AS method, {hidden} AS hidden, {expression} AS expression,
                CARDINALITY AS cardinality
           FROM information_schema.statistics WHERE {} ORDER BY 1, 2, 3, 5",
        ours("TABLE_SCHEMA", scope)
    )
}

fn tables_sql(scope: Option<&str>) -> String {
    format!(
        "SELECT TABLE_SCHEMA AS db, TABLE_NAME AS tbl, TABLE_ROWS AS row_estimate, DATA_LENGTH AS bytes, ENGINE AS engine
           FROM information_schema.tables WHERE TABLE_TYPE = 'BASE TABLE' AND {} ORDER BY 1, 2",
        ours("TABLE_SCHEMA", scope)
    )
}

fn columns_sql(scope: Option<&str>) -> String {
    format!(
        "SELECT TABLE_SCHEMA AS db, TABLE_NAME AS tbl, COLUMN_NAME AS name, COLUMN_TYPE AS kind, IS_NULLABLE AS nullable
           FROM information_schema.columns WHERE {} ORDER BY 1, 2, ORDINAL_POSITION",
        ours("TABLE_SCHEMA", scope)
    )
}

fn foreign_keys_sql(scope: Option<&str>) -> String {
    format!(
        "SELECT k.TABLE_SCHEMA AS db, k.TABLE_NAME AS tbl, k.CONSTRAINT_NAME AS name, k.COLUMN_NAME AS term,
                k.REFERENCED_TABLE_SCHEMA AS parent_db, k.REFERENCED_TABLE_NAME AS parent, r.DELETE_RULE AS on_delete, r.UPDATE_RULE AS on_update
           FROM information_schema.key_column_usage k
           JOIN information_schema.referential_constraints r
             ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME AND r.TABLE_NAME = k.TABLE_NAME
          WHERE k.REFERENCED_TABLE_NAME IS NOT NULL AND {} ORDER BY 1, 2, 3, k.ORDINAL_POSITION",
        ours("k.TABLE_SCHEMA", scope)
    )
}

/// InnoDB's own estimates: pages of each index, and distinct values of the first column of each. Partitions are added up.
fn sizes_sql(scope: Option<&str>) -> String {
    format!(
        "SELECT database_name AS db, SUBSTRING_INDEX(table_name, '#', 1) AS tbl, index_name AS idx,
                SUM(IF(stat_name = 'size', stat_value * @@innodb_page_size, 0)) AS bytes
           FROM mysql.innodb_index_stats WHERE stat_name = 'size' AND {} GROUP BY 1, 2, 3",
        ours("database_name", scope)
    )
}

/// Followers of this server: their counters are not in these.
const FOLLOWERS: &str =
    "SELECT DISTINCT HOST AS host FROM information_schema.processlist WHERE COMMAND LIKE 'Binlog Dump%'";

async fn read(reader: &mut Reader<'_>, switch: &Switch) -> Read<Indexes> {
    let server: Capability = reader.server().clone();
    let flavour = server.flavour;
    let scope = reader.scope();
    let scope = scope.as_deref();
    let used = index_use::read(reader, switch).await?;
    let table_rows = reader.lines(tables_sql(scope)).await?;
    if table_rows.is_empty() {
        reader.lacks(missing::tables(flavour));
    }
    let column_rows = reader.lines(columns_sql(scope)).await?;
    let part_rows = reader.lines(parts_sql(&server, scope)).await?;
    let key_rows = reader.lines(foreign_keys_sql(scope)).await?;
    let size_rows = reader.lines_or(|| missing::index_sizes(flavour), sizes_sql(scope)).await?;
    let followers = reader.lines(FOLLOWERS).await?;
    let mut tables: Vec<TableUse> = table_rows.iter().map(|row| table(row, &used)).collect();
    columns(&mut tables, &column_rows, &part_rows);
    Ok(Indexes {
        window: used.window.clone(),
        epoch: used.epoch.clone(),
        replicas_unread: followers.iter().map(|line| line.text("host")).collect(),
        follows_as: None,
        tables,
        indexes: indexes(&part_rows, &size_rows.unwrap_or_default(), &used),
        foreign_keys: foreign_keys(&key_rows),
    })
}

fn of_table(row: &Line) -> String {
    format!("{}.{}", row.text("db"), row.text("tbl"))
}

/// A row of `information_schema.tables` with its counters.
fn table(row: &Line, used: &IndexUse) -> TableUse {
    let name = of_table(row);
    let counts = used.of_table(&name).unwrap_or_default();
    let unknown = |why: &str| Reading::Unknown(why.to_owned());
    let told = |column: &str| row.number(column).map_or_else(|| unknown("the server does not tell"), Reading::Known);
    TableUse {
        rows: told("row_estimate"),
        bytes: told("bytes"),
        full_scans: unknown("the server counts rows that scans read, not scans"),
        full_scan_rows: used.count(counts.full_scan_rows),
        index_scans: unknown("the server counts rows that were read by index, not scans"),
        inserted: used.count(counts.inserted),
        updated: used.count(counts.updated),
        updated_in_place: unknown("InnoDB has no such updates"),
        deleted: used.count(counts.deleted),
        columns: Vec::new(),
        table: name,
    }
}

/// Columns of the tables; how many distinct values one has is told by an index that begins with it.
fn columns(tables: &mut [TableUse], column_rows: &[Line], part_rows: &[Line]) {
    let mut distinct: BTreeMap<(String, String), f64> = BTreeMap::new();
    for part in part_rows.iter().filter(|part| part.number("at") == Some(1) && part.raw("prefix").is_none()) {
        if let Some(cardinality) = part.real("cardinality") {
            let known = distinct.entry((of_table(part), part.text("term"))).or_default();
            *known = known.max(cardinality);
        }
    }
    let mut by_table: BTreeMap<String, Vec<ColumnUse>> = BTreeMap::new();
    for row in column_rows {
        let (table, name) = (of_table(row), row.text("name"));
        by_table.entry(table.clone()).or_default().push(ColumnUse {
            distinct: distinct.get(&(table, name.clone())).copied(),
            name,
            kind: row.text("kind"),
            width: None,
            nulls: None,
            common: Vec::new(),
            nullable: row.is_set("nullable"),
        });
    }
    for table in tables {
        table.columns = by_table.remove(&table.table).unwrap_or_default();
    }
}

/// From the parts of all indexes, in order.
pub fn indexes(part_rows: &[Line], size_rows: &[Line], used: &IndexUse) -> Vec<Index> {
    let sizes: BTreeMap<(String, String), u64> =
        size_rows.iter().filter_map(|row| Some(((of_table(row), row.text("idx")), row.number("bytes")?))).collect();
    let mut indexes: Vec<Index> = Vec::new();
    for row in part_rows {
        let (table, name) = (of_table(row), row.text("idx"));
        let is_next = indexes.last().is_some_and(|index| index.table == table && index.name == name);
        if !is_next {
            indexes.push(index(row, &table, &name, &sizes, used));
        }
        if let Some(index) = indexes.last_mut() {
            index.parts.push(part(row));
        }
    }
    for index in &mut indexes {
        index.definition = definition(index);
    }
    indexes
}

fn index(row: &Line, table: &str, name: &str, sizes: &BTreeMap<(String, String), u64>, used: &IndexUse) -> Index {
    let unique = row.number("non_unique") == Some(0);
    let primary = name == "PRIMARY";
    let size = sizes.get(&(table.to_owned(), name.to_owned()));
    Index {
        table: table.to_owned(),
        name: name.to_owned(),
        method: row.text("method").to_lowercase(),
        parts: Vec::new(),
        include: Vec::new(),
        predicate: String::new(),
        nulls_not_distinct: false,
        duty: IndexDuty {
            unique,
            primary,
            // Every unique index is a constraint here, and carries its name.
            constraint: unique.then(|| name.to_owned()),
            // InnoDB keeps the rows in the primary key.
            clustered: primary,
            ..IndexDuty::default()
        },
        valid: true,
        being_built: false,
        hidden: row.is_set("hidden"),
        bytes: size.map_or_else(
            || Reading::Unknown("mysql.innodb_index_stats has no size of it".to_owned()),
            |bytes| Reading::Known(*bytes),
        ),
        scans: used.of_index(table, name),
        last_scan: None,
        definition: String::new(),
    }
}

fn part(row: &Line) -> IndexPart {
    let expression = row.some("expression");
    IndexPart {
        is_expression: expression.is_some(),
        term: expression.unwrap_or_else(|| row.text("term")),
        operator_class: String::new(),
        collation: String::new(),
        descending: row.raw("direction") == Some("D"),
        // NULLs sort before all other values.
        nulls_first: row.raw("direction") != Some("D"),
        prefix: row.number("prefix").and_then(|length| u32::try_from(length).ok()),
    }
}

/// The statement that makes it; the server prints only whole tables.
fn definition(index: &Index) -> String {
    let quote = |name: &str| format!("`{}`", name.replace('`', "``"));
    let table = index
        .table
        .split_once('.')
        .map_or_else(|| quote(&index.table), |(db, t)| format!("{}.{}", quote(db), quote(t)));
    let parts: Vec<String> = index
        .parts
        .iter()
        .map(|part| {
            let term = if part.is_expression { format!("({})", part.term) } else { quote(&part.term) };
            let prefix = part.prefix.map_or_else(String::new, |length| format!("({length})"));
            format!("{term}{prefix}{}", if part.descending { " DESC" } else { "" })
        })
        .collect();
    let parts = parts.join(", ");
    if index.duty.primary {
        return format!("ALTER TABLE {table} ADD PRIMARY KEY ({parts})");
    }
    let kind = match index.method.as_str() {
        "fulltext" => "FULLTEXT ",
        "spatial" => "SPATIAL ",
        _ if index.duty.unique => "UNIQUE ",
        _ => "",
    };
    let method = if index.method == "hash" { " USING HASH" } else { "" };
    format!("CREATE {kind}INDEX {} ON {table} ({parts}){method}", quote(&index.name))
}

/// One key for each name, columns in the constraint's order.
pub fn foreign_keys(rows: &[Line]) -> Vec<ForeignKey> {
    let mut keys: Vec<ForeignKey> = Vec::new();
    for row in rows {
        let (table, name) = (of_table(row), row.text("name"));
        if !keys.last().is_some_and(|key| key.table == table && key.name == name) {
            let acts = |column: &str| !matches!(row.raw(column), Some("RESTRICT" | "NO ACTION"));
            keys.push(ForeignKey {
                name,
                table,
                columns: Vec::new(),
                parent: format!("{}.{}", row.text("parent_db"), row.text("parent")),
                cascades: acts("on_delete") || acts("on_update"),
            });
        }
        if let Some(key) = keys.last_mut() {
            key.columns.push(row.text("term"));
        }
    }
    keys
}

#[async_trait]
impl IndexStats for MysqlStore {
    async fn indexes(&self) -> Result<Observation<Indexes>> {
        let switch = self.user_statistics();
        self.watch().look(async |reader| read(reader, switch).await).await
    }

    async fn what_if(&self, _statement: &str, _: &Parameters, _candidates: &[String]) -> Result<WhatIf> {
        Err(self.connector().error(
            Operation::Inspect,
            ErrorKind::Unsupported,
            "the server has no hypothetical indexes; gains are estimated from the rows that statements examine",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::observation::Window;
    use crate::stores::mysql::line::recorded;
    use chrono::DateTime;

    fn used() -> IndexUse {
        let window = Window { since: DateTime::UNIX_EPOCH, proof: String::new() };
        index_use::of_performance_schema(&recorded::lines("mysql-8.0-indexes", "index_usage"), window, String::new())
    }

    #[test]
    fn mysql_8_indexes_with_expressions_prefixes_and_invisible_ones() {
        let rows = recorded::lines("mysql-8.0-indexes", "statistics");
        let indexes = indexes(&rows, &recorded::lines("mysql-8.0-indexes", "innodb_index_stats"), &used());
        let definitions: Vec<&str> = indexes.iter().map(|index| index.definition.as_str()).collect();
        assert_eq!(
            definitions,
            [
                "CREATE INDEX `by_lower` ON `shop`.`orders` ((lower(`mail`)))",
                "CREATE INDEX `by_note` ON `shop`.`orders` (`note`(10), `created` DESC)",
                "ALTER TABLE `shop`.`orders` ADD PRIMARY KEY (`id`)",
                "CREATE UNIQUE INDEX `uq_number` ON `shop`.`orders` (`number`)",
            ]
        );
        assert!(indexes[1].hidden && !indexes[0].hidden);
        assert_eq!((indexes[1].parts[0].prefix, indexes[1].parts[1].descending), (Some(10), true));
        assert!(indexes[2].duty.primary && indexes[2].duty.clustered && indexes[3].duty.unique);
        assert_eq!(indexes[2].bytes, Reading::Known(16_384));
        assert!(matches!(indexes[0].bytes, Reading::Unknown(_)));
        assert_eq!((&indexes[2].scans, &indexes[1].scans), (&Reading::Known(900), &Reading::Known(0)));
    }

    #[test]
    fn foreign_keys_have_their_columns_in_order() {
        let keys = foreign_keys(&recorded::lines("mysql-8.0-indexes", "foreign_keys"));
        assert_eq!(keys.len(), 2);
        assert_eq!(
            (keys[0].columns.join(","), keys[0].parent.as_str(), keys[0].cascades),
            ("a,b".to_owned(), "shop.orders", true)
        );
        assert!(!keys[1].cascades);
    }
}

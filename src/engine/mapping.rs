//! Fixing a pipeline's mapping from the source's catalogue.

use crate::config::profile::{Pipeline, TableRule};
use crate::engine::core::Core;
use crate::engine::steps::step::StepError;
use crate::model::ids::PipelineId;
use crate::model::table::{ColumnMap, Generation, RowIdentity, Table, TableMap, TableName};

/// `schema.table` or `table` as a name. The schema ends at the first dot; names with dots of their own are not supported by profiles.
pub fn table_name(text: &str) -> TableName {
    match text.split_once('.') {
        Some((schema, name)) => TableName::in_schema(schema, name),
        None => TableName::bare(text),
    }
}

/// The mapping of a pipeline: the fixed one when the journal has it, else read from the source now.
///
/// # Errors
/// [`StepError`] when the source cannot be read or a table cannot be carried.
pub async fn resolve(core: &Core, id: &PipelineId) -> Result<Vec<TableMap>, StepError> {
    match core.maps(id) {
        Some(maps) => Ok(maps),
        None => read(core, core.pipeline(id)?).await,
    }
}

/// Reads the mapping from the source's catalogue.
///
/// # Errors
/// [`StepError`] when the source cannot be read or a table cannot be carried.
pub async fn read(core: &Core, pipeline: &Pipeline) -> Result<Vec<TableMap>, StepError> {
    let store = core.store(&pipeline.from)?;
    let mut maps = Vec::with_capacity(pipeline.tables.len());
    for rule in &pipeline.tables {
        let table = store.inventory().table(&table_name(&rule.from)).await?;
        maps.push(map(rule, &table)?);
    }
    Ok(maps)
}

/// One table's mapping: its columns without computed and excluded ones, renamed as the rule says.
fn map(rule: &TableRule, table: &Table) -> Result<TableMap, StepError> {
    let unknown = rule
        .exclude
        .iter()
        .chain(rule.rename.iter().map(|(from, _)| from))
        .find(|name| !table.columns.iter().any(|c| c.name == **name));
    if let Some(name) = unknown {
        return Err(StepError::mend(
            format!("{}: the profile names the column {name}, which the table does not have", rule.from),
            "mend the profile and restart the engine",
        ));
    }
    let columns: Vec<ColumnMap> = table
        .columns
        .iter()
        .filter(|c| c.generation != Generation::Computed && !rule.exclude.contains(&c.name))
        .map(|c| ColumnMap {
            source: c.name.clone(),
            target: rule.rename.iter().find(|(from, _)| *from == c.name).map_or(&c.name, |(_, to)| to).clone(),
            source_type: c.type_name.clone(),
            target_type: c.type_name.clone(),
        })
        .collect();
    let key = match &table.identity {
        RowIdentity::Key(names) => names
            .iter()
            .map(|name| {
                columns.iter().position(|c| c.source == *name).ok_or_else(|| {
                    StepError::mend(
                        format!("{}: the key column {name} is left out of the mapping", rule.from),
                        "take it out of `exclude`: rows are told apart by it",
                    )
                })
            })
            .collect::<Result<Vec<usize>, StepError>>()?,
        RowIdentity::FullRow => Vec::new(),
        RowIdentity::Missing => {
            return Err(StepError::mend(
                format!("{} has no primary key, so its changes cannot be carried", rule.from),
                "add a primary key (PostgreSQL: or REPLICA IDENTITY FULL); `godwit check` prints the statement",
            ));
        }
    };
    Ok(TableMap { source: table.name.clone(), target: target_name(rule, &table.name), columns, key })
}

/// The mapping of a table that was made on the target: everything under its own name, the table as `source` on the source.
///
/// # Errors
/// Why its rows cannot be carried, with what would help.
pub fn same(source: TableName, table: &Table) -> Result<TableMap, String> {
    let columns: Vec<ColumnMap> = table
        .columns
        .iter()
        .filter(|c| c.generation != Generation::Computed)
        .map(|c| ColumnMap {
            source: c.name.clone(),
            target: c.name.clone(),
            source_type: c.type_name.clone(),
            target_type: c.type_name.clone(),
        })
        .collect();
    let key = match &table.identity {
        RowIdentity::Key(names) => {
            names.iter().filter_map(|name| columns.iter().position(|c| c.source == *name)).collect::<Vec<_>>()
        }
        RowIdentity::FullRow => Vec::new(),
        RowIdentity::Missing => {
            return Err("it has no primary key, so its changes cannot be carried; add one".to_owned());
        }
    };
    if matches!(&table.identity, RowIdentity::Key(names) if names.len() != key.len()) {
        return Err("a column of its key is computed; give it a key of plain columns".to_owned());
    }
    Ok(TableMap { source, target: table.name.clone(), columns, key })
}

/// The target's name: as the rule says; without a schema in the rule, the source's schema.
fn target_name(rule: &TableRule, source: &TableName) -> TableName {
    let named = table_name(&rule.to);
    TableName { schema: named.schema.or_else(|| source.schema.clone()), name: named.name }
}

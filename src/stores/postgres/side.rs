//! The names by which one side of a mapping goes.

use crate::model::table::{ColumnMap, TableMap, TableName};
use crate::stores::MapSide;

/// The table's name on a side.
pub fn table(map: &TableMap, side: MapSide) -> &TableName {
    match side {
        MapSide::Source => &map.source,
        MapSide::Target => &map.target,
    }
}

/// A column's name on a side.
pub fn column(column: &ColumnMap, side: MapSide) -> &str {
    match side {
        MapSide::Source => &column.source,
        MapSide::Target => &column.target,
    }
}

/// The opposite side.
pub fn other(side: MapSide) -> MapSide {
    match side {
        MapSide::Source => MapSide::Target,
        MapSide::Target => MapSide::Source,
    }
}

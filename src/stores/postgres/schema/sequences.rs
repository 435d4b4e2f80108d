//! Sequences that defaults and identity columns draw from.

use crate::model::schema::SchemaPart;
use crate::model::table::{TableMap, TableName};
use crate::stores::postgres::quote;
use crate::stores::postgres::schema::object::Object;
use crate::stores::postgres::schema::relations::SourceRelation;
use crate::stores::postgres::schema::script::Builder;
use crate::stores::postgres::sequences::{SequenceUse, counterpart, uses};
use sqlx::postgres::PgConnection;

/// A sequence behind a mapped column.
#[derive(Clone, Debug)]
pub struct MappedSequence {
    /// Position of the mapping.
    pub map: usize,
    /// Which column uses it and how.
    pub used: SequenceUse,
    /// Name on the target.
    pub target: TableName,
    /// The table on the target.
    pub target_table: TableName,
    /// The column on the target.
    pub target_column: String,
    /// `AS bigint`, or nothing for an identity column, whose sequence takes the column's type.
    pub type_name: String,
    /// Start, step, bounds, cache, cycle.
    pub parameters: String,
}

/// Reads the sequences behind mapped columns.
pub async fn read(
    connection: &mut PgConnection,
    maps: &[TableMap],
    relations: &[SourceRelation],
) -> Result<Vec<MappedSequence>, sqlx::Error> {
    let tables: Vec<TableName> = maps.iter().map(|m| m.source.clone()).collect();
    let mut found = Vec::new();
    for used in uses(connection, &tables).await? {
        let Some(map) = usize::try_from(used.n - 1).ok() else { continue };
        let Some(root) = relations.iter().find(|r| r.map == map && r.parent.is_none()) else { continue };
        let Some(target_column) = root.target_column(&used.column) else { continue };
        let sequence = used.sequence();
        let (type_name, parameters): (String, String) = sqlx::query_as(
            "SELECT format_type(seqtypid, NULL),
                    format('START WITH %s INCREMENT BY %s MINVALUE %s MAXVALUE %s CACHE %s', seqstart, seqincrement, seqmin, seqmax, seqcache)
                    || CASE WHEN seqcycle THEN ' CYCLE' ELSE '' END
               FROM pg_sequence WHERE seqrelid = $1::regclass",
        )
        .bind(quote::table(&sequence))
        .fetch_one(&mut *connection)
        .await?;
        found.push(MappedSequence {
            map,
            target: counterpart(&sequence, &root.source, &root.target),
            target_table: root.target.clone(),
            target_column,
            used,
            type_name,
            parameters,
        });
    }
    Ok(found)
}

impl MappedSequence {
    /// True for an identity column's sequence, which is made with its table.
    pub fn is_identity(&self) -> bool {
        self.used.dependency == "i"
    }

    /// The parenthesis of `GENERATED ... AS IDENTITY (...)`.
    pub fn identity_options(&self) -> String {
        format!("SEQUENCE NAME {} {}", quote::table(&self.target), self.parameters)
    }
}

/// Adds the sequences that are not identity columns' own.
pub fn add(builder: &mut Builder, sequences: &[MappedSequence]) {
    for sequence in sequences.iter().filter(|s| !s.is_identity()) {
        let quoted = quote::table(&sequence.target);
        builder.add(
            SchemaPart::Tables,
            Object::Sequence(sequence.target.clone()),
            format!("CREATE SEQUENCE {quoted} AS {} {}", sequence.type_name, sequence.parameters),
            format!("DROP SEQUENCE {quoted}"),
        );
    }
}

/// Adds the links from sequences to the columns that own them; the tables are there by then. The undo runs before the table's, so that
/// dropping the table does not take the sequence along unnoticed.
pub fn add_owners(builder: &mut Builder, sequences: &[MappedSequence]) {
    for sequence in sequences.iter().filter(|s| s.used.dependency == "a") {
        let quoted = quote::table(&sequence.target);
        let owner = format!("{}.{}", quote::table(&sequence.target_table), quote::ident(&sequence.target_column));
        builder.add(
            SchemaPart::Tables,
            Object::SequenceOwner(sequence.target.clone()),
            format!("ALTER SEQUENCE {quoted} OWNED BY {owner}"),
            format!("ALTER SEQUENCE {quoted} OWNED BY NONE"),
        );
    }
}

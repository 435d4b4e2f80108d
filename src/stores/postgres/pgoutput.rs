//! Decoder of the `pgoutput` plugin's messages, protocol version 1, text values.
//!
//! Pure: bytes in, words out. Invariant: no input makes it panic or allocate more than a small multiple of the input's size.
//! Source: PostgreSQL documentation, "Logical Replication Message Formats".

use super::wire::cursor::{Cursor, Malformed};

/// One message. Text borrows from the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Start of a transaction that has committed on the source.
    Begin {
        /// Where its commit record begins.
        final_lsn: u64,
        /// Commit time, microseconds since 2000-01-01.
        committed_at_us: i64,
        /// Transaction id.
        xid: u32,
    },
    /// End of a transaction.
    Commit {
        /// Where the commit record ends: the position after which nothing of it is needed again.
        end_lsn: u64,
        /// Commit time, microseconds since 2000-01-01.
        committed_at_us: i64,
    },
    /// The transaction was replicated into this server under a replication origin.
    Origin {
        /// The origin's name.
        name: &'a str,
    },
    /// A table's shape, sent before its first row and after each change of it.
    Relation(Relation<'a>),
    /// A user-defined type, sent before a relation that uses it; not needed for text values.
    Type,
    /// A new row.
    Insert {
        /// The table.
        relation: u32,
        /// The row.
        new: Tuple<'a>,
    },
    /// A changed row.
    Update {
        /// The table.
        relation: u32,
        /// The identity before the change; absent when it did not change and the identity is not full.
        old: Option<OldImage<'a>>,
        /// The row.
        new: Tuple<'a>,
    },
    /// A deleted row.
    Delete {
        /// The table.
        relation: u32,
        /// Its identity.
        old: OldImage<'a>,
    },
    /// All rows of these tables are gone.
    Truncate {
        /// The tables.
        relations: Vec<u32>,
    },
    /// A message written by `pg_logical_emit_message`.
    Custom {
        /// Where it lies in the log.
        lsn: u64,
        /// Who it is for.
        prefix: &'a str,
        /// Its content.
        content: &'a [u8],
    },
}

/// A table's shape as it was when the following rows were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation<'a> {
    /// Its id in the messages that follow.
    pub id: u32,
    /// Schema; empty means `pg_catalog`.
    pub schema: &'a str,
    /// Name.
    pub name: &'a str,
    /// True with `REPLICA IDENTITY FULL`.
    pub full_identity: bool,
    /// Columns in the order of the row images. Computed columns are not among them.
    pub columns: Vec<RelationColumn<'a>>,
}

/// One column of a [`Relation`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelationColumn<'a> {
    /// True when it belongs to the replica identity.
    pub key: bool,
    /// Name.
    pub name: &'a str,
    /// Type oid on the source.
    pub type_oid: u32,
    /// Type modifier, -1 for none.
    pub modifier: i32,
}

/// The values of a row in the relation's column order.
pub type Tuple<'a> = Vec<Field<'a>>;

/// One value of a row image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field<'a> {
    /// NULL, or a column that is not part of a key image.
    Null,
    /// A value that was stored out of line and did not change: the log does not carry it.
    Unchanged,
    /// The value in text form.
    Text(&'a str),
}

/// What identified a row before it was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OldImage<'a> {
    /// Only the identity's columns are set.
    Key(Tuple<'a>),
    /// The whole row.
    Row(Tuple<'a>),
}

impl<'a> OldImage<'a> {
    /// The fields, whichever kind.
    pub fn fields(&self) -> &[Field<'a>] {
        match self {
            Self::Key(fields) | Self::Row(fields) => fields,
        }
    }
}

/// Decodes one message.
pub fn decode(bytes: &[u8]) -> Result<Message<'_>, Malformed> {
    let mut cursor = Cursor::new(bytes);
    let message = match cursor.u8()? {
        b'B' => Message::Begin { final_lsn: cursor.u64()?, committed_at_us: cursor.i64()?, xid: cursor.u32()? },
        b'C' => {
            let _flags = cursor.u8()?;
            let _commit_lsn = cursor.u64()?;
            Message::Commit { end_lsn: cursor.u64()?, committed_at_us: cursor.i64()? }
        }
        b'O' => {
            let _origin_lsn = cursor.u64()?;
            Message::Origin { name: cursor.text()? }
        }
        b'R' => Message::Relation(relation(&mut cursor)?),
        b'Y' => {
            cursor.u32()?;
            cursor.text()?;
            cursor.text()?;
            Message::Type
        }
        b'I' => {
            let relation = cursor.u32()?;
            expect(&mut cursor, b'N')?;
            Message::Insert { relation, new: tuple(&mut cursor)? }
        }
        b'U' => update(&mut cursor)?,
        b'D' => {
            let relation = cursor.u32()?;
            let kind = cursor.u8()?;
            Message::Delete { relation, old: old_image(kind, &mut cursor)? }
        }
        b'T' => truncate(&mut cursor)?,
        b'M' => {
            let _transactional = cursor.u8()?;
            let lsn = cursor.u64()?;
            let prefix = cursor.text()?;
            let content = cursor.sized()?.ok_or(Malformed("a message has no content"))?;
            Message::Custom { lsn, prefix, content }
        }
        _ => return Err(Malformed("its type is not known to this version of Godwit")),
    };
    if cursor.rest().is_empty() { Ok(message) } else { Err(Malformed("it is longer than its fields say")) }
}

fn relation<'a>(cursor: &mut Cursor<'a>) -> Result<Relation<'a>, Malformed> {
    let (id, schema, name) = (cursor.u32()?, cursor.text()?, cursor.text()?);
    let full_identity = cursor.u8()? == b'f';
    let count = cursor.u16()?;
    let mut columns = Vec::new();
    for _ in 0..count {
        columns.push(RelationColumn {
            key: cursor.u8()? & 1 == 1,
            name: cursor.text()?,
            type_oid: cursor.u32()?,
            modifier: cursor.i32()?,
        });
    }
    Ok(Relation { id, schema, name, full_identity, columns })
}

fn update<'a>(cursor: &mut Cursor<'a>) -> Result<Message<'a>, Malformed> {
    let relation = cursor.u32()?;
    let old = match cursor.u8()? {
        b'N' => None,
        kind => {
            let old = old_image(kind, cursor)?;
            expect(cursor, b'N')?;
            Some(old)
        }
    };
    Ok(Message::Update { relation, old, new: tuple(cursor)? })
}

fn truncate<'a>(cursor: &mut Cursor<'a>) -> Result<Message<'a>, Malformed> {
    let count = cursor.u32()?;
    let _options = cursor.u8()?;
    let mut relations = Vec::new();
    for _ in 0..count {
        relations.push(cursor.u32()?);
    }
    Ok(Message::Truncate { relations })
}

fn expect(cursor: &mut Cursor<'_>, tag: u8) -> Result<(), Malformed> {
    if cursor.u8()? == tag { Ok(()) } else { Err(Malformed("a row image is missing")) }
}

fn old_image<'a>(kind: u8, cursor: &mut Cursor<'a>) -> Result<OldImage<'a>, Malformed> {
    match kind {
        b'K' => tuple(cursor).map(OldImage::Key),
        b'O' => tuple(cursor).map(OldImage::Row),
        _ => Err(Malformed("an old row image has an unknown kind")),
    }
}

fn tuple<'a>(cursor: &mut Cursor<'a>) -> Result<Tuple<'a>, Malformed> {
    let count = usize::from(cursor.u16()?);
    // Every field takes at least one byte, so a lying count cannot make this reserve more than the message is long.
    let mut fields = Vec::with_capacity(count.min(cursor.rest().len()));
    for _ in 0..count {
        fields.push(match cursor.u8()? {
            b'n' => Field::Null,
            b'u' => Field::Unchanged,
            b't' => {
                let value = cursor.sized()?.ok_or(Malformed("a value has no length"))?;
                Field::Text(std::str::from_utf8(value).map_err(|_| Malformed("a value is not UTF-8"))?)
            }
            b'b' => return Err(Malformed("a value is in binary form, which was not asked for")),
            _ => return Err(Malformed("a value has an unknown kind")),
        });
    }
    Ok(fields)
}

#[cfg(test)]
mod tests;

//! Statements with text rows: simple protocol, and one-off parameters.

use super::connection::{Connection, unexpected};
use super::cursor::Cursor;
use super::failure::{Failure, Outcome};
use bytes::Bytes;
use postgres_protocol::message::frontend;

/// A row in text form; `None` is NULL.
pub type TextRow = Vec<Option<String>>;

/// What one statement brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Column names; empty for a statement without rows.
    pub columns: Vec<String>,
    /// Rows.
    pub rows: Vec<TextRow>,
    /// Rows inserted, updated, deleted, copied or selected, by the command tag.
    pub affected: u64,
}

impl Answer {
    /// The value in the first row's column of this name.
    pub fn value(&self, column: &str) -> Option<&str> {
        let at = self.columns.iter().position(|c| c == column)?;
        self.rows.first()?.get(at)?.as_deref()
    }
}

impl Connection {
    /// Runs one or several statements by the simple protocol (several form one implicit transaction) and returns the last answer.
    pub async fn query(&mut self, sql: &str) -> Outcome<Answer> {
        self.begin()?;
        frontend::query(sql, &mut self.outbox)?;
        self.flush().await?;
        let mut answer = Answer::default();
        loop {
            let (tag, body) = self.message().await?;
            match tag {
                b'T' => answer = Answer { columns: column_names(&body)?, ..Answer::default() },
                b'D' => answer.rows.push(text_row(&body)?),
                b'C' => answer.affected = affected(&body)?,
                b'I' => {}
                b'E' => return Err(self.recover(&body).await),
                b'Z' => return Ok(answer),
                tag => return Err(unexpected(tag, "a query")),
            }
        }
    }

    /// Runs one statement with text parameters, whose types the server infers.
    pub async fn query_with(&mut self, sql: &str, parameters: &[Option<&str>]) -> Outcome<Answer> {
        self.begin()?;
        frontend::parse("", sql, [], &mut self.outbox)?;
        frontend::describe(b'S', "", &mut self.outbox)?;
        self.queue_bind("", parameters.iter().map(|p| p.map(str::as_bytes)), false)?;
        frontend::execute("", 0, &mut self.outbox)?;
        frontend::sync(&mut self.outbox);
        self.flush().await?;
        let mut answer = Answer::default();
        loop {
            let (tag, body) = self.message().await?;
            match tag {
                b'T' => answer.columns = column_names(&body)?,
                b'D' => answer.rows.push(text_row(&body)?),
                b'C' => answer.affected = affected(&body)?,
                // ParseComplete, BindComplete, ParameterDescription, NoData, EmptyQueryResponse.
                b'1' | b'2' | b't' | b'n' | b'I' => {}
                b'E' => return Err(self.recover(&body).await),
                b'Z' => return Ok(answer),
                tag => return Err(unexpected(tag, "a query")),
            }
        }
    }

    /// Queues a Bind of the unnamed portal. Parameters are in binary form where `binary`, else in text form.
    pub(super) fn queue_bind<'a>(
        &mut self,
        statement: &str,
        parameters: impl IntoIterator<Item = Option<&'a [u8]>>,
        binary: bool,
    ) -> Outcome<()> {
        let write = |value: Option<&[u8]>, out: &mut bytes::BytesMut| match value {
            None => Ok(postgres_protocol::IsNull::Yes),
            Some(value) => {
                out.extend_from_slice(value);
                Ok(postgres_protocol::IsNull::No)
            }
        };
        frontend::bind("", statement, [i16::from(binary)], parameters, write, [0], &mut self.outbox).map_err(
            |e| match e {
                frontend::BindError::Conversion(e) => Failure::Protocol(e.to_string()),
                frontend::BindError::Serialization(e) => Failure::Protocol(e.to_string()),
            },
        )
    }
}

/// The names in a RowDescription.
fn column_names(body: &Bytes) -> Outcome<Vec<String>> {
    let mut cursor = Cursor::new(body);
    let mut names = Vec::new();
    for _ in 0..cursor.u16()? {
        names.push(cursor.text()?.to_owned());
        cursor.take(18)?;
    }
    Ok(names)
}

/// The values in a DataRow.
fn text_row(body: &Bytes) -> Outcome<TextRow> {
    let mut cursor = Cursor::new(body);
    let mut row = Vec::new();
    for _ in 0..cursor.u16()? {
        row.push(match cursor.sized()? {
            None => None,
            Some(value) => Some(
                std::str::from_utf8(value).map_err(|_| Failure::Protocol("a value is not UTF-8".into()))?.to_owned(),
            ),
        });
    }
    Ok(row)
}

/// The row count of a command tag such as `INSERT 0 5`, `COPY 7`; 0 where there is none.
pub(super) fn affected(body: &Bytes) -> Outcome<u64> {
    let tag = Cursor::new(body).text()?;
    Ok(tag.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn command_tags_carry_counts() {
        for (tag, count) in [("INSERT 0 5", 5), ("COPY 7", 7), ("BEGIN", 0), ("CREATE TABLE", 0), ("SELECT 12", 12)] {
            assert_eq!(affected(&Bytes::from(format!("{tag}\0"))).unwrap(), count);
        }
        assert!(affected(&Bytes::from_static(b"COPY 7")).is_err());
    }

    #[test]
    fn rows_tell_null_from_empty() {
        let body = Bytes::from_static(b"\0\x03\xff\xff\xff\xff\0\0\0\0\0\0\0\x02hi");
        assert_eq!(text_row(&body).unwrap(), [None, Some(String::new()), Some("hi".to_owned())]);
        assert!(text_row(&body.slice(..body.len() - 1)).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let body = Bytes::from(body);
            let _ = (column_names(&body), text_row(&body), affected(&body));
        }
    }
}

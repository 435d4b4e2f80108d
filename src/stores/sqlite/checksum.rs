//! Comparing: SQLite has no hash in its SQL, so rows are read into this process (where the "server" is anyway) and hashed here.
//!
//! A row is written as its values one after the other, each as a byte for its class, its length and its bytes, and hashed with
//! 128-bit XXH3. Rows are combined by a wrapping sum: it does not depend on their order, and unlike xor it does not cancel
//! when a row is there twice (or any difference is repeated an even number of times).
//!
//! A range of keys means the same rows on both sides only if both walk their keys in the same order. So a method's name says the
//! order: plain it is that of bytes, which every table can give; with collations behind it, that of a key with these collations,
//! which such a table gives from its index. Two sides agree on the second only if their keys are declared alike.

use super::catalogue;
use super::connect::Mode;
use super::keys::{KeyOrder, KeyedTable};
use super::row::Args;
use super::session::Session;
use super::store::SqliteStore;
use crate::model::table::{ColumnMap, TableMap};
use crate::model::value::{Key, Row, Value};
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::{Checksum, KeyRange, MapSide, RangeSum, Result};
use async_trait::async_trait;
use xxhash_rust::xxh3::Xxh3;

/// The method in the order of bytes; the number changes when the encoding does.
const METHOD: &str = "sqlite-xxh3-v1";

/// Hashes rows, reusing its buffer.
#[derive(Default)]
struct RowHasher {
    encoded: Vec<u8>,
}

impl RowHasher {
    fn hash(&mut self, row: &Row) -> u128 {
        self.encoded.clear();
        for value in row {
            match value {
                Value::Null => self.add(0, &[]),
                Value::Int(v) => self.add(1, &v.to_le_bytes()),
                Value::Float(v) => self.add(2, &v.to_bits().to_le_bytes()),
                Value::Text(v) => self.add(3, v.as_bytes()),
                Value::Bytes(v) => self.add(4, v),
                Value::Literal(v) => self.add(5, v.as_bytes()),
            }
        }
        let mut hasher = Xxh3::new();
        hasher.update(&self.encoded);
        hasher.digest128()
    }

    fn add(&mut self, class: u8, bytes: &[u8]) {
        self.encoded.push(class);
        self.encoded.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.encoded.extend_from_slice(bytes);
    }
}

impl SqliteStore {
    fn walked(&self, map: &TableMap, side: MapSide, method: &str) -> Result<KeyedTable> {
        let order = match method.strip_prefix(METHOD) {
            Some("") => KeyOrder::Binary,
            Some(collations) if collations.starts_with('+') => KeyOrder::Own,
            _ => return Err(self.db.error(Operation::Compare, ErrorKind::Unsupported, format!("no method {method}"))),
        };
        Ok(KeyedTable::of(map, side).ordered(order))
    }

    async fn each_row(
        &self,
        map: &TableMap,
        side: MapSide,
        range: &KeyRange,
        method: &str,
        mut each: impl FnMut(&KeyedTable, Row) + Send,
    ) -> Result<()> {
        let keyed = self.walked(map, side, method)?;
        let mut session = self.db.open(Mode::Read, Operation::Compare).await?;
        let args = keyed.arguments(&session, range)?;
        // One statement is one view: a range is never half before and half after a commit.
        let decoder = keyed.decoder(&session);
        session
            .each_row(&keyed.select(range, None), args, |raw| {
                each(&keyed, decoder.decode(raw)?);
                Ok(())
            })
            .await
    }
}

#[async_trait]
impl Checksum for SqliteStore {
    async fn methods(&self, map: &TableMap, side: MapSide) -> Result<Vec<String>> {
        let mut session = self.db.open(Mode::Read, Operation::Compare).await?;
        let (name, key): (_, Vec<&str>) = match side {
            MapSide::Source => (&map.source, key_columns(map).map(|c| c.source.as_str()).collect()),
            MapSide::Target => (&map.target, key_columns(map).map(|c| c.target.as_str()).collect()),
        };
        let collations = catalogue::find(&mut session, name).await?.and_then(|found| found.collations_of(&key));
        let own = collations.filter(|all| all.iter().any(|name| !name.eq_ignore_ascii_case("BINARY")));
        let own = own.map(|all| format!("{METHOD}+{}", all.join("+").to_ascii_lowercase()));
        Ok(own.into_iter().chain([METHOD.to_owned()]).collect())
    }

    async fn reads_in_order(&self, map: &TableMap, side: MapSide, method: &str) -> Result<bool> {
        // A range is a search in the key's index. Where the index has other collations each one is a scan: sums do not share scans here.
        self.walked(map, side, method).map(|_| true)
    }

    async fn ranges(
        &self,
        map: &TableMap,
        side: MapSide,
        within: &KeyRange,
        rows: u64,
        method: &str,
    ) -> Result<Vec<KeyRange>> {
        let keyed = self.walked(map, side, method)?;
        let mut session = self.db.open(Mode::Read, Operation::Compare).await?;
        keyed.ranges(&mut session, within, rows).await
    }

    async fn sums(&self, map: &TableMap, side: MapSide, ranges: &[KeyRange], method: &str) -> Result<Vec<RangeSum>> {
        let mut sums = Vec::with_capacity(ranges.len());
        for range in ranges {
            let (mut sum, mut hasher) = (RangeSum::default(), RowHasher::default());
            self.each_row(map, side, range, method, |_, row| {
                sum.rows += 1;
                sum.hash = sum.hash.wrapping_add(hasher.hash(&row));
            })
            .await?;
            sums.push(sum);
        }
        Ok(sums)
    }

    async fn row_sums(
        &self,
        map: &TableMap,
        side: MapSide,
        range: &KeyRange,
        method: &str,
    ) -> Result<Vec<(Key, u128)>> {
        let (mut sums, mut hasher) = (Vec::new(), RowHasher::default());
        let keyless = map.key.is_empty();
        self.each_row(map, side, range, method, |keyed, row| {
            let hash = hasher.hash(&row);
            let key = if keyless { vec![Value::Bytes(hash.to_be_bytes().to_vec())] } else { keyed.key_of(&row) };
            sums.push((key, hash));
        })
        .await?;
        Ok(sums)
    }

    async fn rows(&self, map: &TableMap, side: MapSide, keys: &[Key]) -> Result<Vec<Option<Row>>> {
        let mut session = self.db.open(Mode::Read, Operation::Compare).await?;
        let keyed = KeyedTable::of(map, side);
        if map.key.is_empty() {
            let why = "rows of a table without a key cannot be looked up";
            return Err(session.fail(ErrorKind::Unsupported, why).about(keyed.name.clone()));
        }
        session.script("BEGIN").await?;
        let mut rows = Vec::with_capacity(keys.len());
        for key in keys {
            rows.push(lookup(&mut session, &keyed, key).await?);
        }
        Ok(rows)
    }
}

fn key_columns(map: &TableMap) -> impl Iterator<Item = &ColumnMap> {
    map.key.iter().filter_map(|&i| map.columns.get(i))
}

async fn lookup(session: &mut Session, keyed: &KeyedTable, key: &Key) -> Result<Option<Row>> {
    let args = Args::new().values(key.iter().cloned()).map_err(|why| session.fail(ErrorKind::Rejected, why))?;
    let found = session.raw_rows(&keyed.select_one(), args).await?;
    found.first().map(|raw| keyed.decoder(session).decode(raw)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_different_classes_or_cuts_differ() {
        let mut hasher = RowHasher::default();
        let text = |s: &str| Value::Text(s.to_owned());
        let rows = [
            vec![Value::Int(1)],
            vec![Value::Float(1.0)],
            vec![text("1")],
            vec![Value::Bytes(b"1".to_vec())],
            vec![Value::Null],
            vec![text("")],
            vec![text("ab"), text("c")],
            vec![text("a"), text("bc")],
            vec![text("a\0bc")],
        ];
        let mut sums: Vec<u128> = rows.iter().map(|row| hasher.hash(row)).collect();
        sums.sort_unstable();
        sums.dedup();
        assert_eq!(sums.len(), rows.len());
    }
}

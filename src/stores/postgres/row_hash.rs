//! One 64-bit hash of a row, computed in the server.
//!
//! `hash_record_extended` is the fastest hash of a whole row that PostgreSQL has, but it hashes what `=` calls equal: it does not see the sign or the
//! scale of a numeric (5, -5 and 5.00 are one), nor -0.0, nor the labels behind an enum's oids. So only types whose hash covers every bit of the
//! value go in as they are; numeric and money go in as their binary form and everything else as text.
//!
//! Measured on TPC-H lineitem, 1.5 million rows, four numerics, one backend, in seconds (two rounds): whole record 1.66/1.61, ours 1.56/1.51,
//! with numerics as text 1.86/1.54, with sign and scale beside them 2.27/1.83, hash of the row's text 2.78/3.04.

use crate::stores::postgres::key_order::KeyColumn;
use sqlx::postgres::PgConnection;

/// How rows are hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowHash {
    /// `hash_record_extended`, for servers whose hash functions give the same numbers; the text is their fingerprint.
    Record(String),
    /// The first half of the MD5 of the row's text in UTF-8: the same everywhere, at three times the cost.
    TextMd5,
}

const RECORD: &str = "pg-record-hash-";
const TEXT: &str = "pg-text-md5-v1";

impl RowHash {
    /// Its part of a method's name.
    pub fn name(&self) -> String {
        match self {
            Self::Record(fingerprint) => format!("{RECORD}{fingerprint}"),
            Self::TextMd5 => TEXT.to_owned(),
        }
    }

    /// Reads its part of a method's name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name.strip_prefix(RECORD) {
            Some(fingerprint) => Some(Self::Record(fingerprint.to_owned())),
            None => (name == TEXT).then_some(Self::TextMd5),
        }
    }

    /// The expression of type int8 over columns that are named as given.
    pub fn expression(&self, columns: &[HashColumn]) -> String {
        match self {
            Self::Record(_) => {
                let parts: Vec<String> = columns.iter().map(HashColumn::record_part).collect();
                format!("hash_record_extended(ROW({}), 0)", parts.join(", "))
            }
            Self::TextMd5 => {
                let parts: Vec<&str> = columns.iter().map(|c| c.quoted.as_str()).collect();
                format!("('x' || left(md5(convert_to(ROW({})::text, 'UTF8')), 16))::bit(64)::int8", parts.join(", "))
            }
        }
    }
}

/// A column as far as hashing must know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashColumn {
    /// Quoted name.
    pub quoted: String,
    /// Oid of its type, a domain resolved to its base.
    pub base_type: i64,
    /// False for collations under which unequal strings may be equal.
    pub deterministic: bool,
}

impl HashColumn {
    /// What goes into the record.
    fn record_part(&self) -> String {
        let name = &self.quoted;
        // Oids below 10000 are fixed for ever in pg_type.dat.
        match self.base_type {
            // bool, bytea, "char", name, int8, int2, int4, oid, cidr, macaddr8, macaddr, inet, date, time, timestamp, timestamptz, timetz, uuid.
            16 | 17 | 18 | 19 | 20 | 21 | 23 | 26 | 650 | 774 | 829 | 869 | 1082 | 1083 | 1114 | 1184 | 1266 | 2950 => {
                name.clone()
            }
            // text, bpchar, varchar. Trailing blanks of a bpchar mean nothing and are not hashed.
            25 | 1042 | 1043 if self.deterministic => name.clone(),
            25 | 1043 => format!("textsend({name})"),
            // numeric, money (whose text depends on the locale).
            1700 => format!("numeric_send({name})"),
            790 => format!("cash_send({name})"),
            // Floats too: NaN has many bit patterns and one text.
            _ => format!("{name}::text"),
        }
    }
}

impl From<&KeyColumn> for HashColumn {
    fn from(column: &KeyColumn) -> Self {
        Self { quoted: column.quoted.clone(), base_type: column.base_type, deterministic: column.deterministic }
    }
}

/// What this server's hash functions make of one set of probe values: all types that are hashed as they are, all lengths that take different ways
/// through the string hash, and the encoding, because strings are hashed as stored. Two servers with one fingerprint hash alike, whatever
/// their versions and processors; versions are not compared, behaviour is.
pub async fn fingerprint(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    let (text,): (String,) = sqlx::query_as(
        "SELECT left(md5(current_setting('server_encoding') || string_agg(hash_record_extended(ROW(
                    left('the bar-tailed godwit flies without a stop', n), left('abcdefghijklmnopqrstuvwxyz0123456789', n)::varchar,
                    left('blank padded', n)::char(12), decode(left('00ff10ab00ff10ab00ff10ab00ff10ab00ff10ab', n / 2 * 2), 'hex'), n % 2 = 0, 'x'::\"char\",
                    'name'::name, (n * 1000 - 20000)::int2, n * 50000000 - 900000000, n * 5000000000000 - 100000000000000, n::oid,
                    '10.0.0.0/8'::cidr, '2001:db8::1/64'::inet, '08:00:2b:01:02:03'::macaddr, '08:00:2b:01:02:03:04:05'::macaddr8,
                    date '2000-01-01' + n * 700 - 9000, time '12:34:56.789' + n * interval '1 second', timetz '12:34:56.789+09',
                    timestamp '2000-01-01' + n * interval '100 days', timestamptz '1990-01-01 00:00+00' + n * interval '100 days',
                    md5(n::text)::uuid, nullif(n, 7)), n)::text, ',' ORDER BY n)), 12)
           FROM generate_series(0, 40) AS n",
    )
    .fetch_one(connection)
    .await?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(base_type: i64, deterministic: bool) -> HashColumn {
        HashColumn { quoted: "\"c\"".into(), base_type, deterministic }
    }

    #[test]
    fn names_round_trip() {
        for hash in [RowHash::Record("abc123".into()), RowHash::TextMd5] {
            assert_eq!(RowHash::from_name(&hash.name()), Some(hash));
        }
        assert_eq!(RowHash::from_name("md5"), None);
    }

    #[test]
    fn only_exact_hashes_are_used_as_they_are() {
        let hash = RowHash::Record(String::new());
        let parts = [
            column(23, true),
            column(25, true),
            column(25, false),
            column(1700, true),
            column(701, true),
            column(3802, true),
        ];
        assert_eq!(
            hash.expression(&parts),
            "hash_record_extended(ROW(\"c\", \"c\", textsend(\"c\"), numeric_send(\"c\"), \"c\"::text, \"c\"::text), 0)"
        );
    }
}

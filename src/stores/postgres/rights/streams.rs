//! Publications, subscriptions and slots of this database.

use super::{Read, text, texts};
use crate::model::access::postgres::{Publication, Stream};
use crate::stores::postgres::watch::Reader;
use sqlx::Row;

/// What carries changes out of and into the database.
pub struct Streams {
    pub publications: Vec<Publication>,
    pub streams: Vec<Stream>,
}

const PUBLICATIONS: &str = "SELECT quote_ident(p.pubname) AS name, p.puballtables AS all_tables,
        array_agg(quote_ident(t.schemaname) || '.' || quote_ident(t.tablename) ORDER BY t.schemaname, t.tablename) FILTER (WHERE t.tablename IS NOT NULL AND NOT p.puballtables) AS tables
   FROM pg_publication p LEFT JOIN pg_publication_tables t ON t.pubname = p.pubname AND NOT p.puballtables
  GROUP BY p.oid, p.pubname, p.puballtables ORDER BY p.pubname";

/// The connection string of a subscription is never asked for.
const STREAMS: &str = "SELECT slot_name::text AS name, true AS is_slot, active FROM pg_replication_slots WHERE database = current_database() AND NOT temporary
   UNION ALL
  SELECT quote_ident(subname), false, subenabled FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
   ORDER BY 2, 1";

/// All of them.
pub async fn read(reader: &mut Reader<'_>) -> Read<Streams> {
    let mut publications = Vec::new();
    for row in reader.rows(PUBLICATIONS.to_owned()).await? {
        publications.push(Publication {
            name: text(&row, "name")?,
            all_tables: row.try_get("all_tables")?,
            tables: texts(&row, "tables")?,
        });
    }
    let mut streams = Vec::new();
    for row in reader.rows(STREAMS.to_owned()).await? {
        streams.push(Stream {
            name: text(&row, "name")?,
            is_slot: row.try_get("is_slot")?,
            active: row.try_get("active")?,
        });
    }
    Ok(Streams { publications, streams })
}

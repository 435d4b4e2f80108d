//! All operations of each collection, counted by the server with a histogram of their times (`$collStats` `latencyStats`).

use crate::model::observation::{Missing, Window};
use crate::model::statement::{Coverage, Percentiles, StatementCounter, StatementSource, Statements};
use crate::stores::mongodb::connect::Connector;
use crate::stores::mongodb::fields::{count, inner, list};
use crate::stores::mongodb::inventory::{collection_statistics, collections, databases};
use crate::stores::mongodb::watch::Reader;
use crate::stores::sanitise::clean;
use chrono::Utc;
use mongodb::bson::{Document, doc};
use mongodb::error::Error;

/// Collections that are asked for: about 2 ms of the server's time each.
const MOST_COLLECTIONS: usize = 100;

/// Kinds of operations, as the server names them.
const KINDS: [&str; 4] = ["reads", "writes", "commands", "transactions"];

fn no_right() -> Missing {
    Missing {
        id: "mongodb.latency.right".to_owned(),
        what: "counts and percentiles of all operations of each collection".to_owned(),
        why: "the monitoring account may not run $collStats".to_owned(),
        enable: Some("db.getSiblingDB(\"admin\").grantPrivilegesToRole(\"godwit_watch\", [{ resource: { db: \"\", collection: \"\" }, actions: [\"collStats\"] }])".to_owned()),
        price: "about 2 ms of the server for each collection and reading; no data is exposed".to_owned(),
    }
}

/// Reads the counters of up to a hundred collections.
///
/// # Errors
/// The driver's.
pub async fn read(reader: &mut Reader, connector: &Connector) -> Result<Option<Statements>, Error> {
    let (_, run) = reader.hello().await?;
    let mut names = Vec::new();
    for database in databases(reader, connector).await? {
        for collection in collections(reader, &database).await? {
            names.push((database.clone(), collection));
        }
    }
    let left_out = names.len().saturating_sub(MOST_COLLECTIONS);
    let mut counters = Vec::new();
    for (database, collection) in names.iter().take(MOST_COLLECTIONS) {
        let command = collection_statistics(collection, doc! { "latencyStats": { "histograms": true } });
        let Some(answer) = reader.all_or(database, command, no_right).await? else { return Ok(None) };
        if let Some(statistics) = answer.first().and_then(|answer| inner(answer, "latencyStats")) {
            counters.extend(KINDS.iter().filter_map(|kind| counter(database, collection, kind, statistics)));
        }
    }
    let since = run.started_at.unwrap_or_else(Utc::now);
    Ok(Some(Statements {
        source: StatementSource::LatencyStats,
        window: Window { since, proof: "the server started then".to_owned() },
        epoch: run.id,
        coverage: Coverage {
            evicted: None,
            unlisted_share: None,
            note: (left_out > 0).then(|| {
                format!("the first {MOST_COLLECTIONS} collections by name; {left_out} more were not asked for")
            }),
        },
        counters,
    }))
}

fn counter(database: &str, collection: &str, kind: &str, statistics: &Document) -> Option<StatementCounter> {
    let statistics = inner(statistics, kind)?;
    let calls = count(statistics, "ops").filter(|calls| *calls > 0)?;
    let namespace = clean(&format!("{database}.{collection}"));
    let buckets: Vec<(u64, u64)> = list(statistics, "histogram")
        .filter_map(|bucket| Some((count(bucket, "micros")?, count(bucket, "count")?)))
        .collect();
    Some(StatementCounter {
        id: format!("{namespace}/{kind}"),
        login: None,
        database: clean(database),
        text: format!("all {kind} of {namespace}"),
        calls,
        total_us: count(statistics, "latency")? as f64,
        squares_us2: None,
        rows: None,
        examined: None,
        errors: None,
        without_index: None,
        blocks_read: None,
        percentiles: Some(Percentiles {
            p50_us: percentile(&buckets, 0.50),
            p95_us: percentile(&buckets, 0.95),
            p99_us: percentile(&buckets, 0.99),
        }),
    })
}

/// A percentile out of buckets given by their lower bounds, with times spread evenly within each.
fn percentile(buckets: &[(u64, u64)], share: f64) -> Option<f64> {
    let all: u64 = buckets.iter().map(|(_, count)| count).sum();
    let wanted = share * all as f64;
    let mut below = 0.0;
    for (from, count) in buckets {
        let count = *count as f64;
        if count > 0.0 && below + count >= wanted {
            let (from, to) = (*from as f64, upper_bound(*from) as f64);
            return Some(from + (to - from) * ((wanted - below) / count));
        }
        below += count;
    }
    None
}

/// Where a bucket of the server's histogram ends: powers of two, and between 2,048 and 2,097,152 also the points halfway.
/// Source: `operation_latency_histogram.cpp` of the server.
fn upper_bound(from: u64) -> u64 {
    match from {
        0 => 2,
        2_048..2_097_152 if from.is_power_of_two() => from + from / 2,
        2_048..2_097_152 => from / 3 * 4,
        _ => from.saturating_mul(2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_ends_where_the_next_begins() {
        let bounds = [0, 2, 4, 1_024, 2_048, 3_072, 4_096, 98_304, 131_072, 1_572_864, 2_097_152];
        let ends = [2, 4, 8, 2_048, 3_072, 4_096, 6_144, 131_072, 196_608, 2_097_152, 4_194_304];
        assert_eq!(bounds.map(upper_bound), ends);
    }

    #[test]
    fn a_percentile_lies_within_its_bucket() {
        let buckets = [(128, 90), (2_048, 9), (98_304, 1)];
        let p50 = percentile(&buckets, 0.5).unwrap();
        assert!((128.0..=256.0).contains(&p50), "{p50}");
        let p95 = percentile(&buckets, 0.95).unwrap();
        assert!((2_048.0..=3_072.0).contains(&p95), "{p95}");
        assert_eq!(percentile(&[], 0.5), None);
    }

    #[test]
    fn a_kind_without_operations_is_left_out() {
        let statistics = doc! { "reads": { "ops": 0_i64, "latency": 0_i64, "histogram": [] },
        "writes": { "ops": 2_i64, "latency": 106_046_i64, "histogram": [{ "micros": 512_i64, "count": 1_i64 }, { "micros": 98_304_i64, "count": 1_i64 }] } };
        assert_eq!(counter("shop", "orders", "reads", &statistics), None);
        let writes = counter("shop", "orders", "writes", &statistics).unwrap();
        assert_eq!((writes.id.as_str(), writes.calls, writes.total_us), ("shop.orders/writes", 2, 106_046.0));
        assert_eq!(writes.percentiles.unwrap().p50_us, Some(1_024.0));
    }
}

//! Readings to test with.

use crate::advice::ownership::Ownership;
use crate::model::ids::ServiceId;
use crate::model::observation::{Observation, Window};
use crate::model::statement::{Coverage, StatementCounter, StatementSource, Statements};
use chrono::{DateTime, Duration, Utc};

pub fn moment(seconds: i64) -> DateTime<Utc> {
    DateTime::<Utc>::UNIX_EPOCH + Duration::seconds(seconds)
}

pub fn counter(id: &str, text: &str, calls: u64, total_us: f64) -> StatementCounter {
    StatementCounter {
        id: id.to_owned(),
        login: Some("shop".to_owned()),
        database: "shop".to_owned(),
        text: text.to_owned(),
        calls,
        total_us,
        squares_us2: None,
        rows: Some(calls),
        examined: None,
        errors: None,
        without_index: None,
        blocks_read: None,
        percentiles: None,
    }
}

pub fn reading(at: i64, epoch: &str, counters: Vec<StatementCounter>) -> Observation<Statements> {
    let statements = Statements {
        source: StatementSource::PgStatStatements,
        window: Window { since: moment(0), proof: "the server started then".to_owned() },
        epoch: epoch.to_owned(),
        coverage: Coverage { evicted: Some(0), unlisted_share: None, note: None },
        counters,
    };
    Observation::whole(statements, moment(at))
}

/// Orders and their lines belong to `orders`, customers to `customers`.
pub fn ownership() -> Ownership {
    let (orders, customers) = (ServiceId::from("orders"), ServiceId::from("customers"));
    Ownership::default()
        .table("public.orders", "orders.orders", Some(&orders))
        .table("public.order_line", "orders.order_line", Some(&orders))
        .table("public.customers", "customers.customers", Some(&customers))
        .table("shop.cart", "orders.cart", Some(&orders))
        .keys("cart:", &orders)
}

//! The shop's applications: customers who order, pay, register and move, and pages that read, the whole time, through the routing file.
//! Runs as a process of its own, knows nothing of Godwit, and never touches Godwit's tables.

use crate::cli::demo::chance::Chance;
use crate::cli::demo::layout::Files;
use crate::cli::demo::ledger::{Acknowledged, Record};
use crate::cli::demo::operation::{Operation, OrderLine, total_cents};
use crate::cli::demo::routing::{Follower, Serves};
use crate::cli::demo::shop;
use crate::cli::demo::writer::{Routed, Shared, Writer};
use chrono::Utc;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// Pause between two writes of a task: two order tasks, one for customers, two for payments (two writes each) make about 190
/// transactions a second, which leaves most of two cores to the migration.
const ORDER_PAUSE: Duration = Duration::from_millis(33);
const CUSTOMER_PAUSE: Duration = Duration::from_millis(33);
const PAYMENT_PAUSE: Duration = Duration::from_millis(40);
const RETURN_PAUSE: Duration = Duration::from_millis(100);
/// Pause between two reads of a task.
const READ_PAUSE: Duration = Duration::from_millis(20);
/// Pause between two looks at the routing file.
const ROUTE_PAUSE: Duration = Duration::from_millis(5);
/// Orders that readers look for.
const RECENT: usize = 500;

/// The names of the tasks that write; each id of an operation begins with one.
pub const WRITERS: [&str; 6] = ["order1", "order2", "customer1", "payment1", "payment2", "return1"];

/// What the applications know when they start.
#[derive(Debug)]
struct Catalogue {
    customers: i64,
    /// Price by product, from product 1.
    prices: Vec<i64>,
}

/// Orders on their way from one task to the next.
#[derive(Debug, Default)]
struct Desk {
    unpaid: Mutex<VecDeque<Acknowledged>>,
    recent: Mutex<VecDeque<Acknowledged>>,
}

impl Desk {
    fn placed(&self, order: Acknowledged) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == RECENT {
            recent.pop_front();
        }
        recent.push_back(order.clone());
        drop(recent);
        self.unpaid.lock().unwrap_or_else(PoisonError::into_inner).push_back(order);
    }

    fn next_unpaid(&self) -> Option<Acknowledged> {
        self.unpaid.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn some_recent(&self, chance: &mut Chance) -> Option<Acknowledged> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let len = recent.len().max(1) as u64;
        recent.get((chance.bits() % len) as usize).cloned()
    }
}

/// Runs the applications until `stop`, then ends them in an orderly way and closes the ledger.
///
/// # Errors
/// When the routing file, a database or the ledger cannot be used at all.
pub async fn run(files: Files, stop: CancellationToken) -> io::Result<()> {
    let shared = Arc::new(Shared::new(files, stop)?);
    let catalogue = Arc::new(read_catalogue(&shared.files).await.map_err(io::Error::other)?);
    let desk = Arc::new(Desk::default());
    let mut tasks: JoinSet<io::Result<u64>> = JoinSet::new();
    tasks.spawn(watch_route(Arc::clone(&shared)));
    let [order1, order2, customer1, payment1, payment2, return1] = WRITERS;
    for (name, seed) in [(order1, 11), (order2, 12)] {
        let writer = Writer::new(name, &shared)?;
        tasks.spawn(place_orders(
            writer,
            Chance::new(seed),
            Arc::clone(&catalogue),
            Arc::clone(&desk),
            shared.stop.clone(),
        ));
    }
    let writer = Writer::new(customer1, &shared)?;
    tasks.spawn(keep_customers(writer, Chance::new(21), Arc::clone(&catalogue), shared.stop.clone()));
    for (name, seed) in [(payment1, 31), (payment2, 32)] {
        let writer = Writer::new(name, &shared)?;
        tasks.spawn(take_payments(writer, Chance::new(seed), Arc::clone(&desk), shared.stop.clone()));
    }
    let writer = Writer::new(return1, &shared)?;
    tasks.spawn(take_returns(writer, Chance::new(51), Arc::clone(&desk), Arc::clone(&shared)));
    for seed in [41, 42] {
        let routed = Routed::new(&shared.files)?;
        tasks.spawn(read_pages(
            routed,
            Chance::new(seed),
            Arc::clone(&catalogue),
            Arc::clone(&desk),
            Arc::clone(&shared),
        ));
    }
    let mut reads = 0;
    let mut failure = None;
    while let Some(ended) = tasks.join_next().await {
        match ended.map_err(io::Error::other).and_then(|inner| inner) {
            Ok(count) => reads += count,
            Err(error) => {
                // One task that cannot go on ends all: a silent half of a workload proves nothing.
                shared.stop.cancel();
                failure = failure.or(Some(error));
            }
        }
    }
    match failure {
        Some(error) => Err(error),
        None => {
            shared.record(&Record::Ended { reads })?;
            shared.sync()
        }
    }
}

async fn read_catalogue(files: &Files) -> Result<Catalogue, sqlx::Error> {
    let mut routed = Routed::new(files)?;
    let customers =
        sqlx::query_scalar("SELECT max(id) FROM customers").fetch_one(routed.connection("customers").await?).await?;
    let prices = sqlx::query_scalar("SELECT price_cents FROM products ORDER BY id")
        .fetch_all(routed.connection("orders").await?)
        .await?;
    routed.close().await;
    Ok(Catalogue { customers, prices })
}

/// A beat that does not hurry after a wait: the load after a freeze is the load before it.
fn beat(pause: Duration) -> Interval {
    let mut beat = tokio::time::interval(pause);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beat
}

/// Waits for the next beat; false when the tasks are to end.
async fn goes_on(beat: &mut Interval, stop: &CancellationToken) -> bool {
    tokio::select! {
        biased;
        () = stop.cancelled() => false,
        _ = beat.tick() => true,
    }
}

fn now_text() -> String {
    shop::time_text(Utc::now())
}

async fn watch_route(shared: Arc<Shared>) -> io::Result<u64> {
    let mut follower = Follower::new(&shared.files.routing())?;
    let mut beat = beat(ROUTE_PAUSE);
    let mut new = true;
    loop {
        if new {
            let (epoch, serves) = (follower.current.epoch, follower.current.serves);
            shared.record(&Record::Route { epoch, serves, at_ms: Utc::now().timestamp_millis() })?;
        }
        if !goes_on(&mut beat, &shared.stop).await {
            return Ok(0);
        }
        new = follower.refresh()?;
    }
}

async fn place_orders(
    mut writer: Writer,
    mut chance: Chance,
    catalogue: Arc<Catalogue>,
    desk: Arc<Desk>,
    stop: CancellationToken,
) -> io::Result<u64> {
    let mut beat = beat(ORDER_PAUSE);
    while goes_on(&mut beat, &stop).await {
        let products = i64::try_from(catalogue.prices.len()).unwrap_or(i64::MAX);
        let lines = (0..chance.between(1, 4))
            .map(|_| {
                // A few products sell most: their stock rows are the hot rows of the shop.
                let product_id = if chance.in_hundred(20) {
                    chance.between(1, 10.min(products))
                } else {
                    chance.between(1, products)
                };
                let price = usize::try_from(product_id - 1).ok().and_then(|at| catalogue.prices.get(at));
                OrderLine { product_id, quantity: chance.between(1, 3), price_cents: price.copied().unwrap_or(1) }
            })
            .collect();
        let customer_id = chance.between(1, catalogue.customers);
        if let Some(order) = writer.perform(Operation::PlaceOrder { customer_id, lines, placed_at: now_text() }).await?
        {
            desk.placed(order);
        }
    }
    writer.close().await;
    Ok(0)
}

async fn keep_customers(
    mut writer: Writer,
    mut chance: Chance,
    catalogue: Arc<Catalogue>,
    stop: CancellationToken,
) -> io::Result<u64> {
    let mut beat = beat(CUSTOMER_PAUSE);
    let mut newcomers = 0_u64;
    while goes_on(&mut beat, &stop).await {
        let city = shop::city(&mut chance).to_owned();
        let operation = if chance.in_hundred(33) {
            newcomers += 1;
            Operation::RegisterCustomer {
                name: shop::name(&mut chance),
                email: format!("newcomer{newcomers}@shop.example"),
                city,
                registered_at: now_text(),
            }
        } else {
            Operation::ChangeCustomer { customer_id: chance.between(1, catalogue.customers), city }
        };
        writer.perform(operation).await?;
    }
    writer.close().await;
    Ok(0)
}

/// Pays an order in the payments service, then marks it as paid in the orders service: two transactions, as in the world.
async fn take_payments(
    mut writer: Writer,
    mut chance: Chance,
    desk: Arc<Desk>,
    stop: CancellationToken,
) -> io::Result<u64> {
    let mut beat = beat(PAYMENT_PAUSE);
    while goes_on(&mut beat, &stop).await {
        let Some(order) = desk.next_unpaid() else { continue };
        let Operation::PlaceOrder { lines, .. } = &order.operation else { continue };
        let payment = Operation::Pay {
            order_id: order.key,
            amount_cents: total_cents(lines),
            method: shop::method(&mut chance).to_owned(),
            paid_at: now_text(),
        };
        if writer.perform(payment).await?.is_some() {
            writer.perform(Operation::MarkPaid { order_id: order.key }).await?;
        }
    }
    writer.close().await;
    Ok(0)
}

/// From the first moment on the new side: orders come back, into a table that the old side does not have.
async fn take_returns(mut writer: Writer, mut chance: Chance, desk: Arc<Desk>, shared: Arc<Shared>) -> io::Result<u64> {
    let mut follower = Follower::new(&shared.files.routing())?;
    let mut released = false;
    let mut beat = beat(RETURN_PAUSE);
    while goes_on(&mut beat, &shared.stop).await {
        follower.refresh()?;
        released |= follower.current.serves == Serves::Target;
        if !released {
            continue;
        }
        let Some(order) = desk.some_recent(&mut chance) else { continue };
        writer.perform(Operation::Return { order_id: order.key, why: "does not fit".to_owned() }).await?;
    }
    writer.close().await;
    Ok(0)
}

async fn read_pages(
    mut routed: Routed,
    mut chance: Chance,
    catalogue: Arc<Catalogue>,
    desk: Arc<Desk>,
    shared: Arc<Shared>,
) -> io::Result<u64> {
    let mut beat = beat(READ_PAUSE);
    let mut reads = 0;
    while goes_on(&mut beat, &shared.stop).await {
        let outcome = match chance.between(0, 3) {
            0 | 1 => match desk.some_recent(&mut chance) {
                Some(order) => look_for(&mut routed, &order, &shared).await,
                None => Ok(()),
            },
            2 => read_history(&mut routed, chance.between(1, catalogue.customers)).await,
            _ => read_payments(&mut routed, chance.between(1, 1_000)).await,
        };
        match outcome {
            Ok(()) => reads += 1,
            // A read that failed is tried again by whoever looks at the page; only the connection must be fresh.
            Err(sqlx::Error::Io(error)) => return Err(error),
            Err(_) => {
                for service in shop::SERVICES {
                    routed.forget(service).await;
                }
            }
        }
    }
    routed.close().await;
    Ok(reads)
}

/// An acknowledged order must be found wherever the routing file leads.
async fn look_for(routed: &mut Routed, order: &Acknowledged, shared: &Shared) -> Result<(), sqlx::Error> {
    loop {
        let connection = routed.connection("orders").await?;
        let found: Option<i64> = sqlx::query_scalar("SELECT id FROM orders WHERE ref = ?")
            .bind(&order.op)
            .fetch_optional(connection)
            .await?;
        if found == Some(order.key) {
            return Ok(());
        }
        // The route may have changed between looking at it and reading; only a read under one route counts.
        if !routed.follower.refresh()? {
            let (epoch, at_ms) = (routed.follower.current.epoch, Utc::now().timestamp_millis());
            return Ok(shared.record(&Record::StaleRead { op: order.op.clone(), epoch, at_ms })?);
        }
    }
}

async fn read_history(routed: &mut Routed, customer: i64) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT name, city FROM customers WHERE id = ?")
        .bind(customer)
        .fetch_optional(routed.connection("customers").await?)
        .await?;
    sqlx::query(
        "SELECT o.id, o.status, sum(l.quantity * l.price_cents) FROM orders o JOIN order_lines l ON l.order_id = o.id
         WHERE o.customer_id = ? GROUP BY o.id ORDER BY o.placed_at DESC LIMIT 10",
    )
    .bind(customer)
    .fetch_all(routed.connection("orders").await?)
    .await?;
    Ok(())
}

async fn read_payments(routed: &mut Routed, order: i64) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT sum(amount_cents) FROM payments WHERE order_id = ?")
        .bind(order)
        .fetch_all(routed.connection("payments").await?)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests;

//! The lab, for tests that need real servers: where they are, databases that clean up after themselves, servers of one's
//! own to kill, a network that misbehaves. A target includes it with `#[path = "../lab/mod.rs"] mod lab;`.
//!
//! A test that needs a server is `#[ignore = "needs PostgreSQL: run tests/run"]` (or PgBouncer, MariaDB), so that plain `cargo test`
//! names it and the reason. `tests/run` starts the servers and runs it.
//!
//! Every helper has a test of its own beside it; that also keeps each in use in every target that includes the lab.

mod database;
mod proxy;
mod servers;
mod wait;

pub use database::{Database, fresh_database};
pub use proxy::{Cut, Proxy};
pub use servers::{Lab, PgBouncer, mariadb, pgbouncer, postgres};
pub use wait::wait_until;

//! The demo: a whole migration on embedded stores, with applications that work the whole time and a verdict that does not ask the engine.

pub mod audit;
pub mod chance;
pub mod command;
pub mod drift;
pub mod driver;
pub mod guided;
pub mod layout;
pub mod ledger;
pub mod operation;
pub mod routing;
pub mod script;
pub mod shop;
pub mod stage;
pub mod verdict;
pub mod workload;
pub mod writer;

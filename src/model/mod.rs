//! Pure words of the domain: no I/O, no clock, nothing but std, serde and chrono.

pub mod change;
pub mod check;
pub mod command;
pub mod comparison;
pub mod event;
pub mod fold;
pub mod gate;
pub mod ids;
pub mod lag;
pub mod phase;
pub mod pipeline;
pub mod plan;
pub mod progress;
pub mod reason;
pub mod role;
pub mod sample;
pub mod schema;
pub mod step;
pub mod table;
pub mod value;
pub mod verification;

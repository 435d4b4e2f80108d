//! The cockpit: a client of the engine that shows a migration and sends what an operator decides.
//!
//! ```text
//! terminal -> input (key -> intent, one table) -> state (logic, &mut) -> effect -> runner -> wire::client::Link
//!                                                   |
//!                                  screens, widgets (drawing, &) -> buffer -> terminal, only if a cell changed
//! ```

pub mod clean;
pub mod clipboard;
pub mod coach;
pub mod effect;
pub mod error;
pub mod input;
pub mod options;
pub mod runner;
pub mod screens;
pub mod signals;
pub mod state;
pub mod terminal;
pub mod theme;
pub mod units;
pub mod widgets;

pub use coach::Coach;
pub use error::CockpitError;
pub use options::{CockpitOptions, ColorChoice, Zone};
pub use runner::run;

//! State and logic of the cockpit; one file for each screen, with the same name as the one that draws it.

pub mod act;
pub mod activity;
pub mod cockpit;
pub mod command_line;
pub mod copied;
pub mod cursor;
pub mod dialog;
pub mod field;
pub mod filter;
pub mod findings;
pub mod hotspots;
pub mod journal;
pub mod list;
pub mod listing;
pub mod locks;
pub mod next;
pub mod overview;
pub mod phases;
pub mod picture;
pub mod pipelines;
pub mod printed;
pub mod replication;
pub mod respond;
pub mod screen;
pub mod texts;
pub mod verification;

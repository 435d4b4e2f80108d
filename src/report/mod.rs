//! What a person or a program reads outside the cockpit: every screen has a headless twin here.

pub mod access;
pub mod activity;
pub mod checks;
pub mod columns;
pub mod cost;
pub mod ending;
pub mod event;
pub mod finding;
pub mod gates;
pub mod grants;
pub mod hotspots;
pub mod html;
pub mod indexes;
pub mod lag;
pub mod line;
pub mod migration;
pub mod moment;
pub mod plan;
pub mod progress;
pub mod quantity;
pub mod replication;
pub mod sides;
pub mod status;
pub mod tables;
pub mod wrap;

#[cfg(test)]
mod golden;

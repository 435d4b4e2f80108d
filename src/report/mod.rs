//! Text, JSON and HTML: every screen has a headless twin.

pub mod checks;
pub mod columns;
pub mod event;
pub mod gates;
pub mod lag;
pub mod line;
pub mod moment;
pub mod plan;
pub mod progress;
pub mod status;

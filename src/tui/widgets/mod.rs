//! Pieces that screens are made of.

pub mod audit;
pub mod canvas;
pub mod footer;
pub mod header;
pub mod mark;
pub mod preview;
pub mod reading;
pub mod section;
pub mod stores;
pub mod table;
pub mod text;

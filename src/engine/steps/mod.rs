//! Steps: what a phase does, one action each. A step knows how to print itself, do itself, take itself back, and find out
//! whether it is already done.

pub mod accounts;
pub mod copy;
pub mod custom;
pub mod index;
pub mod inventory;
pub mod objects;
pub mod retire;
pub mod soak;
pub mod step;
pub mod switch;
pub mod sync;
pub mod verification;

//! Looking at the stores: one task for each store, so that one that is down or slow delays no other.

pub mod access;
pub mod baseline;
pub mod bound;
pub mod collect;
pub mod heaviest;
pub mod indexes;
pub mod kept_sides;
pub mod looker;
pub mod lost_indexes;
pub mod naming;
pub mod own_work;
pub mod pace;
pub mod planner_answers;
pub mod replicas;
pub mod ring;
pub mod runway;
pub mod sampling;
pub mod sides;
pub mod statements;
pub mod tally;
pub mod views;

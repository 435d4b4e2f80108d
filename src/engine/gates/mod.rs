//! Gates over what is known of the stores. Each is a pure function of readings; [`evidence`] gathers these.
//!
//! What they have in common: a reading that is missing, too old or incomplete makes the gate unknown, and unknown blocks as red does; what is
//! certainly wrong is told before what is not known.

pub mod access;
pub mod evidence;
pub mod foreign_writers;
pub mod hot_spots;
pub mod indexes;
pub mod runway;
pub mod tally;

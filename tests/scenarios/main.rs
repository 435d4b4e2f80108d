//! Whole migrations through the engine's own socket, on embedded stores: no servers needed.

#[cfg(test)]
#[path = "../driver/mod.rs"]
mod driver;

#[cfg(test)]
mod commands;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod indexes;
#[cfg(test)]
mod ladder;
#[cfg(test)]
mod meanwhile;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod snapshot;
#[cfg(test)]
mod truncation;
#[cfg(test)]
mod watching;
#[cfg(test)]
mod writer;

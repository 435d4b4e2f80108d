//! Whole migrations through the engine's own socket, on embedded stores: no servers needed.

#[cfg(test)]
mod demo;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod ladder;

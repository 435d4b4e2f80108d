//! Tests against real servers, one module for each subject. Each is ignored with its reason: `tests/run` runs them.

#[cfg(test)]
#[path = "../driver/mod.rs"]
mod driver;
#[cfg(test)]
#[path = "../lab/mod.rs"]
mod lab;

#[cfg(test)]
mod certificate;
#[cfg(test)]
mod endings;
#[cfg(test)]
mod estate;
#[cfg(test)]
mod migration;
#[cfg(test)]
mod mongodb;
#[cfg(test)]
mod mysql;
#[cfg(test)]
mod planted;
#[cfg(test)]
mod pooler;
#[cfg(test)]
mod postgres_control;
#[cfg(test)]
mod postgres_data;
#[cfg(test)]
mod postgres_watch;
#[cfg(test)]
mod redis;
#[cfg(test)]
mod secluded;
#[cfg(test)]
mod shown;

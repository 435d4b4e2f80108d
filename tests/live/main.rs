//! Tests against real servers. Each test makes databases of its own; `tests/run` starts the servers.

#[cfg(test)]
mod postgres_data;

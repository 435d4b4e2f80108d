//! Tests against real servers. Each test makes databases of its own; `tests/run` starts the servers.

mod postgres_data;

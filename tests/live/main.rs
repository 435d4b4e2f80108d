//! Tests against real servers. Each is ignored unless `tests/run` says where the servers are.

mod postgres_control;

//! The wire between engine and clients: versioned frames over a Unix socket.

pub mod client;
pub mod frame;
pub mod place;
pub mod server;

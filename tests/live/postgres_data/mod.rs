//! The data path of PostgreSQL: snapshot, capture, load and apply between two servers.

mod bouncer;
mod capture;
mod copy;
mod lab;
mod moved;
mod network;
mod random;
mod speed;
mod sync;

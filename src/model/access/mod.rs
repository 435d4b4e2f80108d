//! Access: who may do what on a store, by which path, what is declared and what is seen in use.

pub mod declared;
pub mod drift;
pub mod login;
pub mod matrix;
pub mod mongodb;
pub mod mysql;
pub mod object;
pub mod observed;
pub mod postgres;
pub mod reading;
pub mod redis;
pub mod right;

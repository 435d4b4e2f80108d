//! OWN-01 to OWN-25: who may and does touch what belongs to another service.

pub mod both_sides;
pub mod declared;
pub mod defaults;
pub mod definers;
pub mod foreign;
pub mod keys;
pub mod leftovers;
pub mod links;
pub mod logins;
pub mod observed;
pub mod owners;
pub mod passwords;
pub mod reach;
pub mod streams;

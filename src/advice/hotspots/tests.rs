//! Tests of naming, subtracting and comparing statements.

mod comparing;
mod counting;
mod facts;
mod fixture;
mod naming;
mod parsing;
mod properties;

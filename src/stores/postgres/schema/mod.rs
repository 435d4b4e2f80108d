//! Reading a source's schema as the statements that build it on a target.
//!
//! Everything comes from the catalogues of the source, spelled by the server's own functions under an empty search path, so that every name in an
//! expression is qualified. What cannot be carried over exactly is not approximated: it is named in `left_out`, or the table is refused.

pub mod column;
pub mod constraints;
pub mod dependencies;
pub mod extras;
pub mod indexes;
pub mod object;
pub mod relations;
pub mod rewrite;
pub mod script;
pub mod sequences;
pub mod tables;
pub mod types;

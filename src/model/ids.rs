//! Names of the things an operator talks about, one type for each so that they cannot be mixed up.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The name as written in the profile.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self(name.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Self(name)
            }
        }
    };
}

name_type!(
    /// A store: the key below `[stores]` in the profile.
    StoreId
);
name_type!(
    /// A service: the key below `[services]` in the profile.
    ServiceId
);
name_type!(
    /// A pipeline: the key below `[pipelines]` in the profile.
    PipelineId
);
name_type!(
    /// A phase: the key below `[phases]` in the profile, or the name of a phase of the default ladder.
    PhaseId
);
name_type!(
    /// A step inside a phase, such as `orders/copy`; unique within its phase.
    StepId
);
name_type!(
    /// A person: the Unix user name behind a connection, or `engine` for what the engine does by itself.
    Operator
);

/// Number of a row in the journal, from 1 without gaps. 0 means "before the first row".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

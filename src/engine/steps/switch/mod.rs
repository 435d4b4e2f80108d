//! The switch: traffic leaves one side and enters the other. A cutover is the switch from the source to the target; its roll back
//! is the same algorithm from the target to the source.
//!
//! Order (design, section 4): way back first; hold writers; marker and drain; compare what changed last; move sequences; record
//! where the opposite pipeline starts; **fence** (the commit that is the point of no return); open the other side; switch the
//! routes; turn the pipelines round. A switch back begins with what was made meanwhile on the side that it leaves: built and copied
//! on the other side while writers go on. Every step before the fence undoes itself; every step after it is safe to run again.

pub mod after;
pub mod before;
pub mod carry;
pub mod fence;
pub mod freeze;
pub mod party;
pub mod session;

pub use session::SwitchSession;

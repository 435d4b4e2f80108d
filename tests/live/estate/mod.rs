//! One Godwit over stores of six engines: what one server does to whoever looks never touches the others, and nothing secret comes out.

mod frozen;
pub mod scene;
mod secrets;

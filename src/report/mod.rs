//! What a person or a program reads outside the cockpit: every screen has a headless twin here.

pub mod event;

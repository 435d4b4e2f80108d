//! Tests that need no server: of the repository itself here, of whole programs beside it.

#[cfg(test)]
mod cli;
#[cfg(test)]
mod lab_profile;
#[cfg(test)]
mod layers;
#[cfg(test)]
mod layout;
#[cfg(test)]
mod missing;
#[cfg(test)]
mod resuming;
#[cfg(test)]
mod small;
#[cfg(test)]
mod source;
#[cfg(test)]
mod terminal;

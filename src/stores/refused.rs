//! What a server refused to the looking account, so that it is not asked at every look: each refusal may be a line in the server's log.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// After this time it is asked again: somebody may have granted the right.
const ASK_AGAIN: Duration = Duration::from_secs(120);

/// Refusals by a stable name of what was asked.
#[derive(Debug, Default)]
pub struct Refused(BTreeMap<String, Instant>);

impl Refused {
    /// True when this was refused a short time ago.
    pub fn recently(&self, what: &str) -> bool {
        self.0.get(what).is_some_and(|at| at.elapsed() < ASK_AGAIN)
    }

    /// Remembers a refusal.
    pub fn note(&mut self, what: &str) {
        self.0.insert(what.to_owned(), Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_refused_is_left_out() {
        let mut refused = Refused::default();
        refused.note("a");
        assert!(refused.recently("a") && !refused.recently("b"));
    }
}

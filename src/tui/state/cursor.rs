//! The selected row of a list whose rows come and go: it stays with its row, never with its place.
//!
//! Invariant: a row that is gone selects nothing, so that no key can act on the row that moved into its place.

use crate::tui::state::list::Motion;

/// A selection by identity.
#[derive(Clone, Debug)]
pub struct Cursor<K> {
    /// The operator's choice; `None`: there was none yet, and the first row counts.
    chosen: Option<K>,
    /// Where it was last, for going on from there when it is gone.
    place: usize,
    /// The list was made again without it, as [`Cursor::listed`] was told: there is no use in looking for it.
    gone: bool,
}

impl<K> Default for Cursor<K> {
    fn default() -> Self {
        Self { chosen: None, place: 0, gone: false }
    }
}

impl<K: PartialEq + Clone> Cursor<K> {
    /// The operator's choice.
    pub fn chosen(&self) -> Option<&K> {
        self.chosen.as_ref()
    }

    /// Index of the selected row; `None`: there are no rows, or the chosen one is gone.
    pub fn at<R>(&self, rows: &[R], is: impl Fn(&R, &K) -> bool) -> Option<usize> {
        match &self.chosen {
            Some(_) if self.gone => None,
            // It is mostly still where it was. Looking there first also tells twins apart, which no key can.
            Some(key) => match rows.get(self.place) {
                Some(row) if is(row, key) => Some(self.place),
                _ => rows.iter().position(|row| is(row, key)),
            },
            None => (!rows.is_empty()).then_some(0),
        }
    }

    /// A long list was made again, and this is where the choice is in it now; `None`: it is not in it. Whoever calls this calls it
    /// each time that the list is made.
    pub fn listed(&mut self, at: Option<usize>) {
        self.gone = self.chosen.is_some() && at.is_none();
        self.place = at.unwrap_or(self.place);
    }

    /// The page to show: the selected row's, or the one where it was last.
    pub fn place(&self, at: Option<usize>) -> usize {
        at.unwrap_or(self.place)
    }

    /// Moves from the selected row, or from where it was last. True when another row was chosen.
    pub fn go<R>(&mut self, motion: Motion, rows: &[R], is: impl Fn(&R, &K) -> bool, key: impl Fn(&R) -> K) -> bool {
        let to = match self.at(rows, is) {
            Some(at) => motion.from(at, rows.len()),
            None => self.place.min(rows.len().saturating_sub(1)),
        };
        let Some(row) = rows.get(to) else { return false };
        let key = Some(key(row));
        let other = key != self.chosen;
        self.chosen = key;
        self.place = to;
        self.gone = false;
        other
    }

    /// Makes a choice of the first row that was selected by itself: who opens it means this row.
    pub fn settle<R>(&mut self, rows: &[R], key: impl Fn(&R) -> K) {
        if self.chosen.is_none()
            && let Some(row) = rows.first()
        {
            self.chosen = Some(key(row));
            self.place = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(row: &u32, key: &u32) -> bool {
        row == key
    }

    #[test]
    fn the_choice_follows_its_row() {
        let mut cursor = Cursor::default();
        assert_eq!(cursor.at(&[7, 8, 9], is), Some(0));
        assert!(cursor.go(Motion::Down, &[7, 8, 9], is, |row| *row));
        assert_eq!(cursor.at(&[9, 7, 8], is), Some(2));
    }

    #[test]
    fn rows_of_the_same_name_are_no_trap() {
        let mut cursor = Cursor::default();
        for expected in [1, 2, 3] {
            cursor.go(Motion::Down, &[7, 8, 8, 9], is, |row| *row);
            assert_eq!(cursor.at(&[7, 8, 8, 9], is), Some(expected));
        }
    }

    #[test]
    fn a_row_that_is_gone_selects_nothing_until_a_key_moves() {
        let mut cursor = Cursor::default();
        cursor.go(Motion::Down, &[7, 8, 9], is, |row| *row);
        assert_eq!(cursor.at(&[7, 9], is), None);
        cursor.go(Motion::Down, &[7, 9], is, |row| *row);
        assert_eq!(cursor.at(&[7, 9], is), Some(1));
        assert_eq!(Cursor::<u32>::default().at(&[], is), None);
    }
}

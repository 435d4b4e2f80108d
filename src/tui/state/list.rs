//! A list with one selected row.

/// Ways to move in a list or a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// One row up.
    Up,
    /// One row down.
    Down,
    /// One page up.
    PageUp,
    /// One page down.
    PageDown,
    /// To the first row.
    Top,
    /// To the last row.
    Bottom,
}

/// Rows that a page key moves by.
pub const PAGE_ROWS: usize = 10;

impl Motion {
    /// Where the motion leads from row `at` in `len` rows.
    pub fn from(self, at: usize, len: usize) -> usize {
        let last = len.saturating_sub(1);
        match self {
            Self::Up => at.saturating_sub(1),
            Self::Down => at.saturating_add(1),
            Self::PageUp => at.saturating_sub(PAGE_ROWS),
            Self::PageDown => at.saturating_add(PAGE_ROWS),
            Self::Top => 0,
            Self::Bottom => last,
        }
        .min(last)
    }
}

/// Rows of the page that holds row `selected`, in a window of `height` rows over `len` rows.
///
/// Pages do not overlap: moving inside a page redraws two rows, which is what a slow link can carry.
pub fn page(selected: usize, len: usize, height: usize) -> std::ops::Range<usize> {
    if height == 0 {
        return 0..0;
    }
    let start = selected.min(len.saturating_sub(1)) / height * height;
    start..(start + height).min(len)
}

/// Like [`page`], with pages counted from row `anchor`, so that the page that was in sight when one began to move stays.
pub fn page_around(anchor: usize, selected: usize, len: usize, height: usize) -> std::ops::Range<usize> {
    if height == 0 {
        return 0..0;
    }
    let selected = selected.min(len.saturating_sub(1));
    let offset = anchor % height;
    let start = if selected < offset { 0 } else { (selected - offset) / height * height + offset };
    start..(start + height).min(len)
}

/// The rows of a text of `len` rows that a window of `height` rows shows when scrolled by `offset`.
pub fn window(offset: usize, len: usize, height: usize) -> std::ops::Range<usize> {
    let start = offset.min(len.saturating_sub(height));
    start..(start + height).min(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn motions_stay_inside() {
        assert_eq!(Motion::Up.from(0, 0), 0);
        assert_eq!(Motion::Down.from(0, 0), 0);
        assert_eq!(Motion::Down.from(2, 3), 2);
        assert_eq!(Motion::Bottom.from(0, 3), 2);
        assert_eq!(Motion::PageDown.from(0, 30), 10);
    }

    #[test]
    fn a_page_holds_its_row() {
        assert_eq!(page(0, 0, 5), 0..0);
        assert_eq!(page(7, 8, 5), 5..8);
        assert_eq!(page(99, 8, 5), 5..8);
        assert_eq!(page(3, 8, 0), 0..0);
        // Twenty rows in sight up to row 59: moving up inside them moves no page.
        assert_eq!(page_around(59, 58, 59, 20), 39..59);
        assert_eq!(page_around(59, 39, 59, 20), 39..59);
        assert_eq!(page_around(59, 38, 59, 20), 19..39);
        assert_eq!(page_around(59, 5, 59, 20), 0..20);
        assert_eq!(page_around(59, 60, 70, 20), 59..70);
        assert_eq!(window(99, 8, 5), 3..8);
        assert_eq!(window(2, 3, 5), 0..3);
    }
}

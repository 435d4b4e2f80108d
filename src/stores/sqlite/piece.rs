//! How many rows to ask for at once, so that memory stays flat whatever the rows hold.

/// Bytes of values that one piece should have.
const PIECE_BYTES: u64 = 1 << 20;
/// Rows of the first piece, before anything was measured.
const FIRST_ROWS: u64 = 32;

/// Adapts the rows of the next piece to the bytes of the last.
#[derive(Clone, Copy, Debug)]
pub struct PieceSize {
    rows: u64,
    most: u64,
}

impl PieceSize {
    /// Pieces of at most `most` rows.
    pub fn up_to(most: u64) -> Self {
        Self { rows: FIRST_ROWS.min(most), most }
    }

    /// Rows to ask for now.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// A piece of `rows` rows had `bytes` bytes.
    pub fn measured(&mut self, rows: u64, bytes: u64) {
        if rows > 0 {
            // Eightfold at most: a few small rows say little about the next ones.
            let fitting = PIECE_BYTES.saturating_mul(rows) / bytes.max(1);
            self.rows = fitting.clamp(1, self.most.min(self.rows.saturating_mul(8)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_rows_come_in_many_and_large_ones_alone() {
        let mut size = PieceSize::up_to(500);
        assert_eq!(size.rows(), 32);
        size.measured(32, 32 * 20);
        assert_eq!(size.rows(), 256);
        size.measured(256, 256 * 20);
        assert_eq!(size.rows(), 500);
        size.measured(500, 500 << 20);
        assert_eq!(size.rows(), 1);
        size.measured(0, 0);
        assert_eq!(size.rows(), 1);
    }
}

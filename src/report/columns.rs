//! Text in aligned columns.

use unicode_width::UnicodeWidthStr;

/// Rows under a heading; the last column is never padded.
#[derive(Debug)]
pub struct Columns {
    rows: Vec<Vec<String>>,
}

impl Columns {
    /// A table with this heading.
    pub fn new(heading: &[&str]) -> Self {
        Self { rows: vec![heading.iter().map(|h| (*h).to_owned()).collect()] }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    /// The text, one line a row, columns two blanks apart.
    pub fn text(&self) -> String {
        let count = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..count)
            .map(|column| self.rows.iter().filter_map(|row| row.get(column)).map(|c| c.width()).max().unwrap_or(0))
            .collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                line.push_str(cell);
                if column + 1 < row.len() {
                    let room = widths.get(column).copied().unwrap_or(0).saturating_sub(cell.width()) + 2;
                    line.extend(std::iter::repeat_n(' ', room));
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_keep_the_columns_straight() {
        let mut columns = Columns::new(&["name", "rows"]);
        columns.row(["주문".to_owned(), "1".to_owned()]);
        columns.row(["order_lines".to_owned(), "22".to_owned()]);
        assert_eq!(columns.text(), "name         rows\n주문         1\norder_lines  22\n");
    }
}

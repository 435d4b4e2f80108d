//! Sections of a screen that share too few rows: a heading, then as many lines as there is room for.

use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::text::Text;
use ratatui::layout::Rect;

/// A line with how readily it is left out: 0 last.
pub type Ranked = (u8, Text<'static>);

/// The `room` most important lines, in their own order.
pub fn most_important(lines: Vec<Ranked>, room: usize) -> Vec<Text<'static>> {
    let mut order: Vec<usize> = (0..lines.len()).collect();
    order.sort_by_key(|&at| lines[at].0);
    let mut kept = vec![false; lines.len()];
    order.into_iter().take(room).for_each(|at| kept[at] = true);
    lines.into_iter().zip(kept).filter(|(_, kept)| *kept).map(|((_, line), _)| line).collect()
}

/// Draws a heading and the lines chosen of `all`, and returns the rows used. What was left out is counted.
pub fn section(
    canvas: &mut Canvas<'_>,
    area: Rect,
    row: usize,
    title: &str,
    all: usize,
    lines: &[Text<'_>],
    head: Option<Text<'_>>,
) -> usize {
    let hidden = all.saturating_sub(lines.len());
    let remark = if hidden > 0 { format!("{hidden} more lines") } else { String::new() };
    canvas.heading(area, row, title, &remark);
    for (at, line) in head.iter().chain(lines).enumerate() {
        canvas.line(area, row + 1 + at, line);
    }
    1 + usize::from(head.is_some()) + lines.len()
}

/// Divides `room` rows among sections: each gets up to two rows first, then in order what it still wants.
pub fn share<const N: usize>(room: usize, wants: [usize; N]) -> [usize; N] {
    let mut left = room;
    let mut shares = wants.map(|want| {
        let first = want.min(2).min(left);
        left -= first;
        first
    });
    for (share, want) in shares.iter_mut().zip(wants) {
        let more = (want - *share).min(left);
        *share += more;
        left -= more;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::Tone;

    #[test]
    fn every_section_gets_something_before_one_gets_all() {
        assert_eq!(share(10, [20, 1, 20]), [7, 1, 2]);
        assert_eq!(share(3, [20, 20, 20]), [2, 1, 0]);
        assert_eq!(share(50, [3, 1, 4]), [3, 1, 4]);
    }

    #[test]
    fn the_most_important_lines_keep_their_order() {
        let line = |rank: u8, text: &'static str| (rank, Text::of(Tone::Plain, text));
        let lines = vec![line(0, "a"), line(4, "b"), line(1, "c"), line(0, "d"), line(4, "e")];
        let kept = most_important(lines, 3);
        let kept: Vec<&str> = kept.iter().map(|l| l.pieces[0].text.as_ref()).collect();
        assert_eq!(kept, ["a", "c", "d"]);
    }
}

//! Whether two windows share a pixel.

use std::collections::HashMap;

use crate::window::Window;

/// True when any two of the windows share a pixel. Every window is filed under the cells, as large as the
/// largest window, that it touches: two that share a pixel share a cell. The first shared pixel ends the search,
/// and windows without overlap put at most a few into each cell, so the cost is linear.
pub fn any_overlap(windows: &[Window]) -> bool {
    let height = windows.iter().map(|w| i64::from(w.height)).max().unwrap_or(1);
    let width = windows.iter().map(|w| i64::from(w.width)).max().unwrap_or(1);
    let mut cells: HashMap<(i64, i64), Vec<&Window>> = HashMap::new();
    for window in windows {
        for row in window.row_off.div_euclid(height)..=(window.row_end() - 1).div_euclid(height) {
            for col in window.col_off.div_euclid(width)..=(window.col_end() - 1).div_euclid(width) {
                let there = cells.entry((row, col)).or_default();
                if there.iter().any(|other| overlaps(window, other)) {
                    return true;
                }
                there.push(window);
            }
        }
    }
    false
}

fn overlaps(a: &Window, b: &Window) -> bool {
    a.row_off < b.row_end() && b.row_off < a.row_end() && a.col_off < b.col_end() && b.col_off < a.col_end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Pcg64;

    #[test]
    fn the_cells_answer_as_brute_force() {
        let mut rng = Pcg64::new(3);
        let mut found = [0, 0];
        for _ in 0..2000 {
            let mut draw = |n: u32| i64::from(rng.next_u32() % n);
            let windows: Vec<Window> = (0..draw(6) + 1)
                .map(|_| Window::new(draw(40) - 10, draw(40) - 10, draw(9) + 1, draw(9) + 1).unwrap())
                .collect();
            let pairs = (0..windows.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
            let brute = pairs.into_iter().any(|(i, j)| overlaps(&windows[i], &windows[j]));
            assert_eq!(any_overlap(&windows), brute, "{windows:?}");
            found[usize::from(brute)] += 1;
        }
        assert!(found.iter().all(|&n| n > 200), "both answers must be met: {found:?}");
    }
}

//! Whether two windows share a pixel, and windows that hold each pixel once.

use std::collections::HashMap;

use crate::window::Window;
use crate::workers::go_on_or_leave;

/// True when any two of the windows share a pixel. Every window is filed under the cells, as large as the
/// largest window, that it touches: two that share a pixel share a cell. The first shared pixel ends the search,
/// and windows without overlap put at most a few into each cell, so the cost is linear.
pub fn any_overlap(windows: &[Window]) -> bool {
    let height = windows.iter().map(|w| i64::from(w.height)).max().unwrap_or(1);
    let width = windows.iter().map(|w| i64::from(w.width)).max().unwrap_or(1);
    let mut cells: HashMap<(i64, i64), Vec<&Window>> = HashMap::new();
    for window in windows {
        go_on_or_leave();
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

/// Windows that hold each pixel of some windows once, row by row and from the left; none is higher or wider than the
/// highest and the widest of those. Rows between two edges of windows hold the same columns.
pub fn distinct(windows: &[Window]) -> Vec<Window> {
    let widest = windows.iter().map(|w| i64::from(w.width)).max().unwrap_or(1);
    let mut edges: Vec<i64> = windows.iter().flat_map(|w| [w.row_off, w.row_end()]).collect();
    edges.sort_unstable();
    edges.dedup();
    let mut by_row: Vec<&Window> = windows.iter().collect();
    by_row.sort_unstable_by_key(|w| w.row_off);
    let (mut next, mut active, mut found) =
        (by_row.into_iter().peekable(), Vec::<&Window>::new(), Vec::new());
    for pair in edges.windows(2) {
        go_on_or_leave();
        let [top, bottom] = *pair else { continue };
        active.retain(|w| w.row_end() > top);
        let before = active.len();
        while let Some(window) = next.next_if(|w| w.row_off <= top) {
            active.push(window);
        }
        if active.len() != before {
            active.sort_unstable_by_key(|w| w.col_off);
        }
        let mut runs: Vec<(i64, i64)> = Vec::new();
        for window in &active {
            match runs.last_mut() {
                Some((_, end)) if window.col_off <= *end => *end = (*end).max(window.col_end()),
                _ => runs.push((window.col_off, window.col_end())),
            }
        }
        for (from, to) in runs {
            for col in (from..to).step_by(widest as usize) {
                let width = widest.min(to - col);
                found.extend(Window::new(top, col, bottom - top, width).ok());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Pcg64;
    use std::collections::HashSet;

    #[test]
    fn distinct_windows_hold_each_pixel_once() {
        let mut rng = Pcg64::new(8);
        let pixels = |w: &Window| {
            let cols = w.col_off..w.col_end();
            (w.row_off..w.row_end()).flat_map(move |row| cols.clone().map(move |col| (row, col)))
        };
        for _ in 0..500 {
            let mut draw = |n: u32| i64::from(rng.next_u32() % n);
            let windows: Vec<Window> = (0..draw(9))
                .map(|_| Window::new(draw(40) - 10, draw(40) - 10, draw(12) + 1, draw(12) + 1).unwrap())
                .collect();
            let want: HashSet<(i64, i64)> = windows.iter().flat_map(pixels).collect();
            let told = distinct(&windows);
            let got: Vec<(i64, i64)> = told.iter().flat_map(pixels).collect();
            assert_eq!(got.len(), want.len(), "{windows:?}");
            assert!(got.into_iter().collect::<HashSet<_>>() == want, "{windows:?}");
            assert!(told.iter().all(|w| w.width <= 12 && w.height <= 12) && !any_overlap(&told));
        }
    }

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

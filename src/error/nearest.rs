//! Which of several names was probably meant.

/// A second line that lists the choices, and names the one that is at most two letters away.
pub(super) fn suggestion(value: &str, choices: &[String]) -> String {
    let lower = value.to_lowercase();
    let near = choices
        .iter()
        .map(|choice| (edits(&lower, &choice.to_lowercase()), choice))
        .min()
        .filter(|(distance, choice)| *distance <= 2 && *distance < choice.len());
    let hint = near.map(|(_, choice)| format!("Did you mean \"{choice}\"? ")).unwrap_or_default();
    format!("\n{hint}One of: {}", choices.join(", "))
}

/// Levenshtein distance: how many letters to insert, delete or replace.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (y, &above) in b.iter().zip(row.iter().skip(1)) {
            left = (diagonal + usize::from(x != *y)).min(left + 1).min(above + 1);
            diagonal = above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_is_levenshtein() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("flaw", "lawn"), 2);
    }
}

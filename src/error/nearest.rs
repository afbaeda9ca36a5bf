//! Which of several names was probably meant.

/// A second line that lists the choices, and names the one that was probably meant.
pub(super) fn suggestion(value: &str, choices: &[String]) -> String {
    let near = near(value, choices.iter().map(String::as_str));
    let hint = near.map(|choice| format!("Did you mean \"{choice}\"? ")).unwrap_or_default();
    format!("\n{hint}One of: {}", choices.join(", "))
}

/// The name that is at most two letters away, or begins as the other does: `resampling` for `resample`.
pub fn near<'a>(value: &str, choices: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = value.to_lowercase();
    let choices: Vec<(&str, String)> = choices.map(|choice| (choice, choice.to_lowercase())).collect();
    let closest = choices.iter().map(|(choice, name)| (edits(&lower, name), *choice)).min();
    if let Some((distance, choice)) = closest
        && distance <= 2
        && distance < choice.len()
    {
        return Some(choice);
    }
    /// Letters that tell a word.
    const STEM: usize = 5;
    let shared = |name: &String| lower.chars().zip(name.chars()).take_while(|(a, b)| a == b).count();
    let longest = choices.iter().map(|(choice, name)| (shared(name), *choice)).max_by_key(|(n, _)| *n)?;
    (longest.0 >= STEM).then_some(longest.1)
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
    fn a_name_is_near_by_its_letters_or_by_its_stem() {
        let near = |value: &str| near(value, ["resampling", "merge", "mask_band", "mask_path"].into_iter());
        assert_eq!(near("resample"), Some("resampling"));
        assert_eq!(near("mrege"), Some("merge"));
        assert_eq!(near("mask_bnd"), Some("mask_band"));
        assert_eq!((near("mass"), near("bands")), (None, None));
    }

    #[test]
    fn edits_is_levenshtein() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("flaw", "lawn"), 2);
    }
}

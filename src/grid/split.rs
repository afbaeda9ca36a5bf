//! Splits: which patches train, which validate and which test, so that none of one split lies on or near those of another.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::error::{Error, Result};
use crate::map::apart::Boxes;
use crate::random::Pcg64;
use crate::workers::Steps;

/// How patches are to be split.
#[derive(Debug, Clone, Copy)]
pub struct Scheme {
    /// The share of the patches that validates.
    pub val: f64,
    /// The share that tests.
    pub test: f64,
    /// How many folds the others are dealt to; 0 for none.
    pub folds: usize,
    /// Patches nearer than this, in metres, to those of another split are in none; 0 for those that share pixels.
    pub gap: f64,
    /// Seed of the draw.
    pub seed: u64,
}

/// What a patch is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// To train on.
    Train,
    /// To validate on.
    Val,
    /// To test on.
    Test,
    /// Too near to another split; true where it shares pixels with it.
    Buffer(bool),
}

/// The split of one patch.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// What it is for.
    pub part: Part,
    /// Its fold.
    pub fold: Option<i64>,
    /// The other folds that it lies too near to.
    pub buffer_folds: Vec<i64>,
}

/// Gives each of some weights to one of `n` parts, so that the parts weigh about the same: the heaviest first, of equal ones the earlier
/// in `order`, each to the part that is lightest by then.
pub fn deal(weights: &[f64], n: usize, order: &[usize]) -> Vec<usize> {
    let mut ranked = order.to_vec();
    let weight = |index: &usize| weights.get(*index).copied().unwrap_or(0.0);
    let steps = Steps::default();
    ranked.sort_by(|a, b| {
        steps.step();
        weight(b).total_cmp(&weight(a))
    });
    let mut lightest: BinaryHeap<Reverse<(Load, usize)>> =
        (0..n).map(|part| Reverse((Load(0.0), part))).collect();
    let mut parts = vec![0; weights.len()];
    for index in ranked {
        steps.step();
        let Some(Reverse((Load(load), part))) = lightest.pop() else { break };
        if let Some(slot) = parts.get_mut(index) {
            *slot = part;
        }
        lightest.push(Reverse((Load(load + weight(&index)), part)));
    }
    parts
}

/// A sum of weights, in the order of numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Load(f64);

impl Eq for Load {}

impl PartialOrd for Load {
    fn partial_cmp(&self, other: &Load) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Load {
    fn cmp(&self, other: &Load) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// Splits patches: `blocks` names for each the block that goes to one split whole, its own place where there are none. The
/// patches' boxes are only looked at where patches are to be kept apart.
///
/// # Errors
/// Fewer blocks than splits or folds, or no patch left in a split that was asked for.
pub fn split(blocks: &[i64], boxes: Option<&Boxes>, scheme: &Scheme, threads: usize) -> Result<Vec<Split>> {
    let mut units: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for (patch, block) in blocks.iter().enumerate() {
        units.entry(*block).or_default().push(patch);
    }
    let units: Vec<Vec<usize>> = units.into_values().collect();
    let order: Vec<usize> =
        Pcg64::new(scheme.seed).permutation(units.len()).into_iter().map(|unit| unit as usize).collect();
    let drawn = draw(&units, &order, blocks.len(), scheme)?;
    let mut parts = vec![Part::Train; blocks.len()];
    for (unit, part) in units.iter().zip(&drawn) {
        for patch in unit {
            if let Some(slot) = parts.get_mut(*patch) {
                *slot = *part;
            }
        }
    }
    let folds = deal_folds(&units, &order, &drawn, blocks.len(), scheme)?;
    let asked = |part: Part| parts.contains(&part);
    let (val, test) = (asked(Part::Val), asked(Part::Test));
    let mut buffer_folds = vec![Vec::new(); blocks.len()];
    if let Some(boxes) = boxes {
        keep_apart(boxes, &mut parts, scheme.gap, threads)?;
        left(&parts, val, test, scheme)?;
        if scheme.folds > 0 {
            let in_use = |(fold, part): (&Option<i64>, &Part)| fold.filter(|_| *part == Part::Train);
            let groups: Vec<Option<i64>> = folds.iter().zip(&parts).map(in_use).collect();
            let near = boxes.groups_near(&groups, scheme.gap, threads)?;
            buffer_folds = near.into_iter().map(|(folds, _)| folds).collect();
        }
    }
    let both = parts.into_iter().zip(folds).zip(buffer_folds);
    Ok(both
        .map(|((part, fold), buffer_folds)| Split {
            part,
            fold: fold.filter(|_| part == Part::Train),
            buffer_folds,
        })
        .collect())
}

/// Blocks in their random order go to val until it has its share, then to test, and the others train. A block that would carry a
/// split farther beyond its share than it lacks is passed over. The counts are the reference's where a block is a patch.
fn draw(units: &[Vec<usize>], order: &[usize], patches: usize, scheme: &Scheme) -> Result<Vec<Part>> {
    let mut drawn = vec![Part::Train; units.len()];
    let wanted = [(Part::Val, scheme.val), (Part::Test, scheme.test)];
    let splits = 1 + wanted.iter().filter(|(_, share)| *share > 0.0).count();
    // One patch or block alone trains, as the reference has it; a third split cannot do without.
    if splits > 2 && units.len() < splits {
        return Err(too_few(units.len(), patches, "train, val and test"));
    }
    if splits > 1 && units.len() == 1 && patches > 1 {
        return Err(too_few(1, patches, "more than one split"));
    }
    let mut free = order.to_vec();
    for (at, (part, share)) in wanted.iter().enumerate().filter(|(_, (_, share))| *share > 0.0) {
        let after = wanted.iter().skip(at + 1).filter(|(_, share)| *share > 0.0).count();
        // One unit for each split that is still to come, and one to train on.
        let most = free.len().saturating_sub(1 + after);
        let target = ((patches as f64 * share).round_ties_even() as usize).max(1);
        let (mut count, mut taken) = (0, Vec::new());
        let size = |unit: usize| units.get(unit).map_or(0, Vec::len);
        for unit in &free {
            if taken.len() < most && count < target && size(*unit) < 2 * (target - count) {
                count += size(*unit);
                taken.push(*unit);
            }
        }
        if taken.is_empty() && most > 0 {
            taken.extend(free.iter().min_by_key(|unit| size(**unit)));
        }
        for unit in &taken {
            if let Some(slot) = drawn.get_mut(*unit) {
                *slot = *part;
            }
        }
        free.retain(|unit| drawn.get(*unit) == Some(&Part::Train));
    }
    Ok(drawn)
}

fn too_few(units: usize, patches: usize, what: &str) -> Error {
    let there = match units == patches {
        true => format!("{patches} patches"),
        false => format!("{patches} patches in {units} blocks"),
    };
    Error::conflict(
        format!("{there} are too few for {what}"),
        "Give smaller blocks, more patches, or fewer splits",
    )
}

fn deal_folds(
    units: &[Vec<usize>],
    order: &[usize],
    drawn: &[Part],
    patches: usize,
    scheme: &Scheme,
) -> Result<Vec<Option<i64>>> {
    let mut folds = vec![None; patches];
    if scheme.folds == 0 {
        return Ok(folds);
    }
    let is_free = |unit: &usize| drawn.get(*unit) == Some(&Part::Train);
    let free: Vec<usize> = order.iter().copied().filter(is_free).collect();
    if free.len() < scheme.folds {
        let count = free.iter().filter_map(|unit| units.get(*unit)).map(Vec::len).sum();
        return Err(too_few(free.len(), count, &format!("{} folds", scheme.folds)));
    }
    let weights: Vec<f64> = units.iter().map(|unit| unit.len() as f64).collect();
    let dealt = deal(&weights, scheme.folds, &free);
    for unit in free {
        for patch in units.get(unit).into_iter().flatten() {
            if let (Some(slot), Some(fold)) = (folds.get_mut(*patch), dealt.get(unit)) {
                *slot = Some(*fold as i64);
            }
        }
    }
    Ok(folds)
}

/// Test keeps all its patches; those of val that lie too near to it are in no split, and then those of train that lie too
/// near to test or to what is left of val.
fn keep_apart(boxes: &Boxes, parts: &mut [Part], gap: f64, threads: usize) -> Result<()> {
    for held in [&[Part::Test][..], &[Part::Test, Part::Val][..]] {
        let giving = if held.len() == 1 { Part::Val } else { Part::Train };
        let group = |part: &Part| match part {
            part if held.contains(part) => Some(1),
            part if *part == giving => Some(0),
            _ => None,
        };
        let groups: Vec<Option<i64>> = parts.iter().map(group).collect();
        if !groups.contains(&Some(1)) || !groups.contains(&Some(0)) {
            continue;
        }
        let near = boxes.groups_near(&groups, gap, threads)?;
        for (part, (held, shares)) in parts.iter_mut().zip(near).filter(|(part, _)| **part == giving) {
            if !held.is_empty() {
                *part = Part::Buffer(shares);
            }
        }
    }
    Ok(())
}

/// # Errors
/// A split that was asked for has no patch any more.
fn left(parts: &[Part], val: bool, test: bool, scheme: &Scheme) -> Result<()> {
    let count = |wanted: fn(&Part) -> bool| parts.iter().filter(|part| wanted(part)).count();
    let train = count(|part| *part == Part::Train);
    let (in_val, in_test) = (count(|part| *part == Part::Val), count(|part| *part == Part::Test));
    let buffer = count(|part| matches!(part, Part::Buffer(_)));
    let lost = match (train, val && in_val == 0, test && in_test == 0) {
        (0, _, _) => "train",
        (_, true, _) => "val",
        (_, _, true) => "test",
        _ => return Ok(()),
    };
    let why = match scheme.gap > 0.0 {
        true => format!("a gap of {} m", scheme.gap),
        false => "keeping patches apart that share pixels".into(),
    };
    Err(Error::conflict(
        format!(
            "{why} leaves no patch in {lost}: of {} patches {train} train, {in_val} are val, {in_test} test and {buffer} lie between them",
            parts.len()
        ),
        "Give a smaller gap, larger blocks, or another share",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bbox::Bbox;

    const PLAIN: Scheme = Scheme { val: 0.2, test: 0.0, folds: 0, gap: 0.0, seed: 7 };

    fn counts(splits: &[Split]) -> [usize; 4] {
        let count = |wanted: fn(&Part) -> bool| splits.iter().filter(|s| wanted(&s.part)).count();
        [
            count(|p| *p == Part::Train),
            count(|p| *p == Part::Val),
            count(|p| *p == Part::Test),
            count(|p| matches!(p, Part::Buffer(_))),
        ]
    }

    #[test]
    fn parts_weigh_the_same_within_the_heaviest() {
        let mut rng = Pcg64::new(2);
        for n in 1..9 {
            let weights: Vec<f64> = (0..50).map(|_| rng.integer(90) as f64 + 1.0).collect();
            let order: Vec<usize> = rng.permutation(50).into_iter().map(|i| i as usize).collect();
            let parts = deal(&weights, n, &order);
            let mut loads = vec![0.0; n];
            weights.iter().zip(&parts).for_each(|(weight, part)| loads[*part] += weight);
            let (low, high) =
                loads.iter().fold((f64::MAX, 0f64), |(low, high), load| (low.min(*load), high.max(*load)));
            assert!(high - low <= 91.0, "{loads:?}");
        }
        assert_eq!(deal(&[1.0, 1.0, 1.0, 1.0], 2, &[3, 1, 0, 2]), [0, 1, 1, 0]);
    }

    #[test]
    fn each_patch_by_itself_goes_as_numpy_permutes() {
        let patches: Vec<i64> = (0..50).collect();
        let scheme = Scheme { test: 0.1, ..PLAIN };
        let got = split(&patches, None, &scheme, 1).unwrap();
        let order = Pcg64::new(7).permutation(50);
        for (rank, patch) in order.into_iter().enumerate() {
            let want =
                [Part::Val, Part::Test, Part::Train][usize::from(rank >= 10) + usize::from(rank >= 15)];
            assert_eq!(got[patch as usize].part, want);
        }
    }

    #[test]
    fn blocks_go_whole_and_shares_are_met_as_blocks_allow() {
        // 40 blocks of 1 to 10 patches.
        let mut rng = Pcg64::new(1);
        let blocks: Vec<i64> = (0..40).flat_map(|block| vec![block; 1 + rng.integer(9) as usize]).collect();
        for seed in 0..20 {
            let scheme = Scheme { test: 0.3, seed, ..PLAIN };
            let got = split(&blocks, None, &scheme, 1).unwrap();
            for block in 0..40 {
                let mut parts = got.iter().zip(&blocks).filter(|(_, b)| **b == block).map(|(s, _)| s.part);
                let first = parts.next().unwrap();
                assert!(parts.all(|part| part == first));
            }
            let [_, val, test, _] = counts(&got);
            let n = blocks.len() as f64;
            assert!(
                (val as f64 - 0.2 * n).abs() <= 5.0 && (test as f64 - 0.3 * n).abs() <= 5.0,
                "{val} {test} {n}"
            );
        }
        let one = Scheme { val: 0.01, ..PLAIN };
        let blocks: Vec<i64> = (0..30).map(|i| i / 10).collect();
        assert_eq!(counts(&split(&blocks, None, &one, 1).unwrap()), [20, 10, 0, 0]);
    }

    #[test]
    fn what_lies_too_near_is_in_no_split() {
        let side = 40;
        let boxes: Vec<Bbox> = (0..side * side)
            .map(|i| {
                let (x, y) = (f64::from(i % side) * 50.0, f64::from(i / side) * 50.0);
                Bbox::new(x, y, x + 100.0, y + 100.0).unwrap()
            })
            .collect();
        let blocks: Vec<i64> =
            (0..side * side).map(|i| i64::from(i / side / 10 * 10 + i % side / 10)).collect();
        let near = |a: usize, b: usize, gap: f64| {
            let side = |low: f64, high: f64, other: f64, end: f64| (other - high).max(low - end);
            let x = side(boxes[a].xmin, boxes[a].xmax, boxes[b].xmin, boxes[b].xmax);
            let y = side(boxes[a].ymin, boxes[a].ymax, boxes[b].ymin, boxes[b].ymax);
            (x < 0.0 && y < 0.0) || x.max(0.0).hypot(y.max(0.0)) < gap
        };
        let searched = Boxes::new(boxes.clone(), &[0; 1600], &["EPSG:32632".to_string()]).unwrap();
        for gap in [0.0, 30.0, 60.0] {
            let scheme = Scheme { val: 0.15, test: 0.15, gap, ..PLAIN };
            let got = split(&blocks, Some(&searched), &scheme, 2).unwrap();
            let plain = split(&blocks, None, &scheme, 2).unwrap();
            let with = |part: Part| (0..got.len()).filter(|i| got[*i].part == part).collect::<Vec<_>>();
            let (train, val, test) = (with(Part::Train), with(Part::Val), with(Part::Test));
            for (one, other) in [(&train, &val), (&train, &test), (&val, &test)] {
                assert!(one.iter().all(|a| other.iter().all(|b| !near(*a, *b, gap))));
            }
            // No patch is lost that need not be.
            for (i, split) in got.iter().enumerate() {
                let Part::Buffer(shares) = split.part else { continue };
                let held: Vec<usize> = match plain[i].part {
                    Part::Val => test.clone(),
                    _ => test.iter().chain(&val).copied().collect(),
                };
                assert!(held.iter().any(|held| near(i, *held, gap)));
                assert_eq!(shares, held.iter().any(|held| near(i, *held, 0.0)));
            }
            assert!(counts(&got).iter().all(|count| *count > 10), "{:?}", counts(&got));
        }
        let scheme = Scheme { val: 0.0, folds: 4, gap: 60.0, ..PLAIN };
        let got = split(&blocks, Some(&searched), &scheme, 2).unwrap();
        for (i, own) in got.iter().enumerate() {
            let mut want: Vec<i64> =
                (0..got.len()).filter(|j| near(i, *j, 60.0)).filter_map(|j| got[j].fold).collect();
            want.sort_unstable();
            want.dedup();
            want.retain(|fold| Some(*fold) != own.fold);
            assert_eq!(own.buffer_folds, want);
        }
        let error = split(&blocks, Some(&searched), &Scheme { gap: 5000.0, ..PLAIN }, 2).unwrap_err();
        assert!(error.to_string().contains("leaves no patch in train: of 1600 patches 0 train"), "{error}");
    }

    #[test]
    fn more_folds_or_splits_than_blocks_are_refused() {
        let blocks: Vec<i64> = (0..30).map(|i| i / 10).collect();
        let told = |scheme: Scheme| split(&blocks, None, &scheme, 1).unwrap_err().to_string();
        assert!(
            told(Scheme { folds: 4, val: 0.0, ..PLAIN })
                .contains("30 patches in 3 blocks are too few for 4 folds")
        );
        let one = split(&[1; 9], None, &PLAIN, 1).unwrap_err().to_string();
        assert!(one.contains("9 patches in 1 blocks are too few for more than one split"), "{one}");
        assert!(split(&[], None, &PLAIN, 1).unwrap().is_empty());
        assert_eq!(split(&[3], None, &PLAIN, 1).unwrap()[0].part, Part::Train);
    }
}

//! A profile on another axis of depths.
//!
//! As the production dataset does it: observations with a value and a depth of at least 0, in order of depth, those of one
//! depth averaged; linear between neighbours, and only where the nearest of them is near enough.

use crate::error::Result;
use crate::profile::cast::narrow;

/// How far the nearest observation may lie, as a share of the depth.
const RELATIVE: f64 = 0.1;
/// How far it may lie in any case, in metres.
const ABSOLUTE: f64 = 10.0;
/// Depths that differ by less are one.
const SAME: f64 = 1e-6;

/// A profile in order of depth, with each depth once.
#[derive(Debug, Default)]
pub struct Profile {
    depths: Vec<f64>,
    values: Vec<f64>,
    /// The worst flag of each depth, where flags were given.
    flags: Option<Vec<Option<u8>>>,
}

/// What a profile is at the depths of an axis.
#[derive(Debug, Default, PartialEq)]
pub struct Aligned {
    /// A value a depth; `None` where the profile has none.
    pub values: Vec<Option<f32>>,
    /// A flag a depth; empty where no flags were given.
    pub flags: Vec<Option<u8>>,
}

impl Profile {
    /// The observations that have a value and a depth of at least 0. `flags` are as many as the values.
    pub fn new(depths: &[f64], values: &[f64], flags: Option<&[Option<u8>]>) -> Profile {
        let sound = |i: &usize| depths[*i].is_finite() && depths[*i] >= 0.0 && values[*i].is_finite();
        let mut order: Vec<usize> = (0..depths.len().min(values.len())).filter(sound).collect();
        // Stable, so that observations of one depth are summed in their own order; -0 is 0.
        order.sort_by(|a, b| (depths[*a] + 0.0).total_cmp(&(depths[*b] + 0.0)));
        let mut profile = Profile { flags: flags.map(|_| Vec::new()), ..Profile::default() };
        for same in order.chunk_by(|a, b| depths[*a] == depths[*b]) {
            let sum = same.iter().fold(0.0, |sum, i| sum + values[*i]);
            profile.depths.push(depths[same[0]]);
            profile.values.push(if same.len() == 1 { values[same[0]] } else { sum / same.len() as f64 });
            if let (Some(worst), Some(flags)) = (&mut profile.flags, flags) {
                worst.push(same.iter().filter_map(|i| flags.get(*i).copied().flatten()).max());
            }
        }
        profile
    }

    /// The profile at a depth: its two neighbours' indices, which are one where it has that depth itself; `None` beyond the
    /// profile's ends, and where no observation is near enough.
    fn around(&self, target: f64) -> Option<(usize, usize)> {
        let (first, last) = (*self.depths.first()?, *self.depths.last()?);
        if !(target.is_finite() && target >= first && target <= last) {
            return None;
        }
        let right = self.depths.partition_point(|depth| *depth < target);
        let left = right.saturating_sub(1);
        let distance = (target - self.depths[left]).abs().min((target - self.depths[right]).abs());
        (distance <= (RELATIVE * target).max(ABSOLUTE)).then_some((left, right))
    }

    /// The value between two neighbours, as `numpy.interp` has it.
    fn value(&self, target: f64, (left, right): (usize, usize)) -> f64 {
        if self.depths[right] == target {
            return self.values[right];
        }
        let slope = (self.values[right] - self.values[left]) / (self.depths[right] - self.depths[left]);
        slope * (target - self.depths[left]) + self.values[left]
    }

    /// The flag of a depth that the profile has, else the worse one of its neighbours.
    fn flag(&self, target: f64, (left, right): (usize, usize)) -> Option<u8> {
        let flags = self.flags.as_ref()?;
        if (target - self.depths[right]).abs() <= SAME {
            return flags[right];
        }
        flags[left].max(flags[right])
    }

    /// The profile on an axis, where `None` is a depth that is missing. A value whose flag is none of `accepted` is left out;
    /// one without a flag counts as accepted.
    ///
    /// # Errors
    /// A value that no FLOAT holds.
    pub fn align(&self, axis: &[Option<f64>], accepted: &[u8]) -> Result<Aligned> {
        let mut aligned = Aligned::default();
        for target in axis {
            let found = target.and_then(|target| Some((target, self.around(target)?)));
            let flag = found.and_then(|(target, between)| self.flag(target, between));
            let found = found.filter(|_| flag.is_none_or(|flag| accepted.contains(&flag)));
            aligned
                .values
                .push(found.map(|(target, between)| narrow(self.value(target, between))).transpose()?);
            if self.flags.is_some() {
                aligned.flags.push(flag);
            }
        }
        Ok(aligned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AXIS: [f64; 9] = [0.494, 1.541, 5.078, 9.573, 15.81, 29.44, 55.76, 109.7, 222.5];

    fn align(depths: &[f64], values: &[f64], axis: &[f64]) -> Vec<Option<f32>> {
        let axis: Vec<Option<f64>> = axis.iter().map(|z| Some(*z)).collect();
        Profile::new(depths, values, None).align(&axis, &[]).unwrap().values
    }

    #[test]
    fn values_are_interpolated_between_neighbours_that_are_near() {
        let got = align(&[2.0, 10.0, 20.0, 50.0, 100.0, 200.0], &[20.0, 19.0, 18.0, 15.0, 10.0, 5.0], &AXIS);
        let want = [19.61525, 19.053375, 18.419, 17.056, 14.424, 9.515].map(|v: f64| Some(v as f32));
        assert_eq!(got, [&[None, None], &want[..], &[None]].concat());
    }

    #[test]
    fn order_repeats_and_bad_observations_change_nothing() {
        let want = align(&[1.0, 5.0, 9.0], &[3.0, 4.0, 5.0], &[1.0, 2.0, 5.0, 8.0, 9.0]);
        let depths = [9.0, 1.0, -3.0, 5.0, 5.0, f64::NAN, 4.0];
        let got = align(&depths, &[5.0, 3.0, 99.0, 3.5, 4.5, 7.0, f64::NAN], &[1.0, 2.0, 5.0, 8.0, 9.0]);
        assert_eq!(got, want);
        assert_eq!(align(&[], &[], &[1.0]), [None]);
        assert_eq!(align(&[-1.0], &[2.0], &[-1.0]), [None]);
    }

    #[test]
    fn one_level_gives_its_own_depth_alone() {
        assert_eq!(align(&[5.0], &[2.0], &[4.9999999, 5.0, 5.0000001]), [None, Some(2.0), None]);
    }

    #[test]
    fn a_flag_is_that_of_the_depth_or_the_worse_neighbours() {
        let profile = Profile::new(
            &[0.0, 4.0, 4.0, 8.0, 12.0],
            &[1.0, 2.0, 4.0, 3.0, 4.0],
            Some(&[Some(1), Some(2), Some(3), None, Some(4)]),
        );
        let axis = [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0].map(Some);
        let aligned = profile.align(&axis, &[1, 2]).unwrap();
        assert_eq!(aligned.flags, [Some(1), Some(3), Some(3), Some(3), None, Some(4), Some(4)]);
        assert_eq!(aligned.values, [Some(1.0), None, None, None, Some(3.0), None, None]);
    }
}

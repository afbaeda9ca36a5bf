//! How often each short whole number came: all that statistics ask, without an error.

/// The whole numbers that two bytes hold, with a sign or without.
pub const SHORT: (i32, i32) = (i16::MIN as i32, u16::MAX as i32);

/// Numbers of a page.
const PAGE: usize = 256;
/// Pages of all numbers.
const PAGES: usize = (SHORT.1 - SHORT.0 + 1) as usize / PAGE;

/// Numbers that wait before pages are made: a few take less room by themselves.
const WAITING: usize = 32_768;

/// Counts in pages, which are made where a number comes.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    waiting: Vec<i32>,
    pages: Vec<Option<Box<[u64; PAGE]>>>,
}

impl Counts {
    /// Counts numbers of [`SHORT`].
    pub fn extend(&mut self, numbers: impl ExactSizeIterator<Item = i32>) {
        if self.pages.is_empty() && self.waiting.len() + numbers.len() <= WAITING {
            self.waiting.extend(numbers);
            return;
        }
        for number in std::mem::take(&mut self.waiting) {
            self.count(number, 1);
        }
        numbers.for_each(|number| self.count(number, 1));
    }

    #[inline]
    fn count(&mut self, number: i32, times: u64) {
        let index = number.wrapping_sub(SHORT.0) as usize;
        match self.pages.get_mut(index / PAGE) {
            Some(Some(page)) => page[index % PAGE] += times,
            _ => self.count_first(index, times),
        }
    }

    #[cold]
    fn count_first(&mut self, index: usize, times: u64) {
        if self.pages.is_empty() {
            self.pages.resize_with(PAGES, || None);
        }
        if let Some(page) = self.pages.get_mut(index / PAGE) {
            page.get_or_insert_with(|| Box::new([0; PAGE]))[index % PAGE] += times;
        }
    }

    /// Adds the counts of other numbers.
    pub fn merge(&mut self, other: &Counts) {
        self.extend(other.waiting.iter().copied());
        if other.pages.is_empty() {
            return;
        }
        for (number, times) in other.values_of_pages() {
            self.count(number, times);
        }
        for number in std::mem::take(&mut self.waiting) {
            self.count(number, 1);
        }
    }

    /// What it holds on the heap.
    pub fn bytes(&self) -> usize {
        let pages = self.pages.iter().flatten().count() * size_of::<[u64; PAGE]>();
        let room = self.pages.capacity() * size_of::<Option<Box<[u64; PAGE]>>>();
        pages + room + self.waiting.capacity() * size_of::<i32>()
    }

    /// The numbers that came, in order, and how often.
    pub fn values(&self) -> Vec<(i32, u64)> {
        if !self.pages.is_empty() {
            return self.values_of_pages().collect();
        }
        let mut sorted = self.waiting.clone();
        sorted.sort_unstable();
        sorted.chunk_by(|a, b| a == b).filter_map(|same| Some((*same.first()?, same.len() as u64))).collect()
    }

    fn values_of_pages(&self) -> impl Iterator<Item = (i32, u64)> + '_ {
        let pages = self.pages.iter().enumerate().filter_map(|(at, page)| Some((at * PAGE, page.as_ref()?)));
        let all = pages.flat_map(|(from, page)| page.iter().enumerate().map(move |(at, n)| (from + at, *n)));
        all.filter(|(_, n)| *n > 0).map(|(index, n)| (index as i32 + SHORT.0, n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: &[i32]) -> Counts {
        let mut counts = Counts::default();
        counts.extend(numbers.iter().copied());
        counts
    }

    #[test]
    fn numbers_come_back_in_order_with_their_counts() {
        assert!(Counts::default().values().is_empty() && Counts::default().bytes() == 0);
        let (some, others) = ([5, SHORT.1, SHORT.0, 5, -1], [5, 70, 255, 256]);
        let want = [(SHORT.0, 1), (-1, 1), (5, 3), (70, 1), (255, 1), (256, 1), (SHORT.1, 1)];
        // Waiting or in pages, on either side.
        let many = |numbers: &[i32]| numbers.repeat(20_000);
        for (a, b) in [(of(&some), of(&others)), (of(&many(&some)), of(&many(&others)))] {
            let times = if a.pages.is_empty() { 1 } else { 20_000 };
            let want: Vec<(i32, u64)> = want.iter().map(|(number, count)| (*number, count * times)).collect();
            let (mut to, mut from) = (a.clone(), b.clone());
            to.merge(&b);
            from.merge(&a);
            assert_eq!((to.values(), from.values()), (want.clone(), want));
        }
        let (mut to, mut from) = (of(&some), of(&many(&some)));
        to.merge(&of(&many(&some)));
        from.merge(&of(&some));
        assert_eq!((to.values(), to.values()[2]), (from.values(), (5, 40_002)));
    }
}

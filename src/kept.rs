//! What is kept to be used again, within a bound: what was used longest ago goes first.
//!
//! [`Kept`] is a map of one owner, [`Shared`] the same for any number of threads, and [`Idle`] holds what one thread at
//! a time borrows: open files, transformations. What goes is dropped after the lock is given back, since a file may
//! close with it.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lru::LruCache;

/// A map of at most so many entries.
pub struct Kept<K: Hash + Eq, V> {
    /// Made with the first entry, so that a map can be a static.
    entries: Option<LruCache<K, V>>,
    most: usize,
}

impl<K: Hash + Eq, V> Kept<K, V> {
    /// An empty map of at most `most` entries; of one where that is 0.
    pub const fn new(most: usize) -> Kept<K, V> {
        Kept { entries: None, most: if most == 0 { 1 } else { most } }
    }

    /// The value of a key, which counts as a use.
    pub fn get<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entries.as_mut()?.get(key)
    }

    /// Keeps a value, and gives what went for it: the key's value before, or the one that was used longest ago.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let entries = self.entries.get_or_insert_with(LruCache::unbounded);
        let before = entries.push(key, value);
        let gone = before.or_else(|| if entries.len() > self.most { entries.pop_lru() } else { None });
        gone.map(|(_, value)| value)
    }

    /// The value of a key, made where there is none.
    ///
    /// # Errors
    /// What `make` returns.
    pub fn get_or_make<E>(&mut self, key: K, make: impl FnOnce() -> Result<V, E>) -> Result<&V, E> {
        let entries = self.entries.get_or_insert_with(LruCache::unbounded);
        if !entries.contains(&key) && entries.len() >= self.most {
            let value = make()?;
            entries.pop_lru();
            return Ok(entries.get_or_insert(key, || value));
        }
        entries.try_get_or_insert(key, make)
    }

    /// Takes the value of a key out.
    pub fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.entries.as_mut()?.pop(key)
    }

    /// Takes all values out, the last used first.
    pub fn drain(&mut self) -> impl Iterator<Item = V> + use<K, V> {
        let mut entries = self.entries.take();
        std::iter::from_fn(move || entries.as_mut()?.pop_mru().map(|(_, value)| value))
    }

    /// All values, the last used first. It is no use of them.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.iter().flat_map(|entries| entries.iter().map(|(_, value)| value))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.as_ref().map_or(0, LruCache::len)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A [`Kept`] that any number of threads use. Its values are clones that cost little: an `Arc`, or plain data.
pub struct Shared<K: Hash + Eq, V>(Mutex<Kept<K, V>>);

impl<K: Hash + Eq, V: Clone> Shared<K, V> {
    /// As [`Kept::new`].
    pub const fn new(most: usize) -> Shared<K, V> {
        Shared(Mutex::new(Kept::new(most)))
    }

    /// The map itself, for as long as the guard lives. No panic leaves it half-changed.
    pub fn lock(&self) -> MutexGuard<'_, Kept<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value of a key, which counts as a use.
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.lock().get(key).cloned()
    }

    /// Keeps a value.
    pub fn insert(&self, key: K, value: V) {
        let gone = self.lock().insert(key, value);
        drop(gone);
    }

    /// Keeps a value unless the key has one that is as good, which another thread made meanwhile: that one is given,
    /// to be shared.
    pub fn share(&self, key: K, value: V, as_good: impl FnOnce(&V) -> bool) -> V {
        let gone = {
            let mut kept = self.lock();
            if let Some(other) = kept.get(&key).filter(|other| as_good(other)) {
                return other.clone();
            }
            kept.insert(key, value.clone())
        };
        drop(gone);
        value
    }

    /// The value of a key, made where there is none. It is made without the lock, so that two threads may make one; the
    /// first is then the one for both.
    ///
    /// # Errors
    /// What `make` returns.
    pub fn get_or_make<Q, E>(&self, key: &Q, make: impl FnOnce() -> Result<V, E>) -> Result<V, E>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        match self.get(key) {
            Some(value) => Ok(value),
            None => make().map(|value| self.share(key.to_owned(), value, |_| true)),
        }
    }
}

/// Things that wait for a borrower, any number to a key, and so many in all. One thread at a time has one; past the
/// bound, the one that lay idle longest goes.
pub struct Idle<K, T> {
    lots: Mutex<Lots<K, T>>,
    most: usize,
}

struct Lots<K, T> {
    /// Things of each key by the time of their return.
    things: HashMap<K, BTreeMap<u64, T>>,
    /// Whose thing came back when, oldest first.
    order: BTreeMap<u64, K>,
    clock: u64,
}

impl<K: Hash + Eq + Clone, T> Idle<K, T> {
    /// Room for `most` things.
    pub fn new(most: usize) -> Idle<K, T> {
        let lots = Lots { things: HashMap::new(), order: BTreeMap::new(), clock: 0 };
        Idle { lots: Mutex::new(lots), most }
    }

    /// The maps are never left half-changed by anything that can panic.
    fn lock(&self) -> MutexGuard<'_, Lots<K, T>> {
        self.lots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An idle thing of a key: the one that came back last.
    pub fn take<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<T>
    where
        K: Borrow<Q>,
    {
        let mut lots = self.lock();
        let things = lots.things.get_mut(key)?;
        let (time, thing) = things.pop_last()?;
        if things.is_empty() {
            lots.things.remove(key);
        }
        lots.order.remove(&time);
        Some(thing)
    }

    /// Puts a thing back, or a new one in.
    pub fn give_back(&self, key: K, thing: T) {
        let mut lots = self.lock();
        lots.clock += 1;
        let time = lots.clock;
        lots.things.entry(key.clone()).or_default().insert(time, thing);
        lots.order.insert(time, key);
        let oldest = if lots.order.len() > self.most { lots.order.pop_first() } else { None };
        let gone = oldest.and_then(|(time, key)| {
            let things = lots.things.get_mut(&key)?;
            let gone = things.remove(&time);
            if things.is_empty() {
                lots.things.remove(&key);
            }
            gone
        });
        drop(lots);
        drop(gone);
    }

    /// Keeps a thing that was not used yet where there is room: of more than that, those at hand stay.
    pub fn offer(&self, key: K, thing: T) {
        if self.len() < self.most {
            self.give_back(key, thing);
        }
    }

    /// Lets the things of a key go.
    pub fn forget<Q: Hash + Eq + ?Sized>(&self, key: &Q)
    where
        K: Borrow<Q>,
    {
        let mut lots = self.lock();
        let gone = lots.things.remove(key).unwrap_or_default();
        for time in gone.keys() {
            lots.order.remove(time);
        }
        drop(lots);
        drop(gone);
    }

    /// Lets all things go.
    pub fn clear(&self) {
        let mut lots = self.lock();
        lots.order.clear();
        let gone = std::mem::take(&mut lots.things);
        drop(lots);
        drop(gone);
    }

    /// How many things lie idle.
    pub fn len(&self) -> usize {
        self.lock().order.len()
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many may.
    pub fn most(&self) -> usize {
        self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Pcg64;
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    fn below(rng: &mut Pcg64, n: u64) -> u64 {
        rng.next_u64() % n
    }

    /// The same by brute force: pairs in the order of their use, the last one at the end.
    #[derive(Default)]
    struct Model(Vec<(u64, u64)>);

    impl Model {
        fn get(&mut self, key: u64) -> Option<u64> {
            let index = self.0.iter().position(|(k, _)| *k == key)?;
            let pair = self.0.remove(index);
            self.0.push(pair);
            Some(pair.1)
        }

        fn insert(&mut self, key: u64, value: u64, most: usize) -> Option<u64> {
            let before = self.get(key);
            if before.is_some() {
                self.0.pop();
            }
            self.0.push((key, value));
            before.or_else(|| (self.0.len() > most).then(|| self.0.remove(0).1))
        }
    }

    #[test]
    fn a_bounded_map_answers_as_a_list_in_the_order_of_use() {
        for (seed, most) in [(1, 1), (2, 2), (3, 7), (4, 64)] {
            let mut rng = Pcg64::new(seed);
            let (mut kept, mut model) = (Kept::new(most), Model::default());
            for step in 0..4000 {
                let key = below(&mut rng, 2 * most as u64 + 2);
                match below(&mut rng, 3) {
                    0 => assert_eq!(kept.get(&key).copied(), model.get(key)),
                    1 => assert_eq!(kept.insert(key, step), model.insert(key, step, most)),
                    _ => {
                        let made = *kept.get_or_make(key, || Ok::<_, Infallible>(step)).unwrap();
                        let known = model.get(key);
                        if known.is_none() {
                            model.insert(key, step, most);
                        }
                        assert_eq!(made, known.unwrap_or(step));
                    }
                }
                assert!(kept.len() <= most && kept.len() == model.0.len());
            }
            let values: Vec<u64> = kept.values().copied().collect();
            assert_eq!(values, model.0.iter().rev().map(|(_, value)| *value).collect::<Vec<_>>());
            assert_eq!(kept.drain().collect::<Vec<_>>(), values);
            assert!(kept.is_empty());
        }
    }

    #[test]
    fn what_can_not_be_made_leaves_the_map_as_it_was() {
        let mut kept = Kept::new(1);
        kept.insert(1, 10);
        assert_eq!(kept.get_or_make(2, || Err("no")), Err("no"));
        assert_eq!(kept.get(&1), Some(&10));
    }

    #[test]
    fn threads_share_the_value_that_was_made_first() {
        static SHARED: Shared<String, Arc<usize>> = Shared::new(4);
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let make = || Ok::<_, Infallible>(Arc::new(MADE.fetch_add(1, Relaxed)));
        let threads: Vec<_> =
            (0..8).map(|_| std::thread::spawn(move || SHARED.get_or_make("key", make).unwrap())).collect();
        let values: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(values.iter().all(|value| Arc::ptr_eq(value, &values[0])));
        assert_eq!(Arc::strong_count(&values[0]), 8 + 1);
    }

    #[test]
    fn a_value_that_is_no_longer_good_is_replaced() {
        let shared = Shared::new(4);
        assert_eq!(shared.share("a", 1, |_| true), 1);
        assert_eq!(shared.share("a", 2, |other| *other == 2), 2);
        assert_eq!(shared.share("a", 3, |other| *other == 2), 2);
        assert_eq!(shared.get("a"), Some(2));
    }

    /// Fails the test when it is dropped while the map's lock is held.
    #[derive(Clone)]
    struct Closes(Arc<Shared<u8, Option<Closes>>>);

    impl Drop for Closes {
        fn drop(&mut self) {
            assert!(self.0.0.try_lock().is_ok());
        }
    }

    #[test]
    fn what_goes_is_dropped_without_the_lock() {
        let shared = Arc::new(Shared::new(1));
        shared.insert(1, Some(Closes(shared.clone())));
        shared.insert(1, Some(Closes(shared.clone())));
        shared.insert(2, Some(Closes(shared.clone())));
        shared.share(2, Some(Closes(shared.clone())), |_| false);
        shared.share(2, Some(Closes(shared.clone())), |_| true);
        shared.insert(3, None);
    }

    #[test]
    fn idle_things_stay_within_the_bound_and_the_oldest_goes_first() {
        let idle = Idle::new(3);
        for key in 0..5 {
            idle.give_back(key, key * 10);
        }
        assert_eq!((idle.len(), idle.most()), (3, 3));
        let kept: Vec<Option<u64>> = (0..5).map(|key| idle.take(&key)).collect();
        assert_eq!(kept, [None, None, Some(20), Some(30), Some(40)]);
        assert!(idle.is_empty());
    }

    #[test]
    fn what_was_not_used_takes_no_room_of_another() {
        let idle = Idle::new(2);
        for key in 0..4 {
            idle.offer(key, key);
        }
        assert_eq!([0, 1, 2, 3].map(|key| idle.take(&key)), [Some(0), Some(1), None, None]);
    }

    #[test]
    fn a_forgotten_key_has_nothing_idle() {
        let idle = Idle::new(8);
        for thing in 0..3 {
            idle.give_back(1, thing);
            idle.give_back(2, thing);
        }
        idle.forget(&1);
        assert_eq!((idle.len(), idle.take(&1), idle.take(&2)), (3, None, Some(2)));
        idle.give_back(1, 9);
        assert_eq!(idle.take(&1), Some(9));
    }
}

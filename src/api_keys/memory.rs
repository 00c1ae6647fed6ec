//! What was read of the database, until it changes.
//!
//! A read that was under way while its thing changed must not put the old one back: every eviction moves the generation
//! of its shard on, and what was read is kept only if the generation is still what it was before.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use quick_cache::sync::Cache;
use uuid::Uuid;

const SHARDS: usize = 64;

/// A bounded memory of things by their number.
pub(super) struct Memory<V> {
    entries: Cache<Uuid, Arc<V>>,
    generations: Box<[Mutex<u64>]>,
}

impl<V> fmt::Debug for Memory<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

impl<V> Memory<V> {
    pub(super) fn new(size: usize) -> Self {
        Self { entries: Cache::new(size.max(1)), generations: (0..SHARDS).map(|_| Mutex::new(0)).collect() }
    }

    pub(super) fn get(&self, what: Uuid) -> Option<Arc<V>> {
        self.entries.get(&what)
    }

    /// What to hand to [`Memory::keep`] with what is read from now on.
    pub(super) fn generation(&self, what: Uuid) -> u64 {
        *self.shard(what)
    }

    /// Keeps what was read when its shard was at `generation`, if it still is.
    pub(super) fn keep(&self, what: Uuid, generation: u64, value: &Arc<V>) {
        // Held while it is put in, so that no eviction comes between.
        let now = self.shard(what);
        if *now == generation {
            self.entries.insert(what, Arc::clone(value));
        }
        drop(now);
    }

    pub(super) fn forget(&self, what: Uuid) {
        let mut generation = self.shard(what);
        *generation += 1;
        self.entries.remove(&what);
    }

    pub(super) fn forget_all(&self) {
        // All generations first, and held: a read that ends in between is not kept.
        let mut all: Vec<MutexGuard<'_, u64>> =
            self.generations.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner)).collect();
        for generation in &mut all {
            **generation += 1;
        }
        self.entries.clear();
    }

    fn shard(&self, what: Uuid) -> MutexGuard<'_, u64> {
        // The last byte is chance in every version that is used here.
        let shard = usize::from(what.as_bytes()[15]) % SHARDS;
        self.generations[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_an_eviction_is_not_kept_after_it() {
        let (memory, what, value) = (Memory::new(10), Uuid::from_u128(7), Arc::new("old"));
        let generation = memory.generation(what);
        memory.forget(what);
        memory.keep(what, generation, &value);
        assert_eq!(memory.get(what), None, "it changed while it was read");
        let generation = memory.generation(what);
        memory.keep(what, generation, &value);
        assert_eq!(memory.get(what), Some(value.clone()));
        memory.forget_all();
        memory.keep(what, generation, &value);
        assert_eq!(memory.get(what), None, "everything was forgotten while it was read");
    }
}

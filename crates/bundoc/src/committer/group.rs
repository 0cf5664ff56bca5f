//! The writes of one group, laid over the store: later requests of the group see them, a failed request
//! takes its own back.

use crate::error::EngineError;
use crate::layout::Space;
use crate::store::Store;
use fjall::Slice;
use std::collections::HashMap;

type Cell = (Space, Slice);

/// Pending writes over a store. `None` is a removal.
pub(crate) struct Group<'a> {
    store: &'a Store,
    writes: HashMap<Cell, Option<Slice>>,
    undo: Vec<(Cell, Option<Option<Slice>>)>,
    bytes: usize,
}

impl<'a> Group<'a> {
    pub(crate) fn new(store: &'a Store) -> Self {
        Self { store, writes: HashMap::new(), undo: Vec::new(), bytes: 0 }
    }

    /// The value of a key as this group leaves it.
    pub(crate) fn get(&self, space: Space, key: &[u8]) -> Result<Option<Slice>, EngineError> {
        if !self.writes.is_empty()
            && let Some(value) = self.writes.get(&(space, Slice::from(key)))
        {
            return Ok(value.clone());
        }
        self.store.get(space, key)
    }

    /// Sets a value.
    pub(crate) fn put(&mut self, space: Space, key: impl Into<Slice>, value: impl Into<Slice>) {
        self.set(space, key.into(), Some(value.into()));
    }

    /// Removes a key.
    pub(crate) fn remove(&mut self, space: Space, key: impl Into<Slice>) {
        self.set(space, key.into(), None);
    }

    fn set(&mut self, space: Space, key: Slice, value: Option<Slice>) {
        self.bytes += key.len() + value.as_ref().map_or(0, |value| value.len());
        let cell = (space, key);
        let before = self.writes.insert(cell.clone(), value);
        self.undo.push((cell, before));
    }

    /// Keeps what was written since the last call.
    pub(crate) fn accept(&mut self) {
        self.undo.clear();
    }

    /// Takes back what was written since the last `accept`.
    pub(crate) fn take_back(&mut self) {
        while let Some((cell, before)) = self.undo.pop() {
            match before {
                Some(value) => self.writes.insert(cell, value),
                None => self.writes.remove(&cell),
            };
        }
    }

    /// Bytes written so far, those taken back included.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Commits everything as one batch.
    pub(crate) fn commit(self) -> Result<(), EngineError> {
        self.store.commit(self.writes.into_iter())
    }
}

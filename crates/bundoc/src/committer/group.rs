//! The writes of one group, laid over the store: later requests of the group see them, a failed request
//! takes its own back. Those of a transaction are laid over its snapshot and committed by nobody.

use crate::error::EngineError;
use crate::layout::Space;
use crate::store::{Store, View};
use fjall::Slice;
use std::collections::HashMap;

type Cell = (Space, Slice);

/// Pending writes. `None` is a removal.
pub(crate) type Writes = HashMap<Cell, Option<Slice>>;

/// Pending writes over a store, or over a snapshot of it.
pub(crate) struct Group<'a> {
    store: &'a Store,
    snapshot: Option<View<'a>>,
    writes: Writes,
    undo: Vec<(Cell, Option<Option<Slice>>)>,
    bytes: usize,
    change_bytes: u64,
}

impl<'a> Group<'a> {
    pub(crate) fn new(store: &'a Store) -> Self {
        Self { store, snapshot: None, writes: HashMap::new(), undo: Vec::new(), bytes: 0, change_bytes: 0 }
    }

    /// What a transaction wrote, over its snapshot.
    pub(crate) fn over(store: &'a Store, snapshot: View<'a>, writes: Writes) -> Self {
        Self { store, snapshot: Some(snapshot), writes, undo: Vec::new(), bytes: 0, change_bytes: 0 }
    }

    /// What the writes are laid over.
    pub(crate) fn view(&self) -> View<'a> {
        self.snapshot.clone().unwrap_or_else(|| self.store.view())
    }

    /// The writes alone.
    pub(crate) fn into_writes(self) -> Writes {
        self.writes
    }

    /// The value of a key as this group leaves it.
    pub(crate) fn get(&self, space: Space, key: &[u8]) -> Result<Option<Slice>, EngineError> {
        if !self.writes.is_empty()
            && let Some(value) = self.writes.get(&(space, Slice::from(key)))
        {
            return Ok(value.clone());
        }
        match &self.snapshot {
            Some(view) => view.get(space, key),
            None => self.store.get(space, key),
        }
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
        let bytes = key.len() + value.as_ref().map_or(0, |value| value.len());
        self.bytes += bytes;
        if space == Space::Changes && value.is_some() {
            self.change_bytes += bytes as u64;
        }
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

    /// Bytes of entries in change feeds written so far, those taken back included.
    pub(crate) fn change_bytes(&self) -> u64 {
        self.change_bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Commits everything as one batch.
    pub(crate) fn commit(self) -> Result<(), EngineError> {
        self.store.commit(self.writes.into_iter())
    }
}

//! Reading a log from an offset on: file after file, up to the last event that is on disk. Blocks; runs on
//! threads that may.

use crate::budget::Budget;
use crate::log::block::{Block, Blocks, Found};
use crate::log::error::LogError;
use crate::log::open::{OpenLog, View};
use crate::log::segment::Segment;
use crate::moment::from_epoch_ms;
use crate::run::{Draft, Part, RUN_BYTES};
use ports::events::Topic;
use std::collections::VecDeque;
use std::fs::File;
use std::io::ErrorKind;
use std::sync::Arc;

/// How many bytes of events one read gives.
const READ_BYTES: usize = 256 << 10;

/// What a read gave.
#[derive(Debug)]
pub(crate) enum Read {
    /// Events.
    Parts(VecDeque<Part>),
    /// The log does not hold the wanted event; it goes on with the oldest.
    Resync,
    /// There is no more on disk.
    End,
}

/// A place in a log.
#[derive(Debug)]
pub(crate) struct Reader {
    log: Arc<OpenLog>,
    topic: Topic,
    budget: Arc<Budget>,
    next: u64,
    open: Option<Place>,
}

#[derive(Debug)]
struct Place {
    segment: Arc<Segment>,
    file: File,
    position: u64,
    /// The first event of the block that stands there.
    block: u64,
}

impl Reader {
    pub(crate) fn new(log: Arc<OpenLog>, topic: Topic, budget: Arc<Budget>, from: u64) -> Self {
        Self { log, topic, budget, next: from, open: None }
    }

    /// The event that comes next.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    pub(crate) fn log(&self) -> &OpenLog {
        &self.log
    }

    /// Reads on.
    pub(crate) fn read(&mut self) -> Result<Read, LogError> {
        loop {
            let view = self.log.view()?;
            let oldest = view.segments.first().map_or(view.next, |segment| segment.first);
            if self.next < oldest || self.next > view.next {
                self.next = oldest;
                self.open = None;
                return Ok(Read::Resync);
            }
            if self.next == view.next {
                return Ok(Read::End);
            }
            let Some(place) = self.place(&view)? else { continue };
            let parts = self.read_at(place, &view)?;
            if !parts.is_empty() {
                return Ok(Read::Parts(parts));
            }
        }
    }

    /// Where to read; `None` where the file was removed just now.
    fn place(&mut self, view: &View) -> Result<Option<Place>, LogError> {
        let after = view.segments.partition_point(|segment| segment.first <= self.next);
        let segment = &view.segments[after.saturating_sub(1)];
        if let Some(place) = self.open.take()
            && place.segment.first == segment.first
        {
            return Ok(Some(place));
        }
        let file = match File::open(&segment.path) {
            Err(error) if error.kind() == ErrorKind::NotFound && self.log.oldest()? > segment.first => {
                return Ok(None);
            }
            opened => opened.map_err(|error| LogError::io(&segment.path, error))?,
        };
        segment.check_head(&file)?;
        let (block, position) = segment.begin(self.next);
        Ok(Some(Place { segment: segment.clone(), file, position, block }))
    }

    fn read_at(&mut self, mut place: Place, view: &View) -> Result<VecDeque<Part>, LogError> {
        let segment = place.segment.clone();
        let mut blocks = Blocks::new(&place.file, place.position, segment.bytes());
        let mut runs = Runs { topic: &self.topic, budget: &self.budget, parts: VecDeque::new(), bytes: 0 };
        while runs.bytes < READ_BYTES && place.block < view.next {
            let position = blocks.position();
            match blocks.next(place.block).map_err(|error| LogError::io(&segment.path, error))? {
                Found::Block(block) => {
                    segment.note(block.first, position);
                    place.block = block.first + block.count;
                    runs.add(&block, self.next);
                    self.next = self.next.max(place.block);
                }
                Found::End if view.segments.iter().any(|segment| segment.first == place.block) => break,
                Found::End | Found::Broken => {
                    return Err(LogError::Damaged { path: segment.path.display().to_string(), position });
                }
            }
        }
        let (position, parts) = (blocks.position(), runs.parts);
        place.position = position;
        self.open = Some(place);
        Ok(parts)
    }
}

/// Events that were read, as runs.
struct Runs<'a> {
    topic: &'a Topic,
    budget: &'a Arc<Budget>,
    parts: VecDeque<Part>,
    bytes: usize,
}

impl Runs<'_> {
    /// Adds the events of a block from number `from` on: those published in the same moment make a run.
    fn add(&mut self, block: &Block<'_>, from: u64) {
        let mut current: Option<(i64, u64, Draft)> = None;
        for (offset, (published_ms, payload)) in (block.first..).zip(block.events()) {
            if offset < from {
                continue;
            }
            if current.as_ref().is_none_or(|(of, _, draft)| *of != published_ms || draft.bytes() >= RUN_BYTES)
            {
                self.close(current.take());
                let draft = Draft::new(self.topic.clone(), from_epoch_ms(published_ms), 0);
                current = Some((published_ms, offset, draft));
            }
            if let Some((_, _, draft)) = &mut current {
                draft.push(payload);
            }
        }
        self.close(current);
    }

    fn close(&mut self, current: Option<(i64, u64, Draft)>) {
        let Some((_, first, draft)) = current else { return };
        self.bytes += draft.bytes();
        let charge = self.budget.charge_anyway(draft.bytes());
        self.parts.push_back(Part::new(draft.finish(Some(first), charge), 0));
    }
}

//! What waits for one subscriber: a bounded queue, and what happens to it when the subscriber is slow.
//! Must hold: never more events and bytes than allowed; each topic in order; whatever goes missing is
//! counted.

use crate::run::{Part, Run};
use ports::events::{SlowPolicy, Topic};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// A queue that was emptied keeps room for this many parts.
const KEPT_PARTS: usize = 64;

/// The bounds of a queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) events_max: usize,
    pub(crate) bytes_max: usize,
}

/// Why a subscription ended from the broker's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The subscriber did not keep up, and asked to be disconnected then.
    TooSlow,
    /// Its project or topic was removed.
    Removed,
    /// The server shuts down.
    ShuttingDown,
}

/// Parts that wait, in order.
#[derive(Debug)]
pub(crate) struct Queue {
    bounds: Bounds,
    slow: SlowPolicy,
    parts: VecDeque<Part>,
    events: usize,
    bytes: usize,
    missed: u64,
    /// Where the one part of each topic stands, counted from the first part there ever was (`Coalesce`).
    latest: HashMap<Topic, u64>,
    /// Parts that went out at the front.
    gone: u64,
    end: Option<End>,
}

/// What was taken out.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) missed: u64,
    pub(crate) parts: VecDeque<Part>,
    pub(crate) end: Option<End>,
}

impl Queue {
    pub(crate) fn new(bounds: Bounds, slow: SlowPolicy) -> Self {
        Self {
            bounds,
            slow,
            parts: VecDeque::new(),
            events: 0,
            bytes: 0,
            missed: 0,
            latest: HashMap::new(),
            gone: 0,
            end: None,
        }
    }

    /// Whether there is nothing to take.
    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.missed == 0 && self.end.is_none()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether more than half of what is allowed waits.
    pub(crate) fn is_pressed(&self) -> bool {
        self.end.is_none()
            && (self.events > self.bounds.events_max / 2 || self.bytes > self.bounds.bytes_max / 2)
    }

    /// Takes in a run. Says how many events went missing for it.
    pub(crate) fn push(&mut self, run: &Arc<Run>) -> u64 {
        if self.end.is_some() {
            return 0;
        }
        let before = self.missed;
        match self.slow {
            SlowPolicy::Coalesce => self.put_latest(run),
            SlowPolicy::DropOldest | SlowPolicy::Disconnect => self.append(Part::new(run.clone(), 0)),
        }
        if self.is_over() {
            match self.slow {
                SlowPolicy::Disconnect => self.end(End::TooSlow),
                SlowPolicy::DropOldest | SlowPolicy::Coalesce => self.drop_oldest(),
            }
        }
        self.missed - before
    }

    fn append(&mut self, part: Part) {
        self.events += part.len();
        self.bytes += part.bytes();
        self.parts.push_back(part);
    }

    /// The newest event of the topic takes the place of the one that waits.
    fn put_latest(&mut self, run: &Arc<Run>) {
        self.missed += run.len() as u64 - 1;
        let part = Part::new(run.last_alone(), 0);
        if let Some(place) = self.latest.get(run.topic()) {
            let waiting = &mut self.parts[(place - self.gone) as usize];
            self.bytes = self.bytes - waiting.bytes() + part.bytes();
            *waiting = part;
            self.missed += 1;
        } else {
            self.latest.insert(run.topic().clone(), self.gone + self.parts.len() as u64);
            self.append(part);
        }
    }

    fn is_over(&self) -> bool {
        self.events > self.bounds.events_max || self.bytes > self.bounds.bytes_max
    }

    fn drop_oldest(&mut self) {
        while self.is_over() {
            let excess = self.events.saturating_sub(self.bounds.events_max);
            let Some(front) = self.parts.front_mut() else { return };
            if front.len() > 1 {
                let count = excess.clamp(1, front.len() - 1);
                self.bytes -= front.bytes_of_first(count);
                self.events -= count;
                self.missed += count as u64;
                front.skip(count);
            } else if let Some(part) = self.pop() {
                self.missed += part.len() as u64;
            }
        }
    }

    fn pop(&mut self) -> Option<Part> {
        let part = self.parts.pop_front()?;
        self.gone += 1;
        self.events -= part.len();
        self.bytes -= part.bytes();
        if self.slow == SlowPolicy::Coalesce {
            self.latest.remove(part.topic());
        }
        Some(part)
    }

    /// Gives up what waits, to make room for others: as if the queue were full.
    pub(crate) fn shed(&mut self) {
        match self.slow {
            SlowPolicy::Disconnect => self.end(End::TooSlow),
            SlowPolicy::DropOldest | SlowPolicy::Coalesce => {
                while let Some(part) = self.pop() {
                    self.missed += part.len() as u64;
                }
            }
        }
    }

    /// Takes parts out, in order, until they have `bytes` together.
    pub(crate) fn take(&mut self, bytes: usize) -> Taken {
        let mut taken = Taken { missed: std::mem::take(&mut self.missed), ..Taken::default() };
        let mut room = bytes;
        while room > 0
            && let Some(part) = self.pop()
        {
            room = room.saturating_sub(part.bytes());
            taken.parts.push_back(part);
        }
        if self.parts.is_empty() {
            taken.end = self.end;
            if self.parts.capacity() > KEPT_PARTS {
                self.parts.shrink_to(KEPT_PARTS);
            }
        }
        taken
    }

    /// Ends the queue; what waits in one that was too slow, or removed, is given up.
    pub(crate) fn end(&mut self, end: End) {
        if self.end.is_none() {
            self.end = Some(end);
            if end != End::ShuttingDown {
                (self.parts, self.latest) = (VecDeque::new(), HashMap::new());
                (self.events, self.bytes) = (0, 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Budget, Total};
    use crate::run::Draft;

    fn run(topic: &str, payloads: &[&str]) -> Arc<Run> {
        let topic = Topic::parse(topic).unwrap();
        let mut draft = Draft::new(topic, std::time::SystemTime::now(), 0);
        payloads.iter().for_each(|payload| draft.push(payload.as_bytes()));
        let budget = Budget::new(Total::new(1 << 20), 1 << 20);
        draft.finish(None, budget.charge_anyway(0))
    }

    fn queue(slow: SlowPolicy, events_max: usize, bytes_max: usize) -> Queue {
        Queue::new(Bounds { events_max, bytes_max }, slow)
    }

    fn texts(taken: &Taken) -> Vec<String> {
        let events = taken.parts.iter().flat_map(Part::events);
        events.map(|event| String::from_utf8(event.payload.to_vec()).unwrap()).collect()
    }

    #[test]
    fn the_oldest_go_and_are_counted_also_within_a_run() {
        let mut queue = queue(SlowPolicy::DropOldest, 3, 1 << 20);
        queue.push(&run("a", &["1", "2"]));
        assert_eq!(queue.push(&run("b", &["3", "4", "5", "6"])), 3);
        let taken = queue.take(usize::MAX);
        assert_eq!((taken.missed, texts(&taken)), (3, vec!["4".into(), "5".into(), "6".into()]));
        assert!(queue.is_empty() && queue.bytes() == 0);
    }

    #[test]
    fn bytes_are_bounded_like_events() {
        let one = run("a", &["0123456789"]).bytes_from(0);
        let mut queue = queue(SlowPolicy::DropOldest, 100, 2 * one);
        for number in 0..5 {
            queue.push(&run("a", &[&format!("{number:010}")]));
            assert!(queue.bytes() <= 2 * one);
        }
        let taken = queue.take(usize::MAX);
        assert_eq!((taken.missed, taken.parts.len()), (3, 2));
    }

    #[test]
    fn one_that_wants_to_be_disconnected_is() {
        let mut queue = queue(SlowPolicy::Disconnect, 2, 1 << 20);
        queue.push(&run("a", &["1", "2"]));
        queue.push(&run("a", &["3"]));
        queue.push(&run("a", &["4"]));
        let taken = queue.take(usize::MAX);
        assert_eq!((taken.end, taken.parts.len(), queue.bytes()), (Some(End::TooSlow), 0, 0));
    }

    #[test]
    fn coalescing_keeps_the_newest_of_each_topic() {
        let mut queue = queue(SlowPolicy::Coalesce, 2, 1 << 20);
        queue.push(&run("a", &["a1", "a2"]));
        queue.push(&run("b", &["b1"]));
        queue.push(&run("a", &["a3"]));
        let taken = queue.take(1);
        assert_eq!((taken.missed, texts(&taken)), (2, vec!["a3".into()]));
        queue.push(&run("a", &["a4"]));
        queue.push(&run("b", &["b2"]));
        queue.push(&run("c", &["c1"]));
        let taken = queue.take(usize::MAX);
        assert_eq!((taken.missed, texts(&taken)), (2, vec!["a4".into(), "c1".into()]));
    }

    #[test]
    fn a_shutdown_lets_what_waits_out_first() {
        let mut queue = queue(SlowPolicy::DropOldest, 10, 1 << 20);
        queue.push(&run("a", &["1"]));
        queue.end(End::ShuttingDown);
        assert_eq!(queue.push(&run("a", &["2"])), 0);
        let taken = queue.take(usize::MAX);
        assert_eq!((texts(&taken), taken.end), (vec!["1".into()], Some(End::ShuttingDown)));
    }
}

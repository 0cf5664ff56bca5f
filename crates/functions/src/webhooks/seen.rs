//! Events that were taken, for as long as their signature would be valid: each is handled once. In memory: after a
//! restart a sender's repetition within that time is handled again.

use super::signature::TOLERANCE_S;
use service_kit::ids::FunctionId;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A time may be that far ahead, and is then valid for as long again.
const KEPT: Duration = Duration::from_secs(2 * TOLERANCE_S);
/// Events of one function; beyond that the oldest is forgotten.
const EVENTS_MAX: usize = 10_000;

/// Path of the webhook, and the event.
type Name = Arc<(String, String)>;

/// Those of all functions.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<HashMap<FunctionId, Events>>);

#[derive(Debug, Default)]
struct Events {
    /// Whether it was handled.
    known: HashMap<Name, bool>,
    /// Those that were handled, the oldest first.
    done: VecDeque<(Instant, Name)>,
}

/// What is known of an event.
pub(super) enum State {
    /// Nothing; it is handled now.
    New(Turn),
    /// It is being handled.
    Running,
    /// It was handled.
    Done,
}

/// An event that is being handled. When it is dropped without being done, it may come again.
pub(crate) struct Turn {
    seen: Arc<Seen>,
    function: FunctionId,
    name: Name,
    is_done: bool,
}

impl Turn {
    /// It was handled.
    pub(crate) fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut functions = self.seen.lock();
        let Some(events) = functions.get_mut(&self.function) else { return };
        if self.is_done {
            events.known.insert(self.name.clone(), true);
            events.done.push_back((Instant::now(), self.name.clone()));
        } else {
            events.known.remove(&self.name);
        }
    }
}

impl Seen {
    fn lock(&self) -> MutexGuard<'_, HashMap<FunctionId, Events>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an event up, where it is new.
    pub(super) fn begin(self: &Arc<Self>, function: &FunctionId, (path, event): (&str, &str)) -> State {
        let mut functions = self.lock();
        if !functions.contains_key(function) {
            functions.retain(|_, events| {
                events.forget_old();
                !events.known.is_empty()
            });
        }
        let events = functions.entry(function.clone()).or_default();
        events.forget_old();
        let name: Name = Arc::new((path.to_owned(), event.to_owned()));
        match events.known.get(&name) {
            Some(true) => State::Done,
            Some(false) => State::Running,
            None => {
                events.known.insert(name.clone(), false);
                let function = function.clone();
                State::New(Turn { seen: self.clone(), function, name, is_done: false })
            }
        }
    }
}

impl Events {
    fn forget_old(&mut self) {
        while let Some((at, name)) = self.done.front()
            && (at.elapsed() > KEPT || self.done.len() > EVENTS_MAX)
        {
            self.known.remove(name);
            self.done.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(seen: &Arc<Seen>, function: &FunctionId, event: &str) -> State {
        seen.begin(function, ("/hook", event))
    }

    #[test]
    fn an_event_is_handled_once_and_again_only_after_a_failure() {
        let (seen, function) = (Arc::<Seen>::default(), FunctionId::generate());
        let State::New(turn) = begin(&seen, &function, "e") else { panic!("it is new") };
        assert!(matches!(begin(&seen, &function, "e"), State::Running));
        assert!(matches!(begin(&seen, &FunctionId::generate(), "e"), State::New(_)));
        assert!(matches!(seen.begin(&function, ("/other", "e")), State::New(_)));
        drop(turn);
        let State::New(turn) = begin(&seen, &function, "e") else { panic!("it failed") };
        turn.done();
        assert!(matches!(begin(&seen, &function, "e"), State::Done));
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let (seen, function) = (Arc::<Seen>::default(), FunctionId::generate());
        for at in 0..EVENTS_MAX + 2 {
            let State::New(turn) = begin(&seen, &function, &at.to_string()) else { panic!("it is new") };
            turn.done();
        }
        assert!(matches!(begin(&seen, &function, "0"), State::New(_)));
        assert!(matches!(begin(&seen, &function, "2"), State::Done));
        assert!(seen.lock()[&function].known.len() <= EVENTS_MAX + 1);
    }
}

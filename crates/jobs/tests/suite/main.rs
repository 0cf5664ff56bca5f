//! The queue as its callers see it, on a real file, with a clock that the tests move.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails; this covers its helpers too")]

mod concurrency;
mod crash;
mod dead;
mod delivery;
mod disk;
mod fairness;
mod inspect;
mod model;
mod queue;
mod restart;
mod retry;
mod schedules;
mod shared;
mod support;
mod unique;

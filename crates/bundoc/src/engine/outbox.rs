//! The outbox: events and jobs that were committed together with documents and wait to be handed on.

use super::ChangePosition;
use bson::{Bson, Document};

/// Where entries wait: each kind has a reader of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outbox {
    /// Events for the event bus.
    Events,
    /// Jobs for queues.
    Jobs,
}

/// What is handed on.
#[derive(Debug, Clone, PartialEq)]
pub enum Outgoing {
    /// Of `WriteOp::Emit`.
    Event {
        /// Topic on the event bus.
        topic: String,
        /// What is published.
        payload: Bson,
    },
    /// Of `WriteOp::Enqueue`.
    Job {
        /// Queue.
        queue: String,
        /// What the job gets.
        payload: Bson,
        /// Delay, priority and whatever else the queue takes.
        options: Document,
    },
}

/// One entry. Entries come at least once; the epoch of the database (`Engine::epoch`) and the position
/// together are never used for another one.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxEntry {
    /// Commit, and place in it.
    pub position: ChangePosition,
    /// What is handed on.
    pub outgoing: Outgoing,
}

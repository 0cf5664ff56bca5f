//! What the code of a call waits for between two slices: timers, calls of the server's services, other hosts. All
//! of it ends with the call.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{AbortHandle, Abortable, BoxFuture};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use outbound::{OutboundClient, OutboundError, OutboundRequest};
use worker_pool::{Host, PortCall};

use crate::message::Reply;

/// Outcomes that are handed to one slice.
const BATCH_MAX: usize = 64;

/// Something that the code started.
#[derive(Debug)]
pub(crate) enum Operation {
    Timer { id: u32, after: Duration, weak: bool },
    Port { id: u32, call: PortCall },
    Fetch { id: u32, request: OutboundRequest },
}

/// An operation that is over.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) id: u32,
    pub(crate) outcome: Outcome,
}

#[derive(Debug)]
pub(crate) enum Outcome {
    Elapsed,
    Replied(Reply),
    /// The text of the error that the code gets.
    Failed(String),
}

/// Who answers.
#[derive(Clone)]
pub(crate) struct Outside {
    pub(crate) host: Arc<dyn Host>,
    pub(crate) outbound: OutboundClient,
}

struct Open {
    handle: AbortHandle,
    weak: bool,
}

/// The open operations of one call.
#[derive(Default)]
pub(crate) struct Operations {
    running: FuturesUnordered<Abortable<BoxFuture<'static, Event>>>,
    open: HashMap<u32, Open>,
}

impl Operations {
    pub(crate) fn start(&mut self, operation: Operation, outside: &Outside) {
        let (handle, registration) = AbortHandle::new_pair();
        let (id, weak, future): (u32, bool, BoxFuture<'static, Event>) = match operation {
            Operation::Timer { id, after, weak } => {
                let timer = tokio::time::sleep(after);
                (
                    id,
                    weak,
                    async move {
                        Event {
                            id,
                            outcome: {
                                timer.await;
                                Outcome::Elapsed
                            },
                        }
                    }
                    .boxed(),
                )
            }
            Operation::Port { id, call } => {
                let path = call.path.clone();
                let reply = outside.host.port_call(call);
                let answered = async move {
                    let reply = reply.await;
                    let (status, headers, body) = (reply.status, reply.headers, reply.body);
                    let reply = Reply { status, headers, body, url: path, redirected: false };
                    Event { id, outcome: Outcome::Replied(reply) }
                };
                (id, false, answered.boxed())
            }
            Operation::Fetch { id, request } => {
                let client = outside.outbound.clone();
                (id, false, async move { Event { id, outcome: fetched(client.send(request).await) } }.boxed())
            }
        };
        self.open.insert(id, Open { handle, weak });
        self.running.push(Abortable::new(future, registration));
    }

    pub(crate) fn cancel(&mut self, id: u32) {
        if let Some(open) = self.open.remove(&id) {
            open.handle.abort();
        }
    }

    /// Whether something goes on that the code may still wait for.
    pub(crate) fn are_open(&self) -> bool {
        self.open.values().any(|open| !open.weak)
    }

    /// Waits for an outcome and takes those that are there with it; `None` where there is none before `due`.
    pub(crate) async fn next(&mut self, due: Instant) -> Option<Vec<Event>> {
        let mut events = Vec::new();
        while events.is_empty() {
            if self.running.is_empty() {
                tokio::time::sleep_until(due.into()).await;
                return None;
            }
            let first = tokio::time::timeout_at(due.into(), self.running.next()).await.ok()?;
            self.keep(first, &mut events);
            while events.len() < BATCH_MAX
                && let Some(ready) = self.running.next().now_or_never()
                && ready.is_some()
            {
                self.keep(ready, &mut events);
            }
        }
        // Timers fire in the order in which they were set, when they are due together.
        events.sort_by_key(|event| event.id);
        Some(events)
    }

    fn keep(&mut self, ended: Option<Result<Event, futures_util::future::Aborted>>, events: &mut Vec<Event>) {
        if let Some(Ok(event)) = ended
            && self.open.remove(&event.id).is_some()
        {
            events.push(event);
        }
    }
}

fn fetched(answer: Result<outbound::OutboundResponse, OutboundError>) -> Outcome {
    match answer {
        Ok(response) => Outcome::Replied(Reply {
            status: response.status,
            headers: response.headers,
            body: response.body,
            url: response.url.into(),
            redirected: response.redirected,
        }),
        Err(error) => Outcome::Failed(format!("fetch failed ({}): {error}", error.code())),
    }
}

impl Operation {
    pub(crate) fn body_bytes(&self) -> usize {
        match self {
            Self::Timer { .. } => 0,
            Self::Port { call, .. } => call.body.len(),
            Self::Fetch { request, .. } => request.body.len(),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        match self {
            Self::Timer { id, .. } | Self::Port { id, .. } | Self::Fetch { id, .. } => *id,
        }
    }

    /// Whether the code does not wait for it.
    pub(crate) fn is_weak(&self) -> bool {
        matches!(self, Self::Timer { weak: true, .. })
    }
}

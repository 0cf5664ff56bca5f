//! Indexes of every kind: what they change about how a query is answered, and that they change nothing else.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails; this covers its helpers too")]

mod answers;
mod bed;
mod building;
mod expiry;
mod groups;
mod planner;
mod unique;

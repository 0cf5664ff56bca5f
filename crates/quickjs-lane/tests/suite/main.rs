//! The lane as its callers see it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails; this covers its helpers too")]

mod capabilities;
mod documented;
mod handlers;
mod limits;
mod ports;
mod support;
mod web;

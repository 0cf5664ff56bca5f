//! The service as its callers see it, with real workers. The failure suite stands where the whole is: in `worker-pool`,
//! and in the tests of the binary.

#![allow(clippy::unwrap_used)]

mod concurrency;
mod integration;
mod support;

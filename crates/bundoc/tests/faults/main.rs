//! What is left after a disk failed or the power went: a process writes through the real engine while
//! `recorder.c` writes down (or fails) each of its system calls, and every state that the disk could be in is
//! opened and compared with what was acknowledged. See docs/bundoc/testing.md.
//!
//! Each test runs itself as that process; `drive::child` is where it ends up then.
//! `BUNBASE_FAULT_STATES` and `BUNBASE_FAULT_CALLS` set how much is looked at; `all` is everything.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails; this covers its helpers too")]

mod content;
mod disk;
mod drive;
mod failures;
mod log;
mod power;
mod process;
#[path = "../workload/mod.rs"]
mod workload;

//! A disk that fails: one call after another fails, and then everything that was acknowledged has to be there.

use crate::drive;
use crate::process::{Ended, Recorder, bound, run, scratch};
use crate::workload::{Expected, Progress, Size, verify};
use std::path::Path;

/// Calls that fail in a short run, for each way to fail.
const CALLS: usize = 14;
const SIZE: Size = Size { writers: 2, writer_steps: 30, definer_steps: 36, data_bytes_max: 0 };
const FOREVER: u64 = 1_000_000_000;

/// How many calls the work takes when nothing fails; that is not the same in each run.
fn count_calls(test: &str) -> u64 {
    let (root, files) = (scratch(), scratch());
    let count = files.path().join("count");
    let ended = run(test, "work", root.path(), &Recorder { count: Some(&count), ..Recorder::default() });
    assert_eq!(ended.success, Some(true), "{}\n{}", ended.output, ended.errors);
    std::fs::read_to_string(count).unwrap().trim().parse().unwrap()
}

fn check(root: &Path, ended: &Ended, expected: &Expected) -> Result<(), String> {
    match ended.success {
        None => return Err("it hangs".into()),
        Some(false) => return Err(format!("it ended badly:\n{}", last_lines(&ended.errors))),
        Some(true) => {}
    }
    if ended.errors.contains("panicked at") {
        return Err(format!("a thread panicked:\n{}", last_lines(&ended.errors)));
    }
    let mut progress = Progress::default();
    ended.output.lines().for_each(|line| progress.note(line));
    verify(root, &expected.candidates(&progress)).map(drop)
}

fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

/// Fails calls all over the work: `in_a_row` of them each time.
fn failing(test: &str, how: &str, in_a_row: u64) {
    if drive::child(SIZE) {
        return;
    }
    let calls = count_calls(test);
    let stride = (calls / bound("BUNBASE_FAULT_CALLS", CALLS) as u64).max(1);
    let expected = Expected::new(SIZE);
    let mut failures = Vec::new();
    let mut tried = 0;
    // Not always the same calls: where it begins depends on the way to fail.
    let first = 1 + (how.len() as u64 * 7 + in_a_row) % stride;
    for at in (first..=calls).step_by(stride as usize) {
        let root = scratch();
        let recorder = Recorder { fail: Some((at, in_a_row, how)), ..Recorder::default() };
        let ended = run(test, "fail", root.path(), &recorder);
        tried += 1;
        if let Err(problem) = check(root.path(), &ended, &expected) {
            failures.push(format!("call {at}: {problem}"));
        }
    }
    println!("{tried} of {calls} calls failed with {how}");
    let shown = failures.iter().take(10).cloned().collect::<Vec<_>>().join("\n");
    assert!(failures.is_empty(), "{} of {tried}:\n{shown}", failures.len());
}

#[test]
fn nothing_acknowledged_is_lost_where_one_call_fails() {
    failing("failures::nothing_acknowledged_is_lost_where_one_call_fails", "eio", 1);
}

#[test]
fn nothing_acknowledged_is_lost_where_the_disk_fails_for_good() {
    failing("failures::nothing_acknowledged_is_lost_where_the_disk_fails_for_good", "eio", FOREVER);
}

#[test]
fn nothing_acknowledged_is_lost_where_the_disk_is_full_for_a_moment() {
    failing("failures::nothing_acknowledged_is_lost_where_the_disk_is_full_for_a_moment", "enospc", 5);
}

#[test]
fn nothing_acknowledged_is_lost_where_the_disk_stays_full() {
    failing("failures::nothing_acknowledged_is_lost_where_the_disk_stays_full", "enospc", FOREVER);
}

#[test]
fn a_write_that_does_half_is_completed() {
    failing("failures::a_write_that_does_half_is_completed", "short", 1);
}

#[test]
fn a_full_disk_is_noticed_and_writes_go_on_when_it_has_space_again() {
    if drive::child(SIZE) {
        return;
    }
    let root = scratch();
    let test = "failures::a_full_disk_is_noticed_and_writes_go_on_when_it_has_space_again";
    let ended = run(test, "full", root.path(), &Recorder::default());
    assert_eq!(ended.success, Some(true), "{}\n{}", ended.output, ended.errors);
    assert!(ended.output.lines().any(|line| line == "ended"), "{}", ended.output);
}

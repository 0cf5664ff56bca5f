//! Power loss: the disk as it could be at every sync, and at moments between, is opened and checked.

use crate::disk::{Disk, LOSSES, Loss};
use crate::drive;
use crate::log::{Event, events};
use crate::process::{Recorder, bound, run, scratch};
use crate::workload::{Expected, Progress, Size, mix, verify};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};

/// States that are looked at in a short run.
const STATES: usize = 300;
const CHECKERS: usize = 2;
/// Recoveries that are recorded.
const RECOVERIES: usize = 8;
/// Between two syncs, every so many events are looked at too.
const BETWEEN: usize = 7;

const SMALL: Size = Size { writers: 3, writer_steps: 60, definer_steps: 40, data_bytes_max: 0 };
/// Enough bytes that a journal is sealed and another one begun.
const LARGE: Size = Size { writers: 2, writer_steps: 40, definer_steps: 24, data_bytes_max: 1_500_000 };

/// A disk that was written down somewhere, and what was acknowledged then.
struct State {
    directory: PathBuf,
    progress: Progress,
    what: String,
}

/// What was found.
struct Looked {
    states: usize,
    failures: Vec<String>,
}

impl Looked {
    fn check(&self, states_min: usize) {
        let Self { states, failures } = self;
        println!("{states} states looked at");
        assert!(*states > states_min, "only {states} states");
        let shown = failures.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
        assert!(failures.is_empty(), "{} of {states} states are wrong:\n{shown}", failures.len());
    }
}

/// Records a run over the directory and returns the log.
fn record(test: &str, task: &str, root: &Path) -> Vec<u8> {
    let log = scratch();
    let path = log.path().join("log");
    let ended = run(test, task, root, &Recorder { log: Some(&path), ..Recorder::default() });
    assert_eq!(ended.success, Some(true), "{}\n{}", ended.output, ended.errors);
    std::fs::read(path).unwrap()
}

/// The moments to look at: places in the log, behind which something is or is not on the disk.
fn moments(events: &[Event<'_>]) -> Vec<usize> {
    let is_moment = |(place, event): &(usize, &Event<'_>)| {
        // Before a sync ends nothing of it is certain, behind it everything is.
        let next_ends = matches!(events.get(place + 1), Some(Event::SyncEnd { .. }));
        matches!(event, Event::SyncEnd { .. }) || next_ends || place % BETWEEN == 0
    };
    events.iter().enumerate().filter(is_moment).map(|(place, _)| place).collect()
}

/// Opens what the disk could be at the moments of the log, at the most `states_max` of them. `disk` and
/// `progress` are as they were when the log begins.
fn replay<'a>(
    (mut disk, mut progress): (Disk<'a>, Progress),
    events: &[Event<'a>],
    expected: &Expected,
    states_max: usize,
) -> Looked {
    let moments = moments(events);
    let all = moments.len() * LOSSES.len();
    let stride = all.div_ceil(states_max).max(1);
    let (failures, scratch) = (Mutex::new(Vec::new()), scratch());
    let mut states_looked_at = 0;
    std::thread::scope(|scope| {
        let (states, receiver) = sync_channel(CHECKERS);
        let receiver = Arc::new(Mutex::new(receiver));
        let failures = &failures;
        for _ in 0..CHECKERS {
            let receiver = Arc::clone(&receiver);
            scope.spawn(move || look(&receiver, expected, failures));
        }
        let mut moment = 0;
        for (place, event) in events.iter().enumerate() {
            disk.apply(event);
            if let Event::Note { text } = event {
                progress.note(text);
            }
            if moments.get(moment) != Some(&place) {
                continue;
            }
            for (kind, loss) in LOSSES.iter().enumerate() {
                // Another kind of loss at each moment that is looked at.
                let number = moment * LOSSES.len() + (kind + moment) % LOSSES.len();
                if number.is_multiple_of(stride) {
                    states_looked_at += 1;
                    let state = state(&disk, *loss, &progress, (scratch.path(), place, number));
                    states.send(state).unwrap();
                }
            }
            moment += 1;
        }
        drop(states);
    });
    Looked { states: states_looked_at, failures: failures.into_inner().unwrap() }
}

fn state(
    disk: &Disk<'_>,
    loss: Loss,
    progress: &Progress,
    (scratch, place, number): (&Path, usize, usize),
) -> State {
    let directory = scratch.join(number.to_string());
    std::fs::create_dir(&directory).unwrap();
    disk.write_out(loss, mix(number as u64), &directory);
    let what = format!("event {place}, on the disk: {}, number {number}", loss.name);
    State { directory, progress: progress.clone(), what }
}

fn look(states: &Mutex<Receiver<State>>, expected: &Expected, failures: &Mutex<Vec<String>>) {
    loop {
        let next = states.lock().unwrap().recv();
        let Ok(State { directory, progress, what }) = next else { return };
        if let Err(problem) = verify(&directory, &expected.candidates(&progress)) {
            failures.lock().unwrap().push(format!("{what}: {problem}"));
        }
        std::fs::remove_dir_all(directory).unwrap();
    }
}

fn power_loss(test: &str, size: Size, states_max: usize) {
    if drive::child(size) {
        return;
    }
    let root = scratch();
    let log = record(test, "work", root.path());
    let begin = (Disk::new(), Progress::default());
    let looked = replay(begin, &events(&log), &Expected::new(size), states_max);
    println!("{} bytes of log", log.len());
    looked.check(STATES / 20);
}

#[test]
fn acknowledged_writes_survive_power_loss_at_every_sync() {
    let states = bound("BUNBASE_FAULT_STATES", STATES);
    power_loss("power::acknowledged_writes_survive_power_loss_at_every_sync", SMALL, states);
}

#[test]
fn acknowledged_writes_survive_power_loss_while_journals_change() {
    let states = bound("BUNBASE_FAULT_STATES", STATES) / 10;
    power_loss("power::acknowledged_writes_survive_power_loss_while_journals_change", LARGE, states);
}

/// A process that opens what a power loss left is recorded again, and loses power again.
#[test]
fn recovery_survives_power_loss_too() {
    if drive::child(SMALL) {
        return;
    }
    let test = "power::recovery_survives_power_loss_too";
    let root = scratch();
    let log = record(test, "work", root.path());
    let (events_of_work, expected) = (events(&log), Expected::new(SMALL));
    let (mut disk, mut progress) = (Disk::new(), Progress::default());
    let mut looked = Looked { states: 0, failures: Vec::new() };
    let states_max = bound("BUNBASE_FAULT_STATES", STATES) / 20;
    for (place, event) in events_of_work.iter().enumerate() {
        disk.apply(event);
        if let Event::Note { text } = event {
            progress.note(text);
        }
        // A few times all over the work.
        if (place + 1) % (events_of_work.len() / RECOVERIES) != 0 {
            continue;
        }
        let lost = scratch();
        disk.write_out(LOSSES[looked.states % LOSSES.len()], mix(place as u64), lost.path());
        let begin = (Disk::load(lost.path()), progress.clone());
        let log = record(test, "open", lost.path());
        let again = replay(begin, &events(&log), &expected, states_max);
        looked.states += again.states;
        looked.failures.extend(again.failures.iter().map(|text| format!("recovery at {place}: {text}")));
    }
    looked.check(STATES / 20);
}

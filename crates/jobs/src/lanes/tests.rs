//! Who gets the free slots.

use super::*;

fn queue(name: &str) -> QueueName {
    QueueName::parse(name).unwrap()
}

fn shares(takes: &[Take]) -> Vec<(&str, usize)> {
    takes.iter().map(|take| (take.queue.as_str(), take.count)).collect()
}

#[test]
fn a_project_with_many_jobs_leaves_its_turn_to_others() {
    let (big, small) = (ProjectId::generate(), ProjectId::generate());
    let mut lanes = Lanes::default();
    lanes.add_ready(&big, &queue("big"), 100_000);
    lanes.add_ready(&small, &queue("small"), 1);
    let takes = lanes.deal(4, &|_, _| true, |_| usize::MAX);
    assert_eq!(shares(&takes), [("big", 3), ("small", 1)]);
}

#[test]
fn turns_go_on_where_they_ended() {
    let projects: Vec<_> = (0..3).map(|_| ProjectId::generate()).collect();
    let mut lanes = Lanes::default();
    for project in &projects {
        lanes.add_ready(project, &queue("q"), 10);
    }
    let mut served = Vec::new();
    for _ in 0..6 {
        let takes = lanes.deal(1, &|_, _| true, |_| usize::MAX);
        served.push(projects.iter().position(|project| *project == takes[0].project).unwrap());
    }
    assert_eq!(served, [0, 1, 2, 0, 1, 2]);
}

#[test]
fn queues_of_a_project_take_turns_too() {
    let project = ProjectId::generate();
    let mut lanes = Lanes::default();
    lanes.add_ready(&project, &queue("many"), 1_000);
    lanes.add_ready(&project, &queue("few"), 2);
    let takes = lanes.deal(10, &|_, _| true, |_| usize::MAX);
    assert_eq!(shares(&takes), [("many", 8), ("few", 2)]);
}

#[test]
fn limits_of_queue_and_project_and_pauses_hold() {
    let (one, other) = (ProjectId::generate(), ProjectId::generate());
    let mut lanes = Lanes::default();
    lanes.add_ready(&one, &queue("limited"), 10);
    lanes.configure(&one, &queue("limited"), QueueSettings { paused: false, concurrency_max: Some(2) });
    lanes.add_ready(&one, &queue("paused"), 10);
    lanes.configure(&one, &queue("paused"), QueueSettings { paused: true, concurrency_max: None });
    lanes.add_ready(&other, &queue("open"), 10);
    let takes = lanes.deal(20, &|_, _| true, |project| if *project == other { 3 } else { 20 });
    assert_eq!(shares(&takes), [("limited", 2), ("open", 3)]);
    for _ in 0..2 {
        lanes.begin(&one, &queue("limited"), None);
    }
    let takes = lanes.deal(20, &|project, _| *project == one, |_| 20);
    assert_eq!(shares(&takes), []);
    lanes.end(&one, &queue("limited"), None);
    let takes = lanes.deal(20, &|project, _| *project == one, |_| 20);
    assert_eq!(shares(&takes), [("limited", 1)]);
}

#[test]
fn nothing_is_kept_of_what_is_done() {
    let project = ProjectId::generate();
    let mut lanes = Lanes::default();
    lanes.project(&project).waiting += 1;
    lanes.add_ready(&project, &queue("q"), 1);
    lanes.begin(&project, &queue("q"), Some("key"));
    lanes.tidy();
    assert_eq!(lanes.queue(&project, &queue("q")).running_with("key"), 1);
    lanes.end(&project, &queue("q"), Some("key"));
    lanes.tidy();
    assert!(lanes.projects.is_empty() && lanes.turns.is_empty());
}

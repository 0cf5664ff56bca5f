//! A checker of histories: whether what transactions saw and wrote could have come from running them one
//! after the other. Builds the direct serialization graph (Adya, "Weak consistency", 1999, with predicate
//! reads) from the order of commits and looks for a cycle.
//!
//! Keys have versions, numbered by the commit that wrote them; zero is the state before all. Each transaction
//! says which commit its snapshot ends with, and that claim is checked as well: everything that it saw has to
//! be the state of that moment.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

/// A key of the history.
pub(super) type Key = u8;

/// What a transaction saw of what others wrote.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Saw {
    /// A key, with its version; `None` is missing.
    Key(Key, Option<u64>),
    /// All keys whose value is in a range, with their versions; those that the transaction had written
    /// itself are left out on both sides.
    Range { values: Range<i32>, found: BTreeMap<Key, u64>, own: BTreeSet<Key> },
}

/// A transaction that committed.
#[derive(Debug, Clone)]
pub(super) struct Committed {
    /// The last commit in its snapshot.
    pub(super) since: u64,
    /// Its own commit; `None` where it wrote nothing.
    pub(super) commit: Option<u64>,
    pub(super) saw: Vec<Saw>,
    /// What it left behind; `None` is a removal.
    pub(super) wrote: BTreeMap<Key, Option<i32>>,
}

/// What is wrong with a history.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Violation {
    /// A transaction saw something else than the state of its snapshot.
    Snapshot { transaction: usize, saw: Saw },
    /// No order explains these transactions.
    Cycle(Vec<usize>),
}

/// One version of a key.
#[derive(Debug, Clone, Copy)]
struct Version {
    commit: u64,
    value: Option<i32>,
    writer: usize,
}

/// The versions of all keys, in order.
struct Versions(HashMap<Key, Vec<Version>>);

/// Checks a history.
pub(super) fn check(history: &[Committed]) -> Result<(), Violation> {
    let versions = Versions::of(history);
    let mut edges = BTreeSet::new();
    for (transaction, committed) in history.iter().enumerate() {
        for saw in &committed.saw {
            if !versions.explain(committed.since, saw) {
                return Err(Violation::Snapshot { transaction, saw: saw.clone() });
            }
            versions.depend((transaction, committed.since), saw, &mut edges);
        }
    }
    for versions in versions.0.values() {
        // Write-write: the order of versions.
        edges.extend(versions.windows(2).map(|pair| (pair[0].writer, pair[1].writer)));
    }
    edges.retain(|(from, to)| from != to);
    match cycle(history.len(), &edges) {
        left if left.is_empty() => Ok(()),
        left => Err(Violation::Cycle(left)),
    }
}

impl Versions {
    fn of(history: &[Committed]) -> Self {
        let mut versions: HashMap<Key, Vec<Version>> = HashMap::new();
        for (writer, committed) in history.iter().enumerate() {
            for (key, value) in &committed.wrote {
                let commit = committed.commit.expect("who wrote has a commit");
                versions.entry(*key).or_default().push(Version { commit, value: *value, writer });
            }
        }
        versions.values_mut().for_each(|versions| versions.sort_by_key(|version| version.commit));
        Self(versions)
    }

    /// The versions of a key up to a commit, and those after it.
    fn split(&self, key: Key, commit: u64) -> (&[Version], &[Version]) {
        let all = self.0.get(&key).map_or(&[][..], Vec::as_slice);
        all.split_at(all.partition_point(|version| version.commit <= commit))
    }

    fn at(&self, key: Key, commit: u64) -> Option<Version> {
        self.split(key, commit).0.last().copied().filter(|version| version.value.is_some())
    }

    fn explain(&self, since: u64, saw: &Saw) -> bool {
        match saw {
            Saw::Key(key, version) => self.at(*key, since).map(|version| version.commit) == *version,
            Saw::Range { values, found, own } => {
                let keys = self.0.keys().filter(|key| !own.contains(key));
                let there = keys.filter_map(|key| {
                    let version = self.at(*key, since)?;
                    version
                        .value
                        .is_some_and(|value| values.contains(&value))
                        .then_some((*key, version.commit))
                });
                there.collect::<BTreeMap<_, _>>() == *found
            }
        }
    }

    /// Write-read and read-write dependencies. Only the nearest version on each side: others follow by
    /// write-write.
    fn depend(&self, (transaction, since): (usize, u64), saw: &Saw, edges: &mut BTreeSet<(usize, usize)>) {
        let whatever = |_: Option<i32>| true;
        match saw {
            Saw::Key(key, _) => self.depend_on(*key, (transaction, since), &whatever, edges),
            Saw::Range { values, own, .. } => {
                let matches = |value: Option<i32>| value.is_some_and(|value| values.contains(&value));
                for key in self.0.keys().filter(|key| !own.contains(key)) {
                    self.depend_on(*key, (transaction, since), &matches, edges);
                }
            }
        }
    }

    fn depend_on(
        &self,
        key: Key,
        (transaction, since): (usize, u64),
        matches: &dyn Fn(Option<i32>) -> bool,
        edges: &mut BTreeSet<(usize, usize)>,
    ) {
        let (before, after) = self.split(key, since);
        let states: Vec<Option<i32>> =
            std::iter::once(None).chain(before.iter().chain(after).map(|version| version.value)).collect();
        let counts = |place: usize| matches(states[place]) || matches(states[place + 1]);
        let last = (0..before.len()).rev().find(|place| counts(*place));
        let next = (before.len()..before.len() + after.len()).find(|place| counts(*place));
        edges.extend(last.map(|place| (before[place].writer, transaction)));
        edges.extend(next.map(|place| (transaction, after[place - before.len()].writer)));
    }
}

/// The nodes that are left when those that nobody left leads to are taken away, again and again.
fn cycle(nodes: usize, edges: &BTreeSet<(usize, usize)>) -> Vec<usize> {
    let mut leading = vec![0_usize; nodes];
    let mut following = vec![Vec::new(); nodes];
    for (from, to) in edges {
        leading[*to] += 1;
        following[*from].push(*to);
    }
    let mut free: Vec<usize> = (0..nodes).filter(|node| leading[*node] == 0).collect();
    while let Some(node) = free.pop() {
        for to in &following[node] {
            leading[*to] -= 1;
            if leading[*to] == 0 {
                free.push(*to);
            }
        }
    }
    (0..nodes).filter(|node| leading[*node] > 0).collect()
}

/// A transaction by hand.
fn transaction(since: u64, commit: u64, saw: Vec<Saw>, wrote: &[(Key, i32)]) -> Committed {
    let wrote = wrote.iter().map(|(key, value)| (*key, Some(*value))).collect();
    Committed { since, commit: (commit > 0).then_some(commit), saw, wrote }
}

fn range(values: Range<i32>, found: &[(Key, u64)]) -> Saw {
    Saw::Range { values, found: found.iter().copied().collect(), own: BTreeSet::new() }
}

/// The state that the histories below begin with: keys 1 and 2 with the value 1.
fn begun() -> Committed {
    transaction(0, 1, Vec::new(), &[(1, 1), (2, 1)])
}

#[test]
fn one_after_the_other_is_fine() {
    let history = [
        begun(),
        transaction(1, 2, vec![Saw::Key(1, Some(1)), range(0..5, &[(1, 1), (2, 1)])], &[(1, 2)]),
        transaction(2, 3, vec![Saw::Key(1, Some(2)), Saw::Key(3, None)], &[(3, 1)]),
        transaction(1, 0, vec![Saw::Key(1, Some(1)), range(2..5, &[])], &[]),
    ];
    assert_eq!(check(&history), Ok(()));
}

#[test]
fn a_lost_update_is_found() {
    let history = [
        begun(),
        transaction(1, 2, vec![Saw::Key(1, Some(1))], &[(1, 2)]),
        transaction(1, 3, vec![Saw::Key(1, Some(1))], &[(1, 3)]),
    ];
    assert_eq!(check(&history), Err(Violation::Cycle(vec![1, 2])));
}

#[test]
fn write_skew_is_found() {
    let history = [
        begun(),
        transaction(1, 2, vec![Saw::Key(1, Some(1)), Saw::Key(2, Some(1))], &[(1, 0)]),
        transaction(1, 3, vec![Saw::Key(1, Some(1)), Saw::Key(2, Some(1))], &[(2, 0)]),
    ];
    assert_eq!(check(&history), Err(Violation::Cycle(vec![1, 2])));
}

#[test]
fn a_phantom_is_found() {
    let none = || vec![range(7..9, &[])];
    let history = [begun(), transaction(1, 2, none(), &[(3, 7)]), transaction(1, 3, none(), &[(4, 8)])];
    assert_eq!(check(&history), Err(Violation::Cycle(vec![1, 2])));
    let elsewhere = [begun(), transaction(1, 2, none(), &[(3, 7)]), transaction(1, 3, none(), &[(4, 9)])];
    assert_eq!(check(&elsewhere), Ok(()));
}

#[test]
fn an_anomaly_that_only_a_reader_sees_is_found() {
    // Fekete, O'Neil, O'Neil, "A read-only transaction anomaly under snapshot isolation", 2004.
    let history = [
        begun(),
        transaction(1, 2, vec![Saw::Key(2, Some(1))], &[(2, 20)]),
        transaction(2, 0, vec![Saw::Key(1, Some(1)), Saw::Key(2, Some(2))], &[]),
        transaction(1, 3, vec![Saw::Key(1, Some(1)), Saw::Key(2, Some(1))], &[(1, -11)]),
    ];
    assert_eq!(check(&history), Err(Violation::Cycle(vec![1, 2, 3])));
}

#[test]
fn what_no_snapshot_had_is_found() {
    let torn = [
        begun(),
        transaction(1, 2, Vec::new(), &[(1, 2), (2, 2)]),
        transaction(2, 0, vec![Saw::Key(1, Some(2)), Saw::Key(2, Some(1))], &[]),
    ];
    let saw = Saw::Key(2, Some(1));
    assert_eq!(check(&torn), Err(Violation::Snapshot { transaction: 2, saw }));
    let missed = [begun(), transaction(1, 0, vec![range(0..5, &[(1, 1)])], &[])];
    assert!(matches!(check(&missed), Err(Violation::Snapshot { transaction: 1, .. })));
}

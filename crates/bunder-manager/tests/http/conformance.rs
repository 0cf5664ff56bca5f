//! What every implementation of `KeyValue` keeps to: operations compared with a map.

use crate::support::World;
use bytes::Bytes;
use ports::key_value::{KeyValue, KvCondition, KvError, KvIncrement, KvKey, KvList, KvSet};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use service_kit::ids::ProjectId;
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
enum Step {
    Set(u8, u8, Condition),
    Delete(u8, Condition),
    Increment(u8, i64),
    Read(u8),
    List(u8),
}

/// A condition; the version is the one that the key has, or one that it has not.
#[derive(Debug, Clone, Copy)]
enum Condition {
    Any,
    Absent,
    Present,
    Current,
    Stale,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    use Condition::{Absent, Any, Current, Present, Stale};
    let condition = prop::sample::select(vec![Any, Any, Absent, Present, Current, Stale]);
    let step = prop_oneof![
        (0..6_u8, any::<u8>(), condition.clone()).prop_map(|(key, value, when)| Step::Set(key, value, when)),
        (0..6_u8, condition).prop_map(|(key, when)| Step::Delete(key, when)),
        (0..6_u8, -3..3_i64).prop_map(|(key, by)| Step::Increment(key, by)),
        (0..6_u8).prop_map(Step::Read),
        (1..4_u8).prop_map(Step::List),
    ];
    prop::collection::vec(step, 200)
}

/// What should be there: value and version by key.
#[derive(Default)]
struct Model(BTreeMap<String, (Bytes, u64)>);

impl Model {
    fn condition(&self, key: &str, condition: Condition) -> (KvCondition, bool) {
        let current = self.0.get(key).map(|(_, version)| *version);
        match condition {
            Condition::Any => (KvCondition::Any, true),
            Condition::Absent => (KvCondition::Absent, current.is_none()),
            Condition::Present => (KvCondition::Present, current.is_some()),
            Condition::Current => (KvCondition::Version(current.unwrap_or(0)), current.is_some()),
            Condition::Stale => (KvCondition::Version(current.unwrap_or(7) + 1_000_000), false),
        }
    }
}

fn key(number: u8) -> KvKey {
    KvKey::parse(&format!("k/{number}")).unwrap()
}

async fn apply(store: &dyn KeyValue, project: &ProjectId, model: &mut Model, step: Step) {
    match step {
        Step::Set(number, value, when) => {
            let key = key(number);
            let (condition, holds) = model.condition(key.as_str(), when);
            let value = Bytes::from(value.to_string());
            let set = KvSet { value: value.clone(), ttl: None, condition };
            match store.set(project, &key, set).await {
                Ok(written) => {
                    assert!(holds);
                    let old = model.0.insert(key.as_str().to_owned(), (value, written.version));
                    assert_eq!(written.created, old.is_none());
                    assert!(old.is_none_or(|(_, version)| version < written.version));
                }
                Err(error) => assert!(!holds && matches!(error, KvError::PreconditionFailed), "{error:?}"),
            }
        }
        Step::Delete(number, when) => {
            let key = key(number);
            let (condition, holds) = model.condition(key.as_str(), when);
            let there = model.0.contains_key(key.as_str());
            match store.delete(project, &key, condition).await {
                Ok(()) => assert!(holds && model.0.remove(key.as_str()).is_some()),
                Err(KvError::NotFound) => assert!(!there),
                Err(error) => assert!(!holds && matches!(error, KvError::PreconditionFailed), "{error:?}"),
            }
        }
        Step::Increment(number, by) => {
            let key = key(number);
            let before = model
                .0
                .get(key.as_str())
                .map_or(0, |(value, _)| std::str::from_utf8(value).unwrap().parse::<i64>().unwrap());
            let increment = KvIncrement { by, ttl: None };
            assert_eq!(store.increment(project, &key, increment).await.unwrap(), before + by);
            let entry = store.get(project, &key).await.unwrap().unwrap();
            model.0.insert(key.as_str().to_owned(), (entry.value, entry.version));
        }
        Step::Read(number) => {
            let key = key(number);
            let found = store.get(project, &key).await.unwrap().map(|entry| (entry.value, entry.version));
            assert_eq!(found.as_ref(), model.0.get(key.as_str()));
        }
        Step::List(limit) => {
            let (mut found, mut cursor) = (Vec::new(), None);
            loop {
                let list = KvList { prefix: "k/".into(), limit: usize::from(limit), cursor, pattern: None };
                let page = store.list(project, list).await.unwrap();
                found.extend(page.rows.into_iter().map(|row| (row.key.as_str().to_owned(), row.version)));
                cursor = page.next_cursor;
                if cursor.is_none() {
                    break;
                }
            }
            let expected: Vec<_> =
                model.0.iter().map(|(key, (_, version))| (key.clone(), *version)).collect();
            assert_eq!(found, expected);
        }
    }
}

/// Runs the same steps on the store and on a map.
async fn conforms(store: &dyn KeyValue) {
    let mut runner = TestRunner::default();
    for _ in 0..5 {
        let (project, mut model) = (ProjectId::generate(), Model::default());
        for step in steps().new_tree(&mut runner).unwrap().current() {
            apply(store, &project, &mut model, step).await;
        }
    }
}

#[tokio::test]
async fn the_store_is_like_a_map() {
    let world = World::start().await;
    conforms(&*world.service).await;
}

//! What every implementation of `ObjectStore` keeps to: operations compared with a map.

use crate::support::World;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use ports::objects::{
    ObjectCondition, ObjectError, ObjectList, ObjectName, ObjectRange, ObjectStore, PutObject,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use service_kit::ids::ProjectId;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone)]
enum Step {
    Put(u8, Vec<u8>, Condition),
    BrokenPut(u8),
    Delete(u8, Condition),
    Read(u8, u8, u8),
    List(u8),
}

/// A condition; the ETag is the one that the object has, or one that it has not.
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
    let bytes = prop::collection::vec(any::<u8>(), 0..40);
    let step = prop_oneof![
        (0..6_u8, bytes, condition.clone()).prop_map(|(name, bytes, when)| Step::Put(name, bytes, when)),
        (0..6_u8).prop_map(Step::BrokenPut),
        (0..6_u8, condition).prop_map(|(name, when)| Step::Delete(name, when)),
        (0..6_u8, 0..40_u8, 0..40_u8).prop_map(|(name, first, last)| Step::Read(name, first, last)),
        (1..4_u8).prop_map(Step::List),
    ];
    prop::collection::vec(step, 60)
}

/// What should be there: bytes and ETag by name.
#[derive(Default)]
struct Model(BTreeMap<String, (Vec<u8>, String)>);

impl Model {
    fn condition(&self, name: &ObjectName, condition: Condition) -> (ObjectCondition, bool) {
        let current = self.0.get(name.as_str()).map(|(_, etag)| etag.clone());
        let is_there = current.is_some();
        match condition {
            Condition::Any => (ObjectCondition::Any, true),
            Condition::Absent => (ObjectCondition::Absent, !is_there),
            Condition::Present => (ObjectCondition::Present, is_there),
            Condition::Current => (ObjectCondition::Etag(vec![current.unwrap_or_default()]), is_there),
            Condition::Stale => (ObjectCondition::Etag(vec!["stale".into()]), false),
        }
    }
}

fn name(number: u8) -> ObjectName {
    ObjectName::parse(&format!("d{}/{number}", number % 2)).unwrap()
}

fn object(bytes: Vec<u8>, condition: ObjectCondition) -> PutObject {
    let body = stream::iter([Ok(Bytes::from(bytes))]).boxed();
    PutObject { content_type: None, condition, length: None, body }
}

async fn put(
    store: &dyn ObjectStore,
    project: &ProjectId,
    model: &mut Model,
    step: (u8, Vec<u8>, Condition),
) {
    let (name, bytes) = (name(step.0), step.1);
    let (condition, holds) = model.condition(&name, step.2);
    match store.put(project, &name, object(bytes.clone(), condition)).await {
        Ok(info) => {
            assert!(holds);
            assert_eq!(info.size, bytes.len() as u64);
            model.0.insert(name.as_str().to_owned(), (bytes, info.etag));
        }
        Err(error) => assert!(!holds && matches!(error, ObjectError::PreconditionFailed), "{error:?}"),
    }
}

async fn broken_put(store: &dyn ObjectStore, project: &ProjectId, number: u8) {
    let broken = [Ok(Bytes::from_static(b"x")), Err(std::io::ErrorKind::ConnectionReset.into())];
    let body = stream::iter(broken).boxed();
    let object = PutObject { content_type: None, condition: ObjectCondition::Any, length: None, body };
    let error = store.put(project, &name(number), object).await.unwrap_err();
    assert!(matches!(error, ObjectError::BrokenOff(_)), "{error:?}");
}

async fn delete(store: &dyn ObjectStore, project: &ProjectId, model: &mut Model, step: (u8, Condition)) {
    let name = name(step.0);
    let (condition, holds) = model.condition(&name, step.1);
    let is_there = model.0.contains_key(name.as_str());
    match store.delete(project, &name, condition).await {
        Ok(()) => assert!(holds && model.0.remove(name.as_str()).is_some()),
        Err(ObjectError::NotFound) => assert!(!is_there),
        Err(error) => assert!(!holds && matches!(error, ObjectError::PreconditionFailed), "{error:?}"),
    }
}

async fn read(
    store: &dyn ObjectStore,
    project: &ProjectId,
    model: &Model,
    (number, first, last): (u8, u8, u8),
) {
    let name = name(number);
    let range = ObjectRange::From { first: first.into(), last: Some(last.into()) };
    let expected = model.0.get(name.as_str());
    match (store.get(project, &name, range).await, expected) {
        (Err(ObjectError::NotFound), None) => {}
        (Err(ObjectError::RangeNotSatisfiable { size }), Some((bytes, _))) => {
            assert_eq!(size, bytes.len() as u64);
            assert!(first > last || usize::from(first) >= bytes.len());
        }
        (Ok(read), Some((bytes, etag))) => {
            assert_eq!(&read.info.etag, etag);
            let found: Vec<Bytes> = read.body.try_collect().await.unwrap();
            let end = bytes.len().min(usize::from(last) + 1);
            assert_eq!(found.concat(), bytes[usize::from(first)..end]);
        }
        (Ok(_), None) => panic!("there should be no {name:?}"),
        (Err(error), _) => panic!("{error:?}"),
    }
    let whole = store.get(project, &name, ObjectRange::All).await.ok();
    let head = store.head(project, &name).await.ok();
    assert_eq!(head.map(|info| info.etag), expected.map(|(_, etag)| etag.clone()));
    match whole {
        None => assert!(expected.is_none()),
        Some(read) => {
            let found: Vec<Bytes> = read.body.try_collect().await.unwrap();
            assert_eq!(Some(&found.concat()), expected.map(|(bytes, _)| bytes));
        }
    }
}

async fn list(store: &dyn ObjectStore, project: &ProjectId, model: &Model, limit: u8) {
    for delimiter in [None, Some('/')] {
        let (mut names, mut prefixes, mut cursor) = (Vec::new(), BTreeSet::new(), None);
        loop {
            let list = ObjectList { prefix: String::new(), delimiter, limit: usize::from(limit), cursor };
            let page = store.list(project, list).await.unwrap();
            names.extend(page.objects.into_iter().map(|info| info.name.as_str().to_owned()));
            for prefix in page.prefixes {
                assert!(prefixes.insert(prefix));
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        let expected: Vec<_> = model.0.keys().cloned().collect();
        if delimiter.is_none() {
            assert_eq!(names, expected);
        } else {
            assert_eq!(names, Vec::<String>::new());
            assert_eq!(prefixes, expected.iter().map(|name| name[..3].to_owned()).collect());
        }
    }
}

/// Runs the same steps on the store and on a map.
async fn conforms(store: &dyn ObjectStore) {
    let mut runner = TestRunner::default();
    for _ in 0..4 {
        let (project, mut model) = (ProjectId::generate(), Model::default());
        for step in steps().new_tree(&mut runner).unwrap().current() {
            match step {
                Step::Put(name, bytes, when) => put(store, &project, &mut model, (name, bytes, when)).await,
                Step::BrokenPut(name) => broken_put(store, &project, name).await,
                Step::Delete(name, when) => delete(store, &project, &mut model, (name, when)).await,
                Step::Read(name, first, last) => read(store, &project, &model, (name, first, last)).await,
                Step::List(limit) => list(store, &project, &model, limit).await,
            }
        }
    }
}

#[tokio::test]
async fn the_store_is_like_a_map() {
    let world = World::start().await;
    conforms(&*world.service).await;
    assert_eq!(world.service.sweep_orphans().await.unwrap(), 0);
}

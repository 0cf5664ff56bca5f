//! The engine beside its model, and what each write does to both.

use crate::change::{Change, Target};
use crate::select::{Select, Sort};
use crate::shape::{Fields, Model, id};
use crate::step::{Action, Step};
use bson::{Document, RawDocumentBuf, doc};
use bundoc::engine::{
    Actor, CollectionName, CollectionPattern, DatabaseName, DocumentId, Engine, FindAndModify, Modification,
    Precondition, Returning, RuleSet, WriteOp, Written,
};
use bundoc::{EngineOptions, FjallEngine};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

pub(crate) struct World {
    directory: TempDir,
    pub(crate) engine: Arc<FjallEngine>,
    pub(crate) model: Model,
    /// Whether the unique index is in force.
    pub(crate) unique: bool,
}

/// The place of a document whose id is not known yet.
const UNKNOWN: &str = "?";

pub(crate) fn database() -> DatabaseName {
    DatabaseName::parse("db").unwrap()
}

pub(crate) fn collection() -> CollectionName {
    CollectionName::parse("c").unwrap()
}

/// Collections of one segment: the one of the model.
pub(crate) fn pattern() -> CollectionPattern {
    CollectionPattern::parse("*").unwrap()
}

fn open(path: &Path) -> Arc<FjallEngine> {
    FjallEngine::open(path, EngineOptions { memtable_bytes: 4_096, ..EngineOptions::default() }).unwrap().0
}

fn raw(fields: &Fields, id: Option<&DocumentId>) -> RawDocumentBuf {
    let mut document = id.map_or_else(|| doc! {}, |id| doc! {"_id": id.as_str()});
    document.extend(fields.document());
    RawDocumentBuf::try_from(&document).unwrap()
}

pub(crate) fn unique_holds(model: &Model) -> bool {
    let values: Vec<i32> = model.values().filter_map(|fields| fields.u).collect();
    values.iter().collect::<BTreeSet<_>>().len() == values.len()
}

impl World {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let engine = open(directory.path());
        engine.create_collection(&database(), &collection(), RuleSet::default()).await.unwrap();
        Self { directory, engine, model: Model::new(), unique: false }
    }

    pub(crate) async fn take(mut self, step: Step) -> Self {
        match step {
            Step::Insert(key, fields) => self.insert(key, &fields).await,
            Step::Replace(key, fields) => self.replace(key, fields).await,
            Step::Update(key, change) => self.update(key, &change).await,
            Step::Delete(key) => self.delete(key).await,
            Step::UpdateMatching { select, change, many, upsert } => {
                self.update_matching(&select, &change, many, upsert).await;
            }
            Step::DeleteMatching { select, many } => self.delete_matching(&select, many).await,
            Step::FindAndModify { select, sort, action, upsert, after } => {
                self.find_and_modify(&select, &sort, &action, (upsert, after)).await;
            }
            Step::Batch(writes) => self.batch(writes).await,
            Step::Pages { select, sort, limit, between } => self.pages(&select, &sort, limit, between).await,
            Step::CreateIndex(kind) => self.create_index(kind).await,
            Step::DropIndex(kind) => self.drop_index(kind).await,
            Step::Reopen => {
                let Self { directory, engine, model, unique } = self;
                drop(engine);
                return Self { engine: open(directory.path()), directory, model, unique };
            }
        }
        self
    }

    /// Writes, and expects that it is refused where `expected` is missing or breaks the unique index.
    async fn write(&mut self, operations: Vec<WriteOp>, expected: Option<Model>) -> Option<Vec<Written>> {
        let expected = expected.filter(|model| !self.unique || unique_holds(model));
        let told = format!("{operations:?} on {:?}", self.model);
        let result = self.engine.write(&database(), operations, &Actor::Trusted).await;
        assert_eq!(result.is_ok(), expected.is_some(), "{told}: {result:?}");
        self.model = expected.unwrap_or(std::mem::take(&mut self.model));
        result.ok().map(|commit| commit.written)
    }

    async fn insert(&mut self, key: u8, fields: &Fields) {
        let document = raw(fields, Some(&id(key)));
        let mut expected = self.model.clone();
        let is_new = expected.insert(id(key).to_string(), fields.clone()).is_none();
        let operation = WriteOp::Insert { collection: collection(), document };
        self.write(vec![operation], is_new.then_some(expected)).await;
    }

    async fn replace(&mut self, key: u8, fields: Fields) {
        self.batch(vec![(key, fields)]).await;
    }

    async fn batch(&mut self, writes: Vec<(u8, Fields)>) {
        let mut expected = Some(self.model.clone());
        let mut operations = Vec::new();
        for (key, fields) in writes {
            operations.push(WriteOp::Replace {
                collection: collection(),
                id: id(key),
                document: raw(&fields, None),
                precondition: Precondition::Any,
            });
            if let Some(model) = &mut expected {
                model.insert(id(key).to_string(), fields);
            }
            // A batch is applied in its order, and must not break the index in between.
            expected = expected.filter(|model| !self.unique || unique_holds(model));
        }
        self.write(operations, expected).await;
    }

    pub(crate) async fn update(&mut self, key: u8, change: &Change) {
        let mut expected = self.model.clone();
        let fits = expected
            .get_mut(id(key).as_str())
            .is_some_and(|fields| change.apply(fields, Target::ById).is_ok());
        let operation = WriteOp::Update {
            collection: collection(),
            id: id(key),
            update: change.spec(),
            precondition: Precondition::Any,
        };
        self.change(operation, fits.then_some(expected)).await;
    }

    /// Writes, and expects one entry in the feed for each document that is other than before.
    async fn change(&mut self, operation: WriteOp, expected: Option<Model>) -> Option<Written> {
        let (before, entries) = (self.model.clone(), self.feed().len());
        let written = self.write(vec![operation], expected).await;
        let changed = self.model.iter().filter(|(id, fields)| before.get(*id) != Some(*fields)).count();
        assert_eq!(self.feed().len() - entries, changed, "a document that stays as it was is no change");
        written?.pop()
    }

    async fn delete(&mut self, key: u8) {
        let mut expected = self.model.clone();
        let is_there = expected.remove(id(key).as_str()).is_some();
        let operation =
            WriteOp::Delete { collection: collection(), id: id(key), precondition: Precondition::Any };
        self.write(vec![operation], is_there.then_some(expected)).await;
    }

    /// The ids that match, in order.
    pub(crate) fn matching(&self, select: &Select, sort: &Sort) -> Vec<String> {
        let mut found: Vec<_> = self.model.iter().filter(|(id, fields)| select.matches(id, fields)).collect();
        found.sort_by(|left, right| sort.compare(*left, *right));
        found.into_iter().map(|(id, _)| id.clone()).collect()
    }

    async fn update_matching(&mut self, select: &Select, change: &Change, many: bool, upsert: bool) {
        let mut ids = self.matching(select, &Sort::by_id());
        ids.truncate(if many { ids.len() } else { 1 });
        let operation = WriteOp::UpdateMatching {
            collection: collection(),
            filter: select.filter(),
            change: Modification::Update(change.spec()),
            many,
            upsert,
        };
        if ids.is_empty() && upsert {
            let Some(mut fields) = select.seed() else { return };
            let fits = change.apply(&mut fields, Target::New).is_ok();
            let expected = fits.then(|| self.with_new(select, &fields));
            if let Some(written) = self.change(operation, expected).await {
                let Written::Updated { matched: 0, modified: 0, upserted_id: Some(new) } = written else {
                    panic!("no upsert: {written:?}")
                };
                self.learn_id(new.as_str());
            }
            return;
        }
        let mut expected = self.model.clone();
        let mut fits = !matches!(change, Change::Malformed);
        for id in &ids {
            fits &= expected
                .get_mut(id)
                .is_some_and(|fields| change.apply(fields, Target::Found(select)).is_ok());
        }
        let other = ids.iter().filter(|id| expected.get(*id) != self.model.get(*id)).count();
        if let Some(written) = self.change(operation, fits.then_some(expected)).await {
            let Written::Updated { matched, modified, upserted_id: None } = written else {
                panic!("no update: {written:?}")
            };
            assert_eq!((matched, modified), (ids.len() as u64, other as u64));
        }
    }

    /// The model with one more document.
    fn with_new(&self, select: &Select, fields: &Fields) -> Model {
        let mut expected = self.model.clone();
        expected.insert(select.id().unwrap_or(UNKNOWN.to_owned()), fields.clone());
        expected
    }

    fn learn_id(&mut self, id: &str) {
        if let Some(fields) = self.model.remove(UNKNOWN) {
            assert!(self.model.insert(id.to_owned(), fields).is_none());
        }
    }

    async fn delete_matching(&mut self, select: &Select, many: bool) {
        let mut ids = self.matching(select, &Sort::by_id());
        ids.truncate(if many { ids.len() } else { 1 });
        let mut expected = self.model.clone();
        expected.retain(|id, _| !ids.contains(id));
        let operation = WriteOp::DeleteMatching { collection: collection(), filter: select.filter(), many };
        let written = self.write(vec![operation], Some(expected)).await.unwrap();
        assert!(matches!(written[..], [Written::Deleted(count)] if count == ids.len() as u64), "{written:?}");
    }

    async fn find_and_modify(
        &mut self,
        select: &Select,
        sort: &Sort,
        action: &Action,
        (upsert, after): (bool, bool),
    ) {
        let upsert = upsert && !matches!(action, Action::Remove);
        let found = self.matching(select, sort).into_iter().next();
        if found.is_none() && upsert && select.seed().is_none() {
            return;
        }
        let expected = self.modified(select, found.as_ref(), action, upsert);
        let operation = WriteOp::FindAndModify(FindAndModify {
            collection: collection(),
            filter: select.filter(),
            sort: sort.fields(),
            change: match action {
                Action::Update(change) => Modification::Update(change.spec()),
                Action::Replace(fields) => Modification::Replace(raw(fields, None)),
                Action::Remove => Modification::Remove,
            },
            upsert,
            fields: Document::new(),
            returning: if after { Returning::After } else { Returning::Before },
        });
        let before = self.model.clone();
        let Some(written) = self.write(vec![operation], expected).await else { return };
        let [Written::Found(given)] = &written[..] else { panic!("not found: {written:?}") };
        let given = given.as_ref().map(|stored| Fields::read(&stored.document));
        if let Some(id) = self.new_id() {
            self.learn_id(&id);
        }
        let id = found.or_else(|| self.model.keys().find(|id| !before.contains_key(*id)).cloned());
        let state = if after && !matches!(action, Action::Remove) { &self.model } else { &before };
        let wanted = id.and_then(|id| state.get(&id).map(|fields| (id, fields.clone())));
        assert_eq!(given, wanted);
    }

    /// What an action makes of the model; `None` where it does not fit.
    fn modified(
        &self,
        select: &Select,
        found: Option<&String>,
        action: &Action,
        upsert: bool,
    ) -> Option<Model> {
        let mut expected = self.model.clone();
        let present = found.and_then(|id| expected.get_mut(id));
        match (action, present) {
            (Action::Update(Change::Malformed), _) => return None,
            (Action::Update(change), Some(fields)) => change.apply(fields, Target::Found(select)).ok()?,
            (Action::Replace(new), Some(fields)) => *fields = new.clone(),
            (Action::Remove, Some(_)) => drop(expected.remove(found?)),
            (Action::Update(change), None) if upsert => {
                let mut fields = select.seed()?;
                change.apply(&mut fields, Target::New).ok()?;
                return Some(self.with_new(select, &fields));
            }
            (Action::Replace(new), None) if upsert => return Some(self.with_new(select, new)),
            (_, None) => {}
        }
        Some(expected)
    }

    /// The id that the engine made, where the model waits for one.
    fn new_id(&self) -> Option<String> {
        self.model.contains_key(UNKNOWN).then(|| {
            let all = self.find(&Select::All, &Sort::by_id());
            all.into_iter().map(|(id, _)| id).find(|id| !self.model.contains_key(id)).unwrap()
        })
    }
}

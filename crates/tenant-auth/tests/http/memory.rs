//! Documents in memory, with the conditions and unique indexes of the real ones. Every operation lets
//! others go first, so that what runs side by side is mixed.

use async_trait::async_trait;
use bson::{Bson, Document, RawDocumentBuf};
use ports::documents::{At, Condition, Documents, DocumentsError, Find, Found, Stored, Uniqueness, Write};
use service_kit::ids::ProjectId;
use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

type Collection = BTreeMap<String, (RawDocumentBuf, u64)>;

#[derive(Default, Clone)]
struct State {
    collections: HashMap<(ProjectId, String), Collection>,
    unique: HashMap<(ProjectId, String), Vec<String>>,
    version: u64,
}

#[derive(Default)]
pub(crate) struct Memory {
    state: Mutex<State>,
    commits: AtomicU64,
}

impl Memory {
    /// Batches committed so far.
    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }

    /// Everything that is stored of a project, as text.
    pub(crate) fn dump(&self, project: &ProjectId) -> String {
        let state = self.state.lock().unwrap();
        let collections = state.collections.iter().filter(|((owner, _), _)| owner == project);
        let documents = collections.flat_map(|(_, documents)| documents.values());
        documents.map(|(document, _)| format!("{document:?}\n")).collect()
    }

    /// One document.
    pub(crate) fn document(&self, project: &ProjectId, collection: &str, id: &str) -> Document {
        let state = self.state.lock().unwrap();
        parsed(&state.collections[&(project.clone(), collection.to_owned())][id].0)
    }

    /// How many documents a collection of a project has.
    pub(crate) fn count(&self, project: &ProjectId, collection: &str) -> usize {
        let state = self.state.lock().unwrap();
        state.collections.get(&(project.clone(), collection.to_owned())).map_or(0, BTreeMap::len)
    }

    /// Projects of which anything is stored.
    pub(crate) fn projects(&self) -> usize {
        let state = self.state.lock().unwrap();
        let mut owners: Vec<_> = state.collections.keys().map(|(owner, _)| owner).collect();
        owners.sort();
        owners.dedup();
        owners.len()
    }

    /// As the store does when a project is removed.
    pub(crate) fn purge(&self, project: &ProjectId) {
        self.state.lock().unwrap().collections.retain(|(owner, _), _| owner != project);
    }
}

fn parsed(document: &RawDocumentBuf) -> Document {
    document.clone().try_into().unwrap()
}

fn matches(document: &Document, filter: &Document) -> bool {
    filter.iter().all(|(field, wanted)| {
        let Some(found) = document.get(field) else { return false };
        match wanted {
            Bson::Document(range) => range.iter().all(|(operator, bound)| {
                let (found, bound) = (found.as_str().unwrap(), bound.as_str().unwrap());
                match operator.as_str() {
                    "$gte" => found >= bound,
                    "$lt" => found < bound,
                    other => panic!("unknown operator {other}"),
                }
            }),
            plain => found == plain,
        }
    })
}

fn holds(current: Option<u64>, condition: Condition) -> bool {
    match condition {
        Condition::Any => true,
        Condition::Version(version) => current == Some(version),
        Condition::Absent => current.is_none(),
    }
}

impl State {
    fn apply(&mut self, project: &ProjectId, write: &Write) -> Result<(), DocumentsError> {
        self.version += 1;
        match write {
            Write::Put { collection, document, condition } => {
                let key = (project.clone(), collection.clone());
                let fields = self.unique.get(&key).cloned().unwrap_or_default();
                let documents = self.collections.entry(key).or_default();
                let new = parsed(document);
                let id = new.get_str("_id").unwrap().to_owned();
                if !holds(documents.get(&id).map(|(_, version)| *version), *condition) {
                    return Err(DocumentsError::Conflict);
                }
                let taken = |(other, (old, _)): (&String, &(RawDocumentBuf, u64))| {
                    *other != id && fields.iter().any(|field| parsed(old).get(field) == new.get(field))
                };
                if documents.iter().any(taken) {
                    return Err(DocumentsError::Duplicate);
                }
                documents.insert(id, (document.clone(), self.version));
            }
            Write::Delete { collection, id, condition } => {
                let documents = self.collections.entry((project.clone(), collection.clone())).or_default();
                let version =
                    documents.get(id).map(|(_, version)| *version).ok_or(DocumentsError::NotFound)?;
                if !holds(Some(version), *condition) {
                    return Err(DocumentsError::Conflict);
                }
                documents.remove(id);
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Documents for Memory {
    async fn ensure_index(
        &self,
        at: At<'_>,
        fields: &[&str],
        unique: Uniqueness,
    ) -> Result<(), DocumentsError> {
        let mut state = self.state.lock().unwrap();
        if unique == Uniqueness::Unique {
            let key = (at.project.clone(), at.collection.to_owned());
            state.unique.insert(key, fields.iter().map(|field| (*field).to_owned()).collect());
        }
        Ok(())
    }

    async fn get(&self, at: At<'_>, id: &str) -> Result<Option<Stored>, DocumentsError> {
        tokio::task::yield_now().await;
        let state = self.state.lock().unwrap();
        let documents = state.collections.get(&(at.project.clone(), at.collection.to_owned()));
        let found = documents.and_then(|documents| documents.get(id));
        Ok(found.map(|(document, version)| Stored { document: document.clone(), version: *version }))
    }

    async fn find(&self, at: At<'_>, find: Find) -> Result<Found, DocumentsError> {
        tokio::task::yield_now().await;
        let state = self.state.lock().unwrap();
        let documents = state.collections.get(&(at.project.clone(), at.collection.to_owned()));
        let order = find.sort.as_deref().unwrap_or("_id");
        let mut matching: Vec<_> = documents
            .into_iter()
            .flat_map(|documents| documents.values())
            .filter(|(document, _)| matches(&parsed(document), &find.filter))
            .map(|(document, version)| {
                let key = parsed(document).get_str(order).unwrap().to_owned();
                (key, Stored { document: document.clone(), version: *version })
            })
            .collect();
        matching.sort_by(|(a, _), (b, _)| a.cmp(b));
        if let Some(cursor) = &find.cursor {
            let after = cursor.strip_prefix("after:").ok_or(DocumentsError::Invalid("cursor".into()))?;
            matching.retain(|(key, _)| key.as_str() > after);
        }
        let more = matching.len() > find.limit;
        matching.truncate(find.limit);
        let next_cursor = matching.last().filter(|_| more).map(|(key, _)| format!("after:{key}"));
        Ok(Found { documents: matching.into_iter().map(|(_, stored)| stored).collect(), next_cursor })
    }

    async fn write(&self, project: &ProjectId, writes: Vec<Write>) -> Result<(), DocumentsError> {
        tokio::task::yield_now().await;
        let mut state = self.state.lock().unwrap();
        let mut next = state.clone();
        for write in &writes {
            next.apply(project, write)?;
        }
        *state = next;
        self.commits.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

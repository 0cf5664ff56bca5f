//! `Documents`.

use crate::process::Process;
use async_trait::async_trait;
use bson::{RawDocumentBuf, doc, rawdoc};
use ports::documents::{At, Condition, Documents, DocumentsError, Find, Found, Stored, Uniqueness, Write};
use rpc::Service;
use service_kit::ids::ProjectId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

type Key = (ProjectId, String, String);

/// Documents by project, collection and id; `email` is unique where an index says so.
#[derive(Default)]
pub(crate) struct FakeDocuments {
    stored: Mutex<BTreeMap<Key, Stored>>,
    unique: Mutex<Vec<String>>,
}

fn id(document: &RawDocumentBuf) -> String {
    document.get_str("_id").unwrap().to_owned()
}

impl FakeDocuments {
    fn one(&self, project: &ProjectId, write: Write) -> Result<(), DocumentsError> {
        let mut stored = self.stored.lock().unwrap();
        match write {
            Write::Put { collection, document, condition } => {
                let key = (project.clone(), collection, id(&document));
                holds(condition, stored.get(&key))?;
                let email = document.get_str("email").ok();
                let taken = stored.iter().any(|(other, stored)| {
                    *other != key && email.is_some() && stored.document.get_str("email").ok() == email
                });
                if taken && !self.unique.lock().unwrap().is_empty() {
                    return Err(DocumentsError::Duplicate);
                }
                let version = stored.get(&key).map_or(1, |stored| stored.version + 1);
                stored.insert(key, Stored { document, version });
            }
            Write::Delete { collection, id, condition } => {
                let key = (project.clone(), collection, id);
                holds(condition, stored.get(&key))?;
                stored.remove(&key).ok_or(DocumentsError::NotFound)?;
            }
        }
        Ok(())
    }
}

fn holds(condition: Condition, stored: Option<&Stored>) -> Result<(), DocumentsError> {
    let holds = match condition {
        Condition::Any => true,
        Condition::Version(version) => stored.is_some_and(|stored| stored.version == version),
        Condition::Absent => stored.is_none(),
    };
    if holds { Ok(()) } else { Err(DocumentsError::Conflict) }
}

#[async_trait]
impl Documents for FakeDocuments {
    async fn ensure_index(
        &self,
        at: At<'_>,
        fields: &[&str],
        unique: Uniqueness,
    ) -> Result<(), DocumentsError> {
        if at.collection.is_empty() {
            return Err(DocumentsError::Unavailable("no disk".into()));
        }
        if unique == Uniqueness::Unique {
            *self.unique.lock().unwrap() = fields.iter().map(|field| (*field).to_owned()).collect();
        }
        Ok(())
    }

    async fn get(&self, at: At<'_>, id: &str) -> Result<Option<Stored>, DocumentsError> {
        let key = (at.project.clone(), at.collection.to_owned(), id.to_owned());
        Ok(self.stored.lock().unwrap().get(&key).cloned())
    }

    async fn find(&self, at: At<'_>, find: Find) -> Result<Found, DocumentsError> {
        if find.sort.as_deref() == Some("") {
            return Err(DocumentsError::Invalid("an empty field".to_owned()));
        }
        let stored = self.stored.lock().unwrap();
        let wanted = find.filter.get_str("name").ok();
        let documents = stored
            .iter()
            .filter(|(key, _)| key.0 == *at.project && key.1 == at.collection)
            .filter(|(key, _)| find.cursor.as_ref().is_none_or(|cursor| key.2 > *cursor))
            .filter(|(_, stored)| wanted.is_none() || stored.document.get_str("name").ok() == wanted)
            .take(find.limit);
        let documents: Vec<Stored> = documents.map(|(_, stored)| stored.clone()).collect();
        let full = documents.len() == find.limit;
        let next_cursor = documents.last().filter(|_| full).map(|last| id(&last.document));
        Ok(Found { documents, next_cursor })
    }

    async fn write(&self, project: &ProjectId, writes: Vec<Write>) -> Result<(), DocumentsError> {
        writes.into_iter().try_for_each(|write| self.one(project, write))
    }
}

const USERS: &str = "_system/users";

fn put(id: &str, name: &str, condition: Condition) -> Write {
    let email = format!("{id}@example.com");
    let document = rawdoc! { "_id": id, "name": name, "email": email, "bytes": bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: vec![0, 255] } };
    Write::Put { collection: USERS.to_owned(), document, condition }
}

fn delete(id: &str) -> Write {
    Write::Delete { collection: USERS.to_owned(), id: id.to_owned(), condition: Condition::Any }
}

async fn writes(documents: &dyn Documents, project: &ProjectId) {
    let at = At { project, collection: USERS };
    documents.ensure_index(at, &["email"], Uniqueness::Unique).await.unwrap();
    documents.ensure_index(at, &["name"], Uniqueness::Shared).await.unwrap();
    let two = vec![put("a", "Ada", Condition::Absent), put("b", "Bob", Condition::Any)];
    documents.write(project, two).await.unwrap();
    let stored = documents.get(at, "a").await.unwrap().unwrap();
    assert_eq!((stored.version, stored.document.get_str("name").unwrap()), (1, "Ada"));
    assert_eq!(stored.document.get_binary("bytes").unwrap().bytes, [0, 255]);
    assert!(documents.get(at, "z").await.unwrap().is_none());
    documents.write(project, vec![put("a", "Ada L.", Condition::Version(1))]).await.unwrap();

    let error = |writes| async { documents.write(project, writes).await.unwrap_err() };
    assert!(matches!(error(vec![put("a", "x", Condition::Version(1))]).await, DocumentsError::Conflict));
    assert!(matches!(error(vec![put("a", "x", Condition::Absent)]).await, DocumentsError::Conflict));
    assert!(matches!(error(vec![delete("z")]).await, DocumentsError::NotFound));
    let taken = rawdoc! { "_id": "c", "email": "a@example.com" };
    let taken = Write::Put { collection: USERS.to_owned(), document: taken, condition: Condition::Any };
    assert!(matches!(error(vec![taken]).await, DocumentsError::Duplicate));
}

async fn queries(documents: &dyn Documents, project: &ProjectId) {
    let at = At { project, collection: USERS };
    let page = Find { limit: 1, ..Find::default() };
    let first = documents.find(at, page.clone()).await.unwrap();
    assert_eq!(id(&first.documents[0].document), "a");
    let second = Find { cursor: first.next_cursor, ..page };
    assert_eq!(id(&documents.find(at, second).await.unwrap().documents[0].document), "b");
    let bob = Find { filter: doc! { "name": "Bob" }, limit: 10, ..Find::default() };
    let found = documents.find(at, bob).await.unwrap();
    assert_eq!((found.documents.len(), found.next_cursor), (1, None));
    let malformed = Find { sort: Some(String::new()), limit: 1, ..Find::default() };
    let error = documents.find(at, malformed).await.unwrap_err();
    assert_eq!(error.to_string(), "documents were asked for wrongly: an empty field");
    documents.write(project, vec![delete("a")]).await.unwrap();
    assert!(documents.get(at, "a").await.unwrap().is_none());
    let nowhere = At { project, collection: "" };
    let error = documents.ensure_index(nowhere, &["x"], Uniqueness::Shared).await.unwrap_err();
    assert!(matches!(error, DocumentsError::Unavailable(_)));
}

#[tokio::test]
async fn documents_are_the_same_on_both_sides() {
    let fake = Arc::new(FakeDocuments::default());
    let process = Process::start(|server| server.documents(fake.clone())).await;
    let client = process.clients(Service::TenantAuth).documents().unwrap();
    let alone = FakeDocuments::default();
    for documents in [&alone as &dyn Documents, &client] {
        let project = ProjectId::generate();
        writes(documents, &project).await;
        queries(documents, &project).await;
    }
}

#[tokio::test]
async fn a_large_document_crosses() {
    let fake = Arc::new(FakeDocuments::default());
    let process = Process::start(|server| server.documents(fake.clone())).await;
    let client = process.clients(Service::TenantAuth).documents().unwrap();
    let (project, text) = (ProjectId::generate(), "x".repeat(15 << 20));
    client.write(&project, vec![put("a", &text, Condition::Any)]).await.unwrap();
    let stored = client.get(At { project: &project, collection: USERS }, "a").await.unwrap().unwrap();
    assert_eq!(stored.document.get_str("name").unwrap().len(), text.len());
}

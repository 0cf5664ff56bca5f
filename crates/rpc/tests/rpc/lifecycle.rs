//! `ProjectLifecycle` of several stores in one process.

use crate::process::Process;
use async_trait::async_trait;
use ports::lifecycle::{ProjectLifecycle, PurgeError};
use rpc::Service;
use service_kit::ids::ProjectId;
use std::sync::{Arc, Mutex};

pub(crate) struct FakeStore {
    name: &'static str,
    purged: Mutex<Vec<ProjectId>>,
    fails: bool,
}

impl FakeStore {
    pub(crate) fn new(name: &'static str) -> Arc<Self> {
        Arc::new(Self { name, purged: Mutex::default(), fails: name == "broken" })
    }
}

#[async_trait]
impl ProjectLifecycle for FakeStore {
    fn store(&self) -> &'static str {
        self.name
    }

    async fn purge(&self, project: &ProjectId) -> Result<(), PurgeError> {
        if self.fails {
            return Err(PurgeError { store: self.name, source: "no disk".into() });
        }
        self.purged.lock().unwrap().push(project.clone());
        Ok(())
    }
}

#[tokio::test]
async fn each_store_of_a_process_is_reached_by_its_name() {
    let (documents, broken) = (FakeStore::new("documents"), FakeStore::new("broken"));
    let stores = (documents.clone(), broken.clone());
    let process = Process::start(|server| server.lifecycle(stores.0).lifecycle(stores.1)).await;
    let clients = process.clients(Service::Platform);
    let store = |name| clients.lifecycle(Service::BundocServer, name).unwrap();
    let project = ProjectId::generate();
    assert_eq!(store("documents").store(), "documents");
    store("documents").purge(&project).await.unwrap();
    store("documents").purge(&project).await.unwrap();
    assert_eq!(*documents.purged.lock().unwrap(), [project.clone(), project.clone()]);
    assert_eq!(store("broken").purge(&project).await.unwrap_err().store, "broken");
    assert_eq!(store("objects").purge(&project).await.unwrap_err().store, "objects");
}

//! Deleting a project: gone at once here, and in time from every store.

use crate::support::{By, Server};
use async_trait::async_trait;
use http::StatusCode;
use platform::PlatformConfig;
use ports::lifecycle::{ProjectLifecycle, PurgeError};
use serde_json::json;
use service_kit::ids::ProjectId;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;

const ADA: By<'_> = By::Developer("ada");
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    Fail,
    Hang,
}

/// A store that misbehaves as it is told, then removes, and reports each time it is asked.
struct TestStore {
    name: &'static str,
    behaviour: Mutex<VecDeque<Behaviour>>,
    asked: mpsc::UnboundedSender<(ProjectId, Option<Behaviour>)>,
}

type Asked = mpsc::UnboundedReceiver<(ProjectId, Option<Behaviour>)>;

fn store(name: &'static str, behaviour: &[Behaviour]) -> (Arc<dyn ProjectLifecycle>, Asked) {
    let (asked, reports) = mpsc::unbounded_channel();
    let behaviour = Mutex::new(behaviour.iter().copied().collect());
    (Arc::new(TestStore { name, behaviour, asked }), reports)
}

#[async_trait]
impl ProjectLifecycle for TestStore {
    fn store(&self) -> &'static str {
        self.name
    }

    async fn purge(&self, project: &ProjectId) -> Result<(), PurgeError> {
        let behaviour = self.behaviour.lock().unwrap().pop_front();
        self.asked.send((project.clone(), behaviour)).unwrap();
        match behaviour {
            None => Ok(()),
            Some(Behaviour::Fail) => Err(PurgeError { store: self.name, source: "disk is full".into() }),
            Some(Behaviour::Hang) => std::future::pending().await,
        }
    }
}

async fn next(reports: &mut Asked) -> (String, Option<Behaviour>) {
    let report = tokio::time::timeout(PATIENCE, reports.recv()).await.expect("the store was not asked");
    let (project, behaviour) = report.unwrap();
    (project.to_string(), behaviour)
}

fn eager() -> PlatformConfig {
    PlatformConfig { purge_backoff_ms: 1, purge_again_after_ms: 0, ..PlatformConfig::default() }
}

/// A store that fails is not asked again before the next start.
fn patient() -> PlatformConfig {
    PlatformConfig { purge_backoff_ms: 300_000, ..eager() }
}

const LEFT: &str = "SELECT count(*) FROM project_purges";
const ANSWERED_ONCE: &str = "SELECT count(*) FROM project_purges WHERE round = 2";

/// Waits until the table of purges says so.
async fn noted(server: &Server, sql: &'static str, count: i64) {
    let noted = async {
        while server.count(sql).await != count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, noted).await.expect("the answer of a store was not noted");
}

async fn tombstone_is_gone(server: &Server) {
    noted(server, LEFT, 0).await;
    assert_eq!(server.count("SELECT count(*) FROM project_tombstones").await, 0);
}

#[tokio::test]
async fn a_deleted_project_is_gone_at_once_and_so_are_its_keys() {
    let (hanging, _asked) = store("documents", &[Behaviour::Hang]);
    let server = Server::start_with(eager(), vec![hanging]).await;
    let project = server.project("cities").await;
    assert_eq!(server.get(By::Key(&project.secret_key), &project.path).await.status, StatusCode::OK);
    assert_eq!(server.delete(ADA, &project.path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(server.get(By::Key(&project.secret_key), &project.path).await.code(), "unauthenticated");
    assert_eq!(server.get(ADA, &project.path).await.code(), "project_not_found");
    assert_eq!(server.delete(ADA, &project.path).await.code(), "project_not_found");
    assert_eq!(server.get(ADA, "/v1/projects").await.body["projects"], json!([]));
    for sql in ["SELECT count(*) FROM project_members", "SELECT count(*) FROM project_keys"] {
        assert_eq!(server.count(sql).await, 0);
    }
    assert_eq!(server.count("SELECT count(*) FROM project_tombstones").await, 1);
}

#[tokio::test]
async fn a_store_that_fails_twice_is_asked_until_it_has_answered() {
    let (failing, mut failing_asked) = store("documents", &[Behaviour::Fail, Behaviour::Fail]);
    let (hanging, mut hanging_asked) = store("logs", &[]);
    let server = Server::start_with(eager(), vec![failing, hanging]).await;
    let project = server.project("cities").await;
    server.delete(ADA, &project.path).await;
    let id = project.id().to_owned();
    for behaviour in [Some(Behaviour::Fail), Some(Behaviour::Fail), None] {
        assert_eq!(next(&mut failing_asked).await, (id.clone(), behaviour));
    }
    assert_eq!(next(&mut hanging_asked).await, (id, None));
    tombstone_is_gone(&server).await;
}

#[tokio::test]
async fn a_store_that_hangs_holds_up_no_other() {
    let (hanging, mut hanging_asked) = store("functions", &[Behaviour::Hang]);
    let (quick, mut quick_asked) = store("documents", &[]);
    let server = Server::start_with(eager(), vec![hanging, quick]).await;
    let (first, second) = (server.project("a").await, server.project("b").await);
    server.delete(ADA, &first.path).await;
    next(&mut hanging_asked).await;
    server.delete(ADA, &second.path).await;
    assert_eq!(next(&mut quick_asked).await.0, first.id());
    assert_eq!(next(&mut quick_asked).await.0, second.id());
    assert_eq!(server.count("SELECT count(*) FROM project_tombstones").await, 2);
}

#[tokio::test]
async fn what_was_left_at_a_stop_is_removed_after_the_restart() {
    let (failing, mut failing_asked) = store("documents", &[Behaviour::Fail]);
    let (hanging, mut hanging_asked) = store("functions", &[Behaviour::Hang]);
    let server = Server::start_with(patient(), vec![failing, hanging]).await;
    let project = server.project("cities").await;
    let asked = (project.id().to_owned(), None);
    server.delete(ADA, &project.path).await;
    next(&mut failing_asked).await;
    next(&mut hanging_asked).await;

    let (documents, mut documents_asked) = store("documents", &[]);
    let server = server.restart(patient(), vec![documents]).await;
    assert_eq!(next(&mut documents_asked).await, asked);
    noted(&server, ANSWERED_ONCE, 1).await;

    let (functions, mut functions_asked) = store("functions", &[]);
    let server = server.restart(patient(), vec![functions]).await;
    assert_eq!(next(&mut functions_asked).await, asked);
    noted(&server, LEFT, 1).await;

    let (documents, mut documents_asked) = store("documents", &[]);
    let server = server.restart(patient(), vec![documents]).await;
    assert_eq!(next(&mut documents_asked).await, asked);
    tombstone_is_gone(&server).await;
}

#[tokio::test]
async fn when_all_stores_have_answered_each_is_asked_once_more() {
    let (failing, mut failing_asked) = store("documents", &[Behaviour::Fail]);
    let (quick, mut quick_asked) = store("logs", &[]);
    let server = Server::start_with(patient(), vec![failing, quick]).await;
    let project = server.project("cities").await;
    server.delete(ADA, &project.path).await;
    next(&mut failing_asked).await;
    next(&mut quick_asked).await;
    noted(&server, ANSWERED_ONCE, 1).await;
    assert!(quick_asked.try_recv().is_err(), "asked again before all had answered");

    let (documents, mut documents_asked) = store("documents", &[]);
    let (logs, mut logs_asked) = store("logs", &[]);
    let server = server.restart(patient(), vec![documents, logs]).await;
    next(&mut documents_asked).await;
    next(&mut documents_asked).await;
    next(&mut logs_asked).await;
    tombstone_is_gone(&server).await;
    assert!(documents_asked.try_recv().is_err() && logs_asked.try_recv().is_err());
}

#[tokio::test]
async fn the_second_round_waits_for_what_was_on_its_way() {
    let config = PlatformConfig { purge_again_after_ms: 300_000, ..eager() };
    let (quick, mut quick_asked) = store("documents", &[]);
    let server = Server::start_with(config, vec![quick]).await;
    let project = server.project("cities").await;
    let before = service_kit::clock::now_ms();
    server.delete(ADA, &project.path).await;
    next(&mut quick_asked).await;
    noted(&server, ANSWERED_ONCE, 1).await;
    let due_at = server.count("SELECT due_at FROM project_purges").await;
    assert!((before + 300_000..before + 330_000).contains(&due_at));
}

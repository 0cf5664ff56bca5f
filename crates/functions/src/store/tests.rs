use super::*;
use crate::manifest::Manifest;
use service_kit::ids::{FunctionId, ProjectId};
use sql::{Database, Durability};
use sqlx::Executor as _;

/// A store as an earlier program made it.
async fn earlier(directory: &tempfile::TempDir) -> Database {
    let database = Database::open(&directory.path().join("metadata.db"), Durability::Full).await.unwrap();
    database.migrate(OWNER, &MIGRATIONS[..1]).await.unwrap();
    database
}

#[tokio::test]
async fn a_store_that_was_made_before_opens_with_what_it_holds() {
    let directory = tempfile::tempdir().unwrap();
    let database = earlier(&directory).await;
    let (function, project) = (FunctionId::generate(), ProjectId::generate());
    let mut write = database.write().await.unwrap();
    let rows = format!(
        "INSERT INTO functions VALUES ('{function}', '{project}', 'f', 'bun', 'key', '{{\"max_workers\":3}}', 'deployed', 'ver_2', 10, 20);
         INSERT INTO function_versions VALUES ('ver_1', '{function}', 'v1', 'default', 'c1', 'source', 1, 11);
         INSERT INTO function_versions VALUES ('ver_2', '{function}', 'v2', 'run', 'c2', 'bundle', 2, 12);"
    );
    write.execute(sqlx::AssertSqlSafe(rows)).await.unwrap();
    write.commit().await.unwrap();
    database.migrate(OWNER, MIGRATIONS).await.unwrap();
    let row = functions::find(&database, &project, "f").await.unwrap().unwrap();
    let version = row.version.unwrap();
    assert_eq!((row.deployed_at, row.handler.as_str(), &*version.version), (12, "default", "v2"));
    assert_eq!(*version.manifest, Manifest::plain("run"));
    let previous = versions::previous(&database, &function).await.unwrap().unwrap();
    assert_eq!(previous.id, "ver_1");
    functions::delete(&database, &function).await.unwrap();
    assert!(versions::all_ids(&database).await.unwrap().is_empty());
}

use super::*;
use crate::directory::{Directory as _, Session};

fn statement(sql: &str) -> SqlStatement {
    SqlStatement { sql: sql.to_owned(), params: Vec::new() }
}

fn caller(project: &ProjectId, invocation: &str) -> SqlCaller {
    SqlCaller { project: project.clone(), invocation: Some(invocation.into()) }
}

#[tokio::test]
async fn a_transaction_is_of_one_call_and_ends_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let tables = Tables::new(directory.path().join("projects"));
    let project = ProjectId::generate();
    let (one, two) = (caller(&project, "inv_1"), caller(&project, "inv_2"));
    tables.query(&one, statement("CREATE TABLE a (x)"), None).await.unwrap();
    let id = tables.begin(&one, SqlMode::ReadWrite).await.unwrap();
    tables.query(&one, statement("INSERT INTO a VALUES (1)"), Some(&id)).await.unwrap();
    for stranger in [&two, &caller(&ProjectId::generate(), "inv_1")] {
        let refused = tables.query(stranger, statement("SELECT 1"), Some(&id)).await;
        assert!(matches!(refused, Err(SqlError::TransactionGone)));
    }
    tables.end_invocation("inv_1");
    assert!(matches!(tables.commit(&one, &id).await, Err(SqlError::TransactionGone)));
    tables.query(&two, statement("INSERT INTO a VALUES (2)"), None).await.unwrap();
    let rows = tables.query(&two, statement("SELECT x FROM a"), None).await.unwrap().rows;
    assert_eq!(rows, [[SqlValue::Integer(2)]]);
    tables.purge(&project).await.unwrap();
    assert!(!Tables::path(&directory.path().join("projects"), &project).exists());
}

#[tokio::test]
async fn the_frameworks_tables_answer_the_stages() {
    let directory = tempfile::tempdir().unwrap();
    let tables = Tables::new(directory.path().to_owned());
    let project = ProjectId::generate();
    for _ in 0..2 {
        tables.ensure_framework_tables(&project).await.unwrap();
    }
    let one = caller(&project, "inv_1");
    let user = "INSERT INTO users (id, email, role) VALUES ('u', 'a@example.com', 'org:member')";
    tables.query(&one, statement(user), None).await.unwrap();
    let taken = tables.query(&one, statement(user), None).await;
    assert!(matches!(taken, Err(SqlError::Violation { .. })), "{taken:?}");
    let found = TableDirectory::new(tables.clone(), project.clone());
    let session = Session {
        id: "s".into(),
        user_id: "u".into(),
        org_id: None,
        payload: serde_json::from_str(r#"{"role":"admin"}"#).unwrap(),
        created_at: 1,
        expires_at: 2,
        last_active_at: 1,
        revoked_at: None,
        ip: None,
        user_agent: None,
    };
    found.insert_session(&session).await.unwrap();
    assert_eq!(found.session("s").await.unwrap(), Some(session));
    found.revoke_session("s", 7).await.unwrap();
    found.revoke_session("s", 8).await.unwrap();
    assert_eq!(found.session("s").await.unwrap().unwrap().revoked_at, Some(7));
    assert_eq!(found.permissions_of(&["org:member", "none"]).await.unwrap(), ["members:read", "org:read"]);
    assert_eq!(found.plan_and_features("none", 0).await.unwrap().plan, "free");
}

use super::*;
use crate::directory::{Directory as _, KEY_USE_COARSE_MS, Session};
use postgres::TestPostgres;
use secrecy::SecretString;
use service_kit::secret::TokenHash;
use sql::scripts::Scripts;

#[path = "../../../sql/tests/support/postgres.rs"]
mod postgres;

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
    let database = |url| ApplicationDatabase::new((&tables, &ProjectId::generate()), url, None).unwrap();
    answers_the_stages(database(None)).await;
    if let Some(server) = TestPostgres::start() {
        answers_the_stages(database(Some(server.url().into()))).await;
    }
}

async fn answers_the_stages(database: ApplicationDatabase) {
    let own = [("001_own".to_owned(), "CREATE TABLE own (x INTEGER)".to_owned())];
    let own = Arc::new(Scripts::of(own).unwrap());
    for _ in 0..2 {
        database.migrate(&own).await.unwrap();
    }
    // A version that was there before: what a later one applied is not in its way.
    database.migrate(&Arc::default()).await.unwrap();
    let token = TokenHash::of(&SecretString::from("bbk_a"));
    for sql in [
        "INSERT INTO users (id, email, role) VALUES ('u', 'a@example.com', 'org:member')".to_owned(),
        format!(
            "INSERT INTO api_keys (id, user_id, name, key_hash) VALUES ('k', 'u', 'mine', '{}')",
            hex::encode(token.as_bytes())
        ),
        "INSERT INTO own VALUES (1)".to_owned(),
    ] {
        database.rows(&sql, Vec::new()).await.unwrap();
    }
    let again = "INSERT INTO users (id, email) VALUES ('v', 'A@example.com')";
    assert!(database.rows(again, Vec::new()).await.is_err(), "an address is one person's, in any case");
    let found = TableDirectory::new(database);
    let day_ms = 86_400_000;
    for (now_ms, noted_ms) in
        [(day_ms, day_ms), (day_ms + 1, day_ms), (day_ms + KEY_USE_COARSE_MS, day_ms + KEY_USE_COARSE_MS)]
    {
        found.touch_api_key("k", now_ms).await.unwrap();
        assert_eq!(found.api_key(&token).await.unwrap().unwrap().last_used_at, Some(noted_ms));
    }
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

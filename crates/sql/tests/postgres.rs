//! Migrations on a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails; this covers its helpers too")]

#[path = "support/postgres.rs"]
mod support;

use sql::confined::Value;
use sql::postgres::PostgresPool;
use sql::scripts::{ScriptDatabase, ScriptError, Scripts};
use sql::{Reach, ReachError};
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use support::TestPostgres;

const FIRST: (&str, &str) = ("001_a.sql", "CREATE TABLE a (x BIGINT PRIMARY KEY); INSERT INTO a VALUES (1);");
const SECOND: (&str, &str) = ("002_b.sql", "CREATE TABLE b (x BIGINT REFERENCES a (x));");
const DOWN: (&str, &str) = ("002_b.down.sql", "DROP TABLE b;");

fn write(directory: &Path, files: &[(&str, &str)]) -> Arc<Scripts> {
    for (name, text) in files {
        fs::write(directory.join(name), text).unwrap();
    }
    Arc::new(Scripts::read(directory).unwrap())
}

/// Of one program: how many it applied.
async fn up(url: &str, scripts: &Arc<Scripts>) -> Result<usize, ScriptError> {
    let mut count = 0;
    ScriptDatabase::postgres(url, None).await?.up(scripts, |_| count += 1).await?;
    Ok(count)
}

#[tokio::test]
async fn migrations_run_on_postgresql_as_they_do_on_sqlite() {
    let Some(server) = TestPostgres::start() else { return };
    let (url, directory) = (server.url(), tempfile::tempdir().unwrap());
    let pool = PostgresPool::new(&url, None).unwrap();
    let scripts = write(directory.path(), &[FIRST, SECOND, DOWN]);

    // Of two runners each migration is run by one.
    let (one, two) = tokio::join!(up(&url, &scripts), up(&url, &scripts));
    assert_eq!(one.unwrap() + two.unwrap(), 2);
    assert_eq!(pool.query("SELECT x FROM a", Vec::new()).await.unwrap(), [[Value::Integer(1)]]);

    let broken =
        write(directory.path(), &[("003_c.sql", "CREATE TABLE c (x INT); INSERT INTO missing VALUES (1);")]);
    let error = up(&url, &broken).await.unwrap_err();
    assert!(
        matches!(&error, ScriptError::Step { name, message } if name == "003_c" && message.contains("missing"))
    );
    assert!(pool.query("SELECT * FROM c", Vec::new()).await.is_err(), "nothing of it was applied");

    let mut database = ScriptDatabase::postgres(&url, None).await.unwrap();
    database.down(&scripts, 1, |_| ()).await.unwrap();
    let states = database.status(&scripts).await.unwrap();
    let applied: Vec<_> = states.iter().map(|state| (state.applied_at.is_some(), state.has_down)).collect();
    assert_eq!(applied, [(true, false), (false, true)]);

    let changed = write(directory.path(), &[("001_a.sql", "CREATE TABLE other (x INT);")]);
    assert!(matches!(up(&url, &changed).await, Err(ScriptError::Changed(_))));

    database.drop_everything().await.unwrap();
    assert!(pool.query("SELECT * FROM a", Vec::new()).await.is_err());
}

#[tokio::test]
async fn what_goes_wrong_says_nothing_of_the_address() {
    let Some(server) = TestPostgres::start() else { return };
    let wrong = server.url().replace(TestPostgres::PASSWORD, "another-s3cret");
    let nowhere = "postgres://me:another-s3cret@127.0.0.1:1/nowhere";
    for url in [wrong.as_str(), nowhere, "postgres://me:another-s3cret@127.0.0.1:port/x"] {
        let error = ScriptDatabase::postgres(url, None).await.err().unwrap();
        assert!(matches!(error, ScriptError::Postgres(_)), "{error}");
        let source = std::error::Error::source(&error).unwrap();
        assert!(!format!("{error} {error:?} {source} {source:?}").contains("another-s3cret"), "{error:?}");
    }
}

/// The local network of a test: one name is public, and stands for this machine.
struct Names;

#[async_trait::async_trait]
impl Reach for Names {
    async fn address(&self, host: &str, _port: u16) -> Result<IpAddr, ReachError> {
        match host {
            "db.example.com" => Ok(IpAddr::from([127, 0, 0, 1])),
            _ => Err(ReachError::Refused(format!("{host} is not public"))),
        }
    }
}

#[tokio::test]
async fn an_address_that_a_project_chose_goes_where_it_may_and_takes_nothing_of_the_server_along() {
    let reach: Arc<dyn Reach> = Arc::new(Names);
    let refusals = [
        ("postgres://me:s3cret@127.0.0.1/x", "127.0.0.1 is not public"),
        ("postgres://me:s3cret@[::1]/x", "::1 is not public"),
        ("postgres://me:s3cret@db.example.com/x?host=10.0.0.1", "10.0.0.1 is not public"),
        ("postgres:///x?host=/var/run/postgresql", "no socket"),
        ("postgres://me:s3cret@%2Fvar%2Frun%2Fpostgresql/x", "no socket"),
        ("postgres:///x", "name a host"),
        ("postgres://me:s3cret@db.example.com/x?hostaddr=10.0.0.1", "`hostaddr`"),
        ("postgres://me:s3cret@db.example.com/x?sslrootcert=/etc/passwd", "`sslrootcert`"),
        ("postgres://me:s3cret@db.example.com/x?sslmode=require&sslcert=/a&sslkey=/b", "`sslcert`"),
        ("postgres://me:s3cret@db.example.com/x?ssl-key=/b", "`ssl-key`"),
        ("postgres://me:s3cret@db.example.com/x?passfile=/root/.pgpass", "`passfile`"),
        ("postgres://me:s3cret@db.example.com/x?service=other", "`service`"),
    ];
    for (url, why) in refusals {
        let error = ScriptDatabase::postgres(url, Some(&reach)).await.err().unwrap();
        assert!(matches!(&error, ScriptError::Refused(_)), "{url}: {error:?}");
        let text = error.to_string();
        assert!(
            text.contains(why) && text.contains("DATABASE_URL") && !text.contains("s3cret"),
            "{url}: {text}"
        );
        let pool = PostgresPool::new(url, Some(reach.clone())).unwrap();
        let error = pool.query("SELECT 1", Vec::new()).await.unwrap_err();
        assert!(matches!(error, sqlx::Error::Configuration(_)), "{url}: {error:?}");
    }

    let Some(server) = TestPostgres::start() else { return };
    let url = format!("{}?application_name=notes&sslmode=prefer", server.url());
    let url = url.replace("127.0.0.1", "db.example.com");
    let pool = PostgresPool::new(&url, Some(reach.clone())).unwrap();
    let name = pool.query("SELECT current_setting('application_name')", Vec::new()).await.unwrap();
    assert_eq!(name, [[Value::Text("notes".to_owned())]]);
    assert!(ScriptDatabase::postgres(&url, Some(&reach)).await.is_ok());
}

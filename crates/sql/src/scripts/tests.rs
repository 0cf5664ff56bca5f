use super::*;
use crate::confined::{Access, ConfinedFile, Statement};
use std::sync::Arc;

fn write(directory: &Path, files: &[(&str, &str)]) -> Arc<Scripts> {
    for (name, text) in files {
        fs::write(directory.join(name), text).unwrap();
    }
    Arc::new(Scripts::read(directory).unwrap())
}

fn statement(sql: &str) -> Statement {
    Statement { sql: sql.to_owned(), values: Vec::new() }
}

const FIRST: (&str, &str) =
    ("001_a.sql", "CREATE TABLE a (x INTEGER PRIMARY KEY); INSERT INTO a VALUES (1);");
const SECOND: (&str, &str) = ("002_b.sql", "CREATE TABLE b (x INTEGER REFERENCES a (x));");
const DOWN: (&str, &str) = ("002_b.down.sql", "DROP TABLE b;");

#[tokio::test]
async fn migrations_of_an_application_go_up_and_down_and_notice_changes() {
    let directory = tempfile::tempdir().unwrap();
    let file = ConfinedFile::new(directory.path().join("app.db"));
    let mut database = ScriptDatabase::Sqlite(file.clone());
    let scripts = write(directory.path(), &[FIRST, SECOND, DOWN]);
    let mut told = Vec::new();
    database.up(&scripts, |name| told.push(name.to_owned())).await.unwrap();
    database.up(&scripts, |name| told.push(name.to_owned())).await.unwrap();
    assert_eq!(told, ["001_a", "002_b"]);

    // What `create` wrote waits until it says something.
    Scripts::create(directory.path(), "later").unwrap();
    let created = write(directory.path(), &[]);
    database.up(&created, |_| panic!("it is blank")).await.unwrap();
    let [up, down] = ["003_later.sql", "003_later.down.sql"].map(|name| directory.path().join(name));
    [up, down].iter().for_each(|path| fs::remove_file(path).unwrap());

    let broken =
        write(directory.path(), &[("003_c.sql", "CREATE TABLE c (x); INSERT INTO missing VALUES (1);")]);
    let error = database.up(&broken, |_| ()).await.unwrap_err();
    assert!(matches!(&error, ScriptError::Step { name, .. } if name == "003_c"), "{error}");
    assert!(file.query(statement("SELECT * FROM c")).await.is_err(), "nothing of it was applied");

    database.down(&scripts, 1, |_| ()).await.unwrap();
    let states = database.status(&scripts).await.unwrap();
    let applied: Vec<_> = states.iter().map(|state| (state.applied_at.is_some(), state.has_down)).collect();
    assert_eq!(applied, [(true, false), (false, true)]);
    let error = database.down(&scripts, 1, |_| ()).await.unwrap_err();
    assert!(matches!(error, ScriptError::NoDown(_)), "{error}");

    let changed = write(directory.path(), &[("001_a.sql", "CREATE TABLE other (x);")]);
    let error = database.up(&changed, |_| ()).await.unwrap_err();
    assert!(matches!(error, ScriptError::Changed(_)), "{error}");

    database.drop_everything().await.unwrap();
    assert!(file.query(statement("SELECT * FROM a")).await.is_err());
}

#[tokio::test]
async fn of_two_runners_each_migration_is_run_by_one() {
    let directory = tempfile::tempdir().unwrap();
    let scripts = write(directory.path(), &[FIRST, SECOND]);
    let path = directory.path().join("app.db");
    let run = |scripts: Arc<Scripts>| {
        let file = ConfinedFile::new(path.clone());
        async move {
            let mut count = 0;
            ScriptDatabase::Sqlite(file).up(&scripts, |_| count += 1).await.unwrap();
            count
        }
    };
    let (one, two) = tokio::join!(run(scripts.clone()), run(scripts.clone()));
    assert_eq!(one + two, 2);
}

#[tokio::test]
async fn statements_stay_in_their_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = ConfinedFile::new(directory.path().join("app.db"));
    let outside = directory.path().join("outside.db");
    let outside = outside.display();
    for sql in [
        format!("ATTACH '{outside}' AS o"),
        format!("VACUUM INTO '{outside}'"),
        "DETACH main".to_owned(),
        "PRAGMA journal_mode = DELETE".to_owned(),
        "PRAGMA synchronous = OFF".to_owned(),
        "PRAGMA writable_schema = ON".to_owned(),
        "SELECT * FROM pragma_journal_mode".to_owned(),
        "SELECT load_extension('x')".to_owned(),
        "BEGIN".to_owned(),
        "COMMIT".to_owned(),
        "CREATE TEMP TABLE t (x)".to_owned(),
        "SELECT 1; SELECT 2".to_owned(),
        " ".to_owned(),
    ] {
        assert!(file.query(statement(&sql)).await.is_err(), "{sql}");
    }
    assert_eq!(
        fs::read_dir(directory.path())
            .unwrap()
            .filter(|e| { e.as_ref().unwrap().file_name().to_string_lossy().starts_with("outside") })
            .count(),
        0
    );
    let mode = file.query(statement("SELECT 1 AS one")).await.unwrap();
    assert_eq!((mode.columns, mode.rows.len()), (vec!["one".to_owned()], 1));
}

#[tokio::test]
async fn readers_do_not_wait_for_a_writer_and_what_was_not_committed_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let file = ConfinedFile::new(directory.path().join("app.db"));
    file.query(statement("CREATE TABLE a (x)")).await.unwrap();
    let writer = file.lease(Access::Write).await.unwrap();
    writer.begin().await.unwrap();
    writer.run(statement("INSERT INTO a VALUES (1)")).await.unwrap();
    assert_eq!(file.query(statement("SELECT * FROM a")).await.unwrap().rows.len(), 0);
    drop(writer);
    let added = file.query(statement("INSERT INTO a VALUES (2)")).await.unwrap();
    assert_eq!((added.changes, added.last_insert_id), (1, Some(1)));
    file.close().await;
}

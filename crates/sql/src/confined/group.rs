//! Writes that wait for the one connection that writes: whoever gets it runs all of them as one transaction, so that
//! they share its sync to the disk. Each stands behind a savepoint: one that fails takes back only itself.

use super::connection::Confined;
use super::error::ConfinedError;
use super::statement::{self, Answer, Statement};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Writes of one transaction.
const GROUP_MAX: usize = 128;

type Answered = Result<Vec<Answer>, ConfinedError>;

/// Statements that are all run, or none.
struct Write {
    number: u64,
    statements: Vec<Statement>,
    answer: oneshot::Sender<Answered>,
}

/// Those that nobody runs yet.
#[derive(Default)]
pub(super) struct Waiting {
    writes: Mutex<Vec<Write>>,
    numbers: AtomicU64,
}

impl Waiting {
    /// Puts statements to the others. Whoever does not wait any more is left out, as long as nobody runs them.
    pub(super) fn add(&self, statements: Vec<Statement>) -> (u64, oneshot::Receiver<Answered>) {
        let (answer, answered) = oneshot::channel();
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        self.all().push(Write { number, statements, answer });
        (number, answered)
    }

    /// Takes statements back; not where somebody runs them already, whose answer then counts.
    pub(super) fn withdraw(&self, number: u64) -> bool {
        let mut all = self.all();
        let place = all.iter().position(|write| write.number == number);
        place.map(|place| all.remove(place)).is_some()
    }

    /// Runs those that wait, up to `GROUP_MAX`, and answers them once they are on the disk.
    pub(super) fn run(&self, connection: &Confined) -> Result<(), ConfinedError> {
        let mut group = self.take();
        let answers = if group.len() > 1 { together(connection, &group) } else { None };
        connection.reset()?;
        let mut answers = answers.map(Vec::into_iter);
        for Write { statements, answer, .. } in group.drain(..) {
            let shared = answers.as_mut().and_then(Iterator::next);
            let answered = shared.unwrap_or_else(|| alone(connection, &statements));
            connection.reset()?;
            // Who went away knows no answer.
            let _ = answer.send(answered);
        }
        Ok(())
    }

    fn take(&self) -> Vec<Write> {
        let mut all = self.all();
        let count = all.len().min(GROUP_MAX);
        all.drain(..count).filter(|write| !write.answer.is_closed()).collect()
    }

    fn all(&self) -> MutexGuard<'_, Vec<Write>> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What each is answered; nothing where one of them ended the transaction of all, or kept it from being committed.
/// Then nothing was written, and each is to be run alone.
fn together(connection: &Confined, writes: &[Write]) -> Option<Vec<Answered>> {
    connection.ours("BEGIN IMMEDIATE").ok()?;
    let mut answers = Vec::with_capacity(writes.len());
    for write in writes {
        connection.ours("SAVEPOINT one").ok()?;
        let answered = all_of(connection, &write.statements);
        if connection.is_over() {
            return None;
        }
        let end = if answered.is_ok() { "RELEASE one" } else { "ROLLBACK TO one; RELEASE one" };
        connection.ours(end).ok()?;
        answers.push(answered);
    }
    connection.ours("COMMIT").ok()?;
    Some(answers)
}

fn alone(connection: &Confined, statements: &[Statement]) -> Answered {
    connection.ours("BEGIN IMMEDIATE")?;
    let answers = all_of(connection, statements)?;
    connection.ours("COMMIT")?;
    Ok(answers)
}

fn all_of(connection: &Confined, statements: &[Statement]) -> Answered {
    statements.iter().map(|statement| statement::run(connection, statement)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::confined::ConfinedFile;
    use futures_util::future::join_all;
    use rusqlite::types::Value;
    use std::sync::Arc;

    fn statement(sql: &str, values: Vec<Value>) -> Statement {
        Statement { sql: sql.to_owned(), values }
    }

    async fn file(directory: &tempfile::TempDir, schema: &[&str]) -> Arc<ConfinedFile> {
        let file = ConfinedFile::new(directory.path().join("app.db"));
        for sql in schema {
            file.query(statement(sql, Vec::new())).await.unwrap();
        }
        file
    }

    async fn numbers(file: &Arc<ConfinedFile>) -> Vec<Value> {
        let rows = file.query(statement("SELECT n FROM kept ORDER BY n", Vec::new())).await.unwrap().rows;
        rows.into_iter().map(|mut row| row.remove(0)).collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn each_write_of_a_group_stands_for_itself() {
        let directory = tempfile::tempdir().unwrap();
        let file = file(
            &directory,
            &[
                "CREATE TABLE kept (n INTEGER PRIMARY KEY CHECK (n != 13), of INTEGER REFERENCES kept(n) DEFERRABLE INITIALLY DEFERRED)",
                "CREATE TRIGGER harsh BEFORE INSERT ON kept WHEN NEW.n = 50 BEGIN SELECT RAISE(ROLLBACK, 'no fifty'); END",
            ],
        )
        .await;
        // One is refused, one ends the whole transaction, one keeps it from being committed; a hundred go in.
        let insert = |n: i64, of: Value| {
            let file = file.clone();
            async move {
                let values = vec![Value::Integer(n), of];
                (n, file.query(statement("INSERT INTO kept VALUES (?1, ?2)", values)).await)
            }
        };
        let all = (0..100).map(|n| insert(n, Value::Null)).chain([insert(100, Value::Integer(-1))]);
        let refused: Vec<_> =
            join_all(all).await.into_iter().filter_map(|(n, answer)| answer.err().map(|_| n)).collect();
        assert_eq!(refused, [13, 50, 100]);
        let expected: Vec<_> = (0..100).filter(|n| ![13, 50].contains(n)).map(Value::Integer).collect();
        assert_eq!(numbers(&file).await, expected);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_batch_is_taken_back_whole_among_others() {
        let directory = tempfile::tempdir().unwrap();
        let file = file(&directory, &["CREATE TABLE kept (n INTEGER PRIMARY KEY)"]).await;
        let pairs = (0..50_i64).map(|n| {
            let file = file.clone();
            // The second of each third pair is there already.
            let second = if n % 3 == 0 { n } else { n + 1_000 };
            let insert = |n| statement("INSERT INTO kept VALUES (?1)", vec![Value::Integer(n)]);
            async move { file.batch(vec![insert(n), insert(second)]).await.is_ok() }
        });
        let kept = join_all(pairs).await.into_iter().filter(|is_kept| *is_kept).count();
        assert_eq!((kept, numbers(&file).await.len()), (33, 66));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_went_away_before_the_turn_writes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let file = file(&directory, &["CREATE TABLE kept (n INTEGER)"]).await;
        let turn = file.lease(crate::confined::Access::Write).await.unwrap();
        let mut given_up = Box::pin(file.query(statement("INSERT INTO kept VALUES (1)", Vec::new())));
        assert!(futures_util::poll!(&mut given_up).is_pending());
        drop(given_up);
        drop(turn);
        file.query(statement("INSERT INTO kept VALUES (2)", Vec::new())).await.unwrap();
        assert_eq!(numbers(&file).await, [Value::Integer(2)]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_column_that_was_added_is_in_what_was_asked_before() {
        let directory = tempfile::tempdir().unwrap();
        let schema = ["CREATE TABLE kept (n INTEGER)", "INSERT INTO kept VALUES (1)"];
        let file = file(&directory, &schema).await;
        let all = || statement("SELECT * FROM kept", Vec::new());
        assert_eq!(file.query(all()).await.unwrap().columns, ["n"]);
        file.query(statement("ALTER TABLE kept ADD COLUMN note TEXT DEFAULT 'none'", Vec::new()))
            .await
            .unwrap();
        let answer = file.query(all()).await.unwrap();
        assert_eq!((answer.columns, answer.rows[0].len()), (vec!["n".to_owned(), "note".to_owned()], 2));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_waited_too_long_is_refused_only_while_nobody_runs_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = file(&directory, &["CREATE TABLE kept (n INTEGER)"]).await;
        let insert = |n| vec![statement("INSERT INTO kept VALUES (?1)", vec![Value::Integer(n)])];
        let (waits, unanswered) = file.waiting.add(insert(1));
        assert!(file.waiting.withdraw(waits) && unanswered.await.is_err());
        let (runs, answered) = file.waiting.add(insert(2));
        file.query(statement("INSERT INTO kept VALUES (3)", Vec::new())).await.unwrap();
        assert!(!file.waiting.withdraw(runs) && answered.await.unwrap().is_ok());
        assert_eq!(numbers(&file).await, [Value::Integer(2), Value::Integer(3)]);
    }
}

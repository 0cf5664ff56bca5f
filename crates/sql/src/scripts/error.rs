//! Why migrations were not applied, and what to do.

use crate::confined::ConfinedError;
use crate::reach::ReachError;

/// Why.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// A file or the directory.
    #[error("{path} cannot be read or written")]
    Read {
        /// Which directory.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No name of a migration.
    #[error("`{0}` is no name of a migration: write `NNN_name.sql`, with a to z, digits and `_`")]
    Name(String),
    /// A number is there twice.
    #[error("`{0}` and `{1}` have the same number: give the newer one the next number that is free")]
    Duplicate(String, String),
    /// A file that takes back nothing.
    #[error("`{0}.down.sql` is there without `{0}.sql`: put that back, or remove both")]
    NoUp(String),
    /// The text is another one than was applied.
    #[error(
        "`{0}` was changed after it was applied: put its old text back, and write the change as a new migration \
        (`bunbase migrate new NAME`)"
    )]
    Changed(String),
    /// It was applied, and its file is gone.
    #[error("`{0}` was applied, and its file is missing: put the file back")]
    Missing(String),
    /// It would be applied out of order.
    #[error(
        "`{name}` is not applied, and `{last}` after it is: rename `{name}` to the next number that is free"
    )]
    Late {
        /// Which.
        name: String,
        /// The newest that is applied.
        last: String,
    },
    /// There is nothing to take it back with.
    #[error("`{0}` cannot be taken back: write `{0}.down.sql`")]
    NoDown(String),
    /// Nothing is applied.
    #[error("no migration is applied: there is nothing to take back")]
    NothingApplied,
    /// Its SQL failed.
    #[error("`{name}.sql` failed, and nothing of it was applied: {message}")]
    Step {
        /// Which.
        name: String,
        /// In the database's words.
        message: String,
    },
    /// PostgreSQL is somewhere that nothing is connected to.
    #[error("{0}")]
    Refused(String),
    /// SQLite.
    #[error("the database did not take the migrations")]
    Sqlite(#[from] ConfinedError),
    /// PostgreSQL.
    #[error(
        "PostgreSQL did not take the migrations: see whether DATABASE_URL is right, and whether it is running"
    )]
    Postgres(#[from] sqlx::Error),
}

impl ScriptError {
    /// A refusal says what to do; everything else may be the database's.
    pub(crate) fn of_connection(error: sqlx::Error) -> Self {
        let refused = match &error {
            sqlx::Error::Configuration(cause) => cause.downcast_ref::<ReachError>().map(ToString::to_string),
            _ => None,
        };
        refused.map_or_else(|| Self::Postgres(error), Self::Refused)
    }
}

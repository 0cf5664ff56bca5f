//! The tables of declared topics and of rules. The only place with SQL.

mod rules;
mod topics;

pub(crate) use topics::TopicRow;

use ports::events::Realm;
use service_kit::ids::ProjectId;
use sql::{Database, Durability, Migration, SqlError};
use std::path::Path;

const OWNER: &str = "events";
/// How the server's own realm is called in the tables; no project has such an id.
const SYSTEM: &str = "system";

const MIGRATIONS: &[Migration] = &[Migration {
    number: 1,
    name: "declared topics, rules",
    sql: "CREATE TABLE topics (
        realm TEXT NOT NULL,
        topic TEXT NOT NULL,
        age_seconds INTEGER,
        bytes_max INTEGER,
        created_at INTEGER NOT NULL,
        PRIMARY KEY (realm, topic),
        CHECK ((age_seconds IS NULL) = (bytes_max IS NULL))
    ) WITHOUT ROWID;
    CREATE TABLE rules (
        project TEXT PRIMARY KEY NOT NULL,
        rules TEXT NOT NULL,
        updated_at INTEGER NOT NULL
    );",
}];

/// The tables.
#[derive(Debug)]
pub(crate) struct Store {
    database: Database,
}

impl Store {
    pub(crate) async fn open(path: &Path) -> Result<Self, SqlError> {
        let database = Database::open(path, Durability::Full).await?;
        database.migrate(OWNER, MIGRATIONS).await?;
        Ok(Self { database })
    }

    /// Removes everything of a project.
    pub(crate) async fn purge(&self, project: &ProjectId) -> Result<(), SqlError> {
        let mut write = self.database.write().await?;
        for statement in ["DELETE FROM topics WHERE realm = $1", "DELETE FROM rules WHERE project = $1"] {
            sqlx::query(statement).bind(project.as_str()).execute(&mut *write).await?;
        }
        Ok(write.commit().await?)
    }

    pub(crate) async fn close(&self) {
        self.database.close().await;
    }
}

fn realm_text(realm: &Realm) -> &str {
    match realm {
        Realm::System => SYSTEM,
        Realm::Project(project) => project.as_str(),
    }
}

fn realm_of(text: &str) -> Option<Realm> {
    if text == SYSTEM { Some(Realm::System) } else { ProjectId::parse(text).ok().map(Realm::Project) }
}

//! Rows of functions, each with its active version where it has one.

use crate::error::FunctionsError;
use crate::runtime::Runtime;
use crate::settings::{AccessSetting, Overrides};
use crate::store::changes::{self, Change};
use crate::store::versions::{self, VersionRow};
use service_kit::ids::{FunctionId, ProjectId};
use sql::{Database, Write};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, FromRow, Row};

/// How far a function has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FunctionState {
    /// It has a name and settings, and no code.
    Registered,
    /// It has a version, and none takes calls.
    Built,
    /// A version takes calls.
    Deployed,
}

impl FunctionState {
    /// As it is stored and shown.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Built => "built",
            Self::Deployed => "deployed",
        }
    }

    fn of(text: &str) -> Self {
        match text {
            "registered" => Self::Registered,
            "built" => Self::Built,
            _ => Self::Deployed,
        }
    }
}

/// A function.
#[derive(Debug, Clone)]
pub(crate) struct FunctionRow {
    pub(crate) id: FunctionId,
    pub(crate) project: ProjectId,
    pub(crate) name: String,
    /// The runtime of versions that name none.
    pub(crate) runtime: Runtime,
    /// The export that versions call where they name none.
    pub(crate) handler: String,
    pub(crate) access: AccessSetting,
    pub(crate) settings: Overrides,
    pub(crate) state: FunctionState,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    /// When the active version began to take calls; 0 where there is none.
    pub(crate) deployed_at: i64,
    /// The active version.
    pub(crate) version: Option<VersionRow>,
}

impl FromRow<'_, SqliteRow> for FunctionRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let decoded = |error: Box<dyn std::error::Error + Send + Sync>| sqlx::Error::Decode(error);
        let (id, project): (String, String) = (row.try_get("id")?, row.try_get("project")?);
        let (access, settings): (String, String) = (row.try_get("access")?, row.try_get("settings")?);
        let has_version = row.try_get::<Option<String>, _>("version_id")?.is_some();
        Ok(Self {
            id: FunctionId::parse(&id).map_err(|error| decoded(error.into()))?,
            project: ProjectId::parse(&project).map_err(|error| decoded(error.into()))?,
            name: row.try_get("name")?,
            runtime: Runtime::of(&row.try_get::<String, _>("runtime")?),
            handler: row.try_get("function_handler")?,
            access: AccessSetting::of(&access),
            settings: serde_json::from_str(&settings).map_err(|error| decoded(error.into()))?,
            state: FunctionState::of(&row.try_get::<String, _>("status")?),
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
            deployed_at: row.try_get("deployed_at")?,
            version: if has_version { Some(VersionRow::from_row(row)?) } else { None },
        })
    }
}

fn select(condition: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "SELECT f.id, f.project, f.name, f.runtime, f.handler AS function_handler, f.access, f.settings, \
         f.status, f.created_at, f.updated_at, f.deployed_at, {} \
         FROM functions f LEFT JOIN function_versions v ON v.id = f.active_version {condition}",
        versions::COLUMNS
    ))
}

/// Every function of every project.
pub(crate) async fn all(database: &Database) -> Result<Vec<FunctionRow>, sqlx::Error> {
    sqlx::query_as(select("")).fetch_all(database.read()).await
}

/// The functions of a project by name; `functions_max` bounds them.
pub(crate) async fn list(
    database: &Database,
    project: &ProjectId,
) -> Result<Vec<FunctionRow>, FunctionsError> {
    let rows = sqlx::query_as(select("WHERE f.project = $1 ORDER BY f.name"));
    Ok(rows.bind(project.as_str()).fetch_all(database.read()).await?)
}

/// One function by name.
pub(crate) async fn find(
    database: &Database,
    project: &ProjectId,
    name: &str,
) -> Result<Option<FunctionRow>, FunctionsError> {
    let row = sqlx::query_as(select("WHERE f.project = $1 AND f.name = $2"));
    Ok(row.bind(project.as_str()).bind(name).fetch_optional(database.read()).await?)
}

/// How many functions a project has.
pub(crate) async fn count(database: &Database, project: &ProjectId) -> Result<usize, FunctionsError> {
    let (count,): (i64,) = sqlx::query_as("SELECT count(*) FROM functions WHERE project = $1")
        .bind(project.as_str())
        .fetch_one(database.read())
        .await?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

/// What is stored of one change, all of it or nothing.
#[derive(Debug, Default)]
pub(crate) struct Save<'a> {
    /// A version that is not stored yet.
    pub(crate) version: Option<&'a VersionRow>,
    /// What becomes visible in the function's history.
    pub(crate) changes: &'a [Change],
    /// Which versions take which share of the calls; `None` leaves it as it is.
    pub(crate) traffic: Option<&'a [(String, u32)]>,
}

/// Stores a function, made where it is missing, with what goes along.
pub(crate) async fn save(
    database: &Database,
    row: &FunctionRow,
    save: Save<'_>,
) -> Result<(), FunctionsError> {
    let mut write = database.write().await?;
    upsert(&mut write, row).await?;
    if let Some(version) = save.version {
        versions::insert(&mut write, &row.id, version).await?;
    }
    if let Some(shares) = save.traffic {
        set_traffic(&mut write, &row.id, shares).await?;
    }
    changes::insert(&mut write, &row.id, save.changes).await?;
    Ok(write.commit().await?)
}

async fn upsert(write: &mut Write, row: &FunctionRow) -> Result<(), FunctionsError> {
    let settings = serde_json::to_string(&row.settings)
        .map_err(|error| FunctionsError::from(sqlx::Error::Encode(error.into())))?;
    sqlx::query(
        "INSERT INTO functions (id, project, name, runtime, handler, access, settings, status, active_version,
                                created_at, updated_at, deployed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         ON CONFLICT (id) DO UPDATE SET runtime = $4, access = $6, settings = $7, status = $8, active_version = $9,
                                        updated_at = $11, deployed_at = $12",
    )
    .bind(row.id.as_str())
    .bind(row.project.as_str())
    .bind(&row.name)
    .bind(row.runtime.as_str())
    .bind(&row.handler)
    .bind(row.access.as_str())
    .bind(settings)
    .bind(row.state.as_str())
    .bind(row.version.as_ref().map_or("", |version| version.id.as_str()))
    .bind(row.created_at)
    .bind(row.updated_at)
    .bind(row.deployed_at)
    .execute(&mut **write)
    .await?;
    Ok(())
}

async fn set_traffic(
    write: &mut Write,
    function: &FunctionId,
    shares: &[(String, u32)],
) -> Result<(), FunctionsError> {
    let delete = sqlx::query("DELETE FROM function_traffic WHERE function_id = $1");
    delete.bind(function.as_str()).execute(&mut **write).await?;
    for (version_id, weight) in shares {
        sqlx::query("INSERT INTO function_traffic (function_id, version_id, weight) VALUES ($1, $2, $3)")
            .bind(function.as_str())
            .bind(version_id)
            .bind(weight)
            .execute(&mut **write)
            .await?;
    }
    Ok(())
}

/// Ids of the versions that share the calls, with their weights; none where the active one takes them all.
pub(crate) async fn traffic(
    database: &Database,
    function: &FunctionId,
) -> Result<Vec<(String, u32)>, FunctionsError> {
    let rows = sqlx::query_as(
        "SELECT version_id, weight FROM function_traffic WHERE function_id = $1 ORDER BY weight DESC, version_id",
    );
    Ok(rows.bind(function.as_str()).fetch_all(database.read()).await?)
}

/// Removes a function with its versions, and with the variables that are its own.
pub(crate) async fn delete(database: &Database, id: &FunctionId) -> Result<(), FunctionsError> {
    let mut write = database.write().await?;
    // What refers to versions goes before them.
    for text in [
        "DELETE FROM function_aliases WHERE function_id = $1",
        "DELETE FROM function_traffic WHERE function_id = $1",
        "DELETE FROM function_variables WHERE scope = $1",
        "DELETE FROM functions WHERE id = $1",
    ] {
        sqlx::query(text).bind(id.as_str()).execute(&mut *write).await?;
    }
    Ok(write.commit().await?)
}

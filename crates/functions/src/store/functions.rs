//! Rows of functions, each with its active version.

use crate::error::FunctionsError;
use crate::settings::{AccessSetting, Overrides};
use crate::store::versions::{self, VersionRow};
use service_kit::ids::{FunctionId, ProjectId};
use sql::{Database, Write};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, FromRow, Row};

/// A function as it is deployed.
#[derive(Debug, Clone)]
pub(crate) struct FunctionRow {
    pub(crate) id: FunctionId,
    pub(crate) project: ProjectId,
    pub(crate) name: String,
    pub(crate) runtime: String,
    pub(crate) access: AccessSetting,
    pub(crate) settings: Overrides,
    pub(crate) status: String,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    /// The active version.
    pub(crate) version: VersionRow,
}

impl FromRow<'_, SqliteRow> for FunctionRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let decoded = |error: Box<dyn std::error::Error + Send + Sync>| sqlx::Error::Decode(error);
        let (id, project): (String, String) = (row.try_get("id")?, row.try_get("project")?);
        let (access, settings): (String, String) = (row.try_get("access")?, row.try_get("settings")?);
        Ok(Self {
            id: FunctionId::parse(&id).map_err(|error| decoded(error.into()))?,
            project: ProjectId::parse(&project).map_err(|error| decoded(error.into()))?,
            name: row.try_get("name")?,
            runtime: row.try_get("runtime")?,
            access: AccessSetting::of(&access),
            settings: serde_json::from_str(&settings).map_err(|error| decoded(error.into()))?,
            status: row.try_get("status")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
            version: VersionRow::from_row(row)?,
        })
    }
}

fn select(condition: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "SELECT f.id, f.project, f.name, f.runtime, f.access, f.settings, f.status, f.created_at, \
         f.updated_at, {} FROM functions f JOIN function_versions v ON v.id = f.active_version {condition}",
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

/// Stores a function with its active version: both are made where they are missing; a version that is
/// there stays as it is.
pub(crate) async fn save(database: &Database, row: &FunctionRow) -> Result<(), FunctionsError> {
    let mut write = database.write().await?;
    upsert(&mut write, row).await?;
    sqlx::query(
        "INSERT INTO function_versions (id, function_id, version, handler, checksum, form, size_bytes, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING",
    )
    .bind(&row.version.id)
    .bind(row.id.as_str())
    .bind(&*row.version.version)
    .bind(&row.version.handler)
    .bind(&row.version.checksum)
    .bind(&row.version.form)
    .bind(row.version.size_bytes)
    .bind(row.version.created_at)
    .execute(&mut *write)
    .await?;
    Ok(write.commit().await?)
}

async fn upsert(write: &mut Write, row: &FunctionRow) -> Result<(), FunctionsError> {
    let settings = serde_json::to_string(&row.settings)
        .map_err(|error| FunctionsError::from(sqlx::Error::Encode(error.into())))?;
    sqlx::query(
        "INSERT INTO functions (id, project, name, runtime, access, settings, status, active_version,
                                created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (id) DO UPDATE SET access = $5, settings = $6, status = $7, active_version = $8,
                                        updated_at = $10",
    )
    .bind(row.id.as_str())
    .bind(row.project.as_str())
    .bind(&row.name)
    .bind(&row.runtime)
    .bind(row.access.as_str())
    .bind(settings)
    .bind(&row.status)
    .bind(&row.version.id)
    .bind(row.created_at)
    .bind(row.updated_at)
    .execute(&mut **write)
    .await?;
    Ok(())
}

/// Removes a function with its versions.
pub(crate) async fn delete(database: &Database, id: &FunctionId) -> Result<(), FunctionsError> {
    let mut write = database.write().await?;
    sqlx::query("DELETE FROM functions WHERE id = $1").bind(id.as_str()).execute(&mut *write).await?;
    Ok(write.commit().await?)
}

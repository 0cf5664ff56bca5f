//! `/v1/sql/…`: the database of a project, for its functions alone. It is reached over the channel of a worker, so that
//! there is no such route for anybody outside. What a call leaves open is rolled back when the call ends.

use actions::tables::wire::{self, WireStatement};
use bytes::Bytes;
use ports::sql::{Sql, SqlCaller, SqlError, SqlMode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use service_kit::error::{ApiError, Classify as _, ErrorCode};

/// What the paths begin with.
pub(super) const PREFIX: &str = "/v1/sql/";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    sql: String,
    #[serde(default)]
    params: Vec<Value>,
    #[serde(default)]
    transaction: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    statements: Vec<WireStatement>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Begin {
    #[serde(default)]
    read_only: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Transaction {
    transaction: String,
}

/// Answers one request.
pub(super) async fn answer(
    sql: &dyn Sql,
    caller: &SqlCaller,
    (what, body): (&str, &[u8]),
) -> Result<http::Response<Bytes>, ApiError> {
    let answered = match what {
        "query" => {
            let Query { sql: text, params, transaction } = read(body)?;
            let statement = WireStatement::new(text, params).statement().map_err(|error| told(&error))?;
            let result = sql.query(caller, statement, transaction.as_deref()).await;
            Some(wire::result(result.map_err(|error| told(&error))?))
        }
        "batch" => {
            let statements = read::<Batch>(body)?.statements.into_iter().map(WireStatement::statement);
            let statements = statements.collect::<Result<_, _>>().map_err(|error| told(&error))?;
            let results = sql.batch(caller, statements).await.map_err(|error| told(&error))?;
            Some(json!({ "results": results.into_iter().map(wire::result).collect::<Vec<_>>() }))
        }
        "begin" => {
            let mode = if read::<Begin>(body)?.read_only { SqlMode::ReadOnly } else { SqlMode::ReadWrite };
            Some(json!({ "transaction": sql.begin(caller, mode).await.map_err(|error| told(&error))? }))
        }
        "commit" => {
            let Transaction { transaction } = read(body)?;
            sql.commit(caller, &transaction).await.map_err(|error| told(&error))?;
            None
        }
        "rollback" => {
            let Transaction { transaction } = read(body)?;
            sql.rollback(caller, &transaction).await.map_err(|error| told(&error))?;
            None
        }
        _ => return Err(ApiError::new(ErrorCode::NotFound, "there is nothing at this path")),
    };
    let mut response =
        http::Response::new(answered.as_ref().map(Value::to_string).unwrap_or_default().into());
    if answered.is_none() {
        *response.status_mut() = http::StatusCode::NO_CONTENT;
    }
    Ok(response)
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let wrong = |error: serde_json::Error| ApiError::new(ErrorCode::InvalidRequest, error.to_string());
    serde_json::from_slice(body).map_err(wrong)
}

/// With the name of SQLite's code, by which programs tell violations apart.
fn told(error: &SqlError) -> ApiError {
    let code = match error {
        SqlError::Statement { code, .. } | SqlError::Violation { code, .. } => Some(*code),
        SqlError::Failed(cause) => {
            tracing::error!(%cause, "the database of an application failed");
            None
        }
        _ => None,
    };
    let api = ApiError::new(error.code(), error.to_string());
    match code {
        Some(code) => api.with_details(json!({ "code": code })),
        None => api,
    }
}

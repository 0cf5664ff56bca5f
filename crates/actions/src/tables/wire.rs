//! Statements and results as JSON: what a function's client sends and gets (`/v1/sql/*`). Integers beyond 2^53, which
//! a double cannot hold, are `{"$int": "123"}`; bytes are `{"$bytes": "<base64>"}`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ports::sql::{SqlError, SqlResult, SqlStatement, SqlValue};
use serde::Deserialize;
use serde_json::{Value, json};

/// The largest integer that is a number in JSON for every reader (`Number.MAX_SAFE_INTEGER`).
const SAFE_INTEGER_MAX: u64 = (1 << 53) - 1;

/// A statement as it is sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WireStatement {
    sql: String,
    #[serde(default)]
    params: Vec<Value>,
}

impl WireStatement {
    /// Of its parts.
    pub fn new(sql: String, params: Vec<Value>) -> Self {
        Self { sql, params }
    }

    /// The statement.
    ///
    /// # Errors
    /// `Invalid`: a value is of no kind that SQL has.
    pub fn statement(self) -> Result<SqlStatement, SqlError> {
        let params = self.params.into_iter().map(value).collect::<Result<_, _>>()?;
        Ok(SqlStatement { sql: self.sql, params })
    }
}

fn value(value: Value) -> Result<SqlValue, SqlError> {
    let invalid = SqlError::Invalid(
        "a parameter is null, a boolean, a number, a string, `{\"$int\": \"123\"}` or `{\"$bytes\": \"<base64>\"}`",
    );
    Ok(match value {
        Value::Null => SqlValue::Null,
        Value::Bool(yes) => SqlValue::Integer(i64::from(yes)),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => SqlValue::Integer(whole),
            (None, Some(real)) => SqlValue::Real(real),
            (None, None) => return Err(invalid),
        },
        Value::String(text) => SqlValue::Text(text),
        Value::Object(tagged) if tagged.len() == 1 => {
            let text = |name: &str| tagged.get(name).and_then(Value::as_str);
            let whole = text("$int").and_then(|text| text.parse().ok()).map(SqlValue::Integer);
            let bytes = || text("$bytes").and_then(|text| STANDARD.decode(text).ok()).map(SqlValue::Bytes);
            whole.or_else(bytes).ok_or(invalid)?
        }
        Value::Object(_) | Value::Array(_) => return Err(invalid),
    })
}

/// A result as it is answered: `{"columns", "rows", "changes", "last_insert_id"}`.
pub fn result(result: SqlResult) -> Value {
    let rows: Vec<Value> = result.rows.into_iter().map(|row| row.into_iter().map(shown).collect()).collect();
    json!({
        "columns": result.columns,
        "rows": rows,
        "changes": result.changes,
        "last_insert_id": result.last_insert_id,
    })
}

fn shown(value: SqlValue) -> Value {
    match value {
        SqlValue::Null => Value::Null,
        SqlValue::Integer(number) if number.unsigned_abs() > SAFE_INTEGER_MAX => {
            json!({ "$int": number.to_string() })
        }
        SqlValue::Integer(number) => number.into(),
        // Infinity, which JSON has no number for, is null; SQLite has no NaN.
        SqlValue::Real(number) => number.into(),
        SqlValue::Text(text) => text.into(),
        SqlValue::Bytes(bytes) => json!({ "$bytes": STANDARD.encode(bytes) }),
    }
}

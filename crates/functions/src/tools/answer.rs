//! The answer of a handler as the result of a tool: its text, its JSON where it is an object, and an error where it is
//! no 2xx.

use crate::front::explain;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt as _, Limited};
use rmcp::model::{CallToolResult, ContentBlock, JsonObject};
use serde_json::Value;
use service_kit::error::ApiError;
use worker_pool::{InvokeError, InvokeResponse};

/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// The result that a client gets. In the answers of applications the data stand in an envelope.
pub(super) async fn result(
    answered: Result<InvokeResponse, InvokeError>,
    is_application: bool,
) -> CallToolResult {
    let InvokeResponse { status, headers, body } = match answered {
        Ok(response) => response,
        Err(error) => return refused(&explain(&error).0),
    };
    let Ok(whole) = Limited::new(body, ANSWER_BYTES_MAX).collect().await else {
        return error(format!("the answer broke off, or is larger than {ANSWER_BYTES_MAX} bytes"));
    };
    let Ok(text) = String::from_utf8(whole.to_bytes().into()) else {
        return error("the answer is not text".to_owned());
    };
    let is_json =
        headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let value = is_json.then(|| serde_json::from_str::<JsonObject>(&text).ok()).flatten();
    if !status.is_success() {
        let told = value.and_then(|value| told(&value));
        return error(told.unwrap_or_else(|| format!("http_{}: {text}", status.as_u16())));
    }
    match value {
        Some(mut envelope) if is_application && envelope.contains_key("data") => {
            succeeded(None, envelope.remove("data").unwrap_or_default())
        }
        Some(object) => succeeded(Some(text), Value::Object(object)),
        None => CallToolResult::success(vec![ContentBlock::text(text)]),
    }
}

fn succeeded(text: Option<String>, value: Value) -> CallToolResult {
    let mut result =
        CallToolResult::success(vec![ContentBlock::text(text.unwrap_or_else(|| value.to_string()))]);
    result.structured_content = Some(value).filter(Value::is_object);
    result
}

/// `code: message`, and the details where there are some, of an error in the one shape.
fn told(value: &JsonObject) -> Option<String> {
    let error = value.get("error")?;
    let (code, message) = (error.get("code")?.as_str()?, error.get("message")?.as_str()?);
    let details = error.get("details").map(|details| format!(" {details}")).unwrap_or_default();
    Some(format!("{code}: {message}{details}"))
}

/// What was refused before a handler ran, or failed without an answer.
pub(super) fn refused(reason: &ApiError) -> CallToolResult {
    error(format!("{}: {}", reason.code.as_str(), reason.message))
}

fn error(text: String) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(text)])
}

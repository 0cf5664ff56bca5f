//! Deployments as messages: what is deployed first, then its code in chunks.

use super::wire;
use crate::http::{Code, CreateFunction, Sent};
use crate::runtime::Runtime;
use bytes::Bytes;
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde::de::value::StringDeserializer;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::{self, too_large};
use std::time::Duration;
use tonic::Streaming;
use wire::deploy_request::Part;
use wire::deployment::Form;

/// How long the next message may take, as long as the next part of a body over HTTP.
const IDLE_MAX: Duration = Duration::from_secs(30);

pub(super) fn registration(message: wire::RegisterRequest) -> Result<CreateFunction, ApiError> {
    let wire::RegisterRequest { function, runtime, handler, settings } = message;
    let (runtime, settings) = (runtime_of(runtime)?, parsed(&settings)?.unwrap_or_default());
    Ok(CreateFunction { name: function, runtime, handler, settings, ..CreateFunction::default() })
}

/// Reads a whole deployment of at most `bytes_max` bytes of code.
pub(super) async fn read(
    mut stream: Streaming<wire::DeployRequest>,
    bytes_max: usize,
) -> Result<Sent<CreateFunction>, ApiError> {
    let invalid = |message: &str| ApiError::new(ErrorCode::InvalidRequest, message);
    let Some(Part::Deployment(deployment)) = next(&mut stream).await? else {
        return Err(invalid("the first message of a deployment says what is deployed: send `deployment`"));
    };
    let mut bytes = Vec::new();
    while let Some(part) = next(&mut stream).await? {
        let Part::Chunk(chunk) = part else {
            return Err(invalid("a deployment is described once: send its code as `chunk`"));
        };
        if bytes.len() + chunk.len() > bytes_max {
            return Err(too_large(bytes_max));
        }
        bytes.extend_from_slice(&chunk);
    }
    sent(deployment, bytes)
}

async fn next(stream: &mut Streaming<wire::DeployRequest>) -> Result<Option<Part>, ApiError> {
    let late = |_| ApiError::new(ErrorCode::RequestTimeout, "the next message did not arrive in time");
    let message = tokio::time::timeout(IDLE_MAX, stream.message()).await.map_err(late)?;
    let broken = |status: tonic::Status| ApiError::new(ErrorCode::InvalidRequest, status.message());
    let Some(wire::DeployRequest { part }) = message.map_err(broken)? else { return Ok(None) };
    let empty = || ApiError::new(ErrorCode::InvalidRequest, "a message has neither `deployment` nor `chunk`");
    part.ok_or_else(empty).map(Some)
}

fn sent(deployment: wire::Deployment, bytes: Vec<u8>) -> Result<Sent<CreateFunction>, ApiError> {
    let form = deployment.form();
    let wire::Deployment { function, runtime, handler, version, entry, manifest, settings, checksum, .. } =
        deployment;
    let body = CreateFunction {
        name: function,
        runtime: runtime_of(runtime)?,
        handler,
        version,
        bundle: None,
        bundled: form == Form::Bundle,
        entry,
        manifest: parsed(&manifest)?,
        checksum,
        settings: parsed(&settings)?.unwrap_or_default(),
    };
    let code = match form {
        Form::Archive => Code::Archive(bytes),
        Form::Source | Form::Bundle => Code::File(bytes),
    };
    Ok(Sent { body, code: Some(code) })
}

/// The runtime that a message names, with the words of the routes.
fn runtime_of(name: Option<String>) -> Result<Option<Runtime>, ApiError> {
    let read = |name: String| {
        let deserializer = StringDeserializer::<serde::de::value::Error>::new(name);
        let invalid = |error| ApiError::new(ErrorCode::InvalidRequest, format!("`runtime`: {error}"));
        Runtime::deserialize(deserializer).map_err(invalid)
    };
    name.map(read).transpose()
}

fn parsed<T: DeserializeOwned>(text: &Bytes) -> Result<Option<T>, ApiError> {
    if text.is_empty() { Ok(None) } else { json::parse(text).map(Some) }
}

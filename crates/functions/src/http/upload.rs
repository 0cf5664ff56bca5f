//! Uploads: JSON with the code in base64, or a form with an archive (RFC 7578) and the other fields beside it.

use super::types::{CreateFunction, CreateVersion};
use crate::build::Build;
use crate::bundle::Upload;
use crate::error::FunctionsError;
use crate::runtime::Runtime;
use axum::extract::{FromRequest, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use multer::Multipart;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::{BodyLimit, JSON_BYTES_DEFAULT, Json, check_depth, read_body};
use std::convert::Infallible;

/// The part that holds the archive.
const ARCHIVE: &str = "archive";
/// Parts that hold JSON; the others hold text.
const JSON_PARTS: [&str; 2] = ["manifest", "settings"];
const PARTS_MAX: usize = 20;

/// What was sent.
pub(crate) struct Sent<T> {
    pub(crate) body: T,
    /// Code that does not stand in the body.
    pub(crate) code: Option<Code>,
}

/// Code as bytes.
pub(crate) enum Code {
    /// One file.
    File(Vec<u8>),
    /// A tar.gz.
    Archive(Vec<u8>),
}

/// The parts of an upload that make a version.
pub(super) struct UploadFields {
    pub(super) handler: Option<String>,
    pub(super) runtime: Option<Runtime>,
    pub(super) version: Option<String>,
    pub(super) bundle: Option<String>,
    pub(super) bundled: bool,
    pub(super) entry: Option<String>,
    pub(super) manifest: Option<Value>,
    pub(super) checksum: Option<String>,
}

impl UploadFields {
    pub(super) fn build(self, code: Option<Code>) -> Result<Build, FunctionsError> {
        let Self { handler, runtime, version, bundle, bundled, entry, manifest, checksum } = self;
        let file = match (code, bundle) {
            (Some(_), Some(_)) => {
                return Err(FunctionsError::Invalid("send `bundle` or an archive, not both"));
            }
            (Some(Code::Archive(bytes)), None) => {
                let upload = Upload::Archive { bytes, entry };
                return Ok(Build { upload, handler, runtime, version, manifest, checksum });
            }
            (Some(Code::File(bytes)), None) => bytes,
            (None, bundle) => STANDARD
                .decode(bundle.unwrap_or_default())
                .map_err(|_| FunctionsError::Invalid("`bundle` is not valid base64 (RFC 4648 §4)"))?,
        };
        if entry.is_some() {
            return Err(FunctionsError::Invalid("`entry` names a file of an archive"));
        }
        let upload = if bundled { Upload::Bundle(file) } else { Upload::Source(file) };
        Ok(Build { upload, handler, runtime, version, manifest, checksum })
    }
}

impl CreateFunction {
    pub(super) fn into_upload(self) -> UploadFields {
        let Self { handler, runtime, version, bundle, bundled, entry, manifest, checksum, .. } = self;
        UploadFields { handler, runtime, version, bundle, bundled, entry, manifest, checksum }
    }
}

impl CreateVersion {
    pub(super) fn into_upload(self) -> UploadFields {
        let Self { handler, runtime, version, bundle, bundled, entry, manifest, checksum } = self;
        UploadFields { handler, runtime, version, bundle, bundled, entry, manifest, checksum }
    }
}

/// Reads either form.
pub(super) async fn read<T: DeserializeOwned>(request: Request) -> Result<Sent<T>, ApiError> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Ok(boundary) = multer::parse_boundary(kind) else {
        let Json(body) = Json::from_request(request, &()).await?;
        return Ok(Sent { body, code: None });
    };
    let limit = request.extensions().get::<BodyLimit>().map_or(JSON_BYTES_DEFAULT, |limit| limit.0);
    let whole = read_body(request.into_body(), limit).await?;
    read_form(whole, boundary).await
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, message)
}

async fn read_form<T: DeserializeOwned>(whole: Bytes, boundary: String) -> Result<Sent<T>, ApiError> {
    let broken = |error: multer::Error| invalid(format!("the form cannot be read: {error}"));
    let stream = futures_util::stream::iter([Ok::<_, Infallible>(whole)]);
    let mut form = Multipart::new(stream, boundary);
    let (mut fields, mut archive) = (Map::new(), None);
    while let Some(part) = form.next_field().await.map_err(broken)? {
        let name = part.name().unwrap_or_default().to_owned();
        if fields.contains_key(&name) || (name == ARCHIVE && archive.is_some()) || fields.len() >= PARTS_MAX {
            return Err(invalid(format!("the form has the part \"{name}\" twice, or too many parts")));
        }
        if name == ARCHIVE {
            archive = Some(part.bytes().await.map_err(broken)?.to_vec());
            continue;
        }
        let text = part.text().await.map_err(broken)?;
        fields.insert(name.clone(), field(&name, text)?);
    }
    if archive.is_none() {
        return Err(invalid("the form has no part \"archive\" with a tar.gz"));
    }
    let body = serde_json::from_value(Value::Object(fields))
        .map_err(|error| invalid(format!("the form is not what is expected here: {error}")))?;
    Ok(Sent { body, code: archive.map(Code::Archive) })
}

fn field(name: &str, text: String) -> Result<Value, ApiError> {
    if !JSON_PARTS.contains(&name) {
        return Ok(Value::String(text));
    }
    check_depth(text.as_bytes())?;
    serde_json::from_str(&text)
        .map_err(|error| invalid(format!("the part \"{name}\" is not valid JSON: {error}")))
}

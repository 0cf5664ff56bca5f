//! `/encrypt`, `/decrypt`, `/rewrap`, `/sign`, `/verify`: what is done with a key.

use super::extract::Named;
use super::text::{self, Given};
use super::{Body, Endpoint, Mounted, Shared, paths};
use crate::operations::{AAD_BYTES_MAX, With};
use axum::extract::State;
use ports::access::Action;
use routes::Route;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;
use utoipa::ToSchema;

const _: () = assert!(AAD_BYTES_MAX * 6 <= super::BODY_REST_BYTES, "`aad` has room in a body, escaped");

/// What is to be encrypted: `plaintext` or `plaintext_b64`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EncryptBody {
    /// Text.
    #[serde(default, deserialize_with = "text::optional")]
    #[schema(value_type = Option<String>)]
    plaintext: Option<SecretString>,
    /// Bytes in base64.
    #[serde(default, deserialize_with = "text::optional")]
    #[schema(value_type = Option<String>)]
    plaintext_b64: Option<SecretString>,
    /// Bound to the ciphertext and not kept: decrypting needs the same. Up to 4 KiB.
    #[serde(default)]
    aad: String,
}

/// What is to be decrypted or rewrapped.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DecryptBody {
    /// From `encrypt` or `rewrap`.
    ciphertext: String,
    /// What it was encrypted with.
    #[serde(default)]
    aad: String,
}

/// Ciphertext, and the version of the key that made it.
#[derive(Serialize, ToSchema)]
struct Encrypted {
    /// Base64; holds the version.
    ciphertext: String,
    /// The version.
    version: u32,
}

/// Plaintext, and the version of the key that had encrypted it.
#[derive(Serialize, ToSchema)]
struct Decrypted {
    /// The text, where it is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text::shown_some")]
    #[schema(value_type = Option<String>)]
    plaintext: Option<SecretString>,
    /// The bytes in base64.
    #[serde(serialize_with = "text::shown")]
    #[schema(value_type = String)]
    plaintext_b64: SecretString,
    /// The version.
    version: u32,
}

/// What is to be signed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignBody {
    /// The data itself, not a hash of it, in base64.
    data_b64: String,
}

/// A signature, and the version of the key that made it.
#[derive(Serialize, ToSchema)]
struct Signed {
    /// Base64: 64 bytes of `ed25519`; `r | s`, 64 bytes, of `ecdsa-p256`; 32 bytes of `hmac-sha256`.
    signature_b64: String,
    /// The version.
    version: u32,
}

/// What is to be verified.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct VerifyBody {
    /// The data in base64.
    data_b64: String,
    /// The signature in base64.
    signature_b64: String,
}

/// Whether a signature is one of the key.
#[derive(Serialize, ToSchema)]
struct SignatureVerified {
    /// Whether it is.
    valid: bool,
    /// The version that made it; left out where none did.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
}

const ENCRYPT_ERRORS: &[ErrorCode] = &[
    ErrorCode::InvalidRequest,
    ErrorCode::SecretNotFound,
    ErrorCode::Conflict,
    ErrorCode::BodyTooLarge,
    ErrorCode::Unavailable,
];
const DECRYPT_ERRORS: &[ErrorCode] = &[
    ErrorCode::InvalidRequest,
    ErrorCode::DecryptionFailed,
    ErrorCode::SecretNotFound,
    ErrorCode::Conflict,
    ErrorCode::BodyTooLarge,
    ErrorCode::Unavailable,
];

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let encrypts = Endpoint {
        method: Route::post,
        paths: paths!("/encrypt/{name}"),
        action: Action::SecretUse,
        describe: |route| {
            route
                .summary("Encrypt with the active version of a key")
                .body::<EncryptBody>()
                .answers::<Encrypted>(200, "the ciphertext")
                .errors(ENCRYPT_ERRORS)
        },
        body: Body::Payload,
    };
    let decrypts = Endpoint {
        paths: paths!("/decrypt/{name}"),
        describe: |route| {
            route
                .summary("Decrypt with the version of a key that encrypted")
                .body::<DecryptBody>()
                .answers::<Decrypted>(200, "the plaintext")
                .errors(DECRYPT_ERRORS)
        },
        ..encrypts
    };
    let rewraps = Endpoint {
        paths: paths!("/rewrap/{name}"),
        describe: |route| {
            route
                .summary("Encrypt a ciphertext anew with the active version of its key")
                .body::<DecryptBody>()
                .answers::<Encrypted>(200, "the ciphertext")
                .errors(DECRYPT_ERRORS)
        },
        ..encrypts
    };
    let mounted = mounted.both(&encrypts, encrypt).both(&decrypts, decrypt).both(&rewraps, rewrap);
    with_signatures(mounted)
}

fn with_signatures(mounted: Mounted) -> Mounted {
    let signs = Endpoint {
        method: Route::post,
        paths: paths!("/sign/{name}"),
        action: Action::SecretUse,
        describe: |route| {
            route
                .summary("Sign with the active version of a key")
                .body::<SignBody>()
                .answers::<Signed>(200, "the signature")
                .errors(ENCRYPT_ERRORS)
        },
        body: Body::Payload,
    };
    let verifies = Endpoint {
        paths: paths!("/verify/{name}"),
        describe: |route| {
            route
                .summary("Whether a version of a key made a signature")
                .body::<VerifyBody>()
                .answers::<SignatureVerified>(200, "whether it did")
                .errors(ENCRYPT_ERRORS)
        },
        ..signs
    };
    mounted.both(&signs, sign).both(&verifies, verify)
}

async fn encrypt(
    State(kms): State<Shared>,
    at: Named,
    Json(body): Json<EncryptBody>,
) -> Result<Json<Encrypted>, ApiError> {
    let given = Given {
        text: body.plaintext,
        base64: body.plaintext_b64,
        field: "plaintext_b64",
        one_of: "send `plaintext`, or `plaintext_b64`",
    };
    let with = With { key: &at.name, aad: body.aad.as_bytes() };
    let (sealed, version) = kms.encrypt(&at.scope, with, &given.bytes()?).await?;
    Ok(Json(Encrypted { ciphertext: text::encode(&sealed), version }))
}

async fn decrypt(
    State(kms): State<Shared>,
    at: Named,
    Json(body): Json<DecryptBody>,
) -> Result<Json<Decrypted>, ApiError> {
    let ciphertext = text::decode("ciphertext", &body.ciphertext)?;
    let with = With { key: &at.name, aad: body.aad.as_bytes() };
    let (plaintext, version) = kms.decrypt(&at.scope, with, &ciphertext).await?;
    let (plaintext, plaintext_b64) = text::both(&plaintext);
    Ok(Json(Decrypted { plaintext, plaintext_b64, version }))
}

async fn rewrap(
    State(kms): State<Shared>,
    at: Named,
    Json(body): Json<DecryptBody>,
) -> Result<Json<Encrypted>, ApiError> {
    let ciphertext = text::decode("ciphertext", &body.ciphertext)?;
    let with = With { key: &at.name, aad: body.aad.as_bytes() };
    let (sealed, version) = kms.rewrap(&at.scope, with, &ciphertext).await?;
    Ok(Json(Encrypted { ciphertext: text::encode(&sealed), version }))
}

async fn sign(
    State(kms): State<Shared>,
    at: Named,
    Json(body): Json<SignBody>,
) -> Result<Json<Signed>, ApiError> {
    let data = text::decode("data_b64", &body.data_b64)?;
    let (signature, version) = kms.sign(&at.scope, &at.name, &data).await?;
    Ok(Json(Signed { signature_b64: text::encode(&signature), version }))
}

async fn verify(
    State(kms): State<Shared>,
    at: Named,
    Json(body): Json<VerifyBody>,
) -> Result<Json<SignatureVerified>, ApiError> {
    let data = text::decode("data_b64", &body.data_b64)?;
    let signature = text::decode("signature_b64", &body.signature_b64)?;
    let verified = kms.verify(&at.scope, &at.name, (&data, &signature)).await?;
    Ok(Json(SignatureVerified { valid: verified.version.is_some(), version: verified.version }))
}

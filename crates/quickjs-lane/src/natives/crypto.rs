//! Digests, HMAC and random values, all of aws-lc.

use aws_lc_rs::{digest, hmac, rand};
use rquickjs::prelude::Func;
use rquickjs::{ArrayBuffer, Ctx, Exception, Object, Result, TypedArray};

use super::buffer;
use crate::bytes_of::bytes_of;

const RANDOM_BYTES_MAX: usize = 65_536;

pub(super) fn offer(object: &Object<'_>) -> Result<()> {
    object.set("digest", Func::from(digest_of))?;
    object.set("hmac", Func::from(sign))?;
    object.set("verify", Func::from(verify))?;
    object.set("random", Func::from(random))?;
    object.set("uuid", Func::from(|| uuid::Uuid::new_v4().to_string()))
}

fn digest_of<'js>(ctx: Ctx<'js>, hash: String, data: TypedArray<'js, u8>) -> Result<ArrayBuffer<'js>> {
    let algorithm = match hash.as_str() {
        "SHA-1" => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        "SHA-256" => &digest::SHA256,
        "SHA-384" => &digest::SHA384,
        "SHA-512" => &digest::SHA512,
        _ => return Err(unknown(&ctx)),
    };
    buffer(&ctx, digest::digest(algorithm, &bytes_of(&data)).as_ref())
}

fn key(ctx: &Ctx<'_>, hash: &str, bytes: &TypedArray<'_, u8>) -> Result<hmac::Key> {
    let algorithm = match hash {
        "SHA-1" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        "SHA-256" => hmac::HMAC_SHA256,
        "SHA-384" => hmac::HMAC_SHA384,
        "SHA-512" => hmac::HMAC_SHA512,
        _ => return Err(unknown(ctx)),
    };
    Ok(hmac::Key::new(algorithm, &bytes_of(bytes)))
}

fn sign<'js>(
    ctx: Ctx<'js>,
    hash: String,
    secret: TypedArray<'js, u8>,
    data: TypedArray<'js, u8>,
) -> Result<ArrayBuffer<'js>> {
    let tag = hmac::sign(&key(&ctx, &hash, &secret)?, &bytes_of(&data));
    buffer(&ctx, tag.as_ref())
}

/// Compares in constant time.
fn verify<'js>(
    ctx: Ctx<'js>,
    hash: String,
    secret: TypedArray<'js, u8>,
    data: TypedArray<'js, u8>,
    tag: TypedArray<'js, u8>,
) -> Result<bool> {
    Ok(hmac::verify(&key(&ctx, &hash, &secret)?, &bytes_of(&data), &bytes_of(&tag)).is_ok())
}

fn random<'js>(ctx: Ctx<'js>, length: usize) -> Result<ArrayBuffer<'js>> {
    let mut bytes = vec![0; length.min(RANDOM_BYTES_MAX)];
    rand::fill(&mut bytes).map_err(|_| Exception::throw_internal(&ctx, "there are no random bytes"))?;
    buffer(&ctx, &bytes)
}

fn unknown(ctx: &Ctx<'_>) -> rquickjs::Error {
    Exception::throw_type(ctx, "the hash is not known")
}

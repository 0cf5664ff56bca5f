//! UTF-8 and base64.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use rquickjs::prelude::{Func, Opt};
use rquickjs::{ArrayBuffer, Ctx, Object, Result, TypedArray};

use super::buffer;
use crate::bytes_of::bytes_of;

/// Padding may be there or not, and bits that say nothing are ignored ("forgiving-base64 decode", Infra standard).
const FORGIVING: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

pub(super) fn offer(object: &Object<'_>) -> Result<()> {
    object.set("encode", Func::from(encode))?;
    object.set("decode", Func::from(decode))?;
    object.set("toBase64", Func::from(|bytes: TypedArray<'_, u8>| STANDARD.encode(bytes_of(&bytes))))?;
    object.set("fromBase64", Func::from(from_base64))
}

fn encode<'js>(ctx: Ctx<'js>, text: String) -> Result<ArrayBuffer<'js>> {
    buffer(&ctx, text.as_bytes())
}

/// The text, or nothing where it has to be valid and is not.
fn decode(bytes: TypedArray<'_, u8>, fatal: Opt<bool>) -> Option<String> {
    match String::from_utf8(bytes_of(&bytes)) {
        Ok(text) => Some(text),
        Err(_) if fatal.0 == Some(true) => None,
        Err(error) => Some(String::from_utf8_lossy(error.as_bytes()).into_owned()),
    }
}

fn from_base64<'js>(ctx: Ctx<'js>, text: String) -> Result<Option<ArrayBuffer<'js>>> {
    let text: String = text.chars().filter(|character| !character.is_ascii_whitespace()).collect();
    FORGIVING.decode(text).ok().map(|bytes| buffer(&ctx, &bytes)).transpose()
}

//! `ETag`, `If-Match` and `If-None-Match` (RFC 9110 §8.8.3, §13.1). The tag of a value is its version in
//! quotes; a weakened tag (`W/"…"`), which a compressing proxy makes, is taken as the same one.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use ports::key_value::KvCondition;
use service_kit::error::{ApiError, ErrorCode};

/// The tag of `version`.
pub(super) fn etag(version: u64) -> HeaderValue {
    // Digits and quotes are valid in a header.
    HeaderValue::try_from(format!("\"{version}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"0\""))
}

/// The condition on a write.
pub(super) fn of_write(headers: &HeaderMap) -> Result<KvCondition, ApiError> {
    match (text(headers, &header::IF_MATCH)?, text(headers, &header::IF_NONE_MATCH)?) {
        (None, None) => Ok(KvCondition::Any),
        (Some("*"), None) => Ok(KvCondition::Present),
        (Some(tag), None) => version(tag)
            .map(KvCondition::Version)
            .ok_or_else(|| invalid("`If-Match` takes `*`, or the one `ETag` of the value, such as `\"17\"`")),
        (None, Some("*")) => Ok(KvCondition::Absent),
        (None, Some(_)) => Err(invalid("`If-None-Match` takes only `*` with a write")),
        (Some(_), Some(_)) => Err(invalid("send either `If-Match` or `If-None-Match`")),
    }
}

/// Whether the caller of a read has this version already.
pub(super) fn is_known(headers: &HeaderMap, current: u64) -> bool {
    let Ok(Some(tags)) = text(headers, &header::IF_NONE_MATCH) else { return false };
    tags.split(',').map(str::trim).any(|tag| tag == "*" || version(tag) == Some(current))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ApiError> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    value.to_str().map(|text| Some(text.trim())).map_err(|_| invalid(&format!("`{name}` is not plain text")))
}

fn version(tag: &str) -> Option<u64> {
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

fn invalid(message: &str) -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn tags_become_conditions() {
        let of = |pairs| of_write(&headers(pairs)).ok();
        assert_eq!(of(&[]), Some(KvCondition::Any));
        assert_eq!(of(&[("if-match", "\"17\"")]), Some(KvCondition::Version(17)));
        assert_eq!(of(&[("if-match", "W/\"17\"")]), Some(KvCondition::Version(17)));
        assert_eq!(of(&[("if-match", "*")]), Some(KvCondition::Present));
        assert_eq!(of(&[("if-none-match", "*")]), Some(KvCondition::Absent));
        for wrong in [
            [("if-match", "17")].as_slice(),
            &[("if-match", "\"1\", \"2\"")],
            &[("if-none-match", "\"1\"")],
            &[("if-match", "\"1\""), ("if-none-match", "*")],
        ] {
            assert_eq!(of(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_known_version_is_recognised_in_a_list() {
        assert!(is_known(&headers(&[("if-none-match", "\"3\", W/\"4\"")]), 4));
        assert!(!is_known(&headers(&[("if-none-match", "\"5\"")]), 4));
        assert!(!is_known(&HeaderMap::new(), 4));
    }
}

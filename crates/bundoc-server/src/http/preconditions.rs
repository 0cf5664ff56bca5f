//! `ETag`, `If-Match` and `If-None-Match` (RFC 9110 §8.8.3, §13.1). The tag of a document is its version
//! in quotes; a weakened tag (`W/"…"`), which a compressing proxy makes, is taken as the same one.

use bundoc::engine::Precondition;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use service_kit::error::{ApiError, ErrorCode};

/// The tag of `version`.
pub(super) fn etag(version: u64) -> HeaderValue {
    // Digits and quotes are valid in a header.
    HeaderValue::try_from(format!("\"{version}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"0\""))
}

/// The condition on a write that may create the document.
pub(super) fn of_replace(headers: &HeaderMap) -> Result<Precondition, ApiError> {
    match (text(headers, &header::IF_MATCH)?, text(headers, &header::IF_NONE_MATCH)?) {
        (None, None) => Ok(Precondition::Any),
        (Some("*"), None) => Err(invalid("`If-Match` takes the version of the document here, not `*`")),
        (Some(tag), None) => version(tag).map(Precondition::Version),
        (None, Some("*")) => Ok(Precondition::Absent),
        (None, Some(_)) => Err(invalid("`If-None-Match` takes only `*` with a write")),
        (Some(_), Some(_)) => Err(invalid("send either `If-Match` or `If-None-Match`")),
    }
}

/// The condition on a write to a document that has to exist anyway.
pub(super) fn of_change(headers: &HeaderMap) -> Result<Precondition, ApiError> {
    match (text(headers, &header::IF_MATCH)?, text(headers, &header::IF_NONE_MATCH)?) {
        (None | Some("*"), None) => Ok(Precondition::Any),
        (Some(tag), None) => version(tag).map(Precondition::Version),
        (_, Some(_)) => Err(invalid("`If-None-Match` cannot hold for a document that has to exist")),
    }
}

/// Whether the caller of a read has this version already.
pub(super) fn is_known(headers: &HeaderMap, current: u64) -> bool {
    let Ok(Some(tags)) = text(headers, &header::IF_NONE_MATCH) else { return false };
    tags.split(',').map(str::trim).any(|tag| tag == "*" || version(tag).is_ok_and(|known| known == current))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ApiError> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    value.to_str().map(|text| Some(text.trim())).map_err(|_| invalid(&format!("`{name}` is not plain text")))
}

fn version(tag: &str) -> Result<u64, ApiError> {
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    let digits = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| invalid("`If-Match` takes one `ETag` of a document, such as `\"17\"`"))
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
        let replace = |pairs| of_replace(&headers(pairs)).ok();
        assert_eq!(replace(&[]), Some(Precondition::Any));
        assert_eq!(replace(&[("if-match", "\"17\"")]), Some(Precondition::Version(17)));
        assert_eq!(replace(&[("if-match", "W/\"17\"")]), Some(Precondition::Version(17)));
        assert_eq!(replace(&[("if-none-match", "*")]), Some(Precondition::Absent));
        let change = |pairs| of_change(&headers(pairs)).ok();
        assert_eq!(change(&[("if-match", "*")]), Some(Precondition::Any));
        assert_eq!(change(&[("if-none-match", "*")]), None);
    }

    #[test]
    fn a_condition_that_cannot_be_kept_is_refused() {
        for pairs in [
            [("if-match", "17")].as_slice(),
            &[("if-match", "\"1\", \"2\"")],
            &[("if-match", "*")],
            &[("if-none-match", "\"1\"")],
            &[("if-match", "\"1\""), ("if-none-match", "*")],
        ] {
            assert_eq!(of_replace(&headers(pairs)).unwrap_err().code, ErrorCode::InvalidRequest, "{pairs:?}");
        }
    }

    #[test]
    fn a_known_version_is_recognised_in_a_list() {
        assert!(is_known(&headers(&[("if-none-match", "\"3\", W/\"4\"")]), 4));
        assert!(is_known(&headers(&[("if-none-match", "*")]), 4));
        assert!(!is_known(&headers(&[("if-none-match", "\"5\"")]), 4));
        assert!(!is_known(&HeaderMap::new(), 4));
    }
}

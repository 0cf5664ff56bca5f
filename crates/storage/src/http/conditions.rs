//! `ETag`, `If-Match`, `If-None-Match`, `If-Range` and `Range` (RFC 9110 §8.8.3, §13.1, §14.2). A weakened
//! tag (`W/"…"`), which a compressing proxy makes, is taken as the same one.

use http::{HeaderMap, HeaderName, header};
use ports::objects::{ObjectCondition, ObjectRange};
use service_kit::error::{ApiError, ErrorCode};

/// Tags in one header.
const TAGS_MAX: usize = 16;

/// The condition on a write.
pub(super) fn of_write(headers: &HeaderMap) -> Result<ObjectCondition, ApiError> {
    match (text(headers, &header::IF_MATCH)?, text(headers, &header::IF_NONE_MATCH)?) {
        (None, None) => Ok(ObjectCondition::Any),
        (Some("*"), None) => Ok(ObjectCondition::Present),
        (Some(tags), None) => Ok(ObjectCondition::Etag(tags_of(tags)?)),
        (None, Some("*")) => Ok(ObjectCondition::Absent),
        (None, Some(_)) => Err(invalid("`If-None-Match` takes only `*` with a write")),
        (Some(_), Some(_)) => Err(invalid("send either `If-Match` or `If-None-Match`")),
    }
}

/// Whether the caller of a read has this content already.
pub(super) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let Ok(Some(tags)) = text(headers, &header::IF_NONE_MATCH) else { return false };
    tags.split(',').map(str::trim).any(|tag| tag == "*" || tag_of(tag) == Some(etag))
}

/// Which part is wanted. More than one, or what is no range, means all, as does a range of another content.
pub(super) fn range(headers: &HeaderMap, etag: &str) -> ObjectRange {
    let same = match text(headers, &header::IF_RANGE) {
        Ok(None) => true,
        Ok(Some(tag)) => tag_of(tag) == Some(etag),
        Err(_) => false,
    };
    let wanted = text(headers, &header::RANGE).ok().flatten();
    wanted.filter(|_| same).and_then(parse_range).unwrap_or_default()
}

fn parse_range(text: &str) -> Option<ObjectRange> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let number = |digits: &str| -> Option<u64> {
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse().unwrap_or(u64::MAX))
    };
    if first.is_empty() {
        return number(last).map(ObjectRange::Last);
    }
    let first = number(first)?;
    let last = if last.is_empty() { None } else { Some(number(last)?) };
    (last.is_none_or(|last| first <= last)).then_some(ObjectRange::From { first, last })
}

fn tags_of(tags: &str) -> Result<Vec<String>, ApiError> {
    let tags: Option<Vec<_>> = tags.split(',').take(TAGS_MAX).map(|tag| tag_of(tag.trim())).collect();
    let tags = tags.ok_or_else(|| invalid("`If-Match` takes `*`, or the `ETag` of the object in quotes"))?;
    Ok(tags.into_iter().map(str::to_owned).collect())
}

fn tag_of(tag: &str) -> Option<&str> {
    tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ApiError> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    value.to_str().map(|text| Some(text.trim())).map_err(|_| invalid(&format!("`{name}` is not plain text")))
}

fn invalid(message: &str) -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn tags_become_conditions() {
        let of = |pairs| of_write(&headers(pairs)).ok();
        let tags =
            |tags: &[&str]| Some(ObjectCondition::Etag(tags.iter().map(ToString::to_string).collect()));
        assert_eq!(of(&[]), Some(ObjectCondition::Any));
        assert_eq!(of(&[("if-match", "\"a\", W/\"b\"")]), tags(&["a", "b"]));
        assert_eq!(of(&[("if-match", "*")]), Some(ObjectCondition::Present));
        assert_eq!(of(&[("if-none-match", "*")]), Some(ObjectCondition::Absent));
        for wrong in [
            [("if-match", "a")].as_slice(),
            &[("if-none-match", "\"a\"")],
            &[("if-match", "\"a\""), ("if-none-match", "*")],
        ] {
            assert_eq!(of(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn one_range_is_taken_and_anything_else_means_all() {
        let of = |value| range(&headers(&[("range", value)]), "a");
        let from = |first, last| ObjectRange::From { first, last };
        assert_eq!(of("bytes=0-3"), from(0, Some(3)));
        assert_eq!(of("bytes=7-"), from(7, None));
        assert_eq!(of("bytes=-5"), ObjectRange::Last(5));
        assert_eq!(of("bytes=0-99999999999999999999"), from(0, Some(u64::MAX)));
        for all in ["bytes=0-1,3-4", "bytes=-", "bytes=3-2", "bytes=a-b", "items=0-1", "bytes=+1-2", "0-1"] {
            assert_eq!(of(all), ObjectRange::All, "{all}");
        }
    }

    #[test]
    fn a_range_of_another_content_means_all() {
        let of = |tag| range(&headers(&[("range", "bytes=1-"), ("if-range", tag)]), "a");
        assert_eq!(of("\"a\""), ObjectRange::From { first: 1, last: None });
        assert_eq!(of("\"b\""), ObjectRange::All);
        assert_eq!(of("Wed, 21 Oct 2015 07:28:00 GMT"), ObjectRange::All);
    }
}

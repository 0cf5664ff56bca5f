//! The headers of an object's answer. What somebody stored must not act as a page of the server: types are
//! not guessed, pages run in a sandbox without an origin, and what a browser would run is downloaded.

use crate::signature::encoded;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use ports::objects::ObjectInfo;
use std::ops::Range;
use time::OffsetDateTime;
use time::macros::format_description;

const SANDBOX: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";
/// Types that a browser shows without running anything, besides those of images, sound and film.
const SHOWN: [&str; 3] = ["text/plain", "application/json", "text/csv"];
const SHOWN_KINDS: [&str; 3] = ["image/", "audio/", "video/"];
/// An image that can hold scripts.
const SVG: &str = "image/svg";

/// Headers of every answer about an object.
pub(super) fn describe(headers: &mut HeaderMap, info: &ObjectInfo) {
    let mut set = |name: HeaderName, text: &str| {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, &info.content_type);
    set(header::ETAG, &format!("\"{}\"", info.etag));
    set(header::LAST_MODIFIED, &http_date(info.modified_at));
    set(header::ACCEPT_RANGES, "bytes");
    set(header::CACHE_CONTROL, "private, no-cache");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::CONTENT_SECURITY_POLICY, SANDBOX);
    set(header::CONTENT_DISPOSITION, &disposition(info));
}

/// Headers of the bytes that follow; says whether they are a part only.
pub(super) fn measure(headers: &mut HeaderMap, range: &Range<u64>, size: u64) -> bool {
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    if *range == (0..size) {
        return false;
    }
    let text = format!("bytes {}-{}/{size}", range.start, range.end - 1);
    if let Ok(value) = HeaderValue::from_str(&text) {
        headers.insert(header::CONTENT_RANGE, value);
    }
    true
}

/// Seconds are what the format has (RFC 9110 §5.6.7).
fn http_date(epoch_ms: i64) -> String {
    let format = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let moment = OffsetDateTime::from_unix_timestamp(epoch_ms.div_euclid(1_000)).ok();
    moment.and_then(|moment| moment.format(format).ok()).unwrap_or_default()
}

fn disposition(info: &ObjectInfo) -> String {
    let essence = info.content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_shown = !essence.starts_with(SVG)
        && (SHOWN.contains(&essence.as_str()) || SHOWN_KINDS.iter().any(|kind| essence.starts_with(kind)));
    let kind = if is_shown { "inline" } else { "attachment" };
    let file_name = info.name.as_str().rsplit('/').next().unwrap_or_default();
    format!("{kind}; filename*=UTF-8''{}", encoded(file_name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ports::objects::ObjectName;

    fn info(name: &str, content_type: &str) -> ObjectInfo {
        ObjectInfo {
            name: ObjectName::parse(name).unwrap(),
            size: 10,
            content_type: content_type.into(),
            etag: "ab".into(),
            modified_at: 1_445_412_480_999,
        }
    }

    #[test]
    fn what_a_browser_would_run_is_downloaded() {
        let shown = |content_type: &str| disposition(&info("a", content_type)).starts_with("inline");
        for content_type in ["image/png", "IMAGE/PNG", "text/plain; charset=utf-8", "video/mp4"] {
            assert!(shown(content_type), "{content_type}");
        }
        for content_type in
            ["text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", "application/pdf", "x", ""]
        {
            assert!(!shown(content_type), "{content_type}");
        }
    }

    #[test]
    fn headers_hold_whatever_the_name_holds() {
        let mut headers = HeaderMap::new();
        describe(&mut headers, &info("a/\"ä;b\".txt", "text/plain"));
        assert_eq!(headers["content-disposition"], "inline; filename*=UTF-8''%22%C3%A4%3Bb%22.txt");
        assert_eq!(headers["last-modified"], "Wed, 21 Oct 2015 07:28:00 GMT");
        assert_eq!(headers["x-content-type-options"], "nosniff");
    }
}

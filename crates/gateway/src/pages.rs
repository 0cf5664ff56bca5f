//! The pages of the process: the welcome page and the one that links in mails lead to. Each is one file
//! that loads nothing; its policy allows its own script and style by their hashes and calls to this server.

use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, header};
use sha2::{Digest as _, Sha256};
use std::sync::LazyLock;

static WELCOME: LazyLock<Page> =
    LazyLock::new(|| Page::new(include_str!("page.html").replace("{version}", env!("CARGO_PKG_VERSION"))));
static ACTION: LazyLock<Page> = LazyLock::new(|| Page::new(include_str!("action.html").to_owned()));

/// A page and the policy that fits it.
struct Page {
    html: String,
    policy: HeaderValue,
}

impl Page {
    fn new(html: String) -> Self {
        let (style, script) = (hash(between(&html, "style")), hash(between(&html, "script")));
        let policy = format!(
            "default-src 'none'; style-src '{style}'; script-src '{script}'; connect-src 'self'; \
             img-src data:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
        );
        // A hash has no character that a header may not have.
        let policy = HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        Self { html, policy }
    }

    fn answer(&self) -> Response {
        let mut response = Html(self.html.clone()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, self.policy.clone());
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// What stands in the one element `name` of `html`.
fn between<'a>(html: &'a str, name: &str) -> &'a str {
    let after = html.split_once(&format!("<{name}>")).map_or("", |(_, after)| after);
    after.split_once(&format!("</{name}>")).map_or("", |(inside, _)| inside)
}

/// The source expression of an inline element (CSP 3, §2.3.1).
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text.as_bytes())))
}

pub(crate) async fn welcome() -> Response {
    WELCOME.answer()
}

pub(crate) async fn action() -> Response {
    ACTION.answer()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_one_file_whose_policy_allows_nothing_but_itself() {
        for page in [&*WELCOME, &*ACTION] {
            assert_eq!(page.html.matches("<script").count(), 1);
            assert_eq!(page.html.matches("<style").count(), 1);
            for outside in ["<link", "src=", "style=", "onclick", "javascript:", "@import", "url("] {
                assert!(!page.html.contains(outside), "{outside}");
            }
            let policy = page.policy.to_str().unwrap();
            assert!(policy.contains(&hash(between(&page.html, "script"))));
            assert!(policy.contains(&hash(between(&page.html, "style"))));
            assert!(!policy.contains("unsafe"));
        }
        // The hash of an empty text would mean that the element was not found.
        assert_ne!(hash(between(&ACTION.html, "script")), hash(""));
    }
}

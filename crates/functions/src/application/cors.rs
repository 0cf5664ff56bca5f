//! Cross-origin requests of an application, as its `cors` says (<https://fetch.spec.whatwg.org/#http-cors-protocol>).
//! Cookies go along for origins that are named and for no others: a page of any site would act as its visitor.

use actions::spec::{CorsOrigin, CorsSpec};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue};

const METHODS: &str = "GET, POST, PUT, PATCH, DELETE, OPTIONS";
const HEADERS: &str = "Content-Type, Authorization, X-Api-Key, X-Org-Id";
/// Seconds that a browser may keep the answer to a preflight.
const MAX_AGE_S: u32 = 86_400;

/// What every answer says, and what the answer to a preflight says besides.
#[derive(Debug)]
pub(super) struct Cors {
    origin: CorsOrigin,
    with_credentials: bool,
    exposed: Option<HeaderValue>,
    preflight: Vec<(HeaderName, HeaderValue)>,
}

impl Cors {
    pub(super) fn of(spec: &CorsSpec) -> Self {
        let list = |names: &Option<Vec<String>>| names.as_ref().map(|names| names.join(", "));
        let preflight = [
            (ACCESS_CONTROL_ALLOW_METHODS, list(&spec.methods).unwrap_or_else(|| METHODS.to_owned())),
            (ACCESS_CONTROL_ALLOW_HEADERS, list(&spec.allowed_headers).unwrap_or_else(|| HEADERS.to_owned())),
            (ACCESS_CONTROL_MAX_AGE, spec.max_age.unwrap_or(MAX_AGE_S).to_string()),
        ];
        let readable = |(name, text)| Some((name, HeaderValue::try_from(text).ok()?));
        Self {
            origin: spec.origin.clone(),
            with_credentials: spec.credentials.unwrap_or(true),
            exposed: list(&spec.exposed_headers).and_then(|text| HeaderValue::try_from(text).ok()),
            preflight: preflight.into_iter().filter_map(readable).collect(),
        }
    }

    /// What an answer to a request with these headers says of origins.
    pub(super) fn answer(&self, request: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
        let mut said = Vec::new();
        let Some(origin) = request.get(ORIGIN) else { return self.vary() };
        let is = |named: &String| named.as_bytes().eq_ignore_ascii_case(origin.as_bytes());
        let is_named = match &self.origin {
            CorsOrigin::Any(false) => return said,
            CorsOrigin::Any(true) => false,
            CorsOrigin::One(named) if named == "*" => false,
            CorsOrigin::One(named) if is(named) => true,
            CorsOrigin::These(named) if named.iter().any(is) => true,
            CorsOrigin::One(_) | CorsOrigin::These(_) => return self.vary(),
        };
        if is_named {
            said.extend(self.vary());
            said.push((ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()));
            if self.with_credentials {
                said.push((ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")));
            }
        } else {
            said.push((ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")));
        }
        said.extend(self.exposed.clone().map(|names| (ACCESS_CONTROL_EXPOSE_HEADERS, names)));
        said
    }

    /// What the answer to a preflight says besides.
    pub(super) fn preflight(&self) -> &[(HeaderName, HeaderValue)] {
        &self.preflight
    }

    /// Whether answers differ by origin.
    fn vary(&self) -> Vec<(HeaderName, HeaderValue)> {
        match &self.origin {
            CorsOrigin::Any(_) => Vec::new(),
            CorsOrigin::One(named) if named == "*" => Vec::new(),
            CorsOrigin::One(_) | CorsOrigin::These(_) => vec![(VARY, HeaderValue::from_static("Origin"))],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn said(spec: Value, origin: Option<&'static str>) -> String {
        let spec: CorsSpec = serde_json::from_value(spec).unwrap();
        let mut request = HeaderMap::new();
        if let Some(origin) = origin {
            request.insert(ORIGIN, HeaderValue::from_static(origin));
        }
        let said = Cors::of(&spec).answer(&request);
        let text = said.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap()));
        text.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn cookies_go_along_for_origins_that_are_named() {
        let named = json!({ "origin": ["https://a.test", "https://b.test"], "exposedHeaders": ["X-Total"] });
        assert_eq!(
            said(named.clone(), Some("https://b.test")),
            "vary=Origin access-control-allow-origin=https://b.test access-control-allow-credentials=true \
             access-control-expose-headers=X-Total"
        );
        assert_eq!(said(named.clone(), Some("https://evil.test")), "vary=Origin");
        assert_eq!(said(named, None), "vary=Origin");
        let without = json!({ "origin": "https://a.test", "credentials": false });
        assert_eq!(
            said(without, Some("https://a.test")),
            "vary=Origin access-control-allow-origin=https://a.test"
        );
        for any in [json!({}), json!({ "origin": true, "credentials": true }), json!({ "origin": "*" })] {
            assert_eq!(said(any, Some("https://evil.test")), "access-control-allow-origin=*");
        }
        assert_eq!(said(json!({ "origin": false }), Some("https://a.test")), "");
    }
}

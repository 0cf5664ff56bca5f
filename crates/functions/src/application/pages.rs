//! What an application answers besides its actions: the description of its API, the page that shows it, its tools, and
//! the question of a browser whether another site may call.

use super::Application;
use crate::error::FunctionsError;
use crate::front::{BodyLimits, Executor, whole_body};
use crate::registry::Entered;
use crate::runtime::Pool;
use crate::tools::{REQUEST_BYTES_MAX, Scope, serve};
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use serde_json::json;
use service_kit::error::{ApiError, ErrorCode};
use std::sync::Arc;
use worker_pool::{BoxError, InvokeResponse, ResponseBody};

/// Shows any OpenAPI document that lies beside it; loads nothing from elsewhere.
const DOCS: &str = include_str!("docs.html");
/// The page's own script and style, and calls of the application.
const DOCS_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                           img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A path that is the application's and no action's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    /// `OPTIONS` of any path.
    Preflight,
    /// The OpenAPI document.
    OpenApi,
    /// What shows it to people: `docs` beside the document.
    Docs,
    /// The Model Context Protocol.
    Tools,
    /// Studio's API.
    Studio,
}

impl Application {
    /// What a path means, where no action is meant.
    pub(crate) fn page(&self, method: &Method, path: &str) -> Option<Page> {
        if *method == Method::OPTIONS && self.cors.is_some() {
            return Some(Page::Preflight);
        }
        let openapi = &self.spec.openapi;
        let mcp = &self.spec.mcp;
        if openapi.enabled && path == openapi.path {
            Some(Page::OpenApi)
        } else if openapi.enabled && is_docs(&openapi.path, path) {
            Some(Page::Docs)
        } else if mcp.enabled && path == mcp.path {
            Some(Page::Tools)
        } else {
            self.in_studio(path).map(|_| Page::Studio)
        }
    }

    /// What of a path is Studio's.
    pub(crate) fn in_studio<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(self.spec.studio.api_path.as_str())?;
        (self.spec.studio.enabled && rest.starts_with('/')).then_some(rest)
    }

    /// Answers a request for a page; `prefix` is what stands before the application's own paths.
    pub(crate) async fn show<B>(
        &self,
        page: Page,
        (executor, limits): (&Arc<Executor>, BodyLimits),
        entered: &Entered,
        (prefix, parts, body): (&str, Parts, B),
    ) -> Result<InvokeResponse, ApiError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let is_read = matches!(parts.method, Method::GET | Method::HEAD);
        match page {
            Page::Preflight => Ok(self.preflight()),
            Page::Tools => {
                let body = whole_body(body, limits.at_most(REQUEST_BYTES_MAX)).await?;
                self.tools(executor, entered, Request::from_parts(parts, Full::new(body))).await
            }
            Page::OpenApi | Page::Docs if !is_read => {
                let message = "this path takes GET and HEAD";
                let error = ApiError::new(ErrorCode::MethodNotAllowed, message);
                Err(error.with_details(json!({ "allow": "GET, HEAD" })))
            }
            Page::Studio => Err(FunctionsError::NotFound.into_api()),
            Page::OpenApi => self.document(&entered.pool, prefix).await,
            Page::Docs => Ok(self.docs(prefix)),
        }
    }

    fn preflight(&self) -> InvokeResponse {
        let mut headers = HeaderMap::new();
        let said = self.cors.as_ref().map(super::cors::Cors::preflight).unwrap_or_default();
        headers.extend(said.iter().cloned());
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
        InvokeResponse { status: StatusCode::NO_CONTENT, headers, body: ResponseBody::Full(Bytes::new()) }
    }

    async fn document(&self, pool: &Pool, prefix: &str) -> Result<InvokeResponse, ApiError> {
        let server = if prefix.is_empty() { "/" } else { prefix };
        let document = self.stages(pool).await?.openapi(server);
        Ok(page("application/json", document.to_string()))
    }

    fn docs(&self, prefix: &str) -> InvokeResponse {
        let address = format!("{prefix}{}", self.spec.openapi.path);
        let mut answer = page("text/html; charset=utf-8", DOCS.replace("{{document}}", &escape(&address)));
        answer.headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(DOCS_POLICY));
        answer
    }

    /// Who asks is found out by the stages of each tool, as of any caller.
    async fn tools(
        &self,
        executor: &Arc<Executor>,
        entered: &Entered,
        request: Request<Full<Bytes>>,
    ) -> Result<InvokeResponse, ApiError> {
        let project = entered.owner.project.clone();
        let function = executor.registry.application(&project);
        let scope = Scope { project, function, is_public: false, speaks_for_developer: false };
        let (parts, body) = Box::pin(serve(executor.clone(), scope, request)).await.into_parts();
        let broke_off = |_| ApiError::new(ErrorCode::HandlerError, "the answer of the tools broke off");
        let whole = body.collect().await.map_err(broke_off)?.to_bytes();
        Ok(InvokeResponse { status: parts.status, headers: parts.headers, body: ResponseBody::Full(whole) })
    }
}

/// `/api/docs` for `/api/openapi.json`.
fn is_docs(document: &str, path: &str) -> bool {
    let directory = document.rsplit_once('/').map_or("", |(directory, _)| directory);
    path.strip_prefix(directory) == Some("/docs")
}

fn page(kind: &'static str, text: String) -> InvokeResponse {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    InvokeResponse { status: StatusCode::OK, headers, body: ResponseBody::Full(text.into()) }
}

/// For an attribute.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_lies_beside_the_document() {
        assert!(is_docs("/api/openapi.json", "/api/docs") && is_docs("/openapi.json", "/docs"));
        assert!(!is_docs("/api/openapi.json", "/docs") && !is_docs("/api/openapi.json", "/api/docs/x"));
    }
}

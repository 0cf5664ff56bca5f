//! The protocol, by `rmcp`: streamable HTTP without sessions. Each request stands for itself, and a client that goes
//! away gives up its call.

use super::answer;
use super::catalogue::{Offered, offered};
use crate::front::of_triggers::{HANDLER, TRIGGER};
use crate::front::{Cause, Executor, Origin, body_of, for_handler};
use crate::manifest;
use crate::settings::AccessSetting;
use actions::TriggerKind;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body::Body;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, Implementation, JsonObject, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use run_log::Trigger;
use service_kit::ids::{InvocationId, ProjectId};
use std::collections::BTreeMap;
use std::sync::Arc;
use worker_pool::{CalledHandler, InvokeRequest};

/// Bytes of a request: the arguments of a tool.
pub(crate) const REQUEST_BYTES_MAX: usize = 4 << 20;
/// Tools in one page of the list.
const PAGE: usize = 100;
const URL: &str = "http://localhost/";

/// Which tools a client has, and who it is.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    pub(crate) project: ProjectId,
    /// Those of one function, and no others.
    pub(crate) function: Option<Box<str>>,
    /// Those of functions that everybody may call, and no others.
    pub(crate) is_public: bool,
    /// Whether a developer's session or token proved who asks: it is not for the handler.
    pub(crate) speaks_for_developer: bool,
}

/// Answers a request of the protocol. Who asks was let in; dropping the future cancels the call.
pub(crate) async fn serve<B>(
    executor: Arc<Executor>,
    scope: Scope,
    request: Request<B>,
) -> Response<axum::body::Body>
where
    B: Body + Send + 'static,
    B::Error: std::fmt::Display,
    B::Data: Send + 'static,
{
    let server = ToolServer { executor, scope };
    // The check of hosts is for servers that let in whoever reaches them: here a credential does, or the application.
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(REQUEST_BYTES_MAX)
        .disable_allowed_hosts();
    let sessions = Arc::new(NeverSessionManager::default());
    let service = StreamableHttpService::new(move || Ok(server.clone()), sessions, config);
    service.handle(request).await.map(axum::body::Body::new)
}

#[derive(Clone)]
struct ToolServer {
    executor: Arc<Executor>,
    scope: Scope,
}

impl ServerHandler for ToolServer {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("bunbase", env!("CARGO_PKG_VERSION")))
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let after = request.and_then(|request| request.cursor);
        let mut rest = self.offered().into_iter().filter(|(name, _)| Some(name) > after.as_ref()).peekable();
        let page: Vec<Tool> = rest.by_ref().take(PAGE).map(|(_, offered)| offered.tool).collect();
        let next_cursor = page.last().filter(|_| rest.peek().is_some()).map(|tool| tool.name.to_string());
        Ok(ListToolsResult { next_cursor, ..ListToolsResult::with_all_items(page) })
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let CallToolRequestParams { name, arguments, .. } = request;
        let missing =
            || ErrorData::invalid_params(format!("there is no tool {name:?}; list them again"), None);
        let offered = self.offered().remove(&*name).ok_or_else(missing)?;
        let headers = context.extensions.get::<Parts>().map(|parts| parts.headers.clone());
        let sent = (headers.unwrap_or_default(), arguments.unwrap_or_default());
        tokio::select! {
            () = context.ct.cancelled() => Err(ErrorData::internal_error("the call was cancelled", None)),
            result = self.call(&offered, sent) => Ok(result.into()),
        }
    }
}

impl ToolServer {
    fn offered(&self) -> BTreeMap<String, Offered> {
        let mut functions = self.executor.registry.tools(&self.scope.project);
        if let Some(only) = &self.scope.function {
            functions.retain(|function| function.function == *only);
        }
        let mut all = offered(functions);
        all.retain(|_, offered| !self.scope.is_public || offered.access == AccessSetting::Public);
        all
    }

    async fn call(&self, offered: &Offered, (headers, arguments): (HeaderMap, JsonObject)) -> CallToolResult {
        let target = (&*offered.function, &*offered.handler);
        let entered = match self.executor.registry.enter_inside(&self.scope.project, target) {
            Ok(entered) => entered,
            Err(closed) => return answer::refused(&closed.into_api()),
        };
        let request = InvokeRequest {
            invocation_id: InvocationId::generate().into(),
            // The executor knows its place.
            handler: CalledHandler::default(),
            method: Method::POST,
            url: URL.to_owned(),
            headers: self.headers(headers, &offered.handler),
            body: body_of(serde_json::Value::Object(arguments).to_string().into()),
            deadline: None,
        };
        let handler = Some(offered.handler.clone());
        let origin = Origin { trigger: Trigger::Mcp, handler, ..Origin::HTTP };
        let is_meant = |trigger: &manifest::Trigger| matches!(trigger, manifest::Trigger::Tool(_));
        let index = entered.handler.called.index;
        let trigger = entered.application.as_ref().and_then(|known| known.trigger(index, is_meant));
        let cause = Cause { kind: TriggerKind::Tool, trigger, job: None, event: None, identity: None };
        let answered = self.executor.run_triggered((entered, origin), request, cause).await;
        answer::result(answered, offered.is_application).await
    }

    /// Those of the client as a handler gets them of any caller, without those that are about the protocol.
    fn headers(&self, mut headers: HeaderMap, handler: &str) -> HeaderMap {
        for name in [ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, HOST] {
            headers.remove(name);
        }
        while let Some(name) = headers.keys().find(|name| name.as_str().starts_with("mcp-")).cloned() {
            headers.remove(name);
        }
        for_handler(&mut headers, self.scope.speaks_for_developer);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(TRIGGER, HeaderValue::from_static("tool"));
        headers.extend(HeaderValue::from_bytes(handler.as_bytes()).ok().map(|handler| (HANDLER, handler)));
        headers
    }
}

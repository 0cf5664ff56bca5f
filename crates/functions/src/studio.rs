//! Studio's API of an application: actions of the module `studio`, whose handlers are in Rust. They stand among the
//! application's own behind the same stages: identity, CSRF, guards, and the check of what goes in.
//!
//! What must hold: an answer is about the application that was asked and no other; who is no operator learns nothing;
//! a stream ends when its reader is one no more.

mod catalogue;
mod live;
mod look;
mod operate;
mod view;

pub(crate) use catalogue::handlers;

use crate::application::{self, Application};
use crate::error::FunctionsError;
use crate::front::{BodyLimits, CallBody, Executor, respond, whole_body};
use crate::registry::Entered;
use crate::runtime::Pool;
use crate::service::FunctionsService;
use actions::{Admitted, Auth, AuthKind, Call, Refused, Taken, TriggerKind};
use bytes::Bytes;
use catalogue::{Endpoint, Found};
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body::Body;
use ports::access::Peer;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use service_kit::error::{ApiError, ErrorCode};
use service_kit::ids::{FunctionId, InvocationId, ProjectId, RequestId};
use service_kit::secret::TokenHash;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock, Weak};
use worker_pool::{BoxError, InvokeResponse, ResponseBody};

/// Bytes of a request: the input of a run.
const REQUEST_BYTES_MAX: usize = 4 << 20;
/// Who has the developer's token, where no session says who it is.
const DEVELOPER: &str = "developer";

/// What Studio reaches, and who may use it without an account of the application.
#[derive(Default)]
pub(crate) struct Studio {
    service: OnceLock<Weak<FunctionsService>>,
    developer: OnceLock<(ProjectId, TokenHash)>,
}

impl Studio {
    /// A second call of this, or of `open`, changes nothing.
    pub(crate) fn bind(&self, service: &Arc<FunctionsService>) {
        self.service.get_or_init(|| Arc::downgrade(service));
    }

    pub(crate) fn open(&self, project: ProjectId, token: &SecretString) {
        self.developer.get_or_init(|| (project, TokenHash::of(token)));
    }

    pub(crate) fn service(&self) -> Result<Arc<FunctionsService>, ApiError> {
        let service = self.service.get().and_then(Weak::upgrade);
        service.ok_or_else(|| ApiError::new(ErrorCode::ShuttingDown, "the server is shutting down"))
    }

    /// Whether the token of the developer came with a request to this project.
    fn is_developer(&self, project: &ProjectId, headers: &HeaderMap) -> bool {
        let Some((own, hash)) = self.developer.get() else { return false };
        let bearer =
            headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        own == project && bearer.is_some_and(|token| TokenHash::of(&SecretString::from(token)).matches(hash))
    }
}

/// A request, for as long as its answer takes: streams ask again whether they may go on.
struct Asked {
    application: Arc<Application>,
    pool: Pool,
    endpoint: usize,
    method: Method,
    url: String,
    headers: HeaderMap,
    path: Vec<(String, String)>,
    ip: Option<IpAddr>,
    /// The developer's, where the token came along.
    identity: Option<Arc<Auth>>,
    invocation_id: String,
    request_id: Option<RequestId>,
}

impl Asked {
    async fn admit(&self) -> Result<Admitted<'_>, Refused> {
        let stages = self.application.stages(&self.pool).await?;
        let call = Call {
            handler: self.application.place_in_studio(self.endpoint),
            trigger: TriggerKind::Api,
            index: Some(0),
            method: &self.method,
            query: self.url.split_once('?').map_or("", |(_, query)| query),
            headers: &self.headers,
            path: &self.path,
            ip: self.ip,
            is_secure: self.is_secure(),
            trace_id: &self.invocation_id,
            invocation_id: &self.invocation_id,
            request_id: self.request_id.as_ref().map(RequestId::as_str),
            identity: self.identity.clone(),
            attempt: 1,
            job: None,
            event: None,
        };
        stages.admit(call).await
    }

    fn is_secure(&self) -> bool {
        self.url.starts_with("https://")
    }
}

/// The application that is asked about, and what is reached for it.
struct Subject {
    executor: Arc<Executor>,
    service: Arc<FunctionsService>,
    asked: Asked,
    project: ProjectId,
    function: FunctionId,
    /// Its name.
    name: Box<str>,
    version: Arc<str>,
}

/// What an endpoint answers.
enum Answer {
    /// `{data, meta?}`.
    Data(Value),
    Events(Response<axum::body::Body>),
}

/// A part of a list.
fn page(data: Vec<Value>, cursor: Option<&str>) -> Answer {
    let meta = json!({ "cursor": cursor });
    Answer::Data([("data".to_owned(), data.into()), ("meta".to_owned(), meta)].into_iter().collect())
}

fn whole(data: Value) -> Answer {
    Answer::Data([("data".to_owned(), data)].into_iter().collect())
}

/// Answers a request to Studio; `url` is what a handler would see.
pub(crate) async fn answer<B>(
    executor: &Arc<Executor>,
    limits: BodyLimits,
    (application, entered): (Arc<Application>, Entered),
    (url, parts, body): (String, Parts, B),
) -> Result<Response<CallBody>, ApiError>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let is_head = parts.method == Method::HEAD;
    let (asked, endpoint) = asked(executor, (application, &entered), (url, parts))?;
    let trace_id = asked.invocation_id.clone();
    let body = (body, limits.at_most(REQUEST_BYTES_MAX));
    let answered = async {
        let (input, headers) = checked(&asked, body).await?;
        let subject = Subject::of(executor, &entered, asked)?;
        // A stream does not hold the version that it was asked of.
        drop(entered);
        Ok::<_, Refused>((subject.answer(endpoint, input).await?, headers))
    };
    Ok(match answered.await {
        Ok((Answer::Data(data), headers)) => respond(json_answer(&data, headers), is_head),
        Ok((Answer::Events(response), _)) => response.map(CallBody::Events),
        Err(refused) => respond(application::answer(refused, &trace_id), is_head),
    })
}

fn asked(
    executor: &Executor,
    (application, entered): (Arc<Application>, &Entered),
    (url, parts): (String, Parts),
) -> Result<(Asked, Endpoint), ApiError> {
    let own = url.split_once("//").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
    let own = own.and_then(|path| path.split('?').next()).unwrap_or_default();
    let path = application.in_studio(own).ok_or_else(|| FunctionsError::NotFound.into_api())?;
    let Found { index, endpoint, parameters } = catalogue::find(&parts.method, path)?;
    let is_developer = executor.studio.is_developer(&entered.owner.project, &parts.headers);
    let asked = Asked {
        application,
        pool: entered.pool.clone(),
        endpoint: index,
        url,
        path: parameters,
        ip: parts.extensions.get::<Peer>().map(|peer| peer.0),
        identity: is_developer.then(|| Arc::new(developer())),
        invocation_id: InvocationId::generate().to_string(),
        request_id: parts.extensions.get().cloned(),
        method: parts.method,
        headers: parts.headers,
    };
    Ok((asked, endpoint))
}

/// What a request asks for, once it is known that it may.
async fn checked<B>(asked: &Asked, (body, limits): (B, BodyLimits)) -> Result<(Value, HeaderMap), Refused>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let admitted = asked.admit().await?;
    let taken = if admitted.wants_body() { whole_body(body, limits).await? } else { Bytes::new() };
    let before = admitted.prepare(Taken::Whole(taken))?;
    let input = before.input.and_then(|text| serde_json::from_slice(&text).ok());
    Ok((input.unwrap_or_else(|| json!({})), before.headers))
}

impl Subject {
    fn of(executor: &Arc<Executor>, entered: &Entered, asked: Asked) -> Result<Self, ApiError> {
        let owner = &entered.owner;
        let name = executor.registry.application(&owner.project);
        Ok(Self {
            service: executor.studio.service()?,
            executor: executor.clone(),
            asked,
            project: owner.project.clone(),
            function: owner.function.clone(),
            name: name.ok_or_else(|| FunctionsError::NotFound.into_api())?,
            version: owner.version.clone(),
        })
    }

    async fn answer(self, endpoint: Endpoint, input: Value) -> Result<Answer, ApiError> {
        match endpoint {
            Endpoint::Actions => self.actions(read(input)?),
            Endpoint::Action => self.action(read(input)?),
            Endpoint::RunAction => self.run_action(read(input)?).await,
            Endpoint::Runs => self.runs(read(input)?).await,
            Endpoint::LiveRuns => self.live_runs(read(input)?).await,
            Endpoint::Run => self.run(read(input)?).await,
            Endpoint::Rerun => self.rerun(read(input)?).await,
            Endpoint::Queues => self.queues().await,
            Endpoint::Jobs => self.jobs(read(input)?).await,
            Endpoint::RetryJob => self.retry_job(read(input)?).await,
            Endpoint::CancelJob => self.cancel_job(read(input)?).await,
            Endpoint::Schedules => self.schedules(read(input)?).await,
            Endpoint::RunSchedule => self.run_schedule(read(input)?).await,
            Endpoint::Logs => self.logs(read(input)?).await,
            Endpoint::LiveLogs => self.live_logs(read(input)?).await,
            Endpoint::Health => self.health().await,
        }
    }
}

/// What the schema let through.
fn read<T: DeserializeOwned>(input: Value) -> Result<T, ApiError> {
    serde_json::from_value(input).map_err(|error| ApiError::new(ErrorCode::InvalidInput, error.to_string()))
}

fn developer() -> Auth {
    Auth {
        user_id: DEVELOPER.to_owned(),
        session_id: None,
        org_id: None,
        role: Some("admin".to_owned()),
        permissions: vec!["*".to_owned()],
        kind: AuthKind::Bearer,
        key_id: None,
        scopes: None,
    }
}

fn json_answer(data: &Value, mut headers: HeaderMap) -> InvokeResponse {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    InvokeResponse { status: StatusCode::OK, headers, body: ResponseBody::Full(data.to_string().into()) }
}

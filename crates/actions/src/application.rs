//! An application that is loaded, and one call of it: see the order of one execution in `lib.rs`.

use crate::context::{CONTEXT_HEADER, EventContext, JobContext, TriggerKind};
use crate::csrf;
use crate::directory::Directory;
use crate::guards::{Asked, Guard, Guards, Passed, RateLimits, Refused, SharedCounts};
use crate::identity::{Identities, Identity};
use crate::input::InputPlan;
use crate::schema::Schema;
use crate::session::Tokens;
use crate::spec::{
    ActionSpec, ApplicationSpec, GuardSpec, HandlerSpec, ManifestSpec, SessionSecrets, SpecError,
};
use crate::state::{Auth, AuthState};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use service_kit::clock::Clock;
use service_kit::error::{ApiError, ErrorCode};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

/// A version of an application that was loaded.
pub struct Application {
    pub(crate) spec: ApplicationSpec,
    pub(crate) handlers: Vec<Loaded>,
    trusted_origins: Vec<String>,
    pub(crate) identities: Identities,
    guards: Guards,
    pub(crate) clock: Clock,
}

/// A handler, ready for calls.
pub(crate) struct Loaded {
    pub(crate) spec: HandlerSpec,
    guards: Vec<Guard>,
    pub(crate) plan: InputPlan,
    pub(crate) schema: Schema,
}

/// One call, before its body is read.
pub struct Call<'a> {
    /// Place of the handler in the manifest.
    pub handler: usize,
    /// What starts it.
    pub trigger: TriggerKind,
    /// Which trigger of the handler; nothing for a call.
    pub index: Option<usize>,
    /// The method; `POST` for what is no request.
    pub method: &'a Method,
    /// The query, without `?`.
    pub query: &'a str,
    /// The headers; empty for what is no request.
    pub headers: &'a HeaderMap,
    /// Names and values of the path's parameters, decoded.
    pub path: &'a [(String, String)],
    /// The address that asks.
    pub ip: Option<IpAddr>,
    /// It came over TLS.
    pub is_secure: bool,
    /// The trace.
    pub trace_id: &'a str,
    /// The run.
    pub invocation_id: &'a str,
    /// The request.
    pub request_id: Option<&'a str>,
    /// Who it is for, where that is known without the headers.
    pub identity: Option<Arc<Auth>>,
    /// 1 for the first.
    pub attempt: u32,
    /// The job that starts it.
    pub job: Option<JobContext>,
    /// The event that starts it.
    pub event: Option<EventContext>,
}

/// A call that passed the guards that are decided here.
pub struct Admitted<'a> {
    pub(crate) handler: &'a Loaded,
    pub(crate) call: Call<'a>,
    pub(crate) passed: Passed,
}

/// A body, where it was taken.
pub enum Taken {
    /// All of it; empty where there is none.
    Whole(Bytes),
    /// It goes on to the handler as it comes.
    Streamed,
}

/// What a handler is called with.
#[derive(Debug)]
pub struct Before {
    /// The value of [`CONTEXT_HEADER`].
    pub context: HeaderValue,
    /// A JSON body in place of the one that came.
    pub body: Option<Bytes>,
    /// The input as JSON, where it is made here; a function in Bun makes the others.
    pub input: Option<Bytes>,
    /// Headers of the answer: `RateLimit-*`, and the cookie of a session that goes on.
    pub headers: HeaderMap,
    /// For what comes after the handler.
    pub trail: Trail,
}

/// What is remembered of a call for its answer.
#[derive(Debug, Clone, Default)]
pub struct Trail {
    pub(crate) session_id: Option<String>,
    pub(crate) is_request: bool,
    pub(crate) is_secure: bool,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) user_agent: Option<String>,
}

impl Trail {
    /// Of a request of which nothing is known.
    pub fn of_request() -> Self {
        Self { is_request: true, ..Self::default() }
    }
}

/// A guard that Bun asks for (`/v1/app/guard`).
#[derive(Debug, Deserialize)]
pub struct GuardRequest {
    guard: GuardSpec,
    context: GuardContext,
    #[serde(default)]
    request: GuardedRequest,
}

#[derive(Debug, Deserialize)]
struct GuardContext {
    #[serde(flatten)]
    state: AuthState,
    #[serde(default)]
    ip: Option<IpAddr>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct GuardedRequest {
    headers: HashMap<String, String>,
    query: String,
}

/// What the guard made of it.
#[derive(Debug, Serialize)]
pub struct GuardAnswer {
    /// Who calls, and in which organisation.
    #[serde(flatten)]
    pub state: AuthState,
    /// Headers for the answer.
    pub headers: BTreeMap<String, String>,
}

impl Application {
    /// Loads the parts of `manifest` that make an application; its secrets were taken out before. Rate limits are those of
    /// all servers that have `counts`.
    ///
    /// # Errors
    /// With the place of what is wrong.
    pub fn load(
        manifest: &Value,
        secrets: &SessionSecrets,
        (directory, counts): (Arc<dyn Directory>, Option<Arc<dyn SharedCounts>>),
        clock: Clock,
    ) -> Result<Self, SpecError> {
        let ManifestSpec { handlers, application: spec } = ManifestSpec::read(manifest)?;
        let load = |(index, handler)| Loaded::of(handler, &format!("handlers[{index}]"));
        let handlers = handlers.into_iter().enumerate().map(load).collect::<Result<_, _>>()?;
        let identities = Identities::new(directory.clone(), Tokens::new(secrets, &spec.auth));
        let limits = RateLimits::new(counts, secrets.key_of_counts());
        let guards = Guards::new(directory, identities.roles.clone(), limits);
        let trusted_origins = spec.cors.as_ref().map(crate::spec::CorsSpec::trusted).unwrap_or_default();
        Ok(Self { spec, handlers, trusted_origins, identities, guards, clock })
    }

    /// Who a request is of: by its API key, its bearer token or its cookie.
    ///
    /// # Errors
    /// The tables did not answer.
    pub async fn identify(
        &self,
        headers: &HeaderMap,
        is_secure: bool,
    ) -> Result<Option<Arc<Auth>>, ApiError> {
        let now_ms = self.clock.now_ms();
        Ok(self.identities.of_request(headers, is_secure, now_ms).await?.auth)
    }

    /// A user by id or e-mail address; `None` where there is none.
    ///
    /// # Errors
    /// The tables did not answer.
    pub async fn user(&self, named: &str) -> Result<Option<Arc<Auth>>, ApiError> {
        Ok(self.identities.of_user(named, self.clock.now_ms()).await?)
    }

    /// What the manifest says of the application.
    pub fn spec(&self) -> &ApplicationSpec {
        &self.spec
    }

    /// What the manifest says of an action.
    pub fn action(&self, handler: usize) -> Option<&ActionSpec> {
        self.handlers.get(handler).map(|handler| &handler.spec.action)
    }

    /// Finds out who calls, and decides the guards up to the first that is a function.
    ///
    /// # Errors
    /// What a guard says, `origin_not_allowed` for a write from another site, or that the tables did not answer.
    pub async fn admit<'a>(&'a self, mut call: Call<'a>) -> Result<Admitted<'a>, Refused> {
        let handler = self.handler(call.handler)?;
        let now_ms = self.clock.now_ms();
        let identity = match call.identity.take() {
            Some(auth) => Identity { auth: Some(auth), ..Identity::default() },
            None => self.identities.of_request(call.headers, call.is_secure, now_ms).await?,
        };
        if identity.is_by_cookie {
            csrf::check(call.method, call.headers, &self.trusted_origins)?;
        }
        let asked = Asked {
            handler: &handler.spec.name,
            headers: call.headers,
            query: call.query,
            ip: call.ip,
            now_ms,
        };
        let state = AuthState { auth: identity.auth, org: None };
        let mode = self.spec.guards_default_mode;
        let decided = self.guards.decide(&handler.guards, mode, state, asked).await;
        let renew = |headers: &mut HeaderMap| {
            if let Some(cookie) = identity.renewal {
                headers.append(header::SET_COOKIE, cookie);
            }
        };
        match decided {
            Ok(mut passed) => {
                renew(&mut passed.headers);
                Ok(Admitted { handler, call, passed })
            }
            Err(mut refused) => {
                renew(&mut refused.headers);
                Err(refused)
            }
        }
    }

    /// Decides one guard that Bun came to in its list.
    ///
    /// # Errors
    /// What the guard says; `invalid_request` where it is none that is decided here.
    pub async fn guard(&self, handler: usize, request: GuardRequest) -> Result<GuardAnswer, Refused> {
        let handler = self.handler(handler)?;
        let guard = Guard::read(&request.guard, "guard", 0)
            .map_err(|error| ApiError::new(ErrorCode::InvalidRequest, error.to_string()))?;
        let headers = HeaderMap::try_from(&request.request.headers).map_err(|_| {
            ApiError::new(ErrorCode::InvalidRequest, "`request.headers` has what is no header")
        })?;
        let asked = Asked {
            handler: &handler.spec.name,
            headers: &headers,
            query: &request.request.query,
            ip: request.context.ip,
            now_ms: self.clock.now_ms(),
        };
        if matches!(guard, Guard::Custom | Guard::Group { .. }) {
            return Err(ApiError::new(ErrorCode::InvalidRequest, "functions and groups run in Bun").into());
        }
        let passed = self.guards.decide_asked(&guard, request.context.state.limited(), asked).await?;
        let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let headers = passed.headers.iter().map(|(name, value)| (name.to_string(), text(value)));
        Ok(GuardAnswer { headers: headers.collect(), state: passed.state })
    }

    /// The application changed who may what: what was looked up before does not hold any more.
    pub fn forget(&self) {
        self.identities.forget();
        self.guards.forget();
    }

    fn handler(&self, index: usize) -> Result<&Loaded, ApiError> {
        let missing = || ApiError::new(ErrorCode::NotFound, "the version has no such action");
        self.handlers.get(index).ok_or_else(missing)
    }
}

impl Loaded {
    fn of(spec: HandlerSpec, place: &str) -> Result<Self, SpecError> {
        let guards = Guard::read_all(&spec.guards, &format!("{place}.guards"))?;
        let schema =
            Schema::compile(spec.input.as_ref().unwrap_or(&serde_json::Map::new()), spec.action.opaque);
        if let Schema::InBun(reason) = &schema {
            tracing::debug!(action = %spec.name, %reason, "input is checked in bun");
        }
        Ok(Self { plan: InputPlan::of(&spec), guards, schema, spec })
    }
}

/// Takes out of a request what only this crate may say.
pub fn strip(headers: &mut HeaderMap) {
    headers.remove(CONTEXT_HEADER);
}

#[cfg(test)]
mod tests;

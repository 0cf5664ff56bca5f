//! The guards that are decided here: everything but functions of the application. A list is decided in its order up to
//! the first function, or group that has one in it; from there on Bun goes through the list and asks for the built-in
//! ones one by one.

mod rate_limit;
mod shared;
mod spec;

pub(crate) use rate_limit::RateLimits;
pub use shared::{CountsAway, SharedCounts};
pub(crate) use spec::{Guard, RateLimit};

use crate::directory::{Directory, DirectoryError};
use crate::permissions::{Roles, allows, common, role_key};
use crate::recent::Recent;
use crate::spec::GuardMode;
use crate::state::{Auth, AuthState, Org};
use credentials::network;
use futures_util::future::{BoxFuture, join_all};
use http::{HeaderMap, HeaderValue, header};
use serde::Serialize;
use service_kit::error::{ApiError, ErrorCode};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use url::form_urlencoded;

/// Members of organisations that are remembered.
const MEMBERS_MAX: usize = 20_000;
/// The plan that is not paid for.
const FREE_PLAN: &str = "free";
/// The role in the whole application that runs it.
const OPERATOR_ROLE: &str = "admin";
const ORG_HEADER: &str = "x-org-id";
const ORG_PARAMETER: &str = "orgId";

/// What guards ask of a request.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) handler: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) query: &'a str,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) now_ms: i64,
}

/// A guard said no.
#[derive(Debug)]
pub struct Refused {
    /// What the caller is told.
    pub error: ApiError,
    /// Headers that go with it: `RateLimit-*`, `Retry-After`, `WWW-Authenticate`, `Set-Cookie`.
    pub headers: Box<HeaderMap>,
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self { error, headers: Box::default() }
    }
}

impl From<DirectoryError> for Refused {
    fn from(error: DirectoryError) -> Self {
        ApiError::from(error).into()
    }
}

/// Decides guards of one application.
pub(crate) struct Guards {
    directory: Arc<dyn Directory>,
    roles: Arc<Roles>,
    limits: RateLimits,
    /// By user and organisation.
    members: Recent<(String, String), Member>,
}

/// An organisation and what one of its members may in it.
#[derive(Clone)]
struct Member {
    org: Arc<Org>,
    permissions: Arc<[String]>,
}

/// How far a list of guards was decided.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    pub(crate) state: AuthState,
    /// How many of the list.
    pub(crate) count: usize,
    /// `RateLimit-*`.
    pub(crate) headers: HeaderMap,
}

impl Guards {
    pub(crate) fn new(directory: Arc<dyn Directory>, roles: Arc<Roles>, limits: RateLimits) -> Self {
        Self { directory, roles, limits, members: Recent::new(MEMBERS_MAX) }
    }

    /// Looks into the tables again from here on.
    pub(crate) fn forget(&self) {
        self.members.clear();
        self.roles.forget();
    }

    /// Decides the guards before the first that is a function; all or none of a parallel list.
    pub(crate) async fn decide(
        &self,
        guards: &[Guard],
        mode: GuardMode,
        state: AuthState,
        asked: Asked<'_>,
    ) -> Result<Passed, Refused> {
        let first = guards.iter().position(Guard::needs_bun).unwrap_or(guards.len());
        let count = if mode == GuardMode::Parallel && first < guards.len() { 0 } else { first };
        let mut passed = Passed { state, count, headers: HeaderMap::new() };
        match self.group(&guards[..count], mode, &mut passed, asked, 0).await {
            Ok(()) => Ok(passed),
            Err(error) => {
                let mut headers = passed.headers;
                if error.code == ErrorCode::Unauthorized {
                    // RFC 9110 §11.6.1.
                    headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                }
                Err(Refused { error, headers: Box::new(headers) })
            }
        }
    }

    /// Decides one that Bun came to: the keys of limits have been computed.
    pub(crate) async fn decide_asked(
        &self,
        guard: &Guard,
        state: AuthState,
        asked: Asked<'_>,
    ) -> Result<Passed, Refused> {
        let mut passed = Passed { state, ..Passed::default() };
        match self.one(guard, &mut passed, asked, 0).await {
            Ok(()) => Ok(passed),
            Err(error) => Err(Refused { error, headers: Box::new(passed.headers) }),
        }
    }

    /// `at` tells limits in different places of the list apart.
    fn group<'a>(
        &'a self,
        guards: &'a [Guard],
        mode: GuardMode,
        passed: &'a mut Passed,
        asked: Asked<'a>,
        at: usize,
    ) -> BoxFuture<'a, Result<(), ApiError>> {
        Box::pin(async move {
            if mode == GuardMode::Sequential {
                for (index, guard) in guards.iter().enumerate() {
                    self.one(guard, passed, asked, at * 31 + index + 1).await?;
                }
                return Ok(());
            }
            // Each sees what was there before the group; what they set is put together in their order.
            let before = passed.state.clone();
            let all = guards.iter().enumerate().map(|(index, guard)| {
                let mut own = Passed { state: before.clone(), ..Passed::default() };
                async move {
                    let result = self.one(guard, &mut own, asked, at * 31 + index + 1).await;
                    (own, result)
                }
            });
            let mut refused = None;
            for (own, result) in join_all(all).await {
                passed.headers.extend(own.headers);
                if own.state != before {
                    passed.state = own.state;
                }
                refused = refused.or(result.err());
            }
            refused.map_or(Ok(()), Err)
        })
    }

    async fn one(
        &self,
        guard: &Guard,
        passed: &mut Passed,
        asked: Asked<'_>,
        at: usize,
    ) -> Result<(), ApiError> {
        let state = &passed.state;
        match guard {
            Guard::Authenticated => signed_in(state).map(drop),
            Guard::HasRole(role) => has_role(signed_in(state)?, state.org.is_some(), role),
            Guard::HasPermission(permission) => has_permission(signed_in(state)?, permission),
            Guard::Operator(permission) => self.is_operator(signed_in(state)?, permission).await,
            Guard::RateLimit(limit) => {
                let caller = (asked.handler, at, subject(limit, state, asked));
                let taken = self.limits.take(&caller, limit.rate, asked.now_ms).await;
                taken.write(&mut passed.headers);
                if taken.is_allowed {
                    return Ok(());
                }
                let wait = Duration::from_millis(u64::try_from(taken.reset_ms).unwrap_or_default());
                Err(ApiError::new(ErrorCode::RateLimited, "too many requests; try again later")
                    .retry_after(wait))
            }
            Guard::InOrg => {
                passed.state = self.in_org(state, asked).await?;
                Ok(())
            }
            Guard::HasFeature(feature) => has_feature(organization(state, "hasFeature")?, feature),
            Guard::TrialActiveOrPaid => is_paid(organization(state, "trialActiveOrPaid")?),
            Guard::Group { mode, guards } => self.group(guards, *mode, passed, asked, at).await,
            Guard::Custom => {
                Err(ApiError::new(ErrorCode::HandlerError, "a guard that is a function runs in Bun"))
            }
        }
    }

    /// In an organisation, role and permissions may be those that its user has there, and none in the application: then
    /// it is the row of the user that counts, or the very permission.
    async fn is_operator(&self, auth: &Auth, permission: &str) -> Result<(), ApiError> {
        let is_admin = auth.role.as_deref() == Some(OPERATOR_ROLE);
        let is_held = match auth.org_id {
            None => is_admin || allows(&auth.permissions, permission),
            Some(_) => auth.permissions.iter().any(|held| held == permission),
        };
        if is_held {
            return Ok(());
        }
        if is_admin {
            let user = self.directory.user(&auth.user_id).await?;
            if user.is_some_and(|user| user.role.as_deref() == Some(OPERATOR_ROLE)) {
                return Ok(());
            }
        }
        Err(forbidden(format!("the role {OPERATOR_ROLE} is needed, or the permission {permission}")))
    }

    /// The organisation by `x-org-id`, else `?orgId=`, else that of the session.
    async fn in_org(&self, state: &AuthState, asked: Asked<'_>) -> Result<AuthState, ApiError> {
        let auth = signed_in(state)?;
        let in_header =
            asked.headers.get(ORG_HEADER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let in_query = || {
            let mut pairs = form_urlencoded::parse(asked.query.as_bytes());
            pairs.find(|(name, _)| name == ORG_PARAMETER).map(|(_, value)| value.into_owned())
        };
        let org_id = in_header.or_else(in_query).filter(|id| !id.is_empty()).or_else(|| auth.org_id.clone());
        let Some(org_id) = org_id else {
            let message =
                format!("name the organisation with the header `{ORG_HEADER}` or `?{ORG_PARAMETER}=`");
            return Err(ApiError::new(ErrorCode::InvalidInput, message));
        };
        let member = self.member(&auth.user_id, org_id, asked.now_ms).await?;
        let mut permissions = match &auth.scopes {
            Some(scopes) => common(&member.permissions, scopes),
            None => member.permissions.to_vec(),
        };
        permissions.extend(auth.permissions.iter().cloned());
        permissions.sort_unstable();
        permissions.dedup();
        let role = Some(member.org.role.clone()).filter(|_| auth.scopes.is_none());
        let auth = Auth { org_id: Some(member.org.id.clone()), role, permissions, ..Auth::clone(auth) };
        Ok(AuthState { auth: Some(Arc::new(auth)), org: Some(member.org) })
    }

    async fn member(&self, user_id: &str, org_id: String, now_ms: i64) -> Result<Member, ApiError> {
        let key = (user_id.to_owned(), org_id);
        if let Some(known) = self.members.get(&key, now_ms) {
            return Ok(known);
        }
        let org_id = key.1.as_str();
        let Some(found) = self.directory.organization(org_id).await? else {
            return Err(ApiError::new(ErrorCode::NotFound, "there is no such organisation"));
        };
        let Some(role) = self.directory.membership(user_id, org_id).await? else {
            return Err(ApiError::new(ErrorCode::Forbidden, "you are not a member of this organisation"));
        };
        let paid = self.directory.plan_and_features(org_id, now_ms).await?;
        let permissions = self.roles.permissions_of(&role_key(&role), now_ms).await?;
        let org = Org {
            id: found.id,
            slug: found.slug,
            name: found.name,
            plan: paid.plan,
            features: paid.features,
            member_count: found.member_count,
            role,
        };
        let member = Member { org: Arc::new(org), permissions };
        self.members.insert(key, member.clone(), now_ms);
        Ok(member)
    }
}

fn signed_in(state: &AuthState) -> Result<&Arc<Auth>, ApiError> {
    let missing = || ApiError::new(ErrorCode::Unauthorized, "sign in first");
    state.auth.as_ref().ok_or_else(missing)
}

fn forbidden(message: String) -> ApiError {
    ApiError::new(ErrorCode::Forbidden, message)
}

/// Roles of members match with and without their prefix.
fn has_role(auth: &Auth, is_in_org: bool, wanted: &str) -> Result<(), ApiError> {
    let held = auth.role.as_deref();
    let is_held = held.is_some_and(|role| role == wanted || (is_in_org && role_key(role) == wanted));
    if is_held { Ok(()) } else { Err(forbidden(format!("the role {wanted} is needed"))) }
}

fn has_permission(auth: &Auth, wanted: &str) -> Result<(), ApiError> {
    let is_held = allows(&auth.permissions, wanted);
    if is_held { Ok(()) } else { Err(forbidden(format!("the permission {wanted} is needed"))) }
}

fn has_feature(org: &Org, wanted: &str) -> Result<(), ApiError> {
    let has = org.features.iter().any(|feature| feature == wanted);
    if has {
        Ok(())
    } else {
        Err(forbidden(format!("upgrade required: the plan {} has no {wanted}", org.plan)))
    }
}

fn is_paid(org: &Org) -> Result<(), ApiError> {
    let is_paid = org.plan != FREE_PLAN;
    if is_paid {
        Ok(())
    } else {
        Err(forbidden("upgrade required: there is no paid plan, and no trial".to_owned()))
    }
}

fn organization<'a>(state: &'a AuthState, guard: &str) -> Result<&'a Org, ApiError> {
    let missing =
        || ApiError::new(ErrorCode::HandlerError, format!("the guard {guard} needs inOrg in front of it"));
    state.org.as_deref().ok_or_else(missing)
}

/// Whom a limit counts.
#[derive(Hash, Serialize)]
enum Subject<'a> {
    Computed(&'a str),
    Key(&'a str),
    User(&'a str),
    Network(Option<IpAddr>),
}

fn subject<'a>(limit: &'a RateLimit, state: &'a AuthState, asked: Asked<'_>) -> Subject<'a> {
    match (&limit.key, state.auth.as_deref()) {
        (Some(computed), _) => Subject::Computed(computed),
        (None, Some(Auth { key_id: Some(id), .. })) => Subject::Key(id),
        (None, Some(auth)) => Subject::User(&auth.user_id),
        (None, None) => Subject::Network(asked.ip.map(network)),
    }
}

//! Who may do what: the one question every service asks before any work. Owns the credentials a request
//! brings, the grants that answer, and the record of changes; the table of actions is in `action`.

pub use crate::action::{Action, KeyKind, Role, Scope, ScopeSet};
use crate::audit::AuditEntry;
use crate::tenant::EndUser;
use async_trait::async_trait;
use http::{HeaderMap, HeaderName, header};
use secrecy::SecretString;
use service_kit::error::{Classify, ErrorCode};
use service_kit::ids::{KeyId, ProjectId, TokenId, UserId};
use std::net::IpAddr;
use std::sync::Arc;

/// The header that carries a project's key.
pub const KEY_HEADER: &str = "x-bunbase-client-key";
/// What proxies say whom they speak for with.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The cookie of a developer's session.
pub const SESSION_COOKIE: &str = "session_token";
/// The cookie of an end user's session.
pub const END_USER_COOKIE: &str = "tenant_session_token";
/// The query parameter that carries a public key where a browser cannot set headers (`EventSource`). A
/// secret key is not taken from there: addresses end up in logs.
pub const KEY_PARAMETER: &str = "key";

/// What a request brought along to prove who sent it.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// The session cookie.
    pub session: Option<SecretString>,
    /// A project key, from `X-Bunbase-Client-Key` or `Authorization: Bearer pk_…|sk_…`.
    pub key: Option<SecretString>,
    /// Any other bearer token: a developer's `bb_…`, an end user's access token beside a key, or the
    /// instance token.
    pub bearer: Option<SecretString>,
    /// The cookie of an end user's session; counts beside a key only.
    pub end_user_session: Option<SecretString>,
    /// The address of the peer, where it is the client itself and no proxy spoke for another.
    pub peer: Option<IpAddr>,
}

/// The address of the connection's peer; set on each request by the listener.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

impl Credentials {
    /// Reads headers; `peer` is the address of the connection.
    pub fn from_headers(headers: &HeaderMap, peer: Option<IpAddr>) -> Self {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let mut credentials = Self {
            session: cookie(headers, SESSION_COOKIE),
            key: text(HeaderName::from_static(KEY_HEADER)).map(SecretString::from),
            bearer: None,
            end_user_session: cookie(headers, END_USER_COOKIE),
            peer: peer
                .filter(|_| !headers.contains_key(FORWARDED_FOR) && !headers.contains_key(header::FORWARDED)),
        };
        let bearer = text(header::AUTHORIZATION).and_then(|value| value.split_once(' '));
        if let Some((_, token)) = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) {
            let token = token.trim();
            if token.starts_with("pk_") || token.starts_with("sk_") {
                credentials.key.get_or_insert_with(|| SecretString::from(token));
            } else {
                credentials.bearer = Some(SecretString::from(token));
            }
        }
        credentials
    }

    /// Takes a public key from the query (`key=pk_…`) where no header brought a key.
    #[must_use]
    pub fn with_query(mut self, query: Option<&str>) -> Self {
        let pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        let key = pairs.filter(|(name, _)| *name == KEY_PARAMETER).map(|(_, value)| value).next();
        if let (None, Some(key)) = (&self.key, key.filter(|key| key.starts_with("pk_"))) {
            self.key = Some(SecretString::from(key));
        }
        self
    }
}

fn cookie(headers: &HeaderMap, wanted: &str) -> Option<SecretString> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, value)| *name == wanted && !value.is_empty())
        .map(|(_, value)| SecretString::from(value))
}

/// What is asked: whom the route is for, and in which project.
#[derive(Debug, Clone, Copy)]
pub enum Ask<'a> {
    /// A developer with a session, or with a token whose scopes reach this.
    Developer {
        /// What is to be done.
        action: Action,
    },
    /// A developer with a session: what a token may not do, however far its scopes reach.
    Session,
    /// A member, or a secret key, of the project named in the path.
    Project {
        /// The project as it stands in the path.
        project: &'a str,
        /// What is to be done there.
        action: Action,
    },
    /// A project key; the key says which project.
    Key {
        /// What is to be done there.
        action: Action,
    },
    /// Whoever runs the server: on loopback, or with the instance token.
    Operator,
}

/// Who was found to be asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Nobody in particular: the route is open to all.
    Nobody,
    /// A developer; with the role where a project was asked about.
    Developer {
        /// The account.
        user: UserId,
        /// The role in the project.
        role: Option<Role>,
        /// The API token, where it was not a session.
        token: Option<TokenId>,
    },
    /// A project key.
    Key {
        /// Which.
        id: KeyId,
        /// Of which kind.
        kind: KeyKind,
    },
    /// A function of the project, over its worker's own channel.
    Function,
    /// Whoever runs the server.
    Operator,
}

/// The answer "yes": who asks, in which project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Who.
    pub caller: Caller,
    /// Where; `None` where no project was asked about.
    pub project: Option<ProjectId>,
    /// The end user who is signed in beside the key; what rules see as `request.auth`.
    pub end_user: Option<Arc<EndUser>>,
}

impl From<Caller> for Grant {
    /// A grant outside of any project.
    fn from(caller: Caller) -> Self {
        Self { caller, project: None, end_user: None }
    }
}

impl Grant {
    /// Whether the project's rules decide about this caller's documents, keys, objects and topics.
    pub fn is_ruled(&self) -> bool {
        !matches!(
            self.caller,
            Caller::Developer { .. } | Caller::Key { kind: KeyKind::Secret, .. } | Caller::Function
        )
    }
}

/// The answer "no".
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Nothing valid was brought along; the text says what to bring.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// The end user's token is not valid any more, or never was: refresh it or sign in.
    #[error("the end user's token is expired or not valid: refresh it, or sign in again")]
    EndUserToken,
    /// The caller may know of it and may not do this.
    #[error("{0}")]
    Forbidden(&'static str),
    /// No such project, or none of the caller's: the same answer.
    #[error("there is no such project")]
    ProjectNotFound,
    /// The stores that know could not be asked.
    #[error("access could not be checked")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Classify for AccessError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Unauthenticated(_) => ErrorCode::Unauthenticated,
            Self::EndUserToken => ErrorCode::TokenInvalid,
            Self::Forbidden(_) => ErrorCode::Forbidden,
            Self::ProjectNotFound => ErrorCode::ProjectNotFound,
            Self::Unavailable(_) => ErrorCode::Unavailable,
        }
    }
}

/// Answers the question. Implementations may cache, for at most 5 seconds after a revocation.
#[async_trait]
pub trait Access: Send + Sync {
    /// Whether a request with `credentials` may do what is asked.
    ///
    /// # Errors
    /// Why not; a foreign project and a missing one are told apart by nobody.
    async fn authorize(&self, credentials: &Credentials, ask: Ask<'_>) -> Result<Grant, AccessError>;

    /// Writes down a change that was made; durable when it returns.
    ///
    /// # Errors
    /// `Unavailable`: the record could not be written.
    async fn record(&self, entry: AuditEntry) -> Result<(), AccessError>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use secrecy::ExposeSecret;

    #[test]
    fn credentials_come_from_cookie_header_and_bearer() {
        let mut headers = HeaderMap::new();
        headers.insert("cookie", HeaderValue::from_static("a=b; session_token=abc"));
        headers.insert("authorization", HeaderValue::from_static("Bearer sk_1"));
        let peer = Some(IpAddr::from([127, 0, 0, 1]));
        let credentials = Credentials::from_headers(&headers, peer);
        assert_eq!(credentials.session.unwrap().expose_secret(), "abc");
        assert_eq!(credentials.key.unwrap().expose_secret(), "sk_1");
        assert_eq!(credentials.peer, peer);
        headers.insert("x-forwarded-for", HeaderValue::from_static("127.0.0.1"));
        assert_eq!(Credentials::from_headers(&headers, peer).peer, None);
    }

    #[test]
    fn only_a_public_key_is_taken_from_the_query() {
        let key = |query| Credentials::default().with_query(Some(query)).key;
        assert_eq!(key("a=b&key=pk_1").unwrap().expose_secret(), "pk_1");
        assert!(key("key=sk_1").is_none());
        assert!(key("monkey=pk_1").is_none());
    }
}

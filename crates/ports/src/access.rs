//! Who may do what: the one question every service asks before any work. Owns the table of roles and
//! keys; the answer comes from the service that knows the keys.

use async_trait::async_trait;
use http::{HeaderMap, header};
use secrecy::SecretString;
use service_kit::error::{Classify, ErrorCode};
use service_kit::ids::{KeyId, ProjectId, UserId};
use std::net::IpAddr;

/// The header that carries a project's key.
pub const KEY_HEADER: &str = "x-bunbase-client-key";
/// The cookie of a developer's session.
pub const SESSION_COOKIE: &str = "session_token";

/// What a caller wants to do in a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// See the project.
    ProjectRead,
    /// Rename it.
    ProjectUpdate,
    /// Remove it with all that belongs to it.
    ProjectDelete,
    /// List keys.
    KeyRead,
    /// Make and revoke keys.
    KeyWrite,
    /// List functions and their settings.
    FunctionRead,
    /// Deploy and configure functions.
    FunctionDeploy,
    /// Remove functions.
    FunctionDelete,
    /// Read what functions logged.
    FunctionLogs,
    /// Call a function; the function's own `access` setting decides as well.
    FunctionInvoke,
    /// Read documents; for a public key the rules decide as well.
    DocumentRead,
    /// Write documents; for a public key the rules decide as well.
    DocumentWrite,
    /// Collections, indexes and rules: look at them.
    DatabaseRead,
    /// Collections, indexes and rules: change them.
    DatabaseAdmin,
}

/// A member's role in a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything.
    Owner,
    /// Everything but removing the project.
    Admin,
    /// Builds: deploys functions, writes documents.
    Member,
    /// Looks.
    Viewer,
}

impl Role {
    /// Whether a member with this role may do `action`.
    pub fn allows(self, action: Action) -> bool {
        use Action::*;
        match action {
            ProjectRead | FunctionRead | FunctionLogs | DocumentRead | DatabaseRead => true,
            FunctionDeploy | FunctionInvoke | DocumentWrite | DatabaseAdmin => self != Self::Viewer,
            ProjectUpdate | KeyRead | KeyWrite | FunctionDelete => matches!(self, Self::Owner | Self::Admin),
            ProjectDelete => self == Self::Owner,
        }
    }

    /// The role as it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
            Self::Viewer => "viewer",
        }
    }

    /// Reads what `as_str` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Owner, Self::Admin, Self::Member, Self::Viewer].into_iter().find(|role| role.as_str() == text)
    }
}

/// The two kinds of project keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// `pk_…`: stands in browsers; the project's rules decide.
    Public,
    /// `sk_…`: stands on servers; data and functions of its project.
    Secret,
}

impl KeyKind {
    /// Whether a key of this kind may do `action`. Keys never manage the project itself or other keys: a
    /// key that leaked must not be able to outlive its revocation.
    pub fn allows(self, action: Action) -> bool {
        use Action::*;
        match action {
            FunctionInvoke | DocumentRead | DocumentWrite => true,
            ProjectRead | FunctionRead | FunctionDeploy | FunctionDelete | FunctionLogs | DatabaseRead
            | DatabaseAdmin => self == Self::Secret,
            ProjectUpdate | ProjectDelete | KeyRead | KeyWrite => false,
        }
    }
}

/// What a request brought along to prove who sent it.
#[derive(Debug, Default)]
pub struct Credentials {
    /// The session cookie.
    pub session: Option<SecretString>,
    /// A project key, from `X-Bunbase-Client-Key` or `Authorization: Bearer pk_…|sk_…`.
    pub key: Option<SecretString>,
    /// Any other bearer token.
    pub bearer: Option<SecretString>,
    /// The address of the peer, where it is the client itself and no proxy spoke for another.
    pub peer: Option<IpAddr>,
}

/// The address of the connection's peer; set on each request by the listener.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

impl Credentials {
    /// Reads headers; `peer` is the address of the connection.
    pub fn from_headers(headers: &HeaderMap, peer: Option<IpAddr>) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let mut credentials = Self {
            session: session_cookie(headers),
            key: text(KEY_HEADER).map(SecretString::from),
            bearer: None,
            peer: peer
                .filter(|_| !headers.contains_key("x-forwarded-for") && !headers.contains_key("forwarded")),
        };
        let bearer = text(header::AUTHORIZATION.as_str()).and_then(|value| value.split_once(' '));
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
}

fn session_cookie(headers: &HeaderMap) -> Option<SecretString> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, value)| *name == SESSION_COOKIE && !value.is_empty())
        .map(|(_, value)| SecretString::from(value))
}

/// What is asked: whom the route is for, and in which project.
#[derive(Debug, Clone, Copy)]
pub enum Ask<'a> {
    /// A signed-in developer.
    Developer,
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
}

impl Grant {
    /// Whether the project's rules decide about this caller's documents.
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use secrecy::ExposeSecret;

    #[test]
    fn a_public_key_never_administers() {
        use Action::*;
        for action in [ProjectRead, FunctionDeploy, FunctionLogs, DatabaseRead, DatabaseAdmin, KeyWrite] {
            assert!(!KeyKind::Public.allows(action), "{action:?}");
        }
        assert!(!KeyKind::Secret.allows(KeyWrite));
    }

    #[test]
    fn a_viewer_only_looks() {
        assert!(Role::Viewer.allows(Action::DocumentRead));
        assert!(!Role::Viewer.allows(Action::DocumentWrite));
        assert!(!Role::Admin.allows(Action::ProjectDelete));
        assert_eq!(Role::parse("owner"), Some(Role::Owner));
        assert_eq!(Role::parse("root"), None);
    }

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
}

//! The table of what can be done, and which roles, keys and scopes may do it. Data only: the question is
//! put in `access`.

use std::collections::BTreeSet;
use std::sync::Arc;

/// How far an action reaches, for the scopes of API tokens: each scope is an area with a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Looks.
    Read,
    /// Changes; includes looking.
    Write,
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident: $area:literal $level:ident, roles $lowest:ident, keys $keys:ident;)*) => {
        /// What a caller wants to do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Action { $($(#[$doc])* $name,)* }

        impl Action {
            /// Every action.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The scope that a token needs for it.
            pub fn scope(self) -> (&'static str, Level) {
                match self { $(Self::$name => ($area, Level::$level),)* }
            }

            /// The lowest role that may do it.
            fn lowest_role(self) -> Role {
                match self { $(Self::$name => Role::$lowest,)* }
            }

            fn keys(self) -> Keys {
                match self { $(Self::$name => Keys::$keys,)* }
            }
        }
    };
}

/// Which keys may do something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// None: what would let a leaked key outlive its revocation.
    None,
    /// Secret keys.
    Secret,
    /// Public keys too; the project's rules decide there.
    Both,
}

actions! {
    /// See one's own account.
    AccountRead: "account" Read, roles Viewer, keys None;
    /// Change one's own account.
    AccountWrite: "account" Write, roles Viewer, keys None;
    /// List one's projects.
    ProjectList: "projects" Read, roles Viewer, keys None;
    /// Make a project.
    ProjectCreate: "projects" Write, roles Viewer, keys None;
    /// See the project and its client configuration.
    ProjectRead: "projects" Read, roles Viewer, keys Secret;
    /// Rename it.
    ProjectUpdate: "projects" Write, roles Admin, keys None;
    /// Remove it with all that belongs to it.
    ProjectDelete: "projects" Write, roles Owner, keys None;
    /// Leave it.
    ProjectLeave: "projects" Write, roles Viewer, keys None;
    /// List members and invitations.
    MemberRead: "members" Read, roles Viewer, keys None;
    /// Invite, change and remove members.
    MemberWrite: "members" Write, roles Admin, keys None;
    /// List keys.
    KeyRead: "keys" Read, roles Admin, keys None;
    /// Make, rotate and revoke keys.
    KeyWrite: "keys" Write, roles Admin, keys None;
    /// Read the audit log.
    AuditRead: "audit" Read, roles Admin, keys None;
    /// List functions and their settings.
    FunctionRead: "functions" Read, roles Viewer, keys Secret;
    /// Deploy and configure functions.
    FunctionDeploy: "functions" Write, roles Member, keys Secret;
    /// Remove functions.
    FunctionDelete: "functions" Write, roles Admin, keys Secret;
    /// Read what functions logged.
    FunctionLogs: "functions" Read, roles Viewer, keys Secret;
    /// Call a function; the function's own `access` setting decides as well.
    FunctionInvoke: "functions" Write, roles Member, keys Both;
    /// Read documents; for a public key the rules decide as well.
    DocumentRead: "documents" Read, roles Viewer, keys Both;
    /// Write documents; for a public key the rules decide as well.
    DocumentWrite: "documents" Write, roles Member, keys Both;
    /// Collections, indexes and rules: look at them.
    DatabaseRead: "documents" Read, roles Viewer, keys Secret;
    /// Collections, indexes and rules: change them.
    DatabaseAdmin: "documents" Write, roles Member, keys Secret;
    /// Read keys of the key-value store; for a public key its rules decide as well.
    KvRead: "kv" Read, roles Viewer, keys Both;
    /// Write them.
    KvWrite: "kv" Write, roles Member, keys Both;
    /// The rules of the key-value store.
    KvAdmin: "kv" Write, roles Member, keys Secret;
    /// Read objects; for a public key the rules of the storage decide as well.
    ObjectRead: "storage" Read, roles Viewer, keys Both;
    /// Write them.
    ObjectWrite: "storage" Write, roles Member, keys Both;
    /// The rules of the storage.
    ObjectAdmin: "storage" Write, roles Member, keys Secret;
    /// Publish events; for a public key the rights of the topic decide as well.
    EventPublish: "events" Write, roles Member, keys Both;
    /// Subscribe to events; for a public key the rights of the topic decide as well.
    EventSubscribe: "events" Read, roles Viewer, keys Both;
    /// Declare topics and their rights.
    EventAdmin: "events" Write, roles Member, keys Secret;
    /// See queues, jobs, dead letters and schedules.
    JobRead: "jobs" Read, roles Viewer, keys Secret;
    /// Enqueue jobs.
    JobEnqueue: "jobs" Write, roles Member, keys Secret;
    /// Cancel, replay and remove jobs; pause queues and schedules, run schedules.
    JobAdmin: "jobs" Write, roles Member, keys Secret;
    /// Sign end users up and in.
    EndUserSignIn: "auth" Write, roles Member, keys Both;
    /// See end users and the configuration of their sign-in.
    EndUserRead: "auth" Read, roles Member, keys Secret;
    /// Make, change and remove end users, set their claims.
    EndUserWrite: "auth" Write, roles Admin, keys Secret;
    /// Change how end users sign in; rotate the keys that sign their tokens.
    EndUserAdmin: "auth" Write, roles Admin, keys None;
    /// List secrets and keys by name, without what they hold.
    SecretRead: "secrets" Read, roles Admin, keys Secret;
    /// Read what a secret holds.
    SecretReveal: "secrets" Write, roles Admin, keys Secret;
    /// Write and remove secrets; make, rotate and remove keys.
    SecretWrite: "secrets" Write, roles Admin, keys Secret;
    /// Encrypt, decrypt, sign and verify with a key.
    SecretUse: "secrets" Write, roles Admin, keys Secret;
}

impl Action {
    /// Whether the audit log keeps a record of it: every change to accounts, projects and settings; not
    /// the data that applications write all day, and not looking.
    pub fn is_recorded(self) -> bool {
        use Action::*;
        let data = [
            FunctionInvoke,
            DocumentWrite,
            KvWrite,
            ObjectWrite,
            EventPublish,
            JobEnqueue,
            EndUserSignIn,
            SecretUse,
        ];
        self == SecretReveal || (self.scope().1 == Level::Write && !data.contains(&self))
    }
}

/// A member's role in a project, the highest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything.
    Owner,
    /// Everything but removing the project and making owners.
    Admin,
    /// Builds: deploys functions, writes documents.
    Member,
    /// Looks.
    Viewer,
}

impl Role {
    /// Whether a member with this role may do `action`.
    pub fn allows(self, action: Action) -> bool {
        self <= action.lowest_role()
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
        match action.keys() {
            Keys::None => false,
            Keys::Secret => self == Self::Secret,
            Keys::Both => true,
        }
    }
}

/// One scope of an API token: `functions:read`, `functions:write`, `*:read` or `*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(String);

impl Scope {
    /// Takes `text` if it is a scope.
    pub fn parse(text: &str) -> Option<Self> {
        let (area, level) = text.split_once(':').unwrap_or((text, "write"));
        let known = area == "*" || Action::ALL.iter().any(|action| action.scope().0 == area);
        let plain = text == "*" || text.contains(':');
        (known && plain && matches!(level, "read" | "write")).then(|| Self(text.to_owned()))
    }

    /// The scope as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn reaches(&self, action: Action) -> bool {
        let (area, level) = self.0.split_once(':').unwrap_or((&self.0, "write"));
        let (wanted, needed) = action.scope();
        (area == "*" || area == wanted) && (level == "write" || needed == Level::Read)
    }
}

/// The scopes of an API token. Copies share them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScopeSet(Arc<BTreeSet<Scope>>);

impl ScopeSet {
    /// Whether one of them reaches `action`.
    pub fn reaches(&self, action: Action) -> bool {
        self.0.iter().any(|scope| scope.reaches(action))
    }

    /// The scopes, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(Arc::new(scopes.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_key_never_administers() {
        use Action::*;
        for action in
            [ProjectRead, FunctionDeploy, FunctionLogs, DatabaseRead, DatabaseAdmin, KeyWrite, SecretUse]
        {
            assert!(!KeyKind::Public.allows(action), "{action:?}");
        }
        for action in [KeyWrite, MemberWrite, ProjectDelete, EndUserAdmin] {
            assert!(!KeyKind::Secret.allows(action), "{action:?}");
        }
    }

    #[test]
    fn a_viewer_only_looks() {
        assert!(Role::Viewer.allows(Action::DocumentRead));
        assert!(!Role::Viewer.allows(Action::DocumentWrite));
        assert!(!Role::Viewer.allows(Action::SecretRead));
        assert!(!Role::Admin.allows(Action::ProjectDelete));
        assert!(Role::Owner.allows(Action::ProjectDelete));
        assert_eq!(Role::parse("owner"), Some(Role::Owner));
        assert_eq!(Role::parse("root"), None);
    }

    #[test]
    fn a_scope_reaches_its_area_up_to_its_level() {
        let set = |texts: &[&str]| texts.iter().filter_map(|text| Scope::parse(text)).collect::<ScopeSet>();
        assert!(set(&["functions:read"]).reaches(Action::FunctionLogs));
        assert!(!set(&["functions:read"]).reaches(Action::FunctionDeploy));
        assert!(set(&["functions:write"]).reaches(Action::FunctionRead));
        assert!(!set(&["functions:write"]).reaches(Action::DocumentRead));
        assert!(set(&["*"]).reaches(Action::SecretReveal));
        assert!(!set(&["*:read"]).reaches(Action::SecretReveal));
        assert!(!set(&[]).reaches(Action::ProjectList));
        for text in ["", "functions", "all:read", "functions:admin", "*:"] {
            assert_eq!(Scope::parse(text), None, "{text}");
        }
    }

    #[test]
    fn changes_are_recorded_and_data_is_not() {
        assert!(Action::MemberWrite.is_recorded());
        assert!(Action::SecretReveal.is_recorded());
        assert!(!Action::DocumentWrite.is_recorded());
        assert!(!Action::KeyRead.is_recorded());
    }
}

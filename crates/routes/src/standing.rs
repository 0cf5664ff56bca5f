//! Whether a request that was granted is still granted: for answers that stay open. Asked again every few
//! seconds, so that a revoked key, session or role ends its streams.

use ports::access::{Access, AccessError, Action, Ask, Credentials, Grant};
use std::sync::Arc;
use std::time::Duration;

/// The request extension with which a handler of a stream asks again.
#[derive(Clone)]
pub struct Standing(Arc<Kind>);

enum Kind {
    /// Decided inside the process; it holds as long as the call.
    Fixed(Grant),
    Asked {
        access: Arc<dyn Access>,
        credentials: Credentials,
        question: OwnedAsk,
    },
}

/// `Ask`, to be kept.
#[derive(Clone)]
pub(crate) enum OwnedAsk {
    Developer(Action),
    Session,
    Project(String, Action),
    Key(Action),
    Operator,
}

impl OwnedAsk {
    /// The same about another action; sessions and operators are not asked about one.
    fn about(&self, action: Action) -> Self {
        match self {
            Self::Developer(_) => Self::Developer(action),
            Self::Project(project, _) => Self::Project(project.clone(), action),
            Self::Key(_) => Self::Key(action),
            Self::Session | Self::Operator => self.clone(),
        }
    }

    pub(crate) fn borrow(&self) -> Ask<'_> {
        match self {
            Self::Developer(action) => Ask::Developer { action: *action },
            Self::Session => Ask::Session,
            Self::Project(project, action) => Ask::Project { project, action: *action },
            Self::Key(action) => Ask::Key { action: *action },
            Self::Operator => Ask::Operator,
        }
    }
}

impl Standing {
    /// How often a stream asks: a revocation has to show within 5 seconds.
    pub const EVERY: Duration = Duration::from_secs(2);

    pub(crate) fn fixed(grant: Grant) -> Self {
        Self(Arc::new(Kind::Fixed(grant)))
    }

    pub(crate) fn asked(access: Arc<dyn Access>, credentials: Credentials, question: OwnedAsk) -> Self {
        Self(Arc::new(Kind::Asked { access, credentials, question }))
    }

    /// The grant as it is now.
    ///
    /// # Errors
    /// It was revoked; or it could not be asked (`Unavailable`), which a stream may survive for a moment.
    pub async fn check(&self) -> Result<Grant, AccessError> {
        match &*self.0 {
            Kind::Fixed(grant) => Ok(grant.clone()),
            Kind::Asked { access, credentials, question } => {
                access.authorize(credentials, question.borrow()).await
            }
        }
    }
    /// The grant for another action on the same thing: for streams that take changes too.
    ///
    /// # Errors
    /// It may not be done; or it could not be asked (`Unavailable`).
    pub async fn may(&self, action: Action) -> Result<Grant, AccessError> {
        match &*self.0 {
            Kind::Fixed(grant) => Ok(grant.clone()),
            Kind::Asked { access, credentials, question } => {
                access.authorize(credentials, question.about(action).borrow()).await
            }
        }
    }
}

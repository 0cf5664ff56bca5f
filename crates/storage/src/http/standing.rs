//! Long transfers: whoever may not read or write any more does not go on, within seconds.

use super::Service;
use super::extract::Scope;
use futures_util::StreamExt as _;
use ports::access::AccessError;
use ports::objects::{ObjectBytes, ObjectName};
use routes::Standing;
use rules::Access;
use std::io;
use tokio::time::Instant;

/// What is asked again while bytes are on their way.
pub(super) struct Watch {
    pub(super) service: Service,
    pub(super) standing: Standing,
    pub(super) access: Access,
    pub(super) name: ObjectName,
}

struct Watched {
    body: ObjectBytes,
    watch: Watch,
    asked: Instant,
}

impl Watch {
    /// The same bytes, which end with an error when they are not allowed any more.
    pub(super) fn over(self, body: ObjectBytes) -> ObjectBytes {
        let watched = Watched { body, watch: self, asked: Instant::now() };
        Box::pin(futures_util::stream::unfold(Some(watched), |watched| async {
            let mut watched = watched?;
            if watched.asked.elapsed() >= Standing::EVERY {
                if let Err(error) = watched.watch.check().await {
                    return Some((Err(error), None));
                }
                watched.asked = Instant::now();
            }
            let part = watched.body.next().await?;
            let next = part.is_ok().then_some(watched);
            Some((part, next))
        }))
    }

    async fn check(&self) -> io::Result<()> {
        let revoked = || io::Error::new(io::ErrorKind::PermissionDenied, "not allowed any more");
        let grant = match self.standing.check().await {
            Ok(grant) => grant,
            // The stores that know could not be asked: not a revocation.
            Err(AccessError::Unavailable(_)) => return Ok(()),
            Err(_) => return Err(revoked()),
        };
        let scope = Scope::of(grant).map_err(|_| revoked())?;
        scope.permit(&self.service, self.access, &self.name).await.map_err(|_| revoked())
    }
}

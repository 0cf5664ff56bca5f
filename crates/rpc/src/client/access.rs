//! `Access` of another process.

use crate::MESSAGE_BYTES_MAX;
use crate::cache::Answers;
use crate::proto::access_client::AccessClient as Wire;
use crate::remote::{Remote, Signed};
use crate::status::from_status;
use crate::wire::{access, grant};
use async_trait::async_trait;
use ports::access::{Access, AccessError, Ask, Credentials, Grant};
use ports::audit::AuditEntry;
use std::time::{Duration, Instant};

/// How long a grant is given again. A stream asks every 2 s, and platform's own client of end users keeps
/// half a second, so that a revocation shows within 5 s everywhere.
const KEPT_FOR: Duration = Duration::from_secs(1);

/// Asks platform; grants are kept for a second, refusals are not.
pub struct AccessClient {
    remote: Remote,
    wire: Wire<Signed>,
    grants: Answers<Grant>,
}

impl AccessClient {
    pub(crate) fn new(remote: Remote) -> Self {
        let wire = Wire::new(remote.channel()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        Self { remote, wire, grants: Answers::new(KEPT_FOR) }
    }
}

#[async_trait]
impl Access for AccessClient {
    async fn authorize(&self, credentials: &Credentials, ask: Ask<'_>) -> Result<Grant, AccessError> {
        let question = access::question(credentials, ask);
        if let Some(grant) = self.grants.get(&question) {
            return Ok(grant);
        }
        let asked = Instant::now();
        let (mut wire, message) = (self.wire.clone(), access::put_question(credentials, ask));
        let answer = self.remote.call(wire.authorize(message)).await;
        let grant = answer.and_then(grant::get).map_err(from_status::<AccessError>)?;
        self.grants.put(question, asked, grant.clone());
        Ok(grant)
    }

    async fn record(&self, entry: AuditEntry) -> Result<(), AccessError> {
        let mut wire = self.wire.clone();
        let recorded = self.remote.call(wire.record(access::put_entry(entry))).await;
        recorded.map(drop).map_err(from_status)
    }
}

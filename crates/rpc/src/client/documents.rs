//! `Documents` of another process.

use crate::MESSAGE_BYTES_MAX;
use crate::proto::documents_client::DocumentsClient as Wire;
use crate::proto::{EnsureIndexRequest, GetDocumentRequest, WriteRequest};
use crate::remote::{Remote, Signed};
use crate::status::from_status;
use crate::wire::documents;
use async_trait::async_trait;
use ports::documents::{At, Documents, DocumentsError, Find, Found, Stored, Uniqueness, Write};
use service_kit::ids::ProjectId;

/// Reads and writes the documents of bundoc-server.
pub struct DocumentsClient {
    remote: Remote,
    wire: Wire<Signed>,
}

impl DocumentsClient {
    pub(crate) fn new(remote: Remote) -> Self {
        let wire = Wire::new(remote.channel()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        Self { remote, wire }
    }
}

#[async_trait]
impl Documents for DocumentsClient {
    async fn ensure_index(
        &self,
        at: At<'_>,
        fields: &[&str],
        unique: Uniqueness,
    ) -> Result<(), DocumentsError> {
        let message = EnsureIndexRequest {
            at: documents::put_at(at),
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
            unique: unique == Uniqueness::Unique,
        };
        let mut wire = self.wire.clone();
        self.remote.call(wire.ensure_index(message)).await.map(drop).map_err(from_status)
    }

    async fn get(&self, at: At<'_>, id: &str) -> Result<Option<Stored>, DocumentsError> {
        let message = GetDocumentRequest { at: documents::put_at(at), id: id.to_owned() };
        let mut wire = self.wire.clone();
        let reply = self.remote.call(wire.get(message)).await;
        reply
            .and_then(|reply| reply.stored.as_ref().map(documents::get_stored).transpose())
            .map_err(from_status)
    }

    async fn find(&self, at: At<'_>, find: Find) -> Result<Found, DocumentsError> {
        let unreadable = |_| DocumentsError::Invalid("the filter is no BSON".to_owned());
        let message = documents::put_find(at, &find).map_err(unreadable)?;
        let mut wire = self.wire.clone();
        self.remote.call(wire.find(message)).await.and_then(documents::get_found).map_err(from_status)
    }

    async fn write(&self, project: &ProjectId, writes: Vec<Write>) -> Result<(), DocumentsError> {
        let writes = writes.into_iter().map(documents::put_write).collect();
        let message = WriteRequest { project: project.to_string(), writes };
        let mut wire = self.wire.clone();
        self.remote.call(wire.write(message)).await.map(drop).map_err(from_status)
    }
}

//! Documents, queries and writes. Documents and filters stay raw BSON.

use super::{malformed, project, required};
use crate::proto::{self, document_write};
use bson::{Document, RawDocumentBuf};
use bytes::Bytes;
use ports::documents::{At, Condition, Find, Found, Stored, Write};
use service_kit::ids::ProjectId;
use tonic::Status;

pub(crate) fn put_at(at: At<'_>) -> Option<proto::At> {
    Some(proto::At { project: at.project.to_string(), collection: at.collection.to_owned() })
}

/// Project and collection of a message.
pub(crate) struct Place(ProjectId, String);

impl Place {
    pub(crate) fn get(message: Option<proto::At>) -> Result<Self, Status> {
        let at = required(message, "place")?;
        Ok(Self(project(&at.project)?, at.collection))
    }

    pub(crate) fn at(&self) -> At<'_> {
        At { project: &self.0, collection: &self.1 }
    }
}

pub(crate) fn put_stored(stored: Stored) -> proto::Stored {
    proto::Stored { document: Bytes::from(stored.document.into_bytes()), version: stored.version }
}

pub(crate) fn get_stored(message: &proto::Stored) -> Result<Stored, Status> {
    Ok(Stored { document: raw(&message.document)?, version: message.version })
}

fn raw(bytes: &Bytes) -> Result<RawDocumentBuf, Status> {
    RawDocumentBuf::from_bytes(bytes.to_vec()).map_err(|_| malformed("document"))
}

pub(crate) fn put_find(at: At<'_>, find: &Find) -> Result<proto::FindRequest, Status> {
    Ok(proto::FindRequest {
        at: put_at(at),
        filter: find.filter.to_vec().map_err(|_| malformed("filter"))?.into(),
        sort: find.sort.clone(),
        limit: find.limit as u64,
        cursor: find.cursor.clone(),
    })
}

pub(crate) fn get_find(message: proto::FindRequest) -> Result<(Place, Find), Status> {
    let find = Find {
        filter: Document::from_reader(&*message.filter).map_err(|_| malformed("filter"))?,
        sort: message.sort,
        limit: usize::try_from(message.limit).map_err(|_| malformed("limit"))?,
        cursor: message.cursor,
    };
    Ok((Place::get(message.at)?, find))
}

pub(crate) fn put_found(found: Found) -> proto::FindReply {
    let documents = found.documents.into_iter().map(put_stored).collect();
    proto::FindReply { documents, next_cursor: found.next_cursor }
}

pub(crate) fn get_found(message: proto::FindReply) -> Result<Found, Status> {
    let documents = message.documents.iter().map(get_stored).collect::<Result<_, _>>()?;
    Ok(Found { documents, next_cursor: message.next_cursor })
}

pub(crate) fn put_write(write: Write) -> proto::DocumentWrite {
    use document_write::What;
    let (collection, what, condition) = match write {
        Write::Put { collection, document, condition } => {
            (collection, What::Put(document.into_bytes().into()), condition)
        }
        Write::Delete { collection, id, condition } => (collection, What::Delete(id), condition),
    };
    let condition = match condition {
        Condition::Any => None,
        Condition::Version(version) => Some(document_write::Condition::Version(version)),
        Condition::Absent => Some(document_write::Condition::Absent(proto::Nothing {})),
    };
    proto::DocumentWrite { collection, what: Some(what), condition }
}

pub(crate) fn get_write(message: proto::DocumentWrite) -> Result<Write, Status> {
    use document_write::What;
    let condition = match message.condition {
        None => Condition::Any,
        Some(document_write::Condition::Version(version)) => Condition::Version(version),
        Some(document_write::Condition::Absent(_)) => Condition::Absent,
    };
    let collection = message.collection;
    Ok(match required(message.what, "write")? {
        What::Put(document) => Write::Put { collection, document: raw(&document)?, condition },
        What::Delete(id) => Write::Delete { collection, id, condition },
    })
}

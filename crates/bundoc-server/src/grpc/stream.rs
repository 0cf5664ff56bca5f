//! Queries whose pages are sent as they are read. The next page is looked up only when the connection takes
//! more, so that a slow reader holds one page and no thread; a revocation ends the stream within seconds.

use super::admission::{Admitted, Calls, Kind};
use super::documents::{page_request, page_size};
use super::{Streamed, from_wire, to_wire, wire};
use crate::limit::Refusal;
use crate::metrics::Operation;
use crate::reader::Reader;
use crate::service::BundocServer;
use bundoc::engine::{CollectionName, CollectionPattern, FindRequest, GroupDocument};
use futures_util::{StreamExt, stream};
use ports::access::Action;
use routes::Standing;
use rpc::api_status;
use service_kit::error::ApiError;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;
use tokio::time::Instant as Moment;
use tonic::{Request, Response, Status};

/// Bytes of documents in one message: a quarter of what clients take where they were told nothing else. A
/// larger document is a message by itself.
const MESSAGE_BYTES: usize = 1 << 20;

const FIND: Kind = Kind { action: Action::DocumentRead, operation: Operation::Find, method: "Find" };
const FIND_GROUP: Kind =
    Kind { action: Action::DocumentRead, operation: Operation::Find, method: "FindGroup" };

/// Where the documents are.
#[derive(Clone)]
enum Source {
    Collection(CollectionName),
    Group(CollectionPattern),
}

/// What is asked, page by page.
struct Query {
    source: Source,
    /// Of the next page.
    request: FindRequest,
    /// How many documents are still wanted; `None` for all.
    left: Option<u64>,
}

/// Part of a page, as one message. The last part of a page has the cursor.
struct Part {
    documents: Vec<GroupDocument>,
    cursor: Option<String>,
}

/// A query on its way.
struct Pages {
    server: Arc<BundocServer>,
    admitted: Admitted,
    standing: Standing,
    asked_at: Moment,
    query: Query,
    waiting: VecDeque<Part>,
    is_over: bool,
    begun: Instant,
    outcome: Result<(), Refusal>,
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.server.metrics.record(Operation::Find, self.outcome, self.begun);
    }
}

impl Pages {
    async fn next(mut self) -> Option<(Result<Part, ApiError>, Self)> {
        while self.waiting.is_empty() {
            if self.is_over {
                return None;
            }
            if let Err(failed) = self.read_page().await {
                self.is_over = true;
                self.outcome = Err(Refusal::from(&failed));
                return Some((Err(failed), self));
            }
        }
        let part = self.waiting.pop_front()?;
        Some((Ok(part), self))
    }

    async fn read_page(&mut self) -> Result<(), ApiError> {
        if self.asked_at.elapsed() >= Standing::EVERY {
            let grant = self.standing.check().await?;
            self.admitted.renew(grant)?;
            self.asked_at = Moment::now();
        }
        let (documents, next_cursor) = self.look_up().await?;
        let query = &mut self.query;
        if let Some(left) = &mut query.left {
            *left = left.saturating_sub(documents.len() as u64);
            query.request.limit = query.request.limit.min(usize::try_from(*left).unwrap_or(usize::MAX));
        }
        self.is_over = next_cursor.is_none() || query.left == Some(0);
        query.request.cursor.clone_from(&next_cursor);
        query.request.skip = 0;
        self.waiting = parts(documents, next_cursor).into();
        Ok(())
    }

    async fn look_up(&self) -> Result<(Vec<GroupDocument>, Option<String>), ApiError> {
        let (scope, request) = (&self.admitted.scope, self.query.request.clone());
        match self.query.source.clone() {
            Source::Collection(collection) => {
                let name = collection.clone();
                let find = move |reader: &mut Reader<'_>| reader.find(&name, &request);
                let page = self.server.read(scope, find).await?;
                let found = |document| GroupDocument { collection: collection.clone(), document };
                Ok((page.documents.into_iter().map(found).collect(), page.next_cursor))
            }
            Source::Group(pattern) => {
                self.server
                    .group_page(scope, pattern, request, |page| Ok((page.documents, page.next_cursor)))
                    .await
            }
        }
    }
}

/// Cuts a page into messages. An empty page is one, too: it has the cursor.
fn parts(found: Vec<GroupDocument>, cursor: Option<String>) -> Vec<Part> {
    let mut parts = Vec::new();
    let (mut documents, mut bytes) = (Vec::new(), 0);
    for one in found {
        let weight = one.document.document.as_bytes().len();
        if !documents.is_empty() && bytes + weight > MESSAGE_BYTES {
            parts.push(Part { documents: std::mem::take(&mut documents), cursor: None });
            bytes = 0;
        }
        bytes += weight;
        documents.push(one);
    }
    parts.push(Part { documents, cursor });
    parts
}

impl Calls {
    pub(super) async fn stream_found(
        &self,
        request: Request<wire::FindRequest>,
    ) -> Result<Response<Streamed<wire::FindReply>>, Status> {
        let read = |admitted: &Admitted, asked: wire::FindRequest| {
            let source = Source::Collection(admitted.scope.collection(&asked.collection)?);
            let left = asked.limit;
            Ok(Query { source, request: page_request(asked)?, left })
        };
        let reply = |Part { documents, cursor }| {
            let documents = documents.into_iter().map(|found: GroupDocument| to_wire::stored(found.document));
            wire::FindReply { documents: documents.collect(), cursor }
        };
        self.stream(request, FIND, read, reply).await
    }

    pub(super) async fn stream_group(
        &self,
        request: Request<wire::FindGroupRequest>,
    ) -> Result<Response<Streamed<wire::FindGroupReply>>, Status> {
        let read = |admitted: &Admitted, asked: wire::FindGroupRequest| {
            let source = Source::Group(admitted.scope.pattern(&asked.pattern)?);
            let request = FindRequest {
                filter: from_wire::filter(&asked.filter)?,
                sort: from_wire::sort(asked.sort)?,
                limit: page_size(asked.page_size, asked.limit)?,
                cursor: (!asked.cursor.is_empty()).then_some(asked.cursor),
                fields: from_wire::filter(&asked.projection)?,
                ..FindRequest::default()
            };
            Ok(Query { source, request, left: asked.limit })
        };
        let reply = |Part { documents, cursor }| {
            let documents = documents.into_iter().map(to_wire::group).collect();
            wire::FindGroupReply { documents, cursor }
        };
        self.stream(request, FIND_GROUP, read, reply).await
    }

    async fn stream<M: Send, T: Send + 'static>(
        &self,
        request: Request<M>,
        kind: Kind,
        read: impl FnOnce(&Admitted, M) -> Result<Query, ApiError> + Send,
        reply: impl Fn(Part) -> T + Send + 'static,
    ) -> Result<Response<Streamed<T>>, Status> {
        let begun = Instant::now();
        let opened = match self.admit(&request, kind).await {
            Ok((admitted, standing)) => {
                read(&admitted, request.into_inner()).map(|query| (admitted, standing, query))
            }
            Err(refused) => Err(refused),
        };
        let (admitted, standing, query) = opened.map_err(|refused| {
            self.server.metrics.record(kind.operation, Err(Refusal::from(&refused)), begun);
            api_status(&refused)
        })?;
        let pages = Pages {
            server: self.server.clone(),
            admitted,
            standing,
            asked_at: Moment::now(),
            query,
            waiting: VecDeque::new(),
            is_over: false,
            begun,
            outcome: Ok(()),
        };
        let parts = stream::unfold(pages, Pages::next);
        let replies = parts.map(move |part| part.map(&reply).map_err(|failed| api_status(&failed)));
        Ok(Response::new(Box::pin(replies)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::{RawDocumentBuf, rawdoc};
    use bundoc::engine::StoredDocument;

    fn found(bytes: usize) -> GroupDocument {
        let document: RawDocumentBuf = rawdoc! { "_id": "a", "text": "x".repeat(bytes) };
        let collection = CollectionName::parse("c").unwrap();
        GroupDocument { collection, document: StoredDocument { document, version: 1 } }
    }

    #[test]
    fn a_page_is_cut_into_messages_and_the_last_has_the_cursor() {
        let page = vec![found(600_000), found(600_000), found(3_000_000), found(10), found(10)];
        let parts = parts(page, Some("next".to_owned()));
        let sizes: Vec<_> = parts.iter().map(|part| part.documents.len()).collect();
        assert_eq!(sizes, [1, 1, 1, 2]);
        let cursors: Vec<_> = parts.iter().map(|part| part.cursor.is_some()).collect();
        assert_eq!(cursors, [false, false, false, true]);
    }

    #[test]
    fn an_empty_page_is_one_message() {
        let parts = parts(Vec::new(), None);
        assert_eq!((parts.len(), parts[0].documents.len()), (1, 0));
    }
}

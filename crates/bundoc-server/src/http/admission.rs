//! In front of every handler, behind the authorisation: counts the request among those of its project,
//! refuses a transaction where none can be used, measures.

use super::Server;
use crate::limit::Refusal;
use crate::metrics::Operation;
use crate::scope::TRANSACTION_HEADER;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use ports::access::{AccessError, Grant};
use service_kit::error::{ApiError, ErrorCode};
use std::time::Instant;

/// What the layer of one route needs to know.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) server: Server,
    pub(super) operation: Operation,
}

pub(super) async fn admit(State(door): State<Door>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let response = match door.check(&request) {
        Ok(open) => {
            let response = next.run(request).await;
            drop(open);
            response
        }
        Err(refused) => refused.into_response(),
    };
    door.server.metrics.record(door.operation, outcome(&response), begun);
    response
}

impl Door {
    fn check(&self, request: &Request) -> Result<crate::requests::OpenRequest, ApiError> {
        if request.headers().contains_key(TRANSACTION_HEADER) && !self.operation.joins_transactions() {
            return Err(ApiError::new(ErrorCode::InvalidRequest, "this cannot be done inside a transaction"));
        }
        let project = request.extensions().get::<Grant>().and_then(|grant| grant.project.as_ref());
        self.server.requests.enter(project.ok_or(AccessError::ProjectNotFound)?)
    }
}

/// The code of an error; what axum itself refuses has none and counts by its status.
fn outcome(response: &Response) -> Result<(), Refusal> {
    let told = response.extensions().get::<ApiError>().map(Refusal::from);
    let plain = |code| Err(Refusal { code, limit: None });
    match (response.status(), told) {
        (status, _) if status < StatusCode::BAD_REQUEST => Ok(()),
        (_, Some(refusal)) => Err(refusal),
        (status, None) if status.is_client_error() => plain(ErrorCode::InvalidRequest),
        (_, None) => plain(ErrorCode::Internal),
    }
}

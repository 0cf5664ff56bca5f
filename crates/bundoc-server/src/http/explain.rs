//! `POST /collections/{c}/documents/explain`: how a query is answered. For developers and secret keys.

use super::extract::InCollection;
use super::object::Object;
use super::query::Query;
use super::{Endpoint, Mounted, Server, paths};
use crate::error;
use crate::metrics::Operation;
use crate::scope::Scope;
use axum::extract::State;
use bundoc::engine::{Explanation, PlanSummary};
use ports::access::Action;
use routes::Route;
use serde::Serialize;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;
use utoipa::ToSchema;

/// One way to answer a query.
#[derive(Serialize, ToSchema)]
#[schema(as = QueryPlan)]
struct PlanBody {
    /// The index; null for a scan in the order of ids.
    index: Option<String>,
    /// How many fields of the index the query narrows.
    bound_fields: usize,
    /// Whether nothing has to be sorted.
    ordered: bool,
    /// Whether the index alone answers.
    covered: bool,
    /// Entries that the engine expected to look at.
    estimated_examined: u64,
    /// What plans are compared by.
    estimated_cost: f64,
}

impl From<PlanSummary> for PlanBody {
    fn from(plan: PlanSummary) -> Self {
        let PlanSummary { index, bound_fields, ordered, covered, estimated_examined, estimated_cost } = plan;
        Self { index, bound_fields, ordered, covered, estimated_examined, estimated_cost }
    }
}

/// How a query was answered.
#[derive(Serialize, ToSchema)]
#[schema(as = Explanation)]
struct ExplanationBody {
    /// The plan that ran.
    plan: PlanBody,
    /// The others, cheapest first.
    rejected: Vec<PlanBody>,
    /// Documents in the first page.
    returned: u64,
    /// Index entries looked at.
    keys_examined: u64,
    /// Documents looked at.
    documents_examined: u64,
    /// How long it took, in milliseconds.
    time_ms: f64,
}

impl From<Explanation> for ExplanationBody {
    fn from(explained: Explanation) -> Self {
        Self {
            plan: explained.plan.into(),
            rejected: explained.rejected.into_iter().map(PlanBody::from).collect(),
            returned: explained.returned,
            keys_examined: explained.keys_examined,
            documents_examined: explained.documents_examined,
            time_ms: explained.time.as_secs_f64() * 1_000.0,
        }
    }
}

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let explains = Endpoint {
        method: Route::post,
        paths: paths!("/collections/{c}/documents/explain"),
        action: Action::DatabaseRead,
        operation: Operation::Explain,
        describe: |route| {
            route
                .summary("Run the first page of a query and say how")
                .body::<Query>()
                .answers::<ExplanationBody>(200, "the plan that ran, and what it cost")
                .errors(&[ErrorCode::InvalidQuery, ErrorCode::QueryTooExpensive, ErrorCode::Overloaded])
        },
    };
    mounted.both(&explains, explain)
}

async fn explain(
    State(server): State<Server>,
    InCollection { scope, collection }: InCollection,
    Json(Object(body)): Json<Object<Query>>,
) -> Result<Json<ExplanationBody>, ApiError> {
    let request = body.into_request_in(&collection)?;
    let Scope { project, database, .. } = scope;
    let explained = server.blocking(&project, move |engine| {
        engine.explain(&database, &collection, &request).map_err(error::engine)
    });
    Ok(Json(explained.await?.into()))
}

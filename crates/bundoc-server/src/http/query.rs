//! Pages of documents: `GET /collections/{c}/documents` and `POST /collections/{c}/documents/query`.

use super::documents::DocumentSchema;
use super::extract::{InCollection, Params};
use super::fields::{Fields, kept};
use super::indexes::{Direction, FieldOrderBody};
use super::object::Object;
use super::{Endpoint, Mounted, Server, paths};
use crate::json;
use crate::metrics::Operation;
use axum::extract::State;
use axum::response::Response;
use bundoc::engine::{CollectionName, FieldOrder, FindRequest, Order};
use ports::access::Action;
use routes::Route;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;
use std::fmt;
use utoipa::ToSchema;

/// Documents in a page where no limit is given.
const LIMIT_DEFAULT: usize = 100;

/// A query.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    /// The collection, where the path does not name it; with `*` segments all that match.
    pub(super) collection: Option<String>,
    /// Filter: `{"country": "DE", "population": {"$gt": 100000}}`; without one every document matches.
    #[schema(value_type = Option<Object>)]
    query: Option<Box<RawValue>>,
    /// `{"population": -1, "name": 1}` in order, or `[{"path": "population", "order": -1}]`.
    #[schema(value_type = Option<Object>)]
    sort: Option<Sort>,
    /// One field to sort by, in place of `sort`.
    #[serde(rename = "sortField")]
    sort_field: Option<String>,
    /// Whether `sortField` is sorted largest first.
    #[serde(rename = "sortDesc", default)]
    sort_desc: bool,
    /// Documents in the page, 1 to 1000, by default 100.
    limit: Option<usize>,
    /// Matching documents to pass over.
    #[serde(default)]
    skip: usize,
    /// `next_cursor` of the page before, of the same query.
    cursor: Option<String>,
    /// A list of paths to keep, or a projection: `{"name": 1}`, `{"body": 0}`, `{"tags": {"$slice": 3}}`.
    #[schema(value_type = Option<Object>)]
    fields: Option<Fields>,
}

/// Sort keys in order.
pub(super) struct Sort(pub(super) Vec<FieldOrder>);

/// A page of documents.
#[derive(ToSchema)]
#[schema(as = DocumentPage)]
#[allow(dead_code)] // Documented here, written by `json::write_page`.
struct DocumentPage {
    /// The documents, in order.
    documents: Vec<DocumentSchema>,
    /// Where the next page begins; null at the end.
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListParams {
    limit: Option<usize>,
    cursor: Option<String>,
    fields: Option<String>,
}

impl<'de> Deserialize<'de> for Sort {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SortVisitor)
    }
}

struct SortVisitor;

impl<'de> Visitor<'de> for SortVisitor {
    type Value = Sort;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of paths with 1 or -1, or a list of {path, order}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Sort, A::Error> {
        let mut fields = Vec::new();
        while let Some((path, Direction(order))) = map.next_entry()? {
            push(&mut fields, FieldOrder { path, order })?;
        }
        Ok(Sort(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Sort, A::Error> {
        let mut fields = Vec::new();
        while let Some(Object(field)) = list.next_element::<Object<FieldOrderBody>>()? {
            push(&mut fields, field.into())?;
        }
        Ok(Sort(fields))
    }
}

/// Sort keys of one query.
const SORT_FIELDS_MAX: usize = 8;

fn push<E: de::Error>(fields: &mut Vec<FieldOrder>, field: FieldOrder) -> Result<(), E> {
    if fields.iter().any(|known| known.path == field.path) {
        return Err(E::custom(format!("`{}` stands twice in the sort", field.path)));
    }
    if fields.len() == SORT_FIELDS_MAX {
        return Err(E::custom(format!("a sort has {SORT_FIELDS_MAX} fields at the most")));
    }
    fields.push(field);
    Ok(())
}

impl Query {
    /// The request of a live query, which has no pages and no order.
    pub(super) fn into_live(self, collection: &CollectionName) -> Result<FindRequest, ApiError> {
        let paged = self.limit.is_some() || self.skip > 0 || self.cursor.is_some();
        if paged {
            return Err(invalid("a live query has no `limit`, `skip` or `cursor`: its whole result is sent"));
        }
        self.into_request_in(collection)
    }

    /// The request, of a collection that stands in the path already.
    pub(super) fn into_request_in(self, collection: &CollectionName) -> Result<FindRequest, ApiError> {
        if self.collection.as_ref().is_some_and(|named| named != collection.as_str()) {
            return Err(invalid("`collection` is another one than that in the path"));
        }
        self.into_request()
    }

    pub(super) fn into_request(self) -> Result<FindRequest, ApiError> {
        let sort = match (self.sort, self.sort_field) {
            (Some(_), Some(_)) => return Err(invalid("send either `sort` or `sortField`")),
            (Some(sort), None) => sort.0,
            (None, Some(path)) => vec![FieldOrder { path, order: direction(self.sort_desc) }],
            (None, None) => Vec::new(),
        };
        Ok(FindRequest {
            filter: json::filter_or_all(self.query.as_deref())?,
            sort,
            limit: limit(self.limit)?,
            skip: self.skip,
            cursor: self.cursor,
            fields: Fields::projection(self.fields)?,
        })
    }
}

impl ListParams {
    fn into_request(self) -> Result<FindRequest, ApiError> {
        let fields = self.fields.as_deref().unwrap_or_default().split(',').map(str::trim);
        Ok(FindRequest {
            limit: limit(self.limit)?,
            cursor: self.cursor,
            fields: kept(fields.filter(|path| !path.is_empty())),
            ..FindRequest::default()
        })
    }
}

fn direction(descending: bool) -> Order {
    if descending { Order::Descending } else { Order::Ascending }
}

/// The upper bound is the engine's.
pub(super) fn limit(asked: Option<usize>) -> Result<usize, ApiError> {
    match asked {
        Some(0) => Err(invalid("`limit` is 1 at least")),
        Some(limit) => Ok(limit),
        None => Ok(LIMIT_DEFAULT),
    }
}

fn invalid(message: &str) -> ApiError {
    ApiError::new(ErrorCode::InvalidQuery, message)
}

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let lists = Endpoint {
        method: Route::get,
        paths: paths!("/collections/{c}/documents"),
        action: Action::DocumentRead,
        operation: Operation::Find,
        describe: |route| {
            route
                .summary("List documents in order of their ids")
                .query("limit", "1 to 1000, by default 100")
                .query("cursor", "`next_cursor` of the page before")
                .query("fields", "dot paths to keep, separated by commas")
                .answers::<DocumentPage>(200, "a page of documents")
                .errors(&[ErrorCode::InvalidQuery, ErrorCode::Forbidden])
                .errors(&[ErrorCode::Overloaded])
        },
    };
    let queries = Endpoint {
        method: Route::post,
        paths: paths!("/collections/{c}/documents/query"),
        action: Action::DocumentRead,
        operation: Operation::Find,
        describe: |route| {
            route
                .summary("Query documents")
                .body::<Query>()
                .answers::<DocumentPage>(200, "a page of documents")
                .errors(&[ErrorCode::InvalidQuery, ErrorCode::QueryTooExpensive])
                .errors(&[ErrorCode::Forbidden, ErrorCode::Overloaded])
        },
    };
    mounted.both(&lists, list).both(&queries, query)
}

async fn list(
    State(server): State<Server>,
    at: InCollection,
    Params(params): Params<ListParams>,
) -> Result<Response, ApiError> {
    server.find(at.scope, at.collection, params.into_request()?).await
}

async fn query(
    State(server): State<Server>,
    at: InCollection,
    Json(Object(body)): Json<Object<Query>>,
) -> Result<Response, ApiError> {
    let request = body.into_request_in(&at.collection)?;
    server.find(at.scope, at.collection, request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sort(text: &str) -> Result<Vec<(String, Order)>, String> {
        let parsed = serde_json::from_str::<Sort>(text).map_err(|error| error.to_string())?;
        Ok(parsed.0.into_iter().map(|field| (field.path, field.order)).collect())
    }

    #[test]
    fn both_forms_of_sort_keep_their_order() {
        let wanted = Ok(vec![("b".to_owned(), Order::Descending), ("a".to_owned(), Order::Ascending)]);
        assert_eq!(sort(r#"{"b": -1, "a": 1}"#), wanted);
        assert_eq!(sort(r#"[{"path": "b", "order": -1}, {"path": "a"}]"#), wanted);
    }

    #[test]
    fn a_sort_that_makes_no_sense_is_refused() {
        for (text, reason) in [
            (r#"{"a": 2}"#, "1 or -1"),
            (r#"{"a": "asc"}"#, "i64"),
            (r#"{"a": 1, "a": -1}"#, "twice"),
            (r#""a""#, "an object of paths"),
            (r#"{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1}"#, "8 fields"),
        ] {
            let refused = sort(text).unwrap_err();
            assert!(refused.contains(reason), "{text}: {refused}");
        }
    }
}

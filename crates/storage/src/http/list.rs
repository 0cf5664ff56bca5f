//! `/storage`: lists. To a public key rules are no filter: a list is answered where a rule opens everything
//! directly below the prefix's last `/`, and every object of the page is open; else it is refused.

use super::extract::{Params, Scope, denied};
use super::{Endpoint, Mounted, Service};
use axum::extract::State;
use ports::access::Action;
use ports::objects::{ObjectInfo, ObjectList, ObjectPage, ObjectStore};
use routes::Route;
use rules::{Access, PathRules, RuleUser};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use service_kit::clock::rfc3339;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;
use utoipa::ToSchema;

const LIMIT_DEFAULT: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListParams {
    #[serde(default)]
    prefix: String,
    delimiter: Option<char>,
    #[serde(default = "limit_default")]
    limit: usize,
    cursor: Option<String>,
    /// The public key, where it comes in the query; it was looked at before.
    #[serde(rename = "key")]
    _key: Option<IgnoredAny>,
}

fn limit_default() -> usize {
    LIMIT_DEFAULT
}

/// One object.
#[derive(Serialize, ToSchema)]
struct StoredObject {
    key: String,
    size: u64,
    content_type: String,
    /// As in `ETag`, with its quotes.
    etag: String,
    last_modified: String,
}

/// One page of objects, in the order of the bytes of their names.
#[derive(Serialize, ToSchema)]
struct StoredObjects {
    objects: Vec<StoredObject>,
    /// With `delimiter`: what names have in common up to it.
    prefixes: Vec<String>,
    /// Send it as `cursor` for the next page.
    next_cursor: Option<String>,
}

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let lists = Endpoint {
        method: Route::get,
        paths: ["/v1/storage", "/v1/projects/{project}/storage"],
        action: Action::ObjectRead,
        describe: |route: Route| {
            route
                .summary("List objects")
                .query("prefix", "objects whose names begin with this")
                .query(
                    "delimiter",
                    "one character; names that have it behind the prefix are brought together",
                )
                .query("limit", "1 to 1000; 100 if left out")
                .query("cursor", "`next_cursor` of the page before")
                .answers::<StoredObjects>(200, "a page")
                .errors(&[ErrorCode::InvalidRequest, ErrorCode::Forbidden])
        },
    };
    mounted.both(lists, list)
}

async fn list(
    State(service): State<Service>,
    scope: Scope,
    Params(params): Params<ListParams>,
) -> Result<Json<StoredObjects>, ApiError> {
    let ListParams { prefix, delimiter, limit, cursor, .. } = params;
    let list = ObjectList { prefix: prefix.clone(), delimiter, limit, cursor };
    if !scope.is_ruled() {
        return Ok(Json(service.list(&scope.project, list).await?.into()));
    }
    let rules = service.rules(&scope.project).await?;
    let user = scope.user();
    if !rules.allows_listing(directory(&prefix), user.as_ref()) {
        return Err(denied());
    }
    let page = service.list(&scope.project, list).await?;
    if is_open(&page, &rules, user.as_ref()) { Ok(Json(page.into())) } else { Err(denied()) }
}

/// What stands before the last segment, with its `/`.
fn directory(prefix: &str) -> &str {
    &prefix[..prefix.rfind('/').map_or(0, |slash| slash + 1)]
}

fn is_open(page: &ObjectPage, rules: &PathRules, user: Option<&RuleUser<'_>>) -> bool {
    let mut objects = page.objects.iter();
    let mut prefixes = page.prefixes.iter();
    objects.all(|info| rules.allows(Access::Read, info.name.as_str(), user))
        && prefixes.all(|prefix| rules.allows_listing(directory(prefix), user))
}

impl From<ObjectPage> for StoredObjects {
    fn from(page: ObjectPage) -> Self {
        Self {
            objects: page.objects.into_iter().map(StoredObject::from).collect(),
            prefixes: page.prefixes,
            next_cursor: page.next_cursor,
        }
    }
}

impl From<ObjectInfo> for StoredObject {
    fn from(info: ObjectInfo) -> Self {
        Self {
            key: info.name.as_str().to_owned(),
            size: info.size,
            etag: format!("\"{}\"", info.etag),
            last_modified: rfc3339(info.modified_at),
            content_type: info.content_type,
        }
    }
}

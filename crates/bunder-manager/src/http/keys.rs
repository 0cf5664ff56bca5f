//! `/keys`: lists. To a public key rules are no filter: a list is answered where a rule opens everything
//! directly below the prefix's last `/`, and every key of the page is open; else it is refused.

use super::extract::{Params, Scope, denied};
use super::{Endpoint, Mounted, Service};
use crate::list::key_of_cursor;
use axum::extract::State;
use ports::access::Action;
use ports::key_value::{KeyValue, KvList, KvPage, KvRow};
use routes::Route;
use rules::Access;
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
    pattern: Option<String>,
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

/// One key.
#[derive(Serialize, ToSchema)]
#[schema(as = KvKey)]
struct Key {
    key: String,
    version: u64,
    /// Bytes of the value.
    bytes: u64,
    expires_at: Option<String>,
}

/// One page of keys, in the order of their bytes.
#[derive(Serialize, ToSchema)]
#[schema(as = KvKeys)]
struct Keys {
    keys: Vec<Key>,
    /// Send it as `cursor` for the next page. A page may be short, or empty, and have a next one.
    next_cursor: Option<String>,
}

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let lists = Endpoint {
        method: Route::get,
        paths: ["/v1/kv/keys", "/v1/projects/{project}/kv/keys"],
        action: Action::KvRead,
        describe: |route: Route| {
            route
                .summary("List keys")
                .query("prefix", "keys that begin with this")
                .query("pattern", "keys of this form: `*` for any text, `?` for one character")
                .query("limit", "1 to 1000; 100 if left out")
                .query("cursor", "`next_cursor` of the page before")
                .answers::<Keys>(200, "a page")
                .errors(&[ErrorCode::InvalidRequest, ErrorCode::Forbidden])
        },
    };
    mounted.both(lists, list)
}

async fn list(
    State(service): State<Service>,
    scope: Scope,
    Params(params): Params<ListParams>,
) -> Result<Json<Keys>, ApiError> {
    let ListParams { prefix, pattern, limit, cursor, .. } = params;
    let list = KvList { prefix: prefix.clone(), pattern, limit, cursor };
    if !scope.is_ruled() {
        return Ok(Json(service.list(&scope.project, list).await?.into()));
    }
    let rules = service.rules(&scope.project).await?;
    let user = scope.user();
    let directory = &prefix[..prefix.rfind('/').map_or(0, |slash| slash + 1)];
    if !rules.allows_listing(directory, user.as_ref()) {
        return Err(denied());
    }
    let page = service.list(&scope.project, list).await?;
    let last = page.next_cursor.as_deref().map(key_of_cursor).transpose()?;
    let mut keys = page.rows.iter().map(|row| &row.key).chain(&last);
    if !keys.all(|key| rules.allows(Access::Read, key.as_str(), user.as_ref())) {
        return Err(denied());
    }
    Ok(Json(page.into()))
}

impl From<KvPage> for Keys {
    fn from(page: KvPage) -> Self {
        Self { keys: page.rows.into_iter().map(Key::from).collect(), next_cursor: page.next_cursor }
    }
}

impl From<KvRow> for Key {
    fn from(row: KvRow) -> Self {
        Self {
            key: row.key.as_str().to_owned(),
            version: row.version,
            bytes: row.bytes,
            expires_at: row.expires_at.map(rfc3339),
        }
    }
}

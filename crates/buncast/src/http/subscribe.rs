//! Subscribe, as an event stream or over a WebSocket.

use super::close::Watch;
use super::extract::{PatternInPath, realm_of};
use super::{Endpoint, Mounted, Service, sse, ws};
use crate::error::BuncastError;
use crate::inbox::Consumer;
use ::routes::{Route, Standing, same_site};
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Query, State, WebSocketUpgrade};
use axum::response::Response;
use http::{HeaderMap, Method, header};
use ports::access::{Action, Caller, Grant};
use ports::events::{Pattern, SlowPolicy, Subscribe};
use serde::Deserialize;
use service_kit::error::{ApiError, ErrorCode};

/// The offset of the last event that a client got before it lost its stream (WHATWG HTML §9.2.4).
const LAST_EVENT_ID: &str = "last-event-id";

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let paths = ["/v1/events/{topic}/subscribe", "/v1/projects/{project}/events/{topic}/subscribe"];
    let describe = |route: Route| {
        route
            .summary(
                "Subscribe to a topic or pattern: an event stream, or a WebSocket where one is asked for",
            )
            .query("from", "begin with this offset of a durable topic")
            .query(
                "slow",
                "drop_oldest, disconnect or coalesce: what happens where the client does not keep up",
            )
            .answers_plain("200", "text/event-stream: connected, message, missed, resync, close")
            .answers_plain("101", "a WebSocket with the same as JSON")
            .errors(&[
                ErrorCode::InvalidName,
                ErrorCode::TopicNotDurable,
                ErrorCode::Forbidden,
                ErrorCode::LimitExceeded,
            ])
    };
    mounted.both(&Endpoint { method: Route::get, paths, action: Action::EventSubscribe }, describe, subscribe)
}

#[derive(Debug, Deserialize)]
struct Parameters {
    from: Option<u64>,
    #[serde(default)]
    slow: SlowPolicy,
}

/// What a request says besides whom it is from.
struct Wish {
    pattern: Pattern,
    parameters: Parameters,
    headers: HeaderMap,
}

async fn subscribe(
    State(service): State<Service>,
    Extension(grant): Extension<Grant>,
    Extension(standing): Extension<Standing>,
    PatternInPath(pattern): PatternInPath,
    parameters: Result<Query<Parameters>, QueryRejection>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let Query(parameters) = parameters.map_err(|_| PARAMETERS)?;
    let upgrades =
        headers.get(header::UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    if upgrades {
        own_site(&grant, &headers)?;
    }
    let watch = Watch::open(service.clone(), standing, &grant, &pattern).await?;
    let wish = Wish { pattern, parameters, headers };
    let wish = wish.resolve(&service, &grant).await?;
    let pattern = wish.pattern.clone();
    let subscription = service.broker.subscribe_as(wish, Consumer::Client).await?;
    if upgrades {
        let upgrade = upgrade.map_err(|_| UPGRADE)?;
        return Ok(ws::open(upgrade, ws::Client { service, grant, subscription, watch, pattern }));
    }
    Ok(sse::open(subscription, watch, &pattern))
}

impl Wish {
    /// `Last-Event-ID` counts before `from`, which stays in the address of a stream that is opened again.
    async fn resolve(self, service: &Service, grant: &Grant) -> Result<Subscribe, ApiError> {
        let realm = realm_of(grant)?;
        let last = self.headers.get(LAST_EVENT_ID).and_then(|value| value.to_str().ok());
        let after = last.and_then(|text| text.parse::<u64>().ok()).map(|last| last.saturating_add(1));
        let info = match (after, self.pattern.as_topic()) {
            (Some(_), Some(topic)) => service.broker.info(&realm, &topic).await,
            _ => None,
        };
        let after = after.filter(|_| info.is_some_and(|info| info.retention.is_some()));
        let Self { pattern, parameters, .. } = self;
        Ok(Subscribe { realm, pattern, from: after.or(parameters.from), slow: parameters.slow })
    }
}

/// A WebSocket is not held back by CORS, so that another site's page could open one with the cookie of a
/// developer who is signed in.
fn own_site(grant: &Grant, headers: &HeaderMap) -> Result<(), ApiError> {
    match grant.caller {
        Caller::Developer { token: None, .. } => same_site(&Method::POST, headers),
        _ => Ok(()),
    }
}

const PARAMETERS: BuncastError =
    BuncastError::Invalid("`from` is an offset, `slow` is drop_oldest, disconnect or coalesce");
const UPGRADE: BuncastError =
    BuncastError::Invalid("the upgrade to a WebSocket is malformed (RFC 6455 §4.1)");

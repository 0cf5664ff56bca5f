//! What the broker holds, for whoever runs the server.

use super::types::{Overview, RealmView, TopicView};
use super::{Mounted, Service};
use ::routes::{Need, Route};
use axum::extract::State;
use ports::events::Realm;
use service_kit::json::Json;

/// The server's own topics that are shown.
const TOPICS_MAX: usize = 1_000;

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let route = Route::get("/v1/buncast/topics", Need::Operator)
        .summary("See what the event broker holds")
        .answers::<Overview>(200, "the server's own topics, and the sizes of all realms");
    Mounted(mounted.0.add(route, overview))
}

async fn overview(State(service): State<Service>) -> Json<Overview> {
    let realms = service.broker.overview().into_iter().map(|(realm, topics, subscriptions)| {
        let realm = match realm {
            Realm::System => "system".to_owned(),
            Realm::Project(project) => project.as_str().to_owned(),
        };
        RealmView { realm, topics, subscriptions }
    });
    let topics = service.broker.topics(&Realm::System, "", TOPICS_MAX);
    Json(Overview {
        realms: realms.collect(),
        topics: topics.into_iter().map(TopicView::from).collect(),
        buffered_bytes: service.broker.buffered(),
    })
}

//! Realms, events and what is waited for.

use super::{malformed, project, required};
use crate::proto::{self, delivery};
use ports::events::{Delivery, Demand, Event, Pattern, Realm, SlowPolicy, Subscribe, Topic};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use tonic::Status;

pub(crate) fn put_realm(realm: &Realm) -> Option<proto::Realm> {
    let project = match realm {
        Realm::System => None,
        Realm::Project(project) => Some(project.to_string()),
    };
    Some(proto::Realm { project })
}

pub(crate) fn get_realm(message: Option<proto::Realm>) -> Result<Realm, Status> {
    match required(message, "realm")?.project {
        None => Ok(Realm::System),
        Some(text) => project(&text).map(Realm::Project),
    }
}

pub(crate) fn get_topic(text: &str) -> Result<Topic, Status> {
    Topic::parse(text).map_err(|_| malformed("topic"))
}

fn get_pattern(text: &str) -> Result<Pattern, Status> {
    Pattern::parse(text).map_err(|_| malformed("pattern"))
}

pub(crate) fn put_subscribe(wish: &Subscribe) -> proto::SubscribeRequest {
    let slow = match wish.slow {
        SlowPolicy::DropOldest => proto::SlowPolicy::DropOldest,
        SlowPolicy::Disconnect => proto::SlowPolicy::Disconnect,
        SlowPolicy::Coalesce => proto::SlowPolicy::Coalesce,
    };
    proto::SubscribeRequest {
        realm: put_realm(&wish.realm),
        pattern: wish.pattern.as_str().to_owned(),
        from: wish.from,
        slow: slow.into(),
    }
}

pub(crate) fn get_subscribe(message: proto::SubscribeRequest) -> Result<Subscribe, Status> {
    let slow = match message.slow() {
        proto::SlowPolicy::DropOldest => SlowPolicy::DropOldest,
        proto::SlowPolicy::Disconnect => SlowPolicy::Disconnect,
        proto::SlowPolicy::Coalesce => SlowPolicy::Coalesce,
    };
    let pattern = get_pattern(&message.pattern)?;
    Ok(Subscribe { realm: get_realm(message.realm)?, pattern, from: message.from, slow })
}

pub(crate) fn put_delivery(delivery: Delivery) -> proto::Delivery {
    let what = match delivery {
        Delivery::Event(event) => delivery::What::Event(put_event(&event)),
        Delivery::Missed(count) => delivery::What::Missed(count),
        Delivery::Resync => delivery::What::Resync(proto::Nothing {}),
    };
    proto::Delivery { what: Some(what) }
}

pub(crate) fn get_delivery(message: proto::Delivery) -> Result<Delivery, Status> {
    Ok(match required(message.what, "delivery")? {
        delivery::What::Event(event) => Delivery::Event(Arc::new(get_event(event)?)),
        delivery::What::Missed(count) => Delivery::Missed(count),
        delivery::What::Resync(_) => Delivery::Resync,
    })
}

fn put_event(event: &Event) -> proto::Event {
    let since = event.published_at.duration_since(UNIX_EPOCH).unwrap_or_default();
    proto::Event {
        topic: event.topic.as_str().to_owned(),
        payload: event.payload.clone(),
        offset: event.offset,
        published_at_us: u64::try_from(since.as_micros()).unwrap_or(u64::MAX),
    }
}

fn get_event(message: proto::Event) -> Result<Event, Status> {
    let since = Duration::from_micros(message.published_at_us);
    Ok(Event {
        topic: get_topic(&message.topic)?,
        payload: message.payload,
        offset: message.offset,
        published_at: UNIX_EPOCH.checked_add(since).ok_or_else(|| malformed("time"))?,
    })
}

pub(crate) fn put_demand(demand: &Demand) -> proto::Demand {
    let realms = demand.realms().map(|(realm, patterns)| proto::RealmDemand {
        realm: put_realm(realm),
        patterns: patterns.iter().map(|pattern| pattern.as_str().to_owned()).collect(),
    });
    proto::Demand { realms: realms.collect() }
}

pub(crate) fn get_demand(message: proto::Demand) -> Result<Demand, Status> {
    message.realms.into_iter().map(get_realm_demand).collect()
}

fn get_realm_demand(message: proto::RealmDemand) -> Result<(Realm, Arc<[Pattern]>), Status> {
    let patterns = message.patterns.iter().map(|pattern| get_pattern(pattern));
    Ok((get_realm(message.realm)?, patterns.collect::<Result<_, _>>()?))
}

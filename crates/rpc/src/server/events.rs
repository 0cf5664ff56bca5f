//! `EventBus`, offered. Streams end when the drain begins, so that they do not hold up the end of the
//! process.

use crate::proto::event_bus_server::EventBus as Wire;
use crate::proto::{self, Nothing, PublishReply, PublishRequest, SubscribeRequest};
use crate::status::to_status;
use crate::wire::events;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use ports::events::{Demand, EventBus};
use service_kit::drain::Drain;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tonic::{Request, Response, Status, async_trait};

/// The least time between two lists of what is waited for: many subscriptions at once become one list.
const DEMAND_EVERY: Duration = Duration::from_millis(10);

pub(crate) struct Served {
    pub(crate) bus: Arc<dyn EventBus>,
    pub(crate) drain: Drain,
}

type Streamed<T> = BoxStream<'static, Result<T, Status>>;

impl Served {
    fn until_drain<T: Send + 'static>(&self, stream: Streamed<T>) -> Response<Streamed<T>> {
        let drain = self.drain.clone();
        Response::new(stream.take_until(async move { drain.started().await }).boxed())
    }
}

#[async_trait]
impl Wire for Served {
    async fn publish(&self, request: Request<PublishRequest>) -> Result<Response<PublishReply>, Status> {
        let PublishRequest { realm, topic, payload } = request.into_inner();
        let (realm, topic) = (events::get_realm(realm)?, events::get_topic(&topic)?);
        let offset = self.bus.publish(&realm, &topic, payload).await.map_err(|error| to_status(&error))?;
        Ok(Response::new(PublishReply { offset }))
    }

    type SubscribeStream = Streamed<proto::Delivery>;

    async fn subscribe(
        &self,
        request: Request<SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let wish = events::get_subscribe(request.into_inner())?;
        let deliveries = self.bus.subscribe(wish).await.map_err(|error| to_status(&error))?;
        let messages =
            deliveries.map(|delivery| delivery.map(events::put_delivery).map_err(|error| to_status(&error)));
        Ok(self.until_drain(messages.boxed()))
    }

    type WatchDemandStream = Streamed<proto::Demand>;

    async fn watch_demand(
        &self,
        _request: Request<Nothing>,
    ) -> Result<Response<Self::WatchDemandStream>, Status> {
        Ok(self.until_drain(lists(self.bus.demand())))
    }
}

/// The list as it is, then as it becomes.
fn lists(mut demand: watch::Receiver<Arc<Demand>>) -> Streamed<proto::Demand> {
    demand.mark_changed();
    let next = |mut demand: watch::Receiver<Arc<Demand>>| async move {
        demand.changed().await.ok()?;
        tokio::time::sleep(DEMAND_EVERY).await;
        let list = events::put_demand(&demand.borrow_and_update());
        Some((Ok(list), demand))
    };
    stream::unfold(demand, next).boxed()
}

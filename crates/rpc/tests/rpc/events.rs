//! `EventBus`: publishing, subscriptions, what is waited for.

use crate::process::{Process, server};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use ports::events::{
    BusError, Deliveries, Delivery, Demand, Event, EventBus, Pattern, Realm, SlowPolicy, Subscribe, Topic,
};
use rpc::Service;
use service_kit::drain::Drain;
use service_kit::ids::ProjectId;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::sync::{mpsc, watch};

type Sender = mpsc::UnboundedSender<Result<Delivery, BusError>>;

/// A broker in memory; topics that begin with `log.` are durable.
pub(crate) struct FakeBus {
    subscriptions: Mutex<Vec<(Subscribe, Sender)>>,
    demand: watch::Sender<Arc<Demand>>,
}

impl FakeBus {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { subscriptions: Mutex::default(), demand: watch::channel(Arc::default()).0 })
    }

    fn demand_now(&self, realm: &Realm, patterns: &[&str]) {
        let patterns = patterns.iter().map(|text| Pattern::parse(text).unwrap()).collect();
        let changed = self.demand.borrow().with_realm(realm, patterns);
        self.demand.send_replace(Arc::new(changed));
    }

    fn send_all(&self, delivery: impl Fn() -> Result<Delivery, BusError>) {
        for (_, sender) in self.subscriptions.lock().unwrap().iter() {
            sender.send(delivery()).unwrap();
        }
    }
}

#[async_trait]
impl EventBus for FakeBus {
    async fn publish(&self, realm: &Realm, topic: &Topic, payload: Bytes) -> Result<Option<u64>, BusError> {
        match topic.as_str() {
            "large" => return Err(BusError::TooLarge { max: 3 }),
            "many" => return Err(BusError::Limit("too many topics")),
            "full" => return Err(BusError::DiskFull),
            _ => {}
        }
        let offset = topic.as_str().starts_with("log.").then_some(7);
        let published_at = SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_000_001);
        let event = Arc::new(Event { topic: topic.clone(), payload, offset, published_at });
        for (wish, sender) in self.subscriptions.lock().unwrap().iter() {
            if wish.realm == *realm && wish.pattern.matches(topic) {
                drop(sender.send(Ok(Delivery::Event(event.clone()))));
            }
        }
        Ok(offset)
    }

    async fn subscribe(&self, wish: Subscribe) -> Result<Deliveries, BusError> {
        let durable = wish.pattern.as_str().starts_with("log.");
        if wish.from.is_some() && !durable {
            return Err(BusError::NotDurable);
        }
        let (sender, mut receiver) = mpsc::unbounded_channel();
        self.subscriptions.lock().unwrap().push((wish, sender));
        Ok(stream::poll_fn(move |context| receiver.poll_recv(context)).boxed())
    }

    fn demand(&self) -> watch::Receiver<Arc<Demand>> {
        self.demand.subscribe()
    }
}

fn topic(text: &str) -> Topic {
    Topic::parse(text).unwrap()
}

fn wish(realm: &Realm, pattern: &str, from: Option<u64>) -> Subscribe {
    let pattern = Pattern::parse(pattern).unwrap();
    Subscribe { realm: realm.clone(), pattern, from, slow: SlowPolicy::Coalesce }
}

async fn publishes(bus: &dyn EventBus) {
    let realm = Realm::Project(ProjectId::generate());
    let mut all = bus.subscribe(wish(&realm, ">", None)).await.unwrap();
    let mut system = bus.subscribe(wish(&Realm::System, "log.a", Some(3))).await.unwrap();
    let event = |payload: &'static [u8]| Bytes::from_static(payload);
    assert_eq!(bus.publish(&realm, &topic("orders.made"), event(b"\0\xff")).await.unwrap(), None);
    assert_eq!(bus.publish(&Realm::System, &topic("log.a"), event(b"x")).await.unwrap(), Some(7));
    let Some(Ok(Delivery::Event(made))) = all.next().await else { panic!("no event") };
    assert_eq!(
        (made.topic.as_str(), made.payload.as_ref(), made.offset),
        ("orders.made", &b"\0\xff"[..], None)
    );
    assert_eq!(
        made.published_at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros(),
        1_700_000_000_000_001
    );
    let Some(Ok(Delivery::Event(logged))) = system.next().await else { panic!("no event") };
    assert_eq!((logged.topic.as_str(), logged.offset), ("log.a", Some(7)));

    let empty = Bytes::new;
    let large = bus.publish(&realm, &topic("large"), empty()).await;
    assert!(matches!(large, Err(BusError::TooLarge { max: 3 })));
    let many = bus.publish(&realm, &topic("many"), empty()).await;
    assert!(matches!(many, Err(BusError::Limit("too many topics"))));
    assert!(matches!(bus.publish(&realm, &topic("full"), empty()).await, Err(BusError::DiskFull)));
    let not_durable = bus.subscribe(wish(&realm, "orders.made", Some(0))).await;
    assert!(matches!(not_durable.err(), Some(BusError::NotDurable)));
}

#[tokio::test]
async fn events_are_the_same_on_both_sides() {
    let process = Process::start(|server| server.events(FakeBus::new())).await;
    let client = process.clients(Service::Functions).events().unwrap();
    publishes(&*FakeBus::new()).await;
    publishes(&client).await;
}

#[tokio::test]
async fn the_wish_and_every_kind_of_delivery_cross() {
    let bus = FakeBus::new();
    let process = Process::start(|server| server.events(bus.clone())).await;
    let client = process.clients(Service::BunAuth).events().unwrap();
    let mut deliveries = client.subscribe(wish(&Realm::System, "log.a", Some(9))).await.unwrap();
    {
        let subscriptions = bus.subscriptions.lock().unwrap();
        let wish = &subscriptions[0].0;
        assert_eq!((wish.pattern.as_str(), wish.from, wish.slow), ("log.a", Some(9), SlowPolicy::Coalesce));
    }
    bus.send_all(|| Ok(Delivery::Missed(3)));
    bus.send_all(|| Ok(Delivery::Resync));
    bus.send_all(|| Err(BusError::TooSlow));
    assert!(matches!(deliveries.next().await, Some(Ok(Delivery::Missed(3)))));
    assert!(matches!(deliveries.next().await, Some(Ok(Delivery::Resync))));
    assert!(matches!(deliveries.next().await, Some(Err(BusError::TooSlow))));
    assert!(deliveries.next().await.is_none());
}

#[tokio::test]
async fn a_dropped_subscription_ends_at_the_broker() {
    let bus = FakeBus::new();
    let process = Process::start(|server| server.events(bus.clone())).await;
    let client = process.clients(Service::BunAuth).events().unwrap();
    drop(client.subscribe(wish(&Realm::System, ">", None)).await.unwrap());
    let sender = bus.subscriptions.lock().unwrap()[0].1.clone();
    sender.closed().await;
}

#[tokio::test]
async fn a_subscription_that_breaks_ends_with_unavailable() {
    let process = Process::start(|server| server.events(FakeBus::new())).await;
    let client = process.clients(Service::BundocServer).events().unwrap();
    let mut deliveries = client.subscribe(wish(&Realm::System, ">", None)).await.unwrap();
    process.stop().await;
    assert!(matches!(deliveries.next().await, Some(Err(BusError::Unavailable(_)))));
    assert!(deliveries.next().await.is_none());
}

#[tokio::test]
async fn a_drain_ends_subscriptions() {
    let drain = Drain::new();
    let router = server(drain.clone()).events(FakeBus::new()).finish();
    let process = Process::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), router).await;
    let client = process.clients(Service::BundocServer).events().unwrap();
    let mut deliveries = client.subscribe(wish(&Realm::System, ">", None)).await.unwrap();
    drain.start();
    assert!(matches!(deliveries.next().await, Some(Err(BusError::Unavailable(_)))));
}

async fn wanted(demand: &mut watch::Receiver<Arc<Demand>>, realm: &Realm, name: &str) {
    let changed = demand.wait_for(|demand| demand.wants(realm, &topic(name)));
    drop(tokio::time::timeout(Duration::from_secs(20), changed).await.unwrap().unwrap());
}

#[tokio::test]
async fn demand_is_followed_kept_while_the_broker_is_away_and_followed_again() {
    let (bus, realm) = (FakeBus::new(), Realm::Project(ProjectId::generate()));
    bus.demand_now(&realm, &["db.users"]);
    let offer = || server(Drain::new()).events(bus.clone()).finish();
    let process = Process::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), offer()).await;
    let client = process.clients(Service::BundocServer).events().unwrap();
    let mut demand = client.demand();
    wanted(&mut demand, &realm, "db.users").await;
    bus.demand_now(&Realm::System, &["accounts.>", "x"]);
    wanted(&mut demand, &Realm::System, "accounts.made").await;
    assert!(!demand.borrow().wants(&Realm::System, &topic("db.users")));

    let address = process.address;
    process.stop().await;
    let lost = client.publish(&realm, &topic("db.users"), Bytes::new()).await;
    assert!(matches!(lost, Err(BusError::Unavailable(_))));
    assert!(demand.borrow().wants(&realm, &topic("db.users")));
    bus.demand_now(&realm, &["db.posts"]);
    let _again = Process::start_at(address, offer()).await;
    wanted(&mut demand, &realm, "db.posts").await;
    assert!(!demand.borrow().wants(&realm, &topic("db.users")));
}

//! Publications of one connection: consecutive ones to the same topic become one run, so that the price of
//! handing out is paid once for many.

use crate::broker::{Broker, Outcome, wait};
use crate::error::BuncastError;
use crate::inbox::Inbox;
use crate::log::Answer;
use crate::realm::RealmState;
use crate::run::{Draft, RUN_BYTES};
use crate::socket::frame::{self, Command, Request};
use crate::topic::TopicState;
use ports::events::{BusError, Topic};
use std::sync::Arc;
use std::time::SystemTime;

/// Publications that were read and are not out yet.
pub(crate) struct Publisher {
    broker: Arc<Broker>,
    realm: Arc<RealmState>,
    topic: Option<Arc<TopicState>>,
    draft: Option<Draft>,
    /// The requests of the draft, and whether each is answered where it succeeds.
    requests: Vec<(u64, Command)>,
    /// Runs on their way to the disk.
    durable: Vec<(Vec<(u64, Command)>, Answer)>,
    /// A subscriber that is hard pressed by these publications.
    pressed: Option<Arc<Inbox>>,
}

impl Publisher {
    pub(crate) fn new(broker: Arc<Broker>, realm: Arc<RealmState>) -> Self {
        Self {
            broker,
            realm,
            topic: None,
            draft: None,
            requests: Vec::new(),
            durable: Vec::new(),
            pressed: None,
        }
    }

    /// Takes a publication in; answers are appended to `out`.
    pub(crate) async fn add(&mut self, request: Request<'_>, out: &mut Vec<u8>) {
        let Some((topic, event)) = frame::publication(request.payload()) else {
            let malformed = "a publication is: topic length u16, topic, payload length u32, payload";
            return frame::refusal(out, request.id, &BuncastError::Invalid(malformed));
        };
        if let Err(error) = self.broker.check_payload(event.len()) {
            return frame::refusal(out, request.id, &error);
        }
        let same = self.topic.as_ref().is_some_and(|state| state.topic.as_str() == topic);
        let full = self.draft.as_ref().is_some_and(|draft| draft.bytes() + request.frame.len() > RUN_BYTES);
        if !same || full {
            self.flush(out).await;
        }
        if !same {
            match self.find(topic) {
                Ok(state) => self.topic = Some(state),
                Err(error) => return frame::refusal(out, request.id, &error),
            }
        }
        let Some(state) = &self.topic else { return };
        let new = || Draft::new(state.topic.clone(), SystemTime::now(), request.frame.len());
        self.draft.get_or_insert_with(new).push_frame(request.frame);
        self.requests.push((request.id, request.command));
    }

    fn find(&self, topic: &str) -> Result<Arc<TopicState>, BusError> {
        match self.realm.known(topic) {
            Some(known) => Ok(known),
            None => self.realm.topic(&Topic::parse(topic)?),
        }
    }

    /// Publishes what was taken in.
    pub(crate) async fn flush(&mut self, out: &mut Vec<u8>) {
        let (Some(draft), Some(topic)) = (self.draft.take(), &self.topic) else { return };
        match self.broker.publish_draft(&self.realm, topic, draft).await {
            Ok(Outcome::Out(pressed)) => {
                for (id, _) in self.requests.drain(..).filter(is_answered) {
                    frame::answer(out, id, &[]);
                }
                self.pressed = pressed.or(self.pressed.take());
            }
            Ok(Outcome::Durable(answer)) => self.durable.push((std::mem::take(&mut self.requests), answer)),
            Err(error) => self.requests.drain(..).for_each(|(id, _)| frame::refusal(out, id, &error)),
        }
    }

    /// Waits for what is on its way to the disk.
    pub(crate) async fn settle(&mut self, out: &mut Vec<u8>) {
        for (requests, answer) in self.durable.drain(..) {
            match wait(answer).await {
                Ok(first) => {
                    for ((id, _), offset) in
                        requests.into_iter().zip(first..).filter(|(request, _)| is_answered(request))
                    {
                        frame::answer(out, id, &offset.to_le_bytes());
                    }
                }
                Err(error) => requests.into_iter().for_each(|(id, _)| frame::refusal(out, id, &error)),
            }
        }
    }

    /// The subscriber that is hard pressed, once.
    pub(crate) fn pressed(&mut self) -> Option<Arc<Inbox>> {
        self.pressed.take()
    }

    /// Lets go of the topic, so that it may be removed.
    pub(crate) fn forget(&mut self) {
        self.topic = None;
    }
}

fn is_answered((_, command): &(u64, Command)) -> bool {
    *command != Command::PublishQuietly
}

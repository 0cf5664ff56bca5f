//! The publishing half: events at a steady rate, to one topic after the other, each with the time at which it
//! was sent.

use super::SseArgs;
use crate::client::{Ask, Connection};
use bytes::Bytes;
use http::Method;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Connections that publish: enough that none waits for the answer of the one before.
const PUBLISHERS_MAX: usize = 16;
/// Fills an event up to about 128 bytes.
const FILL_BYTES: usize = 96;

/// What was published.
#[derive(Default)]
pub(super) struct Published {
    pub(super) events: u64,
    /// How many streams they go to, together.
    pub(super) deliveries: u64,
}

/// Publishes for the time that was asked for.
pub(super) async fn run(args: &SseArgs, clock: Instant) -> anyhow::Result<Published> {
    let publishers = args.topics.min(PUBLISHERS_MAX);
    let until = Instant::now() + Duration::from_secs_f64(args.seconds);
    let mut tasks = JoinSet::new();
    for first in 0..publishers {
        let publisher = Publisher {
            connection: Connection::open(&args.target).await?,
            path: args.publish.clone(),
            streams: (args.connections, args.topics),
            clock,
        };
        let every = Duration::from_secs_f64(publishers as f64 / args.rate);
        let offset = Duration::from_secs_f64(first as f64 / args.rate);
        let ticks = tokio::time::interval_at(tokio::time::Instant::now() + offset, every);
        tasks.spawn(publisher.run(ticks, (first..).step_by(publishers), until));
    }
    let mut all = Published::default();
    while let Some(done) = tasks.join_next().await {
        let published = done??;
        all.events += published.events;
        all.deliveries += published.deliveries;
    }
    Ok(all)
}

struct Publisher {
    connection: Connection,
    path: String,
    /// All streams, and the topics that they are spread over.
    streams: (usize, usize),
    clock: Instant,
}

impl Publisher {
    async fn run(
        mut self,
        mut ticks: tokio::time::Interval,
        numbers: impl Iterator<Item = usize>,
        until: Instant,
    ) -> anyhow::Result<Published> {
        let mut published = Published::default();
        for number in numbers {
            ticks.tick().await;
            if Instant::now() >= until {
                break;
            }
            let topic = number % self.streams.1;
            self.publish(topic).await?;
            published.events += 1;
            published.deliveries += streams_of(topic, self.streams);
        }
        Ok(published)
    }

    async fn publish(&mut self, topic: usize) -> anyhow::Result<()> {
        let path = self.path.replace("{n}", &topic.to_string());
        let sent = self.clock.elapsed().as_micros();
        let body =
            format!("{{\"topic\":{topic},\"sent_us\":{sent},\"fill\":\"{}\"}}", "x".repeat(FILL_BYTES));
        self.connection.expect_success(Ask { method: Method::POST, path, body: Bytes::from(body) }).await?;
        Ok(())
    }
}

/// Streams are given to topics in turn.
fn streams_of(topic: usize, (streams, topics): (usize, usize)) -> u64 {
    (streams / topics + usize::from(topic < streams % topics)) as u64
}

#[cfg(test)]
mod tests {
    use super::streams_of;

    #[test]
    fn every_stream_has_a_topic() {
        for (streams, topics) in [(10, 1), (10, 3), (20_000, 400)] {
            assert_eq!(
                (0..topics).map(|topic| streams_of(topic, (streams, topics))).sum::<u64>(),
                streams as u64
            );
        }
    }
}

//! What starts a handler. The kinds are fixed: who runs them reads them as they stand here.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;
use utoipa::ToSchema;

/// A trigger; `kind` tells which.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Trigger {
    /// A request.
    Http(HttpTrigger),
    /// A time.
    Cron(CronTrigger),
    /// An event of the project's bus.
    Event(EventTrigger),
    /// A change of documents.
    Document(DocumentTrigger),
    /// A job of a queue.
    Queue(QueueTrigger),
    /// A signed request of another system.
    Webhook(WebhookTrigger),
    /// A call of a tool (Model Context Protocol).
    Tool(ToolTrigger),
}

const KINDS: &str = "http, cron, event, document, queue, webhook or tool";

// By hand, because serde forgets the place of an error inside a tagged enum.
impl<'de> Deserialize<'de> for Trigger {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Map::deserialize(deserializer)?;
        let kind =
            fields.remove("kind").ok_or_else(|| D::Error::custom(format!("`kind` is missing: {KINDS}")))?;
        let fields = Value::Object(fields);
        let read = match kind.as_str().unwrap_or_default() {
            "http" => part(fields).map(Self::Http),
            "cron" => part(fields).map(Self::Cron),
            "event" => part(fields).map(Self::Event),
            "document" => part(fields).map(Self::Document),
            "queue" => part(fields).map(Self::Queue),
            "webhook" => part(fields).map(Self::Webhook),
            "tool" => part(fields).map(Self::Tool),
            _ => Err(format!("`kind` is {kind}, and has to be {KINDS}")),
        };
        read.map_err(D::Error::custom)
    }
}

fn part<T: serde::de::DeserializeOwned>(fields: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(fields).map_err(|error| match error.path().to_string().as_str() {
        "." => error.inner().to_string(),
        path => format!("`{path}`: {}", error.inner()),
    })
}

impl Trigger {
    /// The requests that start the handler, where there are such.
    pub(crate) fn requests(&self) -> Option<Cow<'_, HttpTrigger>> {
        match self {
            Self::Http(http) => Some(Cow::Borrowed(http)),
            Self::Webhook(webhook) => {
                let path = webhook.path.clone();
                Some(Cow::Owned(HttpTrigger { methods: vec!["POST".to_owned()], path }))
            }
            _ => None,
        }
    }
}

/// `http`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpTrigger {
    /// Methods in capitals; any where empty. One alone may be written as `method`.
    #[serde(
        default,
        alias = "method",
        deserialize_with = "one_or_many",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub(crate) methods: Vec<String>,
    /// Path behind the function's name: `/orders/:id`, `/files/*`. `/*` where absent.
    #[serde(default = "every_path")]
    pub(crate) path: String,
}

impl HttpTrigger {
    /// Any method, any path.
    pub(crate) fn any() -> Self {
        Self { methods: Vec::new(), path: every_path() }
    }
}

fn every_path() -> String {
    "/*".to_owned()
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(one) => Ok(vec![one]),
        many => Vec::deserialize(many)
            .map_err(|_| D::Error::custom("a method, or a list of methods, is expected")),
    }
}

/// `cron`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CronTrigger {
    /// Five fields, six with seconds in front, or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
    pub(crate) schedule: String,
    /// A name of the IANA time zone database; `UTC` where absent.
    #[serde(default = "utc")]
    pub(crate) timezone: String,
    /// Starts this much later at most.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) jitter_ms: u64,
    /// What happens where the run before has not ended.
    #[serde(default)]
    pub(crate) overlap: Overlap,
    /// What happens to times that passed while the server was down.
    #[serde(default)]
    pub(crate) catch_up: CatchUp,
    /// What the handler is given.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    #[schema(value_type = Object)]
    pub(crate) payload: Value,
}

fn utc() -> String {
    "UTC".to_owned()
}

#[allow(clippy::trivially_copy_pass_by_ref)] // As serde wants it.
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What happens where the run before has not ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Overlap {
    /// This run is left out.
    #[default]
    Skip,
    /// It waits.
    Queue,
    /// Both run.
    Allow,
}

/// What happens to times that were missed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CatchUp {
    /// Nothing.
    #[default]
    None,
    /// The last of them is made up.
    Last,
    /// All of them are, up to the limit of the scheduler.
    All,
}

/// How often what failed is tried, and how long it waits in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Retries {
    /// Attempts in all: 1 to 100.
    pub(crate) max_attempts: u32,
    /// The wait after the first; it doubles with each further one.
    pub(crate) backoff_ms: u64,
    /// The longest wait.
    pub(crate) max_backoff_ms: u64,
}

impl Default for Retries {
    fn default() -> Self {
        Self { max_attempts: 4, backoff_ms: 1_000, max_backoff_ms: 600_000 }
    }
}

/// `event`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventTrigger {
    /// A topic, with `*` for one segment and `>` at the end for all that follow.
    pub(crate) topic: String,
    /// A filter of the document query language over the payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) filter: Option<Map<String, Value>>,
    /// When it is tried again.
    #[serde(default)]
    pub(crate) retries: Retries,
}

/// `document`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DocumentTrigger {
    /// A collection, or a pattern of collections: `users/*/posts`.
    pub(crate) collection: String,
    /// Which changes; all where absent.
    #[serde(default = "every_operation")]
    pub(crate) operations: Vec<Operation>,
    /// A filter of the document query language over the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) filter: Option<Map<String, Value>>,
    /// When it is tried again.
    #[serde(default)]
    pub(crate) retries: Retries,
}

/// What happened to a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Operation {
    /// It is new.
    Created,
    /// It was there.
    Updated,
    /// It is gone.
    Deleted,
}

fn every_operation() -> Vec<Operation> {
    vec![Operation::Created, Operation::Updated, Operation::Deleted]
}

/// `queue`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct QueueTrigger {
    /// Its name.
    pub(crate) queue: String,
    /// Jobs at once: 1 to 1,000.
    #[serde(default = "one_at_once")]
    pub(crate) concurrency: u32,
    /// When a job is tried again.
    #[serde(default)]
    pub(crate) retries: Retries,
}

fn one_at_once() -> u32 {
    1
}

/// `webhook`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookTrigger {
    /// Path behind the function's name, without parameters.
    pub(crate) path: String,
    /// How it is known who sent it.
    pub(crate) verify: Verify,
}

/// How the sender of a webhook is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Verify {
    /// What is signed, and where the signature stands.
    pub(crate) scheme: Scheme,
    /// The name of the function's variable, or of the KMS secret, that holds the shared secret; never the secret itself.
    /// Empty for `custom` only.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) secret: String,
    /// The header with the signature, for `hmac_sha256`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) header: Option<String>,
}

/// A scheme of signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scheme {
    /// `X-Hub-Signature-256`.
    Github,
    /// `Stripe-Signature`.
    Stripe,
    /// `X-Slack-Signature`.
    Slack,
    /// `webhook-signature` (Standard Webhooks).
    StandardWebhooks,
    /// HMAC-SHA-256 of the body in hex, in the header that is named.
    HmacSha256,
    /// Whatever the code of an application checks.
    Custom,
}

/// `tool`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ToolTrigger {
    /// Unique among the tools of the manifest.
    pub(crate) name: String,
    /// For whoever chooses tools.
    pub(crate) description: String,
    /// What it does to the world, in the words of the protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) annotations: Option<ToolHints>,
}

/// Hints, not promises (`ToolAnnotations` of the Model Context Protocol).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ToolHints {
    /// A name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<String>,
    /// It changes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) read_only_hint: Option<bool>,
    /// It may overwrite or remove.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) destructive_hint: Option<bool>,
    /// Twice is as once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) idempotent_hint: Option<bool>,
    /// It reaches what is outside the project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) open_world_hint: Option<bool>,
}

//! What serde does not check: names, patterns, times, and how much there may be of everything.

use super::trigger::{
    CronTrigger, DocumentTrigger, EventTrigger, HttpTrigger, QueueTrigger, Retries, Scheme, ToolTrigger,
    Trigger, WebhookTrigger,
};
use super::{FORMAT, Handler, Manifest, ManifestError};
use crate::handlers::{Conflict, Entrance, Paths};
use crate::names;
use crate::runtime::Runtime;
use croner::parser::{CronParser, Year};
use jobs::When;
use ports::events::Pattern;
use serde_json::{Map, Value};
use std::collections::HashSet;

const HANDLERS_MAX: usize = 1_000;
const TRIGGERS_MAX: usize = 20;
const GUARDS_MAX: usize = 20;
/// Bytes of a schema, a filter, a payload or the options of a guard, as JSON.
const PART_BYTES_MAX: usize = 32 << 10;
/// Levels of arrays and objects in them.
const DEPTH_MAX: usize = 20;
/// Bytes of names, patterns and paths.
const TEXT_BYTES_MAX: usize = 255;
const DESCRIPTION_BYTES_MAX: usize = 1_024;
/// Parts of a path.
const SEGMENTS_MAX: usize = 32;
const JITTER_MS_MAX: u64 = 3_600_000;
const ATTEMPTS_MAX: u32 = 100;
/// A day.
const BACKOFF_MS_MAX: u64 = 86_400_000;
const CONCURRENCY_MAX: u32 = 1_000;
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

const HOSTS_MAX: usize = 64;
/// RFC 1035 §2.3.4, with `*.` and a port.
const HOST_BYTES_MAX: usize = 253 + 2 + 6;

pub(super) type Checked = Result<(), ManifestError>;

pub(super) fn check_hosts(place: &str, hosts: Option<&[String]>) -> Checked {
    let hosts = hosts.unwrap_or_default();
    bound(place, hosts.len(), 0, HOSTS_MAX)?;
    for (index, host) in hosts.iter().enumerate() {
        check_host(&format!("{place}[{index}]"), host)?;
    }
    Ok(())
}

/// `name`, `*.name`, each also with `:port`; an address is a name, too.
fn check_host(place: &str, host: &str) -> Checked {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') => (name, port.parse::<u16>().ok()),
        _ => (host, Some(0)),
    };
    let name = name.strip_prefix("*.").unwrap_or(name);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']');
    if port.is_none() || name.is_empty() || host.len() > HOST_BYTES_MAX || !name.bytes().all(plain) {
        return wrong(
            place,
            "it has to be `name` or `*.name`, each also with `:port`, without a scheme or a path",
        );
    }
    Ok(())
}

impl Manifest {
    pub(super) fn check(&self) -> Checked {
        if self.version != FORMAT {
            return wrong("version", format!("{} is not known; it has to be {FORMAT}", self.version));
        }
        bound("handlers", self.handlers.len(), 1, HANDLERS_MAX)?;
        self.settings.check().map_err(|error| ManifestError::new("settings", error.to_string()))?;
        self.check_runtime()?;
        if self.application.is_some() && self.runtime() != Runtime::Bun {
            return wrong("application", "an application of actions runs in Bun");
        }
        check_hosts("allowed_hosts", self.allowed_hosts.as_deref())?;
        let (mut names, mut tools, mut paths) = (HashSet::new(), HashSet::new(), Paths::default());
        for (index, handler) in self.handlers.iter().enumerate() {
            let place = format!("handlers[{index}]");
            if !names.insert(handler.name.as_str()) {
                return wrong(format!("{place}.name"), "another handler has this name");
            }
            handler.check(&place)?;
            for (index, trigger) in handler.triggers.iter().enumerate() {
                let place = format!("{place}.triggers[{index}]");
                self.check_beside(&place, trigger, (&mut tools, &mut paths))?;
            }
        }
        Ok(())
    }

    /// What a trigger may be beside the others of the manifest.
    fn check_beside<'a>(
        &self,
        place: &str,
        trigger: &'a Trigger,
        (tools, paths): (&mut HashSet<&'a str>, &mut Paths),
    ) -> Checked {
        match trigger {
            Trigger::Tool(tool) if !tools.insert(tool.name.as_str()) => {
                return wrong(format!("{place}.name"), "another tool has this name");
            }
            Trigger::Webhook(webhook)
                if webhook.verify.scheme == Scheme::Custom && self.application.is_none() =>
            {
                let problem = "`custom` is for applications, whose code verifies: name a scheme";
                return wrong(format!("{place}.verify.scheme"), problem);
            }
            _ => {}
        }
        // Which handler it is does not matter here.
        let added = trigger.requests().map_or(Ok(()), |taken| paths.add(&taken, Entrance::default()));
        if added == Err(Conflict) {
            return wrong(format!("{place}.path"), "another trigger takes this path with this method");
        }
        Ok(())
    }
}

impl Handler {
    fn check(&self, place: &str) -> Checked {
        text(&format!("{place}.name"), &self.name)?;
        names::check_handler(&self.export)
            .map_err(|error| ManifestError::new(format!("{place}.export"), error.to_string()))?;
        // Other actions may call one that nothing else starts.
        let fewest = usize::from(self.action.is_none());
        bound(&format!("{place}.triggers"), self.triggers.len(), fewest, TRIGGERS_MAX)?;
        for (index, trigger) in self.triggers.iter().enumerate() {
            trigger.check(&format!("{place}.triggers[{index}]"))?;
        }
        bound(&format!("{place}.guards"), self.guards.len(), 0, GUARDS_MAX)?;
        for (index, guard) in self.guards.iter().enumerate() {
            text(&format!("{place}.guards[{index}].name"), &guard.name)?;
            if let Some(options) = &guard.options {
                part(&format!("{place}.guards[{index}].options"), options)?;
            }
        }
        object(&format!("{place}.input"), self.input.as_ref())?;
        object(&format!("{place}.output"), self.output.as_ref())?;
        let timeout =
            crate::settings::Overrides::default().with_execution_timeout(self.limits.execution_timeout_ms);
        timeout.check().map_err(|error| ManifestError::new(format!("{place}.limits"), error.to_string()))
    }
}

impl Trigger {
    fn check(&self, place: &str) -> Checked {
        match self {
            Self::Http(http) => http.check(place),
            Self::Cron(cron) => cron.check(place),
            Self::Event(event) => event.check(place),
            Self::Document(document) => document.check(place),
            Self::Queue(queue) => queue.check(place),
            Self::Webhook(webhook) => webhook.check(place),
            Self::Tool(tool) => tool.check(place),
        }
    }
}

impl HttpTrigger {
    fn check(&self, place: &str) -> Checked {
        bound(&format!("{place}.methods"), self.methods.len(), 0, METHODS.len())?;
        for (index, method) in self.methods.iter().enumerate() {
            if !METHODS.contains(&method.as_str()) {
                return wrong(
                    format!("{place}.methods[{index}]"),
                    format!("use one of {}", METHODS.join(", ")),
                );
            }
        }
        path(&format!("{place}.path"), &self.path)
    }
}

impl CronTrigger {
    fn check(&self, place: &str) -> Checked {
        let schedule = format!("{place}.schedule");
        text(&schedule, &self.schedule)?;
        let parser = CronParser::builder().year(Year::Disallowed).build();
        parser.parse(&self.schedule).map_err(|error| ManifestError::new(schedule, error.to_string()))?;
        text(&format!("{place}.timezone"), &self.timezone)?;
        if jiff::tz::TimeZone::get(&self.timezone).is_err() {
            let problem = "name a zone of the IANA database, such as Europe/Berlin or UTC";
            return wrong(format!("{place}.timezone"), problem);
        }
        // Such as the 30th of February: it would never come.
        let when = When::Cron { expression: self.schedule.clone(), time_zone: self.timezone.clone() };
        when.preview(0, 1)
            .map_err(|error| ManifestError::new(format!("{place}.schedule"), error.to_string()))?;
        if self.jitter_ms > JITTER_MS_MAX {
            return wrong(format!("{place}.jitter_ms"), format!("it is at most {JITTER_MS_MAX}"));
        }
        part(&format!("{place}.payload"), &self.payload)
    }
}

impl EventTrigger {
    fn check(&self, place: &str) -> Checked {
        Pattern::parse(&self.topic)
            .map_err(|error| ManifestError::new(format!("{place}.topic"), error.to_string()))?;
        filter(&format!("{place}.filter"), self.filter.as_ref())?;
        self.retries.check(place)
    }
}

impl DocumentTrigger {
    fn check(&self, place: &str) -> Checked {
        let segments = self.collection.split('/').collect::<Vec<_>>();
        let plain = |segment: &&str| !segment.is_empty() && !segment.chars().any(char::is_control);
        let fits = self.collection.len() <= TEXT_BYTES_MAX && segments.len() <= SEGMENTS_MAX;
        // Collections lie at odd places of a path: `users`, `users/*/posts`.
        if !fits || segments.len().is_multiple_of(2) || !segments.iter().all(plain) {
            return wrong(
                format!("{place}.collection"),
                "name a collection, or a pattern such as users/*/posts",
            );
        }
        bound(&format!("{place}.operations"), self.operations.len(), 1, 3)?;
        filter(&format!("{place}.filter"), self.filter.as_ref())?;
        self.retries.check(place)
    }
}

impl QueueTrigger {
    fn check(&self, place: &str) -> Checked {
        ports::jobs::check_queue(&self.queue)
            .map_err(|error| ManifestError::new(format!("{place}.queue"), error.to_string()))?;
        if !(1..=CONCURRENCY_MAX).contains(&self.concurrency) {
            return wrong(format!("{place}.concurrency"), format!("it is between 1 and {CONCURRENCY_MAX}"));
        }
        self.retries.check(place)
    }
}

impl WebhookTrigger {
    fn check(&self, place: &str) -> Checked {
        path(&format!("{place}.path"), &self.path)?;
        if self.path.contains([':', '*']) {
            return wrong(format!("{place}.path"), "a webhook has one path, without parameters");
        }
        let secret = format!("{place}.verify.secret");
        match self.verify.scheme {
            Scheme::Custom if self.verify.secret.is_empty() => {}
            Scheme::Custom => return wrong(secret, "the code knows its own secret; leave it out"),
            _ => text(&secret, &self.verify.secret)?,
        }
        let header = format!("{place}.verify.header");
        match (self.verify.scheme, &self.verify.header) {
            (Scheme::HmacSha256, Some(name)) if http::HeaderName::try_from(name).is_ok() => Ok(()),
            (Scheme::HmacSha256, _) => wrong(header, "name the header that holds the signature"),
            (_, Some(_)) => wrong(header, "the scheme says which header it is; leave it out"),
            (_, None) => Ok(()),
        }
    }
}

impl ToolTrigger {
    fn check(&self, place: &str) -> Checked {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if !(1..=64).contains(&self.name.len()) || !self.name.bytes().all(plain) {
            return wrong(format!("{place}.name"), "use 1 to 64 letters, digits, `_` and `-`");
        }
        bound(&format!("{place}.description"), self.description.len(), 1, DESCRIPTION_BYTES_MAX)?;
        let title = self.annotations.as_ref().and_then(|hints| hints.title.as_deref());
        title.map_or(Ok(()), |title| text(&format!("{place}.annotations.title"), title))
    }
}

/// A filter of the document query language.
fn filter(place: &str, filter: Option<&Map<String, Value>>) -> Checked {
    object(place, filter)?;
    let read = filter.map(crate::triggers::filter::parse).transpose();
    read.map(drop).map_err(|error| ManifestError::new(place, error.to_string()))
}

impl Retries {
    fn check(&self, place: &str) -> Checked {
        if !(1..=ATTEMPTS_MAX).contains(&self.max_attempts) {
            let problem = format!("it is between 1 and {ATTEMPTS_MAX}");
            return wrong(format!("{place}.retries.max_attempts"), problem);
        }
        let waits = [("backoff_ms", self.backoff_ms), ("max_backoff_ms", self.max_backoff_ms)];
        for (name, wait_ms) in waits {
            if !(1..=BACKOFF_MS_MAX).contains(&wait_ms) {
                let problem = format!("it is between 1 and {BACKOFF_MS_MAX}");
                return wrong(format!("{place}.retries.{name}"), problem);
            }
        }
        Ok(())
    }
}

/// `/`, `/orders/:id`, `/files/*`: segments that are plain, a parameter, or all that follow.
fn path(place: &str, pattern: &str) -> Checked {
    let problem = "a path looks like /orders/:id or /files/*";
    let Some(rest) = pattern.strip_prefix('/').filter(|_| pattern.len() <= TEXT_BYTES_MAX) else {
        return wrong(place, problem);
    };
    let segments: Vec<&str> = if rest.is_empty() { Vec::new() } else { rest.split('/').collect() };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()+,;=@%".contains(&byte);
    let name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let fits = |(index, segment): (usize, &&str)| match segment.strip_prefix(':') {
        Some(parameter) => !parameter.is_empty() && parameter.bytes().all(name),
        None if *segment == "*" => index + 1 == segments.len(),
        None => !segment.is_empty() && segment.bytes().all(plain),
    };
    let parameters: Vec<_> = segments.iter().filter(|segment| segment.starts_with(':')).collect();
    if parameters.iter().collect::<HashSet<_>>().len() < parameters.len() {
        return wrong(place, "two parameters have the same name");
    }
    if segments.len() > SEGMENTS_MAX || !segments.iter().enumerate().all(fits) {
        return wrong(place, problem);
    }
    Ok(())
}

fn text(place: &str, text: &str) -> Checked {
    if text.is_empty() || text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control) {
        return wrong(place, format!("use 1 to {TEXT_BYTES_MAX} bytes without control characters"));
    }
    Ok(())
}

fn bound(place: &str, count: usize, min: usize, max: usize) -> Checked {
    if (min..=max).contains(&count) {
        Ok(())
    } else {
        wrong(place, format!("there have to be {min} to {max}"))
    }
}

fn object(place: &str, value: Option<&Map<String, Value>>) -> Checked {
    value.map_or(Ok(()), |map| part(place, &Value::Object(map.clone())))
}

fn part(place: &str, value: &Value) -> Checked {
    if value.to_string().len() > PART_BYTES_MAX {
        return wrong(place, format!("it is larger than {PART_BYTES_MAX} bytes"));
    }
    if depth(value) > DEPTH_MAX {
        return wrong(place, format!("it nests deeper than {DEPTH_MAX} levels"));
    }
    Ok(())
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

pub(super) fn wrong<T>(place: impl Into<String>, problem: impl Into<String>) -> Result<T, ManifestError> {
    Err(ManifestError::new(place, problem))
}

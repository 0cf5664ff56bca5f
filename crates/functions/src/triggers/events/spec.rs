//! One trigger that follows events, and which topics it means.

use super::super::plan::Plan;
use crate::manifest::{DocumentTrigger, EventTrigger, Retries};
use crate::triggers::names::{Source, digest};
use ports::documents::topic_of_changes;
use ports::events::{InvalidTopic, Pattern, Topic};
use serde_json::{Map, Value};
use service_kit::ids::ProjectId;
use std::collections::HashMap;
use std::sync::Arc;

/// What is followed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wish {
    Event(EventTrigger),
    Document(DocumentTrigger),
}

/// A trigger of a function.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spec {
    pub(super) project: ProjectId,
    pub(super) function: Box<str>,
    pub(super) handler: String,
    pub(super) wish: Wish,
    /// Names its cursors: the same as long as the handler follows the same.
    pub(super) subscriber: String,
}

/// The triggers of a project's plans.
pub(super) fn all(project: &ProjectId, plans: &[Arc<Plan>]) -> Vec<Spec> {
    let mut specs = Vec::new();
    for plan in plans {
        let events = plan.events().map(|(handler, event)| (handler, Wish::Event(event.clone())));
        let documents = plan.documents().map(|(handler, wish)| (handler, Wish::Document(wish.clone())));
        let mut ordinals = HashMap::<String, u32>::new();
        for (handler, wish) in events.chain(documents) {
            let name = digest(&[wish.source().as_str(), &handler.name, wish.subject()]);
            let ordinal = ordinals.entry(name.clone()).or_default();
            *ordinal += 1;
            specs.push(Spec {
                project: project.clone(),
                function: plan.function.clone(),
                handler: handler.name.clone(),
                subscriber: format!("{}/{name}.{ordinal}", plan.function),
                wish,
            });
        }
    }
    specs
}

impl Wish {
    pub(super) fn source(&self) -> Source {
        match self {
            Self::Event(_) => Source::Event,
            Self::Document(_) => Source::Document,
        }
    }

    fn subject(&self) -> &str {
        match self {
            Self::Event(event) => &event.topic,
            Self::Document(document) => &document.collection,
        }
    }

    pub(super) fn filter(&self) -> Option<&Map<String, Value>> {
        match self {
            Self::Event(event) => event.filter.as_ref(),
            Self::Document(document) => document.filter.as_ref(),
        }
    }

    pub(super) fn retries(&self) -> Retries {
        match self {
            Self::Event(event) => event.retries,
            Self::Document(document) => document.retries,
        }
    }

    /// What is subscribed to. For a pattern of collections it is wider than what is meant.
    pub(super) fn pattern(&self) -> Result<Pattern, InvalidTopic> {
        match self {
            Self::Event(event) => Pattern::parse(&event.topic),
            Self::Document(document) if is_pattern(&document.collection) => Pattern::parse("db.*"),
            Self::Document(document) => topic_of_changes(&document.collection).map(|topic| (&topic).into()),
        }
    }

    /// The one topic of documents, where it is one.
    pub(super) fn own_topic(&self) -> Option<Topic> {
        match self {
            Self::Document(document) if !is_pattern(&document.collection) => {
                topic_of_changes(&document.collection).ok()
            }
            Self::Document(_) | Self::Event(_) => None,
        }
    }

    /// Whether events of a topic may be meant.
    pub(super) fn means(&self, topic: &Topic) -> bool {
        match self {
            Self::Document(document) if is_pattern(&document.collection) => {
                let pattern = document.collection.split('/').map(|segment| match segment {
                    "*" => Ok(None),
                    plain => topic_of_changes(plain).map(Some),
                });
                let Ok(pattern) = pattern.collect::<Result<Vec<_>, _>>() else { return false };
                let Some(collection) = topic.as_str().strip_prefix("db.") else { return false };
                let segments: Vec<&str> = collection.split('/').collect();
                let same = |(wanted, found): (&Option<Topic>, &&str)| {
                    wanted.as_ref().is_none_or(|wanted| wanted.as_str().strip_prefix("db.") == Some(found))
                };
                segments.len() == pattern.len() && pattern.iter().zip(&segments).all(same)
            }
            _ => self.pattern().is_ok_and(|pattern| pattern.matches(topic)),
        }
    }
}

fn is_pattern(collection: &str) -> bool {
    collection.split('/').any(|segment| segment == "*")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(collection: &str) -> Wish {
        Wish::Document(serde_json::from_value(serde_json::json!({ "collection": collection })).unwrap())
    }

    #[test]
    fn a_pattern_of_collections_means_their_topics() {
        let posts = documents("users/*/posts");
        for (topic, means) in [
            ("db.users/1/posts", true),
            ("db.users/a%2Eb/posts", true),
            ("db.users/1/likes", false),
            ("db.users", false),
            ("db.users/1/posts/2/likes", false),
            ("users/1/posts", false),
        ] {
            assert_eq!(posts.means(&Topic::parse(topic).unwrap()), means, "{topic}");
        }
        let users = documents("users");
        assert!(users.means(&Topic::parse("db.users").unwrap()));
        assert!(!users.means(&Topic::parse("db.users/1/posts").unwrap()));
        assert_eq!(users.own_topic().unwrap().as_str(), "db.users");
        assert_eq!(posts.own_topic(), None);
    }
}

//! Which subscribers a topic reaches: a tree over the segments of their patterns.

use crate::inbox::Inbox;
use ports::events::Topic;
use std::collections::HashMap;
use std::sync::Arc;

/// One place in the tree.
#[derive(Debug, Default)]
pub(crate) struct Index {
    segments: HashMap<Box<str>, Index>,
    /// What follows a `*`.
    any: Option<Box<Index>>,
    /// Patterns that end in `>` here.
    rest: Vec<Arc<Inbox>>,
    /// Patterns that end here.
    here: Vec<Arc<Inbox>>,
}

impl Index {
    /// Adds a subscriber under its pattern.
    pub(crate) fn insert(&mut self, inbox: &Arc<Inbox>) {
        self.list(inbox.pattern.as_str().split('.')).push(inbox.clone());
    }

    fn list<'a>(&mut self, mut segments: impl Iterator<Item = &'a str>) -> &mut Vec<Arc<Inbox>> {
        match segments.next() {
            None => &mut self.here,
            Some(">") => &mut self.rest,
            Some("*") => self.any.get_or_insert_default().list(segments),
            Some(segment) => {
                if !self.segments.contains_key(segment) {
                    self.segments.insert(segment.into(), Self::default());
                }
                self.segments.entry(segment.into()).or_default().list(segments)
            }
        }
    }

    /// Takes a subscriber out.
    pub(crate) fn remove(&mut self, inbox: &Arc<Inbox>) {
        let segments: Vec<_> = inbox.pattern.as_str().split('.').collect();
        self.remove_at(&segments, inbox);
    }

    fn remove_at(&mut self, segments: &[&str], inbox: &Arc<Inbox>) {
        let without = |list: &mut Vec<Arc<Inbox>>| {
            if let Some(position) = list.iter().position(|known| Arc::ptr_eq(known, inbox)) {
                list.swap_remove(position);
            }
            list.shrink_to(list.len() * 2);
        };
        match segments {
            [] => without(&mut self.here),
            [">"] => without(&mut self.rest),
            ["*", rest @ ..] => {
                if let Some(any) = &mut self.any {
                    any.remove_at(rest, inbox);
                    self.any.take_if(|any| any.is_empty());
                }
            }
            [segment, rest @ ..] => {
                if let Some(next) = self.segments.get_mut(*segment) {
                    next.remove_at(rest, inbox);
                    if next.is_empty() {
                        self.segments.remove(*segment);
                    }
                }
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.segments.is_empty() && self.any.is_none() && self.rest.is_empty() && self.here.is_empty()
    }

    /// The subscribers of a topic, each once.
    pub(crate) fn of(&self, topic: &Topic) -> Vec<Arc<Inbox>> {
        let segments: Vec<_> = topic.as_str().split('.').collect();
        let mut found = Vec::new();
        self.collect(&segments, &mut found);
        found
    }

    fn collect(&self, segments: &[&str], found: &mut Vec<Arc<Inbox>>) {
        let Some((segment, rest)) = segments.split_first() else {
            return found.extend_from_slice(&self.here);
        };
        found.extend_from_slice(&self.rest);
        if let Some(next) = self.segments.get(*segment) {
            next.collect(rest, found);
        }
        if let Some(any) = &self.any {
            any.collect(rest, found);
        }
    }

    /// Everybody.
    pub(crate) fn all(&self) -> Vec<Arc<Inbox>> {
        let mut found = Vec::new();
        self.gather(&mut found);
        found
    }

    fn gather(&self, found: &mut Vec<Arc<Inbox>>) {
        found.extend(self.here.iter().chain(&self.rest).cloned());
        self.segments.values().chain(self.any.as_deref()).for_each(|next| next.gather(found));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbox::Consumer;
    use crate::queue::Bounds;
    use ports::events::{Pattern, SlowPolicy};
    use proptest::prelude::*;

    fn inbox(pattern: &str) -> Arc<Inbox> {
        let bounds = Bounds { events_max: 1, bytes_max: 1 };
        let pattern = Pattern::parse(pattern).unwrap();
        Arc::new(Inbox::new(pattern, SlowPolicy::DropOldest, bounds, Consumer::Client))
    }

    fn pattern() -> impl Strategy<Value = String> {
        let segment = prop_oneof![Just("a"), Just("b"), Just("*")];
        (prop::collection::vec(segment, 1..4), any::<bool>())
            .prop_map(|(segments, open)| segments.join(".") + if open { ".>" } else { "" })
    }

    fn topic() -> impl Strategy<Value = Topic> {
        let segments = prop::collection::vec(prop_oneof![Just("a"), Just("b"), Just("c")], 1..5);
        segments.prop_map(|segments| Topic::parse(&segments.join(".")).unwrap())
    }

    proptest! {
        #[test]
        fn the_tree_finds_what_the_patterns_match(
            patterns in prop::collection::vec(pattern(), 0..12),
            topics in prop::collection::vec(topic(), 1..8),
            gone in 0..12_usize,
        ) {
            let mut index = Index::default();
            let inboxes: Vec<_> = patterns.iter().map(|pattern| inbox(pattern)).collect();
            inboxes.iter().for_each(|inbox| index.insert(inbox));
            let gone = gone.min(inboxes.len());
            inboxes[..gone].iter().for_each(|inbox| index.remove(inbox));
            let left = &inboxes[gone..];
            prop_assert_eq!(index.all().len(), left.len());
            for topic in topics {
                let found = index.of(&topic);
                let wanted: Vec<_> = left.iter().filter(|inbox| inbox.pattern.matches(&topic)).collect();
                prop_assert_eq!(found.len(), wanted.len());
                prop_assert!(wanted.iter().all(|inbox| found.iter().any(|one| Arc::ptr_eq(one, inbox))));
            }
            left.iter().for_each(|inbox| index.remove(inbox));
            prop_assert!(index.is_empty());
        }
    }
}

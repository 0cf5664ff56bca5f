//! Who waits for what, for publishers that would rather not publish for nobody. A pattern counts as long
//! as one subscription or one log wants it; only then is a new list made.

use crate::sync::locked;
use ports::events::{Demand, Pattern, Realm};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// The book of all wishes.
#[derive(Debug)]
pub(crate) struct DemandBook {
    counts: Mutex<HashMap<Realm, HashMap<Pattern, usize>>>,
    demand: watch::Sender<Arc<Demand>>,
}

impl DemandBook {
    pub(crate) fn new() -> Self {
        Self { counts: Mutex::default(), demand: watch::Sender::new(Arc::default()) }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Demand>> {
        self.demand.subscribe()
    }

    pub(crate) fn add(&self, realm: &Realm, pattern: &Pattern) {
        let mut counts = locked(&self.counts);
        let patterns = counts.entry(realm.clone()).or_default();
        let count = patterns.entry(pattern.clone()).or_insert(0);
        *count += 1;
        if *count == 1 {
            self.publish(realm, patterns);
        }
    }

    pub(crate) fn remove(&self, realm: &Realm, pattern: &Pattern) {
        let mut counts = locked(&self.counts);
        let Some(patterns) = counts.get_mut(realm) else { return };
        let Some(count) = patterns.get_mut(pattern) else { return };
        *count -= 1;
        if *count == 0 {
            patterns.remove(pattern);
            self.publish(realm, patterns);
            if patterns.is_empty() {
                counts.remove(realm);
            }
        }
    }

    /// Under the lock of the counts, so that the newest list wins.
    fn publish(&self, realm: &Realm, patterns: &HashMap<Pattern, usize>) {
        let patterns: Arc<[Pattern]> = patterns.keys().cloned().collect();
        self.demand.send_modify(|demand| *demand = Arc::new(demand.with_realm(realm, patterns)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ports::events::Topic;

    #[test]
    fn a_pattern_is_wanted_until_the_last_wish_is_gone() {
        let book = DemandBook::new();
        let watch = book.watch();
        let pattern = Pattern::parse("db.*").unwrap();
        let topic = Topic::parse("db.users").unwrap();
        let wanted = || watch.borrow().wants(&Realm::System, &topic);
        book.add(&Realm::System, &pattern);
        book.add(&Realm::System, &pattern);
        book.remove(&Realm::System, &pattern);
        assert!(wanted());
        book.remove(&Realm::System, &pattern);
        assert!(!wanted());
        assert_eq!(watch.borrow().in_realm(&Realm::System).count(), 0);
    }
}

//! One write, decided and applied inside the transaction of its group. A write that is refused has changed
//! nothing when the refusal is known.

use crate::store::{Existing, NewEntry, Swept, Usage, entries, projects};
use ports::key_value::{KvCondition, KvError, KvIncrement, KvKey, KvSet, KvWritten};
use service_kit::ids::ProjectId;
use sql::{SqlError, Write};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// The longest decimal integer of 64 bits, with its sign.
const INTEGER_BYTES_MAX: i64 = 20;

/// What a project may keep.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) keys_max: u64,
    pub(crate) bytes_max: u64,
}

/// What is to be written.
pub(crate) enum Change {
    Set(KvKey, KvSet),
    Delete(KvKey, KvCondition),
    Increment(KvKey, KvIncrement),
    /// The rules as JSON.
    SaveRules(String),
    /// Some of what has expired.
    Sweep,
    /// Some of what a project has.
    Purge,
}

/// What was done.
#[derive(Debug)]
pub(crate) enum Done {
    Written(KvWritten),
    Deleted,
    Sum(i64),
    Saved,
    /// How many keys went.
    Swept(usize),
    /// Whether there may be more.
    Purged(bool),
}

/// Why a write was not applied.
pub(crate) enum Failure {
    /// The write's own fault; the group goes on.
    Refused(KvError),
    /// The transaction is lost.
    Store(SqlError),
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        Self::Store(error)
    }
}

/// Writes that share a transaction.
pub(crate) struct Group {
    pub(super) write: Write,
    pub(super) usage: HashMap<ProjectId, Usage>,
    /// Projects of which nothing is left.
    pub(super) purged: HashSet<ProjectId>,
    now: i64,
    limits: Limits,
}

impl Group {
    pub(super) fn new(write: Write, now: i64, limits: Limits) -> Self {
        Self { write, usage: HashMap::new(), purged: HashSet::new(), now, limits }
    }

    pub(super) async fn apply(
        &mut self,
        project: Option<&ProjectId>,
        change: &Change,
    ) -> Result<Done, Failure> {
        let Some(project) = project else { return Ok(Done::Swept(self.sweep(None).await?)) };
        match change {
            Change::Set(key, set) => self.set(project, key, set).await.map(Done::Written),
            Change::Delete(key, condition) => self.delete(project, key, *condition).await,
            Change::Increment(key, increment) => self.increment(project, key, *increment).await,
            Change::SaveRules(rules) => {
                projects::save_rules(&mut self.write, project, rules).await?;
                Ok(Done::Saved)
            }
            Change::Sweep => Ok(Done::Swept(self.sweep(Some(project)).await?)),
            Change::Purge => self.purge(project).await,
        }
    }

    async fn set(&mut self, project: &ProjectId, key: &KvKey, set: &KvSet) -> Result<KvWritten, Failure> {
        let existing = entries::existing(&mut self.write, project, key.as_str()).await?;
        let live = self.live(existing);
        check(set.condition, live, KvError::PreconditionFailed)?;
        let expires_at = self.expiry(set.ttl);
        let version = self.put(project, key, existing, (&set.value, expires_at)).await?;
        Ok(KvWritten { version: version.unsigned_abs(), created: live.is_none(), expires_at })
    }

    async fn delete(
        &mut self,
        project: &ProjectId,
        key: &KvKey,
        condition: KvCondition,
    ) -> Result<Done, Failure> {
        let existing = entries::existing(&mut self.write, project, key.as_str()).await?;
        let Some(live) = self.live(existing) else {
            return Err(Failure::Refused(match condition {
                KvCondition::Any | KvCondition::Absent => KvError::NotFound,
                KvCondition::Present | KvCondition::Version(_) => KvError::PreconditionFailed,
            }));
        };
        check(condition, Some(live), KvError::PreconditionFailed)?;
        entries::delete(&mut self.write, project, key.as_str()).await?;
        let usage = self.usage_of(project).await?;
        usage.keys -= 1;
        usage.bytes -= live.bytes + length(key.as_str().len());
        Ok(Done::Deleted)
    }

    async fn increment(
        &mut self,
        project: &ProjectId,
        key: &KvKey,
        increment: KvIncrement,
    ) -> Result<Done, Failure> {
        let existing = entries::existing(&mut self.write, project, key.as_str()).await?;
        let (number, expires_at) = match self.live(existing) {
            None => (0, self.expiry(increment.ttl)),
            Some(live) => (self.number(project, key, live).await?, live.expires_at),
        };
        let sum = number.checked_add(increment.by).ok_or(Failure::Refused(KvError::NotANumber))?;
        self.put(project, key, existing, (sum.to_string().as_bytes(), expires_at)).await?;
        Ok(Done::Sum(sum))
    }

    async fn number(&mut self, project: &ProjectId, key: &KvKey, live: Existing) -> Result<i64, Failure> {
        if live.bytes > INTEGER_BYTES_MAX {
            return Err(Failure::Refused(KvError::NotANumber));
        }
        let value = entries::value(&mut self.write, project, key.as_str()).await?;
        let number = std::str::from_utf8(&value).ok().and_then(|text| text.parse().ok());
        number.ok_or(Failure::Refused(KvError::NotANumber))
    }

    /// Writes value and expiry; counts what the project uses.
    async fn put(
        &mut self,
        project: &ProjectId,
        key: &KvKey,
        existing: Option<Existing>,
        (value, expires_at): (&[u8], Option<i64>),
    ) -> Result<i64, Failure> {
        let key_bytes = length(key.as_str().len());
        let more_keys = i64::from(existing.is_none());
        let old_bytes = existing.map_or(0, |existing| existing.bytes + key_bytes);
        let more_bytes = length(value.len()) + key_bytes - old_bytes;
        self.make_room(project, more_keys, more_bytes).await?;
        let usage = self.usage_of(project).await?;
        usage.keys += more_keys;
        usage.bytes += more_bytes;
        usage.version += 1;
        let version = usage.version;
        let entry = NewEntry { key: key.as_str(), value, version, expires_at };
        entries::put(&mut self.write, project, entry).await?;
        Ok(version)
    }

    /// Refuses what goes over a limit, after a look at whether expired keys are in the way.
    async fn make_room(
        &mut self,
        project: &ProjectId,
        more_keys: i64,
        more_bytes: i64,
    ) -> Result<(), Failure> {
        let limits = self.limits;
        let usage = *self.usage_of(project).await?;
        let Some(_) = over(usage, more_keys, more_bytes, limits) else { return Ok(()) };
        self.sweep(Some(project)).await?;
        let usage = *self.usage_of(project).await?;
        match over(usage, more_keys, more_bytes, limits) {
            None => Ok(()),
            Some(message) => Err(Failure::Refused(KvError::LimitExceeded(message))),
        }
    }

    async fn sweep(&mut self, project: Option<&ProjectId>) -> Result<usize, Failure> {
        let swept = entries::sweep(&mut self.write, project, self.now).await?;
        let count = swept.len();
        for Swept { project, bytes } in swept {
            let Ok(project) = ProjectId::parse(&project) else { continue };
            let usage = self.usage_of(&project).await?;
            usage.keys -= 1;
            usage.bytes -= bytes;
        }
        Ok(count)
    }

    async fn purge(&mut self, project: &ProjectId) -> Result<Done, Failure> {
        let more = entries::delete_some(&mut self.write, project).await?;
        self.usage.remove(project);
        self.purged.insert(project.clone());
        Ok(Done::Purged(more))
    }

    async fn usage_of(&mut self, project: &ProjectId) -> Result<&mut Usage, SqlError> {
        use std::collections::hash_map::Entry;
        match self.usage.entry(project.clone()) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(unknown) => Ok(unknown.insert(Usage::read(&mut self.write, project).await?)),
        }
    }

    fn live(&self, existing: Option<Existing>) -> Option<Existing> {
        existing.filter(|entry| entry.expires_at.is_none_or(|at| at > self.now))
    }

    fn expiry(&self, ttl: Option<Duration>) -> Option<i64> {
        ttl.map(|ttl| self.now.saturating_add(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX)))
    }
}

fn check(condition: KvCondition, live: Option<Existing>, otherwise: KvError) -> Result<(), Failure> {
    let holds = match condition {
        KvCondition::Any => true,
        KvCondition::Absent => live.is_none(),
        KvCondition::Present => live.is_some(),
        KvCondition::Version(version) => live.is_some_and(|entry| entry.version.unsigned_abs() == version),
    };
    if holds { Ok(()) } else { Err(Failure::Refused(otherwise)) }
}

/// Which limit is passed, if one is. What makes a project smaller is always taken.
fn over(usage: Usage, more_keys: i64, more_bytes: i64, limits: Limits) -> Option<String> {
    let passed = |now: i64, more: i64, max: u64| more > 0 && (now + more).unsigned_abs() > max;
    if passed(usage.keys, more_keys, limits.keys_max) {
        return Some(format!("a project has {} keys at the most: remove some", limits.keys_max));
    }
    let message = || {
        format!("a project has {} bytes in its keys and values at the most: remove some", limits.bytes_max)
    };
    passed(usage.bytes, more_bytes, limits.bytes_max).then(message)
}

fn length(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

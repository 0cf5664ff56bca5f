//! What can happen.

use crate::change::{Change, change};
use crate::indexes::{Kind, kind};
use crate::select::{Select, Sort, select, sort};
use crate::shape::{Fields, fields};
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Insert(u8, Fields),
    Replace(u8, Fields),
    Update(u8, Change),
    Delete(u8),
    UpdateMatching {
        select: Select,
        change: Change,
        many: bool,
        upsert: bool,
    },
    DeleteMatching {
        select: Select,
        many: bool,
    },
    FindAndModify {
        select: Select,
        sort: Sort,
        action: Action,
        upsert: bool,
        after: bool,
    },
    /// All of the writes or none.
    Batch(Vec<(u8, Fields)>),
    /// Reads a query page by page; between two pages one of the writes is done.
    Pages {
        select: Select,
        sort: Sort,
        limit: usize,
        between: Vec<(u8, Change)>,
    },
    CreateIndex(Kind),
    DropIndex(Kind),
    Reopen,
}

#[derive(Debug, Clone)]
pub(crate) enum Action {
    Update(Change),
    Replace(Fields),
    Remove,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        3 => change().prop_map(Action::Update),
        1 => fields().prop_map(Action::Replace),
        1 => Just(Action::Remove),
    ]
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let key = || 0_u8..12;
    prop_oneof![
        8 => (key(), fields()).prop_map(|(key, fields)| Step::Insert(key, fields)),
        3 => (key(), fields()).prop_map(|(key, fields)| Step::Replace(key, fields)),
        3 => (key(), change()).prop_map(|(key, change)| Step::Update(key, change)),
        2 => key().prop_map(Step::Delete),
        6 => (select(), change(), any::<bool>(), any::<bool>())
            .prop_map(|(select, change, many, upsert)| Step::UpdateMatching { select, change, many, upsert }),
        1 => (select(), any::<bool>()).prop_map(|(select, many)| Step::DeleteMatching { select, many }),
        4 => (select(), sort(), action(), any::<bool>(), any::<bool>()).prop_map(
            |(select, sort, action, upsert, after)| Step::FindAndModify { select, sort, action, upsert, after }
        ),
        2 => vec((key(), fields()), 1..4).prop_map(Step::Batch),
        3 => (select(), sort(), 1_usize..4, vec((key(), change()), 0..4)).prop_map(
            |(select, sort, limit, between)| Step::Pages { select, sort, limit, between }
        ),
        3 => kind().prop_map(Step::CreateIndex),
        1 => kind().prop_map(Step::DropIndex),
        1 => Just(Step::Reopen),
    ]
}

//! One index of each kind. None of them may change an answer.

use crate::world::{World, collection, database, pattern, unique_holds};
use bson::doc;
use bundoc::engine::{Engine, FieldOrder, IndexInfo, IndexSpec, IndexState, Order};
use proptest::prelude::*;
use std::time::{Duration, Instant};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Single,
    Compound,
    Multikey,
    Nested,
    Sparse,
    Partial,
    Unique,
    Expiring,
    /// Over all collections that match a pattern.
    Group,
}

const KINDS: [Kind; 9] = [
    Kind::Single,
    Kind::Compound,
    Kind::Multikey,
    Kind::Nested,
    Kind::Sparse,
    Kind::Partial,
    Kind::Unique,
    Kind::Expiring,
    Kind::Group,
];

pub(crate) fn kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(KINDS.to_vec())
}

impl Kind {
    pub(crate) fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    pub(crate) fn spec(self) -> IndexSpec {
        let up = |path: &str| FieldOrder { path: path.into(), order: Order::Ascending };
        let down = |path: &str| FieldOrder { path: path.into(), order: Order::Descending };
        let spec = IndexSpec { name: Some(self.name()), ..IndexSpec::default() };
        match self {
            Self::Single | Self::Group => IndexSpec { fields: vec![up("n")], ..spec },
            Self::Compound => IndexSpec { fields: vec![up("s"), down("n")], ..spec },
            Self::Multikey => IndexSpec { fields: vec![up("l"), up("n")], ..spec },
            Self::Nested => IndexSpec { fields: vec![down("o.p")], ..spec },
            Self::Sparse => IndexSpec { fields: vec![up("s")], sparse: true, ..spec },
            Self::Partial => {
                IndexSpec { fields: vec![up("n")], partial: Some(doc! {"n": {"$gte": 0}}), ..spec }
            }
            Self::Unique => IndexSpec { fields: vec![up("u")], unique: true, sparse: true, ..spec },
            // No document of the model has a date there, so that none expires.
            Self::Expiring => {
                IndexSpec { fields: vec![up("t")], expire_after: Some(Duration::from_secs(1)), ..spec }
            }
        }
    }
}

/// How long an index over a few documents may take.
const TIME_MAX: Duration = Duration::from_secs(20);

impl World {
    pub(crate) async fn create_index(&mut self, kind: Kind) {
        // It may be there already, or have failed.
        let (database, spec) = (database(), kind.spec());
        let declared = if kind == Kind::Group {
            self.engine.create_group_index(&database, &pattern(), spec).await.is_ok()
        } else {
            self.engine.create_index(&database, &collection(), spec).await.is_ok()
        };
        if !declared {
            return;
        }
        let state = self.built(kind).await;
        if kind != Kind::Unique {
            assert_eq!(state, IndexState::Ready, "{kind:?}");
        } else if state == IndexState::Ready {
            assert!(unique_holds(&self.model));
            self.unique = true;
        } else {
            // A failed index stays failed until it is dropped.
            assert!(!self.unique);
        }
    }

    async fn built(&self, kind: Kind) -> IndexState {
        let deadline = Instant::now() + TIME_MAX;
        loop {
            let state = self.state(kind);
            if !matches!(state, IndexState::Building { .. }) {
                return state;
            }
            assert!(Instant::now() < deadline, "the index is not built: {kind:?} {state:?}");
            tokio::task::yield_now().await;
        }
    }

    fn state(&self, kind: Kind) -> IndexState {
        let indexes: Vec<IndexInfo> = if kind == Kind::Group {
            let groups = self.engine.group_indexes(&database()).unwrap();
            groups.into_iter().map(|group| group.index).collect()
        } else {
            self.engine.collection(&database(), &collection()).unwrap().unwrap().indexes
        };
        indexes.into_iter().find(|index| index.name == kind.name()).unwrap().state
    }

    pub(crate) async fn drop_index(&mut self, kind: Kind) {
        let (database, name) = (database(), kind.name());
        let dropped = if kind == Kind::Group {
            self.engine.drop_group_index(&database, &pattern(), &name).await.is_ok()
        } else {
            self.engine.drop_index(&database, &collection(), &name).await.is_ok()
        };
        self.unique &= !(dropped && kind == Kind::Unique);
    }
}

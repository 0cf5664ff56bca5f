//! What takes a function's own calls: nothing yet, one version, or two that share them by weight.

use super::Deployment;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The golden ratio of 2^32: multiples of it lie evenly (Weyl sequence), so that shares come out exact over few
/// calls, without a generator of random numbers.
const STEP: u32 = 0x9e37_79b9;

/// The versions that take calls.
#[derive(Debug)]
pub(crate) enum Live {
    /// None: registered or built.
    Nothing,
    /// One.
    One(Arc<Deployment>),
    /// Several, by weight.
    Split(Split),
}

/// Versions that share the calls.
#[derive(Debug)]
pub(crate) struct Split {
    shares: Vec<(Arc<Deployment>, u32)>,
    total: u32,
    turn: AtomicU32,
}

impl Live {
    /// One for one, a split for more; weights of zero take no calls.
    pub(crate) fn of(mut shares: Vec<(Arc<Deployment>, u32)>) -> Self {
        match (shares.pop(), shares.is_empty()) {
            (None, _) => Self::Nothing,
            (Some((one, _)), true) => Self::One(one),
            (Some(last), false) => {
                shares.push(last);
                let total = shares.iter().map(|(_, weight)| weight).sum();
                Self::Split(Split { shares, total, turn: AtomicU32::new(0) })
            }
        }
    }

    /// The version for the next call.
    pub(crate) fn choose(&self) -> Option<&Arc<Deployment>> {
        match self {
            Self::Nothing => None,
            Self::One(deployment) => Some(deployment),
            Self::Split(split) => split.choose(),
        }
    }

    /// Each that takes calls.
    pub(crate) fn deployments(&self) -> impl Iterator<Item = &Arc<Deployment>> {
        let (one, many) = match self {
            Self::Nothing => (None, &[][..]),
            Self::One(deployment) => (Some(deployment), &[][..]),
            Self::Split(split) => (None, split.shares.as_slice()),
        };
        one.into_iter().chain(many.iter().map(|(deployment, _)| deployment))
    }
}

impl Split {
    fn choose(&self) -> Option<&Arc<Deployment>> {
        let turn = self.turn.fetch_add(STEP, Ordering::Relaxed);
        let index = place(turn, self.total, self.shares.iter().map(|(_, weight)| *weight))?;
        self.shares.get(index).map(|(deployment, _)| deployment)
    }
}

/// Which of the weights `turn` falls on.
fn place(turn: u32, total: u32, weights: impl Iterator<Item = u32>) -> Option<usize> {
    let mut at = (u64::from(turn) * u64::from(total)) >> 32;
    for (index, weight) in weights.enumerate() {
        if at < u64::from(weight) {
            return Some(index);
        }
        at -= u64::from(weight);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_weight_gets_its_share() {
        for weights in [[90, 10], [1, 999], [50, 50], [0, 7]] {
            let (mut turn, mut counts) = (0_u32, [0_u32; 2]);
            let total = weights.iter().sum();
            for _ in 0..1_000 {
                counts[place(turn, total, weights.into_iter()).unwrap()] += 1;
                turn = turn.wrapping_add(STEP);
            }
            let wanted = weights.map(|weight| weight * 1_000 / total);
            assert!(
                counts.iter().zip(wanted).all(|(got, want)| got.abs_diff(want) <= 3),
                "{counts:?} {wanted:?}"
            );
        }
    }
}

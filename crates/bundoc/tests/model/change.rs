//! Updates: as the engine takes them, and what they do to the model.

use crate::select::Select;
use crate::shape::Fields;
use bson::{Document, doc};
use bundoc::engine::UpdateSpec;
use proptest::collection::vec;
use proptest::prelude::*;

/// The update does not fit the document.
#[derive(Debug)]
pub(crate) struct Refused;

#[derive(Debug, Clone)]
pub(crate) enum Change {
    Set(i32, String),
    SetUnique(i32),
    SetInside(i32),
    SetOnInsert(i32),
    UnsetText,
    UnsetInside,
    Increment(i32),
    Multiply(i32),
    Minimum(i32),
    Maximum(i32),
    Bits(i32),
    RenameText,
    Push(Vec<i32>),
    PushSorted {
        value: i32,
        keep: i64,
    },
    PushAt {
        value: i32,
        position: i64,
    },
    AddToSet(Vec<i32>),
    Pop(bool),
    PullAbove(i32),
    PullAll(Vec<i32>),
    IncrementElements(i32),
    /// Elements equal to the first become the second.
    SetElements(i32, i32),
    /// The element that the query matched.
    IncrementMatched(i32),
    /// What never fits.
    Malformed,
}

/// What a change is applied to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target<'a> {
    /// A document found by its id.
    ById,
    /// A document that a filter found.
    Found(&'a Select),
    /// A new document.
    New,
}

pub(crate) fn change() -> impl Strategy<Value = Change> {
    use Change as C;
    let number = || -3_i32..4;
    prop_oneof![
        2 => (number(), "[ab]{0,2}").prop_map(|(n, s)| C::Set(n, s)),
        1 => (0_i32..40).prop_map(C::SetUnique),
        1 => number().prop_map(C::SetInside),
        1 => number().prop_map(C::SetOnInsert),
        1 => Just(C::UnsetText),
        1 => Just(C::UnsetInside),
        2 => number().prop_map(C::Increment),
        1 => (-1_i32..2).prop_map(C::Multiply),
        1 => number().prop_map(C::Minimum),
        1 => number().prop_map(C::Maximum),
        1 => (0_i32..4).prop_map(C::Bits),
        1 => Just(C::RenameText),
        1 => vec(number(), 0..3).prop_map(C::Push),
        1 => (number(), -3_i64..4).prop_map(|(value, keep)| C::PushSorted { value, keep }),
        1 => (number(), -3_i64..4).prop_map(|(value, position)| C::PushAt { value, position }),
        1 => vec(number(), 0..3).prop_map(C::AddToSet),
        1 => any::<bool>().prop_map(C::Pop),
        1 => number().prop_map(C::PullAbove),
        1 => vec(number(), 0..3).prop_map(C::PullAll),
        1 => number().prop_map(C::IncrementElements),
        1 => (number(), number()).prop_map(|(from, to)| C::SetElements(from, to)),
        2 => number().prop_map(C::IncrementMatched),
        1 => Just(C::Malformed),
    ]
}

impl Change {
    pub(crate) fn spec(&self) -> UpdateSpec {
        if let Self::SetElements(from, to) = self {
            return UpdateSpec {
                update: doc! {"$set": {"l.$[x]": to}},
                array_filters: vec![doc! {"x": from}],
            };
        }
        self.update().into()
    }

    fn update(&self) -> Document {
        match self {
            Self::Set(n, s) => doc! {"$set": {"n": n, "s": s}},
            Self::SetUnique(u) => doc! {"u": u},
            Self::SetInside(p) => doc! {"$set": {"o.p": p}},
            Self::SetOnInsert(n) => doc! {"$setOnInsert": {"n": n}, "$unset": {"t": ""}},
            Self::UnsetText => doc! {"$unset": {"s": ""}},
            Self::UnsetInside => doc! {"$unset": {"o.p": ""}},
            Self::Increment(by) => doc! {"$inc": {"n": by}},
            Self::Multiply(by) => doc! {"$mul": {"n": by}},
            Self::Minimum(bound) => doc! {"$min": {"n": bound}},
            Self::Maximum(bound) => doc! {"$max": {"n": bound}},
            Self::Bits(bits) => doc! {"$bit": {"n": {"or": bits, "and": 7}}},
            Self::RenameText => doc! {"$rename": {"s": "t"}},
            Self::Push(each) => doc! {"$push": {"l": {"$each": each.clone()}}},
            Self::PushSorted { value, keep } => {
                doc! {"$push": {"l": {"$each": [value], "$sort": 1, "$slice": keep}}}
            }
            Self::PushAt { value, position } => {
                doc! {"$push": {"l": {"$each": [value], "$position": position}}}
            }
            Self::AddToSet(each) => doc! {"$addToSet": {"l": {"$each": each.clone()}}},
            Self::Pop(last) => doc! {"$pop": {"l": if *last { 1 } else { -1 }}},
            Self::PullAbove(bound) => doc! {"$pull": {"l": {"$gt": bound}}},
            Self::PullAll(values) => doc! {"$pullAll": {"l": values.clone()}},
            Self::IncrementElements(by) => doc! {"$inc": {"l.$[]": by}},
            Self::SetElements(_, to) => doc! {"$set": {"l.$[x]": to}},
            Self::IncrementMatched(by) => doc! {"$inc": {"l.$": by}},
            Self::Malformed => doc! {"$inc": {"n": "text"}},
        }
    }

    /// Applies the update to a document.
    pub(crate) fn apply(&self, fields: &mut Fields, target: Target<'_>) -> Result<(), Refused> {
        match self {
            Self::Set(n, s) => {
                fields.n = Some(*n);
                fields.s = Some(s.clone());
            }
            Self::SetUnique(u) => fields.u = Some(*u),
            Self::SetInside(p) => fields.o = Some(Some(*p)),
            Self::SetOnInsert(n) => {
                if matches!(target, Target::New) {
                    fields.n = Some(*n);
                }
                fields.t = None;
            }
            Self::UnsetText => fields.s = None,
            Self::UnsetInside => fields.o = fields.o.map(|_| None),
            Self::Increment(by) => fields.n = Some(fields.n.unwrap_or_default() + by),
            Self::Multiply(by) => fields.n = Some(fields.n.unwrap_or_default() * by),
            Self::Minimum(bound) => fields.n = Some(fields.n.map_or(*bound, |n| n.min(*bound))),
            Self::Maximum(bound) => fields.n = Some(fields.n.map_or(*bound, |n| n.max(*bound))),
            Self::Bits(bits) => fields.n = Some((fields.n.unwrap_or_default() | bits) & 7),
            Self::RenameText => {
                if let Some(text) = fields.s.take() {
                    fields.t = Some(text);
                }
            }
            Self::IncrementElements(_) | Self::SetElements(..) if fields.l.is_none() => return Err(Refused),
            Self::IncrementMatched(by) => {
                let Target::Found(select) = target else { return Err(Refused) };
                let position = select.position(fields).ok_or(Refused)?;
                let place = fields.l.as_mut().and_then(|list| list.get_mut(position));
                *place.ok_or(Refused)? += by;
            }
            Self::Malformed => return Err(Refused),
            Self::Push(_) | Self::PushSorted { .. } | Self::PushAt { .. } | Self::AddToSet(_) => {
                self.apply_to_list(fields.l.get_or_insert_default());
            }
            _ => fields.l.iter_mut().for_each(|list| self.apply_to_list(list)),
        }
        Ok(())
    }

    fn apply_to_list(&self, list: &mut Vec<i32>) {
        match self {
            Self::Push(each) => list.extend(each),
            Self::PushSorted { value, keep } => {
                list.push(*value);
                list.sort_unstable();
                let beyond = list.len().saturating_sub(keep.unsigned_abs() as usize);
                if *keep < 0 {
                    list.drain(..beyond);
                } else {
                    list.truncate(list.len() - beyond);
                }
            }
            Self::PushAt { value, position } => {
                let length = list.len() as i64;
                let at = if *position < 0 { (length + position).max(0) } else { length.min(*position) };
                list.insert(at as usize, *value);
            }
            Self::AddToSet(each) => each.iter().for_each(|value| {
                if !list.contains(value) {
                    list.push(*value);
                }
            }),
            Self::Pop(_) if list.is_empty() => {}
            Self::Pop(last) => drop(list.remove(if *last { list.len() - 1 } else { 0 })),
            Self::PullAbove(bound) => list.retain(|value| value <= bound),
            Self::PullAll(values) => list.retain(|value| !values.contains(value)),
            Self::IncrementElements(by) => list.iter_mut().for_each(|value| *value += by),
            Self::SetElements(from, to) => {
                list.iter_mut().filter(|value| *value == from).for_each(|value| *value = *to);
            }
            _ => {}
        }
    }
}

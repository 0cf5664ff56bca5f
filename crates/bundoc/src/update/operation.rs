//! What each operator does with the value at its path, or where there is none.

use super::arrays::{AddToSet, End, Pull, Push};
use super::numbers::{self, ADD, Arithmetic, BitOperator, MULTIPLY};
use super::tree::Place;
use super::values::{compare, identical, type_name};
use crate::error::EngineError;
use bson::{Bson, DateTime, Timestamp};
use std::cmp::Ordering;

/// What happens at a path.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    Set(Bson),
    SetOnInsert(Bson),
    Unset,
    Increment(Bson),
    Multiply(Bson),
    Minimum(Bson),
    Maximum(Bson),
    CurrentDate(Clock),
    Bits(Vec<(BitOperator, Bson)>),
    Push(Push),
    AddToSet(AddToSet),
    Pop(End),
    Pull(Pull),
    /// Where a value is moved from; it was taken before the walk.
    RenamedFrom,
    /// Where the value of the rename with this number is put.
    RenamedTo(usize),
}

/// What `$currentDate` writes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Clock {
    Date,
    Timestamp,
}

/// What an operation may need to know beside the value.
pub(super) struct Surroundings {
    pub(super) inserting: bool,
    pub(super) now: DateTime,
    /// The value of each rename, until it is put where it belongs.
    pub(super) moved: Vec<Option<Bson>>,
}

/// What became of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    None,
    Changed,
    Removed,
}

impl From<bool> for Effect {
    fn from(changed: bool) -> Self {
        if changed { Self::Changed } else { Self::None }
    }
}

impl Operation {
    /// Changes a value that is there.
    pub(super) fn change(
        &self,
        value: &mut Bson,
        place: &Place,
        around: &mut Surroundings,
    ) -> Result<Effect, EngineError> {
        match self {
            Self::Set(new) => Ok(replace_by(value, new)),
            Self::SetOnInsert(new) if around.inserting => Ok(replace_by(value, new)),
            Self::SetOnInsert(_) | Self::RenamedFrom => Ok(Effect::None),
            Self::Unset => Ok(Effect::Removed),
            Self::Increment(by) => compute(value, by, &ADD, place),
            Self::Multiply(by) => compute(value, by, &MULTIPLY, place),
            Self::Minimum(bound) if compare(bound, value) == Ordering::Less => Ok(replace_by(value, bound)),
            Self::Maximum(bound) if compare(bound, value) == Ordering::Greater => {
                Ok(replace_by(value, bound))
            }
            Self::Minimum(_) | Self::Maximum(_) => Ok(Effect::None),
            Self::CurrentDate(clock) => Ok(replace(value, clock.read(around.now))),
            Self::Bits(bits) => change_bits(value, bits, place),
            Self::Push(push) => Ok(push.apply(array(value, place)?).into()),
            Self::AddToSet(add) => Ok(add.apply(array(value, place)?).into()),
            Self::Pop(end) => Ok(end.remove_from(array(value, place)?).into()),
            Self::Pull(pull) => Ok(pull.apply(array(value, place)?)?.into()),
            Self::RenamedTo(number) => Ok(match around.moved[*number].take() {
                Some(moved) => {
                    *value = moved;
                    Effect::Changed
                }
                None => Effect::None,
            }),
        }
    }

    /// The value where there is none yet; `None` where the operation makes none.
    pub(super) fn create(&self, around: &mut Surroundings) -> Option<Bson> {
        match self {
            Self::Set(value) | Self::Increment(value) | Self::Minimum(value) | Self::Maximum(value) => {
                Some(value.clone())
            }
            Self::SetOnInsert(value) => around.inserting.then(|| value.clone()),
            Self::Multiply(by) => Some(numbers::zero_like(by)),
            Self::CurrentDate(clock) => Some(clock.read(around.now)),
            Self::Bits(bits) => bits
                .iter()
                .try_fold(Bson::Int32(0), |value, (operator, operand)| operator.apply(&value, operand)),
            Self::Push(push) => {
                let mut array = Vec::new();
                push.apply(&mut array);
                Some(Bson::Array(array))
            }
            Self::AddToSet(add) => {
                let mut array = Vec::new();
                add.apply(&mut array);
                Some(Bson::Array(array))
            }
            Self::RenamedTo(number) => around.moved[*number].take(),
            Self::Unset | Self::Pop(_) | Self::Pull(_) | Self::RenamedFrom => None,
        }
    }

    /// Whether there is nothing to do this time, whatever the document has.
    pub(super) fn is_idle(&self, around: &Surroundings) -> bool {
        match self {
            Self::RenamedFrom => true,
            Self::SetOnInsert(_) => !around.inserting,
            Self::RenamedTo(_) => !self.moves(around),
            _ => false,
        }
    }

    /// Whether nothing is wrong where its path leads through a value that can have no fields.
    pub(super) fn allows_dead_end(&self, around: &Surroundings) -> bool {
        matches!(self, Self::Unset) || self.is_idle(around)
    }

    /// Whether a value is moved here.
    pub(super) fn moves(&self, around: &Surroundings) -> bool {
        matches!(self, Self::RenamedTo(number) if around.moved[*number].is_some())
    }
}

impl Clock {
    fn read(self, now: DateTime) -> Bson {
        match self {
            Self::Date => Bson::DateTime(now),
            Self::Timestamp => {
                let seconds = now.timestamp_millis().div_euclid(1_000);
                let time = u32::try_from(seconds).unwrap_or(if seconds < 0 { 0 } else { u32::MAX });
                Bson::Timestamp(Timestamp { time, increment: 1 })
            }
        }
    }
}

fn replace(value: &mut Bson, new: Bson) -> Effect {
    if identical(value, &new) {
        return Effect::None;
    }
    *value = new;
    Effect::Changed
}

fn replace_by(value: &mut Bson, new: &Bson) -> Effect {
    if identical(value, new) {
        return Effect::None;
    }
    *value = new.clone();
    Effect::Changed
}

fn compute(
    value: &mut Bson,
    by: &Bson,
    arithmetic: &Arithmetic,
    place: &Place,
) -> Result<Effect, EngineError> {
    if !numbers::is_number(value) {
        return Err(place.error(format!("the value is of type {}, not a number", type_name(value))));
    }
    let result = arithmetic.apply(value, by);
    let result = result.ok_or_else(|| place.error(format!("the result for {value} does not fit 64 bits")))?;
    Ok(replace(value, result))
}

fn change_bits(value: &mut Bson, bits: &[(BitOperator, Bson)], place: &Place) -> Result<Effect, EngineError> {
    let mut result = value.clone();
    for (operator, operand) in bits {
        result = operator.apply(&result, operand).ok_or_else(|| {
            place.error(format!("the value is of type {}, not an integer", type_name(value)))
        })?;
    }
    Ok(replace(value, result))
}

fn array<'a>(value: &'a mut Bson, place: &Place) -> Result<&'a mut Vec<Bson>, EngineError> {
    match value {
        Bson::Array(array) => Ok(array),
        other => Err(place.error(format!("the value is of type {}, not an array", type_name(other)))),
    }
}

//! BSON as CEL values. Only what a rule names is converted, and within the budget of its evaluation.

use super::named::{Fields, Named};
use crate::engine::RuleAuth;
use ::rules::{Budget, VALUE_BYTES};
use bson::{Decimal128, RawBsonRef, RawDocument, RawDocumentBuf};
use cel::common::types::{
    CelBool, CelBytes, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString,
};
use cel::common::value::Val;
use std::cmp::Ordering;
use std::collections::HashMap;

/// A value; an error says which limit it breaks.
pub(super) type Converted = Result<Box<dyn Val>, String>;

/// What `request` is made of.
pub(super) struct Request<'a> {
    pub(super) auth: &'a RuleAuth,
    pub(super) method: &'static str,
    pub(super) new: Option<&'a RawDocument>,
    pub(super) time_ms: i64,
}

/// `request`.
pub(super) fn request(request: &Request<'_>, named: &Named, budget: &Budget) -> Converted {
    let auth = match &request.auth.uid {
        Some(uid) if named.auth => {
            map([("uid", text(uid)), ("claims", claims(request.auth, named, budget)?)])
        }
        Some(_) | None => null(),
    };
    Ok(map([
        ("auth", auth),
        ("method", text(request.method)),
        ("time", Box::new(CelInt::from(request.time_ms))),
        ("resource", resource(request.new, &named.new, budget)?),
    ]))
}

fn claims(auth: &RuleAuth, named: &Named, budget: &Budget) -> Converted {
    if !named.claims {
        return Ok(null());
    }
    let claims = RawDocumentBuf::try_from(&auth.claims).map_err(|_| "the claims are not valid".to_owned())?;
    document(&claims, budget)
}

/// `resource` and `request.resource`: null where there is no document.
pub(super) fn resource(present: Option<&RawDocument>, fields: &Fields, budget: &Budget) -> Converted {
    let Some(present) = present else { return Ok(null()) };
    let data = match fields {
        Fields::All => document(present, budget)?,
        Fields::Only(names) => {
            let mut found = HashMap::with_capacity(names.len());
            for name in names {
                if let Ok(Some(field)) = present.get(name) {
                    found.insert(key(name), value(field, budget)?);
                }
            }
            Box::new(CelMap::from(found))
        }
    };
    Ok(map([("data", data)]))
}

/// A whole document.
pub(super) fn document(document: &RawDocument, budget: &Budget) -> Converted {
    let mut fields = HashMap::new();
    for (name, field) in document.iter().flatten() {
        budget.take(name.len())?;
        let field = value(field, budget)?;
        // Where a name stands twice the first counts, as in filters.
        fields.entry(key(name.as_str())).or_insert(field);
    }
    Ok(Box::new(CelMap::from(fields)))
}

/// `null`.
pub(super) fn null() -> Box<dyn Val> {
    Box::new(CelNull)
}

fn map<const N: usize>(fields: [(&'static str, Box<dyn Val>); N]) -> Box<dyn Val> {
    let fields: HashMap<_, _> = fields.into_iter().map(|(name, value)| (key(name), value)).collect();
    Box::new(CelMap::from(fields))
}

fn key(name: &str) -> CelMapKey<'static> {
    CelMapKey::from(name.to_owned())
}

fn text(text: &str) -> Box<dyn Val> {
    Box::new(CelString::from(text.to_owned()))
}

fn value(value: RawBsonRef<'_>, budget: &Budget) -> Converted {
    budget.take(VALUE_BYTES)?;
    Ok(match value {
        RawBsonRef::Double(double) => Box::new(CelDouble::from(double)),
        RawBsonRef::Int32(integer) => Box::new(CelInt::from(i64::from(integer))),
        RawBsonRef::Int64(integer) => Box::new(CelInt::from(integer)),
        RawBsonRef::Decimal128(decimal) => Box::new(CelDouble::from(double(decimal))),
        RawBsonRef::String(string) | RawBsonRef::Symbol(string) => {
            budget.take(string.len())?;
            text(string)
        }
        RawBsonRef::Boolean(boolean) => Box::new(CelBool::from(boolean)),
        RawBsonRef::DateTime(date) => Box::new(CelInt::from(date.timestamp_millis())),
        RawBsonRef::ObjectId(id) => text(&id.to_hex()),
        RawBsonRef::Binary(binary) => {
            budget.take(binary.bytes.len())?;
            Box::new(CelBytes::from(binary.bytes.to_vec()))
        }
        RawBsonRef::Document(inner) => document(inner, budget)?,
        RawBsonRef::Array(array) => {
            let elements: Result<Vec<_>, String> =
                array.into_iter().flatten().map(|element| self::value(element, budget)).collect();
            Box::new(CelList::from(elements?))
        }
        _ => null(),
    })
}

/// The nearest double; a decimal that only rounding would make a whole number stays beside it, as it does in
/// filters.
fn double(decimal: Decimal128) -> f64 {
    let nearest = crate::value::decimal_to_double(decimal);
    if nearest.fract() != 0.0 {
        return nearest;
    }
    match crate::value::compare(RawBsonRef::Decimal128(decimal), RawBsonRef::Double(nearest)) {
        Ordering::Less => nearest.next_down(),
        Ordering::Equal => nearest,
        Ordering::Greater => nearest.next_up(),
    }
}

//! How documents are changed, as it stands in bodies: updates with their array filters, replacement, removal.

use super::query::Sort;
use crate::json;
use bson::Document;
use bundoc::engine::{FieldOrder, Modification, UpdateSpec};
use serde_json::value::RawValue;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::parse;

/// Array filters of one update.
const ARRAY_FILTERS_MAX: usize = 100;

/// What is done with a document that was found: one of the three.
pub(super) struct Change<'a> {
    pub(super) update: Option<&'a RawValue>,
    pub(super) replacement: Option<&'a RawValue>,
    pub(super) remove: bool,
    pub(super) array_filters: Option<&'a RawValue>,
}

impl Change<'_> {
    pub(super) fn read(&self) -> Result<Modification, ApiError> {
        match (self.update, self.replacement, self.remove) {
            (Some(update), None, false) => Ok(Modification::Update(update_spec(update, self.array_filters)?)),
            _ if self.array_filters.is_some() => Err(invalid("`array_filters` belong to an `update`")),
            (None, Some(document), false) => {
                Ok(Modification::Replace(json::read_document(document.get().as_bytes())?))
            }
            (None, None, true) => Ok(Modification::Remove),
            _ => Err(invalid("send one of `update`, `replacement` and `remove: true`")),
        }
    }
}

/// An update with the filters for elements of arrays that it names.
pub(super) fn update_spec(update: &RawValue, filters: Option<&RawValue>) -> Result<UpdateSpec, ApiError> {
    let update = json::read_update(update.get().as_bytes())?;
    let array_filters = filters.map(|text| array_filters(text.get())).transpose()?.unwrap_or_default();
    Ok(UpdateSpec { update, array_filters })
}

/// A list of filters.
pub(super) fn array_filters(text: &str) -> Result<Vec<Document>, ApiError> {
    let filters: Vec<Box<RawValue>> = parse(text.as_bytes())?;
    if filters.len() > ARRAY_FILTERS_MAX {
        return Err(invalid(&format!("an update has {ARRAY_FILTERS_MAX} array filters at the most")));
    }
    filters.iter().map(|filter| json::read_update(filter.get().as_bytes())).collect()
}

pub(super) fn sort_fields(sort: Option<Sort>) -> Vec<FieldOrder> {
    sort.map(|sort| sort.0).unwrap_or_default()
}

fn invalid(message: &str) -> ApiError {
    ApiError::new(ErrorCode::InvalidUpdate, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::doc;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn exactly_one_way_to_change_is_taken() {
        let (update, filters) = (raw("{\"$inc\": {\"a.$[x]\": 1}}"), raw("[{\"x\": {\"$gt\": 1}}]"));
        let nothing = || Change { update: None, replacement: None, remove: false, array_filters: None };
        let changed = Change { update: Some(&update), array_filters: Some(&filters), ..nothing() };
        let Modification::Update(spec) = changed.read().unwrap() else { panic!("no update") };
        assert_eq!(spec.array_filters, [doc! { "x": { "$gt": 1 } }]);
        assert!(matches!(Change { remove: true, ..nothing() }.read(), Ok(Modification::Remove)));
        for wrong in [
            nothing(),
            Change { update: Some(&update), remove: true, ..nothing() },
            Change { update: Some(&update), replacement: Some(&update), ..nothing() },
            Change { remove: true, array_filters: Some(&filters), ..nothing() },
        ] {
            assert_eq!(wrong.read().unwrap_err().code, ErrorCode::InvalidUpdate);
        }
    }
}

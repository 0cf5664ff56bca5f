//! Which elements `$` and `$[name]` mean: the element that the query matched, and the elements that a
//! filter of `array_filters` matches.

use super::invalid;
use crate::error::EngineError;
use crate::filter::{self, Condition, Filter, Patterns};
use bson::{Bson, Document, RawDocument, RawDocumentBuf};

/// Filters of one update.
const FILTERS_MAX: usize = 100;

/// What the segments of an update's paths refer to.
#[derive(Debug, Clone, Default)]
pub(super) struct Selectors {
    /// Paths of the arrays before a `$`.
    pub(super) matched: Vec<String>,
    filters: Vec<ElementFilter>,
}

/// One of `array_filters`: a filter over `{name: element}`.
#[derive(Debug, Clone)]
struct ElementFilter {
    name: String,
    filter: Filter,
    used: bool,
}

impl Selectors {
    pub(super) fn parse(filters: &[Document], patterns: &mut Patterns) -> Result<Self, EngineError> {
        if filters.len() > FILTERS_MAX {
            return Err(invalid(format!("an update has {FILTERS_MAX} array filters at the most")));
        }
        let mut parsed: Vec<ElementFilter> = Vec::with_capacity(filters.len());
        for document in filters {
            let filter = ElementFilter::parse(document, patterns)?;
            if parsed.iter().any(|other| other.name == filter.name) {
                return Err(invalid(format!("there are several array filters for `{}`", filter.name)));
            }
            parsed.push(filter);
        }
        Ok(Self { matched: Vec::new(), filters: parsed })
    }

    /// The number of a `$` that comes after `array`.
    pub(super) fn matched(&mut self, array: &str) -> usize {
        self.matched.iter().position(|path| path == array).unwrap_or_else(|| {
            self.matched.push(array.to_owned());
            self.matched.len() - 1
        })
    }

    /// The number of the filter for `$[name]`.
    pub(super) fn filtered(&mut self, name: &str, path: &str) -> Result<usize, EngineError> {
        let number = self.filters.iter().position(|filter| filter.name == name);
        let number =
            number.ok_or_else(|| invalid(format!("there is no array filter for `$[{name}]` in `{path}`")))?;
        self.filters[number].used = true;
        Ok(number)
    }

    /// Once all paths are parsed: every filter is for something.
    pub(super) fn check_all_used(&self) -> Result<(), EngineError> {
        match self.filters.iter().find(|filter| !filter.used) {
            Some(filter) => Err(invalid(format!("no path uses the array filter `{}`", filter.name))),
            None => Ok(()),
        }
    }

    /// Whether the filter `number` matches an element.
    pub(super) fn selects(&self, number: usize, element: &Bson) -> Result<bool, EngineError> {
        let filter = &self.filters[number];
        Ok(filter.filter.matches(&wrapped(&filter.name, element)?))
    }

    /// The positions that each `$` stands for in a document, given in both forms.
    pub(super) fn positions(
        &self,
        document: &Document,
        raw: &RawDocument,
        filter: Option<&Filter>,
    ) -> Result<Vec<usize>, EngineError> {
        if self.matched.is_empty() {
            return Ok(Vec::new());
        }
        let filter = filter.ok_or_else(|| invalid("`$` in a path needs a query that finds the element"))?;
        let found = |array: &String| {
            matched_position(document, raw, array, filter)?.ok_or_else(|| {
                invalid(format!(
                    "`{array}.$`: the query has no condition that an element of `{array}` matches"
                ))
            })
        };
        self.matched.iter().map(found).collect()
    }
}

impl ElementFilter {
    fn parse(document: &Document, patterns: &mut Patterns) -> Result<Self, EngineError> {
        let name = element_name(document, None)?
            .ok_or_else(|| invalid("an array filter has one name, such as `x` in `{\"x.price\": 5}`"))?;
        let first_is_lower = name.starts_with(|first: char| first.is_ascii_lowercase());
        if !first_is_lower || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(invalid(format!(
                "the name `{name}` of an array filter is not a lower-case letter followed by letters and digits"
            )));
        }
        let filter = filter::parse_with(document, patterns)
            .map_err(|error| invalid(format!("array filter `{name}`: {error}")))?;
        Ok(Self { name: name.to_owned(), filter, used: false })
    }
}

/// The one name that all conditions of an array filter are about.
fn element_name<'a>(
    document: &'a Document,
    mut name: Option<&'a str>,
) -> Result<Option<&'a str>, EngineError> {
    for (key, value) in document {
        if key.starts_with('$') {
            // What is no list of filters is refused when the filter is parsed.
            for part in value.as_array().into_iter().flatten().filter_map(Bson::as_document) {
                name = element_name(part, name)?;
            }
            continue;
        }
        let own = key.split('.').next().unwrap_or(key);
        match name {
            Some(other) if other != own => {
                return Err(invalid(format!("an array filter has one name, not both `{other}` and `{own}`")));
            }
            _ => name = Some(own),
        }
    }
    Ok(name)
}

/// `{name: value}`.
pub(super) fn wrapped(name: &str, value: &Bson) -> Result<RawDocumentBuf, EngineError> {
    let mut document = Document::new();
    document.insert(name, value.clone());
    RawDocumentBuf::try_from(&document).map_err(|error| invalid(error.to_string()))
}

/// The first element of `array` that fulfils the conditions of the filter on it: all of them, or where no
/// element alone does, the last one.
fn matched_position(
    document: &Document,
    raw: &RawDocument,
    array: &str,
    filter: &Filter,
) -> Result<Option<usize>, EngineError> {
    let Some(elements) = array_at(document, array) else { return Ok(None) };
    let mut conditions = Vec::new();
    collect_conditions(filter, raw, array, &mut conditions);
    let Some(last) = conditions.last() else { return Ok(None) };
    let mut of_last = None;
    for (position, element) in elements.iter().enumerate() {
        let alone = alone(array, element)?;
        if conditions.iter().all(|condition| condition.matches(&alone)) {
            return Ok(Some(position));
        }
        if of_last.is_none() && last.matches(&alone) {
            of_last = Some(position);
        }
    }
    Ok(of_last)
}

/// The conditions about an array or what is inside it that made the document match.
fn collect_conditions<'a>(
    filter: &'a Filter,
    document: &RawDocument,
    array: &str,
    found: &mut Vec<&'a Filter>,
) {
    match filter {
        Filter::And(parts) => {
            parts.iter().for_each(|part| collect_conditions(part, document, array, found));
        }
        Filter::Or(parts) => {
            if let Some(part) = parts.iter().find(|part| part.matches(document)) {
                collect_conditions(part, document, array, found);
            }
        }
        Filter::Field { path, condition } => {
            let inside =
                path.strip_prefix(array).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
            // That no element is something points at none.
            let negative =
                matches!(condition, Condition::NotEqual(_) | Condition::NotIn(_) | Condition::Not(_));
            if inside && !negative {
                found.push(filter);
            }
        }
        Filter::Nor(_) | Filter::Expression(_) => {}
    }
}

fn array_at<'a>(document: &'a Document, path: &str) -> Option<&'a Vec<Bson>> {
    let mut names = path.split('.');
    let mut value = document.get(names.next()?)?;
    for name in names {
        value = match value {
            Bson::Document(inner) => inner.get(name)?,
            Bson::Array(inner) => inner.get(super::path::position(name)?)?,
            _ => return None,
        };
    }
    value.as_array()
}

/// A document in which the array at `path` has this one element.
fn alone(path: &str, element: &Bson) -> Result<RawDocumentBuf, EngineError> {
    let array = Bson::Array(vec![element.clone()]);
    let (outermost, inner) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let value = inner.map_or_else(Vec::new, |inner| inner.rsplit('.').collect()).into_iter().fold(
        array,
        |value, name| {
            let mut document = Document::new();
            document.insert(name, value);
            Bson::Document(document)
        },
    );
    wrapped(outermost, &value)
}

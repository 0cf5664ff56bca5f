//! Parameters of a query: each at most once, none that is not known, and errors that name them.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use run_log::FieldFilter;
use service_kit::clock::parse_ms;
use service_kit::error::{ApiError, ErrorCode};
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A query as it came.
pub(super) type Pairs = Result<Query<Vec<(String, String)>>, QueryRejection>;

/// What begins the name of a filter by a field.
const FIELDS: &str = "fields.";

/// The parameters that were not taken yet.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn of(pairs: Pairs) -> Result<Self, ApiError> {
        let Query(pairs) = pairs.map_err(|rejection| invalid(rejection.body_text()))?;
        Ok(Self(pairs))
    }

    /// The text of a parameter.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        let Some(at) = self.0.iter().position(|(known, _)| known == name) else { return Ok(None) };
        let (_, text) = self.0.swap_remove(at);
        if self.0.iter().any(|(known, _)| known == name) {
            return Err(invalid(format!("`{name}` may be given once only")));
        }
        Ok(Some(text))
    }

    /// A parameter that `read` understands; `rule` says what that is.
    pub(super) fn read<T>(
        &mut self,
        name: &str,
        rule: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        read(&text).map(Some).ok_or_else(|| invalid(format!("`{name}` has to be {rule}")))
    }

    /// A number, such as a cursor.
    pub(super) fn number<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, ApiError> {
        self.read(name, "a whole number", |text| text.parse().ok())
    }

    /// A moment, in milliseconds since the epoch.
    pub(super) fn moment(&mut self, name: &str) -> Result<Option<i64>, ApiError> {
        self.read(name, "RFC 3339, or milliseconds since 1970", parse_ms)
    }

    /// How many are wanted at most.
    pub(super) fn limit(&mut self, usual: usize, allowed: RangeInclusive<usize>) -> Result<usize, ApiError> {
        let limit = self.number("limit")?.unwrap_or(usual.min(*allowed.end()));
        if !allowed.contains(&limit) {
            let (min, max) = (allowed.start(), allowed.end());
            return Err(invalid(format!("`limit` has to be between {min} and {max}")));
        }
        Ok(limit)
    }

    /// `fields.<name>=<value>`, names in names with dots between them.
    pub(super) fn fields(&mut self) -> Vec<FieldFilter> {
        let (fields, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.0).into_iter().partition(|(name, _)| name.starts_with(FIELDS));
        self.0 = rest;
        let filter = |(name, value): (String, String)| FieldFilter {
            path: name[FIELDS.len()..].split('.').map(str::to_owned).collect(),
            value,
        };
        fields.into_iter().map(filter).collect()
    }

    /// Nothing may be left.
    pub(super) fn end(self) -> Result<(), ApiError> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => Err(invalid(format!("there is no parameter `{name}` here"))),
        }
    }
}

pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(pairs: &[(&str, &str)]) -> Parameters {
        Parameters(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn what_is_given_twice_or_not_known_is_refused_by_name() {
        let error = parameters(&[("limit", "1"), ("limit", "2")]).limit(10, 1..=10).unwrap_err();
        assert!(error.message.contains("`limit`"), "{}", error.message);
        let error = parameters(&[("sort", "x")]).end().unwrap_err();
        assert!(error.message.contains("`sort`"), "{}", error.message);
        assert!(parameters(&[("after", "x")]).number::<i64>("after").is_err());
        assert!(parameters(&[("limit", "0")]).limit(10, 1..=10).is_err());
        assert_eq!(parameters(&[]).limit(100, 1..=10).unwrap(), 10);
    }

    #[test]
    fn fields_are_paths() {
        let mut parameters = parameters(&[("fields.user.id", "7"), ("text", "a"), ("fields.ok", "true")]);
        let fields = parameters.fields();
        assert_eq!(fields[0].path, ["user", "id"]);
        assert_eq!((fields.len(), fields[1].value.as_str()), (2, "true"));
        assert_eq!(parameters.text("text").unwrap().as_deref(), Some("a"));
        assert!(parameters.end().is_ok());
    }
}

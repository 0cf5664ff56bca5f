//! JSON values whose fields keep their order, which counts in documents.

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// A JSON value. Numbers with and without a fraction differ.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` and `false`.
    Bool(bool),
    /// A number.
    Number(serde_json::Number),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads JSON text.
    ///
    /// # Errors
    /// Where the text is malformed.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The field of an object.
    pub fn field(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(fields) => fields.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Whether `actual` is what this expects; `{"$any": …}` stands for what cannot be foreseen.
    pub fn accepts(&self, actual: &Self) -> bool {
        if let Some(kind) = self.wildcard() {
            return is_kind(actual, kind);
        }
        match (self, actual) {
            (Self::List(expected), Self::List(actual)) => {
                expected.len() == actual.len() && expected.iter().zip(actual).all(|(e, a)| e.accepts(a))
            }
            (Self::Object(expected), Self::Object(actual)) => {
                let same =
                    |((ek, ev), (ak, av)): (&(String, Self), &(String, Self))| ek == ak && ev.accepts(av);
                expected.len() == actual.len() && expected.iter().zip(actual).all(same)
            }
            _ => self == actual,
        }
    }

    fn wildcard(&self) -> Option<&str> {
        match (self, self.field("$any")) {
            (Self::Object(fields), Some(Self::Text(kind))) if fields.len() == 1 => Some(kind),
            _ => None,
        }
    }
}

fn is_kind(value: &Json, kind: &str) -> bool {
    match kind {
        "date" => value.field("$date").is_some(),
        "timestamp" => value.field("$timestamp").is_some(),
        "string" => matches!(value, Json::Text(_)),
        "value" => true,
        _ => false,
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(value) => write!(f, "{value}"),
            Self::Text(text) => write!(f, "{}", serde_json::Value::from(text.as_str())),
            Self::List(list) => {
                f.write_str("[")?;
                for (position, value) in list.iter().enumerate() {
                    write!(f, "{}{value}", if position > 0 { ", " } else { "" })?;
                }
                f.write_str("]")
            }
            Self::Object(fields) => {
                f.write_str("{")?;
                for (position, (name, value)) in fields.iter().enumerate() {
                    let name = serde_json::Value::from(name.as_str());
                    write!(f, "{}{name}: {value}", if position > 0 { ", " } else { "" })?;
                }
                f.write_str("}")
            }
        }
    }
}

struct JsonVisitor;

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Json, E> {
        serde_json::Number::from_f64(value).map(Json::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Json::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut fields = Vec::new();
        while let Some(entry) = map.next_entry()? {
            fields.push(entry);
        }
        Ok(Json::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_fields_and_fractions_count() {
        let json = |text: &str| Json::parse(text).unwrap();
        assert_ne!(json(r#"{"a": 1, "b": 2}"#), json(r#"{"b": 2, "a": 1}"#));
        assert_ne!(json("1"), json("1.0"));
        assert_eq!(json(r#"{"a": [null, "x"]}"#).to_string(), r#"{"a": [null, "x"]}"#);
    }

    #[test]
    fn a_wildcard_accepts_its_kind_only() {
        let expected = Json::parse(r#"[{"at": {"$any": "date"}}]"#).unwrap();
        assert!(expected.accepts(&Json::parse(r#"[{"at": {"$date": "2026-01-01T00:00:00Z"}}]"#).unwrap()));
        assert!(!expected.accepts(&Json::parse(r#"[{"at": "2026"}]"#).unwrap()));
    }
}

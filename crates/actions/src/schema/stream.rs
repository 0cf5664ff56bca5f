//! Checking a JSON text while it is read, without making values of it. It only says whether the text is right as it
//! stands: what is not, what a default would change, and what is not simple is looked at again as a value.

use super::node::{Additional, Kind, Node, Properties};
use serde::Deserialize as _;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::fmt;

/// Properties that one word has a bit for.
const PROPERTIES_MAX: usize = u64::BITS as usize;

impl Node {
    /// Whether a text is certain to be JSON that fits, with no default to be filled in.
    pub(super) fn holds_as_it_is(&self, text: &[u8]) -> bool {
        let mut reader = serde_json::Deserializer::from_slice(text);
        Checked(self).deserialize(&mut reader).is_ok() && reader.end().is_ok()
    }

    /// Whether it is looked at piece by piece; others are made values of.
    fn is_simple(&self) -> bool {
        match &self.kind {
            Kind::Null | Kind::Boolean | Kind::String(_) | Kind::Number(_) | Kind::Literal { .. } => true,
            Kind::Array(items) => !items.is_unique,
            Kind::Object(object) => object.known.len() <= PROPERTIES_MAX,
            _ => false,
        }
    }

    /// A default of parts is merged with what is there.
    fn may_change_what_is_there(&self) -> bool {
        let has_parts = self.default.as_ref().is_some_and(|value| value.is_object() || value.is_array());
        has_parts || (self.has_defaults && !self.is_simple())
    }
}

/// Reads one value that has to fit; what does not is an error, whatever it says.
struct Checked<'n>(&'n Node);

fn unfit<E: Error>() -> E {
    E::custom("it does not fit as it is")
}

fn fits<E: Error>(is_right: bool) -> Result<(), E> {
    if is_right { Ok(()) } else { Err(unfit()) }
}

impl<'de> DeserializeSeed<'de> for Checked<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        fits(!self.0.may_change_what_is_there())?;
        if self.0.is_simple() {
            return reader.deserialize_any(self);
        }
        fits(self.0.matches(&Value::deserialize(reader)?))
    }
}

impl<'de> Visitor<'de> for Checked<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value that fits")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        fits(self.0.matches(&Value::Null))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        fits(self.0.matches(&Value::Bool(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        fits(self.0.matches(&value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        fits(self.0.matches(&value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        fits(self.0.matches(&value.into()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        fits(match &self.0.kind {
            Kind::String(text) => text.holds(value),
            Kind::Literal { value: Value::String(constant), .. } => constant == value,
            _ => false,
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        let Kind::Array(items) = &self.0.kind else { return Err(unfit()) };
        let mut count = 0;
        while values.next_element_seed(Checked(&items.node))?.is_some() {
            count += 1;
        }
        fits(items.count.holds(count))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let Kind::Object(object) = &self.0.kind else { return Err(unfit()) };
        let (mut seen, mut others) = (0_u64, 0_usize);
        while let Some(found) = fields.next_key_seed(Named(object))? {
            match (found, &object.additional) {
                (Some(place), _) => {
                    // The last of two counts.
                    fits(seen & (1 << place) == 0)?;
                    seen |= 1 << place;
                    fields.next_value_seed(Checked(&object.known[place].node))?;
                }
                (None, Additional::Refused) => return Err(unfit()),
                (None, Additional::Allowed) => {
                    others += 1;
                    fields.next_value::<Value>()?;
                }
                (None, Additional::Like(node)) => {
                    others += 1;
                    fields.next_value_seed(Checked(node))?;
                }
            }
        }
        // Two of the same name among the others are one.
        fits(others == 0 || object.count.is_open())?;
        fits(object.count.holds(seen.count_ones() as usize))?;
        let missing = object.known.iter().enumerate().filter(|(place, _)| seen & (1 << place) == 0);
        fits(missing.into_iter().all(|(_, property)| !property.is_required && !property.node.has_defaults))
    }
}

/// Finds the place of a property by its name.
struct Named<'n>(&'n Properties);

impl<'de> DeserializeSeed<'de> for Named<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Option<usize>, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for Named<'_> {
    type Value = Option<usize>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Option<usize>, E> {
        Ok(self.0.known.iter().position(|property| property.name == name))
    }
}

use super::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Row {
    schema: Map<String, Value>,
    value: Value,
    errors: Vec<Told>,
    result: Option<Value>,
    #[serde(default)]
    in_bun: bool,
}

#[derive(Deserialize)]
struct Told {
    path: String,
    message: String,
}

/// JavaScript has one kind of number.
fn as_javascript(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().unwrap().into(),
        Value::Array(values) => values.iter().map(as_javascript).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), as_javascript(value))).collect()
        }
        other => other.clone(),
    }
}

#[test]
fn the_table_of_schemas_holds_as_it_does_for_typebox() {
    let rows: Vec<Row> =
        serde_json::from_str(include_str!("../../../../packages/bunbase/test/schema-cases.json")).unwrap();
    assert!(rows.len() >= 200);
    for (index, row) in rows.iter().enumerate() {
        let place = format!("row {index}: {:?} of {}", row.schema, row.value);
        let compiled = match Schema::compile(&row.schema, false) {
            Schema::Portable(compiled) if !row.in_bun => compiled,
            Schema::InBun(_) if row.in_bun => continue,
            other => panic!("{place} is classed as {other:?}"),
        };
        let mut value = row.value.clone();
        match compiled.check(&mut value) {
            Ok(_) => {
                assert!(row.errors.is_empty(), "{place} is taken");
                let expected = row.result.as_ref().unwrap_or(&row.value);
                assert_eq!(as_javascript(&value), as_javascript(expected), "{place}");
            }
            Err(mut errors) => {
                errors.sort_by_key(|error| error.path.encode_utf16().collect::<Vec<_>>());
                let expected: Vec<_> = row
                    .errors
                    .iter()
                    .map(|told| FieldError { path: told.path.clone(), message: told.message.clone() })
                    .collect();
                assert_eq!(errors, expected, "{place}");
            }
        }
    }
}

#[test]
fn what_holds_as_text_holds_as_a_value_and_has_no_default_to_fill_in() {
    let rows: Vec<Row> =
        serde_json::from_str(include_str!("../../../../packages/bunbase/test/schema-cases.json")).unwrap();
    let (mut held, mut right) = (0, 0);
    for row in &rows {
        let Schema::Portable(compiled) = Schema::compile(&row.schema, false) else { continue };
        let is_right = compiled.check(&mut row.value.clone()) == Ok(false);
        let holds = compiled.0.holds_as_it_is(row.value.to_string().as_bytes());
        assert!(is_right || !holds, "{:?} of {}", row.schema, row.value);
        (held, right) = (held + usize::from(holds), right + usize::from(is_right));
    }
    assert!(held * 10 > right * 8, "of {right} that are right {held} are seen in the text");
}

#[test]
fn a_name_that_comes_twice_and_text_behind_a_value_are_looked_at_again() {
    let schema =
        serde_json::json!({"type": "object", "properties": {"n": {"type": "integer"}}, "maxProperties": 1});
    let Schema::Portable(schema) = Schema::compile(schema.as_object().unwrap(), false) else { panic!() };
    for (text, holds) in
        [(r#"{"n":1}"#, true), (r#"{"n":"x","n":1}"#, false), (r#"{"n":1} x"#, false), (r#"{"o":1}"#, false)]
    {
        assert_eq!(schema.0.holds_as_it_is(text.as_bytes()), holds, "{text}");
    }
    assert!(schema.check_text(br#"{"n":"x","n":1}"#).unwrap().errors.is_empty());
    assert!(schema.check_text(br#"{"n":1} x"#).is_err());
}

#[test]
fn an_input_that_defaults_do_not_change_stays_as_it_came() {
    let schema =
        serde_json::json!({"type": "object", "properties": {"n": {"type": "integer", "default": 1}}});
    let Schema::Portable(schema) = Schema::compile(schema.as_object().unwrap(), false) else { panic!() };
    assert!(schema.check_text(br#"{ "n": 2 }"#).unwrap().input.is_none());
    assert_eq!(schema.check_text(b"{}").unwrap().input.unwrap(), r#"{"n":1}"#);
    assert!(schema.check_text(b"{").is_err());
    assert!(matches!(Schema::compile(&Map::new(), true), Schema::InBun(_)));
}

#[test]
fn errors_have_a_bound() {
    let schema = serde_json::json!({"type": "array", "items": {"type": "string"}});
    let Schema::Portable(schema) = Schema::compile(schema.as_object().unwrap(), false) else { panic!() };
    let errors = schema.check(&mut Value::from(vec![0; 10_000])).unwrap_err();
    assert_eq!(errors.len(), ERRORS_MAX);
}

proptest::proptest! {
    /// What is a pattern for both matches the same as far as it can be said without JavaScript: a text is matched by
    /// itself, written as literals.
    #[test]
    fn a_text_matches_itself(text in "[ -~]{0,20}") {
        let source: String = text.chars().map(|c| if c.is_ascii_alphanumeric() || c == ' ' { c.to_string() } else { format!("\\{c}") }).collect();
        let pattern = node::Pattern::compile(&format!("^{source}$")).unwrap();
        proptest::prop_assert!(pattern.matches(&text));
        let longer = format!("{text}x");
        proptest::prop_assert!(!pattern.matches(&longer));
    }

    #[test]
    fn no_pattern_panics(source in ".{0,30}") {
        let _ = node::Pattern::compile(&source);
    }
}

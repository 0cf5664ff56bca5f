//! Lists as the server answers them, as a table for people and as they came for scripts.

use super::output::{Output, printable};
use serde_json::Value;

/// A column: its header, and the field of each entry that it shows (a path with `/`; of several with `|`
/// between them the first that is there).
pub(crate) type Column = (&'static str, &'static str);

/// How a list is shown.
pub(crate) struct Listing<'a> {
    /// The field of the answer that holds the entries.
    pub(crate) field: &'a str,
    /// The columns.
    pub(crate) columns: &'a [Column],
    /// What is said where there are no entries: what to do.
    pub(crate) empty: &'a str,
}

impl Listing<'_> {
    /// Prints the answer.
    pub(crate) fn show(&self, output: Output, answer: &Value) -> std::io::Result<()> {
        output.answer(answer, || self.text(output, answer))
    }

    /// The table, or what is said in its place.
    pub(crate) fn text(&self, output: Output, answer: &Value) -> String {
        let entries = answer[self.field].as_array().map(Vec::as_slice).unwrap_or_default();
        if entries.is_empty() {
            return self.empty.to_owned();
        }
        let header: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        let row = |entry: &Value| self.columns.iter().map(|(_, path)| cell(entry, path)).collect();
        let table = output.wide_table(&header, entries.iter().map(row).collect());
        match answer["next_cursor"].as_str() {
            Some(cursor) => format!("{table}\n\nmore with --cursor {}", printable(cursor)),
            None => table,
        }
    }
}

fn cell(entry: &Value, path: &str) -> String {
    let at = |path: &str| path.split('/').fold(entry, |value, field| &value[field]);
    match path.split('|').map(at).find(|value| !value.is_null()).unwrap_or(&Value::Null) {
        Value::Null => "-".to_owned(),
        Value::String(text) => printable(text),
        Value::Array(items) => items
            .iter()
            .map(|item| item.as_str().map_or_else(|| item.to_string(), printable))
            .collect::<Vec<_>>()
            .join(" "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_become_cells_and_an_empty_list_says_what_to_do() {
        let output = Output::new(false, true);
        let columns =
            [("NAME", "name"), ("BY", "who/name|who/email"), ("SCOPES", "scopes"), ("USED", "used")];
        let listing = Listing { field: "tokens", columns: &columns, empty: "make one" };
        let answer = json!({ "tokens": [
            { "name": "ci\u{1b}", "who": { "email": "a@b" }, "scopes": ["a", "b"], "used": null }
        ], "next_cursor": "c1" });
        let text = listing.text(output, &answer);
        for part in ["ci\u{fffd}", "a@b", "a b", " -", "--cursor c1"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert_eq!(listing.text(output, &json!({ "tokens": [] })), "make one");
    }
}

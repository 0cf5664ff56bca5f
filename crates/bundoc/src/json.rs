//! The JSON border: relaxed Extended JSON v2
//! (<https://github.com/mongodb/specifications/blob/master/source/extended-json/extended-json.md>) from
//! and to BSON bytes, with nothing in between.
//!
//! An integer is Int32 where it fits, else Int64, else a double, as is everything with a fraction or an
//! exponent. `{"$date": …}`, `{"$oid": …}`, `{"$binary": …}`, `{"$numberDecimal": …}` and their kin stand
//! for what JSON lacks. Duplicate and NUL-bearing keys are refused, and nesting beyond `DEPTH_MAX`.

mod extended;
mod parse;
mod write;

use crate::error::EngineError;
use bson::{Document, RawDocument, RawDocumentBuf};

/// Levels of nesting that are read.
pub const DEPTH_MAX: usize = 100;

/// Reads a JSON object as a document.
///
/// # Errors
/// `InvalidDocument` with the place of the first error.
pub fn from_json(json: &[u8]) -> Result<RawDocumentBuf, EngineError> {
    let malformed = |text: String| EngineError::InvalidDocument(text);
    let bytes = parse::object(json).map_err(malformed)?;
    RawDocumentBuf::from_bytes(bytes).map_err(|error| malformed(error.to_string()))
}

/// Reads a JSON object as a filter or an update.
///
/// # Errors
/// `InvalidQuery` with the place of the first error.
pub fn query_from_json(json: &[u8]) -> Result<Document, EngineError> {
    let malformed = |text: String| EngineError::InvalidQuery(text);
    let bytes = parse::object(json).map_err(malformed)?;
    Document::from_reader(bytes.as_slice()).map_err(|error| malformed(error.to_string()))
}

/// Appends a document as a JSON object.
///
/// # Errors
/// `Damaged` where the BSON is malformed, which stored documents are not.
pub fn to_json(document: &RawDocument, out: &mut Vec<u8>) -> Result<(), EngineError> {
    write::document(document, out)
        .map_err(|error| EngineError::Damaged(format!("a stored document is not valid BSON: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::{Bson, doc};
    use proptest::prelude::*;

    fn read(json: &str) -> Document {
        Document::try_from(from_json(json.as_bytes()).unwrap()).unwrap()
    }

    fn written(document: &Document) -> String {
        let mut out = Vec::new();
        to_json(&RawDocumentBuf::try_from(document).unwrap(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_get_the_type_that_fits() {
        let json = r#" {"i": -7, "l": 3000000000, "d": 1.0, "e": 1e2, "big": 9223372036854775808, "z": -0,
            "s": "a\n\u00e4\ud83d\ude00", "t": true, "f": false, "n": null, "o": {"a": []}, "l2": [1, "x", {}]} "#;
        let expected = doc! {
            "i": -7, "l": 3_000_000_000_i64, "d": 1.0, "e": 100.0, "big": 9_223_372_036_854_775_808.0, "z": -0.0,
            "s": "a\nä😀", "t": true, "f": false, "n": null, "o": {"a": []}, "l2": [1, "x", {}],
        };
        assert_eq!(read(json), expected);
    }

    #[test]
    fn extended_values_come_back_as_they_went() {
        let cases = [
            r#"{"v":{"$oid":"65f0a1b2c3d4e5f601234567"}}"#,
            r#"{"v":{"$date":"2026-11-21T10:00:00Z"}}"#,
            r#"{"v":{"$date":{"$numberLong":"-1"}}}"#,
            r#"{"v":{"$numberDecimal":"1.50"}}"#,
            r#"{"v":{"$numberDouble":"NaN"}}"#,
            r#"{"v":{"$binary":{"base64":"AQID","subType":"00"}}}"#,
            r#"{"v":{"$timestamp":{"t":1,"i":2}}}"#,
            r#"{"v":{"$regularExpression":{"pattern":"^a","options":"i"}}}"#,
            r#"{"v":{"$minKey":1}}"#,
            r#"{"v":{"$gt":5}}"#,
        ];
        for case in cases {
            assert_eq!(written(&read(case)), case);
        }
        assert_eq!(read(r#"{"v": {"$numberLong": "5"}}"#), doc! {"v": 5_i64});
    }

    #[test]
    fn canonical_values_are_read_and_written_relaxed() {
        let cases = [
            (r#"{"v":{"$numberInt":"7"}}"#, r#"{"v":7}"#),
            (r#"{"v":{"$numberLong":"9007199254740993"}}"#, r#"{"v":9007199254740993}"#),
            (r#"{"v":{"$numberDouble":"1.5"}}"#, r#"{"v":1.5}"#),
            (r#"{"v":{"$numberDouble":"-0.0"}}"#, r#"{"v":-0.0}"#),
            (r#"{"v":{"$date":{"$numberLong":"0"}}}"#, r#"{"v":{"$date":"1970-01-01T00:00:00Z"}}"#),
            (
                r#"{"v":{"$date":"2026-01-01T01:00:00.5+01:00"}}"#,
                r#"{"v":{"$date":"2026-01-01T00:00:00.5Z"}}"#,
            ),
            (
                r#"{"v":{"$uuid":"00112233-4455-6677-8899-aabbccddeeff"}}"#,
                r#"{"v":{"$binary":{"base64":"ABEiM0RVZneImaq7zN3u/w==","subType":"04"}}}"#,
            ),
            (
                r#"{"v":{"$regularExpression":{"pattern":"a/b","options":"mi"}}}"#,
                r#"{"v":{"$regularExpression":{"pattern":"a/b","options":"im"}}}"#,
            ),
            (
                r#"{"v":{"$binary":{"base64":"AQ==","subType":"5"}}}"#,
                r#"{"v":{"$binary":{"base64":"AQ==","subType":"05"}}}"#,
            ),
        ];
        for (canonical, relaxed) in cases {
            assert_eq!(written(&read(canonical)), relaxed);
        }
    }

    #[test]
    fn malformed_text_is_refused_and_says_where() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(1_000), "]".repeat(1_000));
        let cases: [&[u8]; 24] = [
            b"",
            b"[]",
            b"{",
            b"{} x",
            b"{\"a\":1,}",
            b"{\"a\":01}",
            b"{\"a\":1.}",
            b"{\"a\":1e999}",
            b"{\"a\":tru}",
            b"{\"a\":\"\x01\"}",
            b"{\"a\":\"\xff\"}",
            b"{\"a\":\"\\ud800\"}",
            b"{\"a\":1,\"a\":2}",
            b"{\"a\\u0000b\":1}",
            b"{\"a\":{\"$oid\":\"x\"}}",
            b"{\"a\":{\"$oid\":\"65f0a1b2c3d4e5f601234567\",\"b\":1}}",
            b"{\"a\" 1}",
            b"{\"a\":{\"$minKey\":2}}",
            b"{\"a\":{\"$timestamp\":{\"t\":-1,\"i\":0}}}",
            b"{\"a\":{\"$timestamp\":{\"t\":1,\"i\":0,\"x\":0}}}",
            b"{\"a\":{\"$binary\":{\"base64\":\"AQID\"}}}",
            b"{\"a\":{\"$regularExpression\":{\"pattern\":\"a\"}}}",
            b"{\"a\":{\"$numberDecimal\":\"1.2.3\"}}",
            deep.as_bytes(),
        ];
        for case in cases {
            let error = from_json(case).unwrap_err();
            assert!(matches!(error, EngineError::InvalidDocument(_)), "{error:?}");
            assert!(matches!(query_from_json(case), Err(EngineError::InvalidQuery(_))));
        }
    }

    #[test]
    fn many_keys_are_still_told_apart() {
        let keys: Vec<_> = (0..100).map(|n| format!("\"k{n}\":{n}")).collect();
        assert_eq!(read(&format!("{{{}}}", keys.join(","))).len(), 100);
        assert!(from_json(format!("{{{},\"k99\":1}}", keys.join(",")).as_bytes()).is_err());
    }

    fn any_value() -> impl Strategy<Value = Bson> {
        let leaf = prop_oneof![
            Just(Bson::Null),
            any::<bool>().prop_map(Bson::Boolean),
            any::<i32>().prop_map(Bson::Int32),
            (i64::from(i32::MAX) + 1..i64::MAX).prop_map(Bson::Int64),
            any::<f64>().prop_filter("finite", |double| double.is_finite()).prop_map(Bson::Double),
            any::<String>().prop_map(Bson::String),
            any::<i64>().prop_map(|millis| Bson::DateTime(bson::DateTime::from_millis(millis))),
            any::<[u8; 12]>().prop_map(|bytes| Bson::ObjectId(bson::oid::ObjectId::from_bytes(bytes))),
            any::<(u32, u32)>()
                .prop_map(|(time, increment)| Bson::Timestamp(bson::Timestamp { time, increment })),
            (0_u128..10_u128.pow(34), -6_176_i32..=6_111)
                .prop_map(|(n, by)| Bson::Decimal128(format!("{n}E{by}").parse().unwrap())),
            (0_u8..6, proptest::collection::vec(any::<u8>(), 0..8)).prop_map(|(subtype, bytes)| {
                Bson::Binary(bson::Binary { subtype: subtype.into(), bytes })
            }),
            "[^\0]{0,4}".prop_map(|pattern| {
                let options = "im".to_owned().try_into().unwrap();
                Bson::RegularExpression(bson::Regex { pattern: pattern.try_into().unwrap(), options })
            }),
            Just(Bson::MinKey),
            Just(Bson::MaxKey),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Bson::Array),
                proptest::collection::hash_map("[a-zA-Z. ]{0,4}", inner, 0..4)
                    .prop_map(|fields| Bson::Document(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(value in any_value()) {
            let document = doc! {"v": value};
            prop_assert_eq!(read(&written(&document)), document);
        }

        #[test]
        fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = from_json(&bytes);
        }
    }
}

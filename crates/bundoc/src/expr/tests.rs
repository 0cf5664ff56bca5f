//! What expressions give; most is in the cases of `bundoc-cases`.

use super::*;
use crate::error::EngineError;
use crate::filter::Patterns;
use bson::{Bson, Document, RawDocumentBuf, bson, doc};

#[expect(clippy::needless_pass_by_value, reason = "the calls read better")]
fn evaluated(expression: Bson, document: &Document) -> Result<Bson, String> {
    let raw = RawDocumentBuf::try_from(document).unwrap();
    let expression = parse(&expression, &mut Patterns::default()).map_err(|error| error.to_string())?;
    let value = expression.evaluate(&raw).map_err(|error| error.to_string())?;
    Ok(Bson::try_from(value.as_ref()).unwrap())
}

#[test]
fn expressions_have_the_values_and_types_of_mongodb() {
    let decimal = |text: &str| Bson::Decimal128(text.parse().unwrap());
    let document = doc! {
        "i": 7, "l": 8_i64, "d": 2.5, "m": decimal("0.10"), "s": "Ünï", "null": null, "list": [3, 1, 2],
        "docs": [{"v": 1}, {"v": 2}, {}, 5], "o": {"p": true},
    };
    let cases = [
        (bson!({"$add": ["$i", "$l"]}), Bson::Int64(15)),
        (bson!({"$add": [i32::MAX, 1]}), Bson::Int64(i64::from(i32::MAX) + 1)),
        (bson!({"$add": ["$i", "$d"]}), Bson::Double(9.5)),
        (bson!({"$add": ["$m", "$i", "$d"]}), decimal("9.60")),
        (bson!({"$add": ["$i", "$missing"]}), Bson::Null),
        (bson!({"$multiply": ["$m", 3]}), decimal("0.30")),
        (bson!({"$divide": ["$i", 2]}), Bson::Double(3.5)),
        (bson!({"$mod": [-7, 3]}), Bson::Int32(-1)),
        (bson!({"$subtract": ["$d", 1]}), Bson::Double(1.5)),
        (bson!({"$abs": -3}), Bson::Int32(3)),
        (bson!({"$round": [2.345, 2]}), Bson::Double(2.34)),
        (bson!({"$round": [1_250, -2]}), Bson::Int32(1_200)),
        (bson!({"$floor": -1.5}), Bson::Double(-2.0)),
        (bson!({"$ceil": decimal("1.2")}), decimal("2")),
        (bson!({"$max": ["$i", "$null", "$d"]}), Bson::Int32(7)),
        (bson!({"$min": ["$missing"]}), Bson::Null),
        (bson!({"$cmp": ["$missing", null]}), Bson::Int32(-1)),
        (bson!({"$eq": ["$i", 7.0]}), Bson::Boolean(true)),
        (bson!({"$gt": ["$s", 1_000_000]}), Bson::Boolean(true)),
        (bson!("$docs.v"), bson!([1, 2])),
        (bson!("$o.p"), Bson::Boolean(true)),
        (bson!("$list.0"), bson!([])),
        (bson!("$$ROOT.i"), Bson::Int32(7)),
        (bson!({"$size": "$list"}), Bson::Int32(3)),
        (bson!({"$in": [2.0, "$list"]}), Bson::Boolean(true)),
        (bson!({"$arrayElemAt": ["$list", -1]}), Bson::Int32(2)),
        (bson!({"$arrayElemAt": ["$docs.v", 1]}), Bson::Int32(2)),
        (bson!({"$arrayElemAt": ["$list", 9]}), Bson::Undefined),
        (bson!({"$concat": ["$s", "!"]}), bson!("Ünï!")),
        (bson!({"$concat": ["$s", "$null"]}), Bson::Null),
        (bson!({"$strLenCP": "$s"}), Bson::Int32(3)),
        (bson!({"$strLenBytes": "$s"}), Bson::Int32(5)),
        (bson!({"$substrCP": ["$s", 1, 2]}), bson!("nï")),
        (bson!({"$toUpper": "abc"}), bson!("ABC")),
        (bson!({"$indexOfCP": ["$s", "n"]}), Bson::Int32(1)),
        (bson!({"$type": "$missing"}), bson!("missing")),
        (bson!({"$type": "$l"}), bson!("long")),
        (bson!({"$toString": "$d"}), bson!("2.5")),
        (bson!({"$cond": ["$o.p", "yes", {"$divide": [1, 0]}]}), bson!("yes")),
        (bson!({"$cond": {"if": "$missing", "then": 1, "else": 2}}), Bson::Int32(2)),
        (bson!({"$switch": {"branches": [{"case": {"$eq": ["$i", 7]}, "then": "seven"}]}}), bson!("seven")),
        (bson!({"$ifNull": ["$missing", "$null", "x"]}), bson!("x")),
        (bson!({"$and": ["$i", {"$not": "$null"}]}), Bson::Boolean(true)),
        (bson!({"$or": [0, false]}), Bson::Boolean(false)),
        (bson!({"$and": []}), Bson::Boolean(true)),
        (bson!({"$literal": "$i"}), bson!("$i")),
        (bson!({"a": "$i", "b": "$missing"}), bson!({"a": 7})),
        (bson!(["$i", "$missing"]), bson!([7, null])),
        (bson!({"$regexMatch": {"input": "$s", "regex": "^ü", "options": "i"}}), Bson::Boolean(true)),
        (bson!({"$concatArrays": ["$list", [4]]}), bson!([3, 1, 2, 4])),
    ];
    for (expression, expected) in cases {
        assert_eq!(evaluated(expression.clone(), &document), Ok(expected), "{expression}");
    }
}

#[test]
fn dates_add_and_come_apart() {
    let at = |millis| Bson::DateTime(bson::DateTime::from_millis(millis));
    let document = doc! {"d": at(951_782_400_000)};
    assert_eq!(evaluated(bson!({"$add": ["$d", 1.6]}), &document), Ok(at(951_782_400_002)));
    assert_eq!(
        evaluated(bson!({"$subtract": ["$d", {"$literal": (at(0))}]}), &document),
        Ok(Bson::Int64(951_782_400_000))
    );
    assert_eq!(evaluated(bson!({"$year": "$d"}), &document), Ok(Bson::Int32(2000)));
    assert_eq!(evaluated(bson!({"$toString": "$d"}), &document), Ok(bson!("2000-02-29T00:00:00.000Z")));
}

#[test]
fn what_makes_no_sense_fails_with_a_reason() {
    let document = doc! {"s": "x", "big": "y".repeat(1 << 20)};
    let cases = [
        (bson!({"$add": ["$s", 1]}), "`$add` takes numbers"),
        (bson!({"$divide": [1, 0]}), "`$divide` divides by zero"),
        (bson!({"$size": "$s"}), "`$size` takes an array"),
        (bson!({"$nonsense": 1}), "unknown operator `$nonsense`; known are $literal"),
        (bson!({"$eq": [1]}), "`$eq` takes 2 arguments, not 1"),
        (bson!({"$add": 1, "b": 2}), "an object with `$add` has no other field"),
        (bson!("$$NOW"), "unknown variable `$$NOW`"),
        (bson!("$a..b"), "`a..b` has an empty segment"),
        (bson!({"$concat": vec![bson!("$big"); 40]}), "`$concat` makes text that is too long"),
        (bson!(vec![bson!(1); 600]), "an expression has 500 parts"),
    ];
    for (expression, reason) in cases {
        let error = evaluated(expression.clone(), &document).unwrap_err();
        assert!(error.starts_with(reason), "{error}");
    }
    let deep = (0..100).fold(bson!(1), |inner, _| bson!({"$not": inner}));
    assert!(matches!(parse(&deep, &mut Patterns::default()), Err(EngineError::InvalidQuery(_))));
}

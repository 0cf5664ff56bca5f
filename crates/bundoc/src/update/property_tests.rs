//! Updates that chance writes: array operators against lists of numbers, and whatever else against what has
//! to hold for every update.

use super::*;
use bson::doc;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// What is done with a list; numbers stand for operands.
#[derive(Debug, Clone)]
enum ArrayStep {
    Push { each: Vec<i32>, position: Option<i64>, sort: Option<bool>, slice: Option<i64> },
    AddToSet(Vec<i32>),
    Pop(bool),
    PullAll(Vec<i32>),
    PullAbove(i32),
    IncrementAll(i32),
    SetAt(usize, i32),
}

fn array_step() -> impl Strategy<Value = ArrayStep> {
    let number = || -4_i32..5;
    let place = || option::of(-6_i64..7);
    prop_oneof![
        4 => (vec(number(), 0..4), place(), option::of(any::<bool>()), place())
            .prop_map(|(each, position, sort, slice)| ArrayStep::Push { each, position, sort, slice }),
        2 => vec(number(), 0..4).prop_map(ArrayStep::AddToSet),
        2 => any::<bool>().prop_map(ArrayStep::Pop),
        2 => vec(number(), 0..3).prop_map(ArrayStep::PullAll),
        1 => number().prop_map(ArrayStep::PullAbove),
        1 => number().prop_map(ArrayStep::IncrementAll),
        1 => (0_usize..6, number()).prop_map(|(position, value)| ArrayStep::SetAt(position, value)),
    ]
}

impl ArrayStep {
    fn update(&self) -> Document {
        match self {
            Self::Push { each, position, sort, slice } => {
                let mut push = doc! {"$each": each.clone()};
                push.extend(position.map(|position| ("$position".to_owned(), position.into())));
                push.extend(sort.map(|up| ("$sort".to_owned(), if up { 1 } else { -1 }.into())));
                push.extend(slice.map(|slice| ("$slice".to_owned(), slice.into())));
                doc! {"$push": {"l": push}}
            }
            Self::AddToSet(each) => doc! {"$addToSet": {"l": {"$each": each.clone()}}},
            Self::Pop(last) => doc! {"$pop": {"l": if *last { 1 } else { -1 }}},
            Self::PullAll(values) => doc! {"$pullAll": {"l": values.clone()}},
            Self::PullAbove(bound) => doc! {"$pull": {"l": {"$gt": *bound}}},
            Self::IncrementAll(by) => doc! {"$inc": {"l.$[]": *by}},
            Self::SetAt(position, value) => doc! {"$set": {format!("l.{position}"): *value}},
        }
    }

    fn apply_to(&self, list: &mut Vec<i32>) {
        match self {
            Self::Push { each, position, sort, slice } => {
                let length = list.len() as i64;
                let at = match position.unwrap_or(length) {
                    position if position < 0 => (length + position).max(0),
                    position => position.min(length),
                };
                for (offset, value) in each.iter().enumerate() {
                    list.insert(at as usize + offset, *value);
                }
                match sort {
                    Some(true) => list.sort_unstable(),
                    Some(false) => list.sort_unstable_by_key(|value| -value),
                    None => {}
                }
                while slice.is_some_and(|slice| list.len() as u64 > slice.unsigned_abs()) {
                    let end = if slice.is_some_and(|slice| slice < 0) { 0 } else { list.len() - 1 };
                    list.remove(end);
                }
            }
            Self::AddToSet(each) => each.iter().for_each(|value| {
                if !list.contains(value) {
                    list.push(*value);
                }
            }),
            Self::Pop(_) if list.is_empty() => {}
            Self::Pop(last) => {
                list.remove(if *last { list.len() - 1 } else { 0 });
            }
            Self::PullAll(values) => list.retain(|value| !values.contains(value)),
            Self::PullAbove(bound) => list.retain(|value| value <= bound),
            Self::IncrementAll(by) => list.iter_mut().for_each(|value| *value += by),
            Self::SetAt(position, value) => {
                // The model has no null: positions beyond the end are for other tests.
                if let Some(place) = list.get_mut(*position) {
                    *place = *value;
                }
            }
        }
    }
}

fn context(filter: Option<&Filter>) -> Context<'_> {
    Context { filter, inserting: false, now: DateTime::from_millis(0) }
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::sample::select(vec!["a", "b", "c", "0", "1", "2"]).prop_map(str::to_owned),
        1 => prop::sample::select(vec!["_id", "01", "9999", "20000", "", "$x", "é"]).prop_map(str::to_owned),
    ]
}

fn scalar() -> impl Strategy<Value = Bson> {
    prop_oneof![
        4 => (-3_i32..4).prop_map(Bson::Int32),
        1 => any::<i32>().prop_map(Bson::Int32),
        1 => any::<i64>().prop_map(Bson::Int64),
        1 => any::<f64>().prop_map(Bson::Double),
        1 => any::<[u8; 16]>().prop_map(|bytes| Bson::Decimal128(bson::Decimal128::from_bytes(bytes))),
        1 => "[a-c]{0,3}".prop_map(Bson::String),
        1 => any::<bool>().prop_map(Bson::Boolean),
        1 => Just(Bson::Null),
        1 => any::<i64>().prop_map(|time| Bson::DateTime(DateTime::from_millis(time))),
    ]
}

fn value() -> impl Strategy<Value = Bson> {
    scalar().prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Bson::Array),
            vec((name(), inner), 0..4).prop_map(|fields| Bson::Document(fields.into_iter().collect())),
        ]
    })
}

fn document() -> impl Strategy<Value = Document> {
    vec((prop::sample::select(vec!["a", "b", "c"]), value()), 0..4).prop_map(|fields| {
        let mut document = doc! {"_id": "x"};
        document.extend(fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
        document
    })
}

fn path() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        5 => name(),
        2 => prop::sample::select(vec!["$", "$[]", "$[x]", "$[y]", "$[", "$[]]"]).prop_map(str::to_owned),
    ];
    (prop::sample::select(vec!["a", "b", "c", "_id"]), vec(segment, 0..4))
        .prop_map(|(first, rest)| rest.into_iter().fold(first.to_owned(), |path, part| path + "." + &part))
}

fn operand() -> impl Strategy<Value = Bson> {
    let modifier = prop::sample::select(vec![
        "$each",
        "$slice",
        "$sort",
        "$position",
        "$type",
        "and",
        "or",
        "xor",
        "$gt",
        "$in",
        "$or",
        "a",
    ]);
    let modifiers = vec((modifier, value()), 1..4).prop_map(|fields| {
        Bson::Document(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    });
    let each =
        (vec(value(), 0..3), option::of(-3_i32..3), option::of(1..=1_i32)).prop_map(|(each, slice, sort)| {
            let mut push = doc! {"$each": each};
            push.extend(slice.map(|slice| ("$slice".to_owned(), slice.into())));
            push.extend(sort.map(|sort| ("$sort".to_owned(), sort.into())));
            Bson::Document(push)
        });
    prop_oneof![4 => value(), 1 => modifiers, 1 => each, 1 => path().prop_map(Bson::String)]
}

fn update() -> impl Strategy<Value = Document> {
    let operator = prop::sample::select(vec![
        "$set",
        "$setOnInsert",
        "$unset",
        "$inc",
        "$mul",
        "$min",
        "$max",
        "$rename",
        "$currentDate",
        "$bit",
        "$push",
        "$addToSet",
        "$pop",
        "$pull",
        "$pullAll",
        "$pullAll",
        "$other",
    ]);
    let fields =
        vec((path(), operand()), 1..3).prop_map(|fields| Bson::Document(fields.into_iter().collect()));
    vec((operator, fields), 1..3)
        .prop_map(|parts| parts.into_iter().map(|(name, fields)| (name.to_owned(), fields)).collect())
}

fn array_filters() -> impl Strategy<Value = Vec<Document>> {
    let filter = (prop::sample::select(vec!["x", "y", "x.a", "y.b", "$or"]), value());
    vec(filter.prop_map(|(name, value)| doc! {name: value}), 0..3)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn array_operators_agree_with_a_list(steps in vec(array_step(), 1..24)) {
        let mut list = Vec::new();
        let mut document = doc! {"l": []};
        for step in steps {
            if matches!(step, ArrayStep::SetAt(position, _) if position >= list.len()) {
                continue;
            }
            let before = list.clone();
            step.apply_to(&mut list);
            let update = Update::parse(&step.update().into()).unwrap();
            let changed = update.apply(&mut document, &context(None)).unwrap();
            prop_assert_eq!(&document, &doc! {"l": list.clone()}, "{:?}", step);
            // Values that are added and cut off again leave an array as it was.
            prop_assert_eq!(changed, before != list, "{:?}", step);
        }
    }

    #[test]
    fn no_update_breaks_a_document(
        document in document(),
        update in update(),
        filters in array_filters(),
        query in (prop::sample::select(vec!["a", "b", "a.b", "c.a"]), value()),
    ) {
        let spec = UpdateSpec { update, array_filters: filters };
        let filter = crate::filter::parse(&doc! {query.0: query.1}).ok();
        let Ok(update) = Update::parse(&spec) else { return Ok(()) };
        let mut after = document.clone();
        let Ok(changed) = update.apply(&mut after, &context(filter.as_ref())) else { return Ok(()) };
        let (before, bytes) = (RawDocumentBuf::try_from(&document).unwrap(), RawDocumentBuf::try_from(&after).unwrap());
        prop_assert_eq!(after.get("_id"), document.get("_id"));
        prop_assert_eq!(changed, before != bytes, "{} became {}", document, after);
        let stored = update.apply_to(&before, &context(filter.as_ref())).unwrap();
        prop_assert_eq!(stored, changed.then(|| bytes.clone()));
        prop_assert!(bytes.as_bytes().len() < 1024 * 1024);
        let id = crate::engine::DocumentId::parse("x").unwrap();
        if let Ok(stored) = crate::document::prepare(&bytes, &id, &crate::EngineOptions::default()) {
            let (_, stored) = crate::document::split(&stored).unwrap();
            prop_assert_eq!(Document::try_from(stored).map(|stored| stored.len()).ok(), Some(after.len()));
        }
    }

    #[test]
    fn no_upsert_panics(update in update(), filter in document(), filters in array_filters()) {
        let spec = UpdateSpec { update, array_filters: filters };
        let (Ok(update), Ok(filter)) = (Update::parse(&spec), crate::filter::parse(&filter)) else { return Ok(()) };
        if let Ok(document) = update.on_insert(&filter, DateTime::from_millis(0)) {
            prop_assert!(RawDocumentBuf::try_from(&document).is_ok());
        }
    }

    #[test]
    fn a_set_done_twice_changes_nothing_the_second_time(document in document(), path in path(), value in value()) {
        let Ok(update) = Update::parse(&doc! {"$set": {path: value}}.into()) else { return Ok(()) };
        let mut after = document;
        if update.apply(&mut after, &context(None)).is_ok() {
            let once = after.clone();
            prop_assert!(!update.apply(&mut after, &context(None)).unwrap());
            prop_assert_eq!(RawDocumentBuf::try_from(&after).unwrap(), RawDocumentBuf::try_from(&once).unwrap());
        }
    }
}

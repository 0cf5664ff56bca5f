//! The heart of the planner's contract: an index changes how documents are found, never which, in what order,
//! or how they look.

use super::bed::{Bed, all, down, insert, name, up};
use bson::{Bson, DateTime, Document, RawDocumentBuf, doc};
use bundoc::engine::{Actor, Engine, FieldOrder, FindRequest, IndexSpec, IndexState};
use proptest::prelude::*;

/// Random choices that a seed decides.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        // xorshift64*, Vigna 2016.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len() as u64) as usize].clone()
    }

    fn scalar(&mut self) -> Bson {
        match self.roll(10) {
            0 => Bson::Null,
            1 => Bson::Double(self.roll(5) as f64 / 2.0),
            2 => Bson::Int64(self.roll(4) as i64),
            3 => Bson::String(self.pick(&["", "a", "ab", "b"]).into()),
            4 => Bson::DateTime(DateTime::from_millis(self.roll(4) as i64)),
            5 => Bson::Boolean(self.roll(2) == 0),
            6 => Bson::Double(self.pick(&[f64::NAN, -0.0, f64::INFINITY])),
            _ => Bson::Int32(self.roll(5) as i32),
        }
    }

    fn value(&mut self, arrays: bool) -> Bson {
        match self.roll(12) {
            0 => Bson::Document(doc! {"k": self.scalar()}),
            1 if arrays => Bson::Array((0..self.roll(4)).map(|_| self.scalar()).collect()),
            2 if arrays => Bson::Array(vec![Bson::Document(doc! {"k": self.scalar()}), self.scalar()]),
            _ => self.scalar(),
        }
    }

    fn document(&mut self, number: usize, arrays: bool) -> Document {
        let mut document = doc! {"_id": format!("d{number:03}")};
        let mut names = vec!["a", "b", "c"];
        for _ in 0..3 {
            let name = names.swap_remove(self.roll(names.len() as u64) as usize);
            if self.roll(5) > 0 {
                document.insert(name, self.value(arrays));
            }
        }
        if self.roll(2) == 0 {
            document.insert("d", doc! {"k": self.scalar(), "l": self.scalar()});
        }
        document
    }

    fn fields(&mut self, most: u64) -> Vec<FieldOrder> {
        let mut paths = vec!["a", "b", "c", "d.k", "a.k"];
        let count = 1 + self.roll(most);
        let mut field = || {
            let path = paths.swap_remove(self.roll(paths.len() as u64) as usize);
            if self.roll(2) == 0 { up(path) } else { down(path) }
        };
        (0..count).map(|_| field()).collect()
    }

    fn index(&mut self) -> IndexSpec {
        let fields = self.fields(3);
        let (sparse, partial) = match self.roll(4) {
            0 => (true, None),
            1 => (false, Some(self.filter(1))),
            _ => (false, None),
        };
        IndexSpec { fields, sparse, partial, ..IndexSpec::default() }
    }

    fn condition(&mut self) -> Bson {
        let list = |dice: &mut Self| Bson::Array((0..1 + dice.roll(3)).map(|_| dice.scalar()).collect());
        match self.roll(12) {
            0 => Bson::Document(doc! {"$gt": self.scalar()}),
            1 => Bson::Document(doc! {"$gte": self.scalar(), "$lt": self.scalar()}),
            2 => Bson::Document(doc! {"$lte": self.scalar()}),
            3 => Bson::Document(doc! {"$in": list(self)}),
            4 => Bson::Document(doc! {"$exists": self.roll(2) == 0}),
            5 => Bson::Document(doc! {"$ne": self.scalar()}),
            6 => Bson::Document(doc! {"$gt": self.roll(3) as i32, "$lte": 3}),
            7 => Bson::Document(doc! {"$not": {"$gt": self.scalar()}}),
            8 => self.value(true),
            _ => self.scalar(),
        }
    }

    fn filter(&mut self, most: u64) -> Document {
        let mut filter = Document::new();
        for _ in 0..self.roll(most + 1) {
            let path = self.pick(&["a", "b", "c", "d.k", "a.k", "_id"]);
            let condition = if path == "_id" {
                let id = format!("d{:03}", self.roll(60));
                self.pick(&[Bson::String(id.clone()), Bson::Document(doc! {"$gte": id})])
            } else {
                self.condition()
            };
            filter.insert(path, condition);
        }
        if most > 1 && self.roll(4) == 0 {
            let either = (0..1 + self.roll(3)).map(|_| Bson::Document(self.filter(1)));
            filter.insert("$or", either.collect::<Vec<_>>());
        }
        filter
    }

    fn request(&mut self) -> FindRequest {
        let sort = match self.roll(4) {
            0 => Vec::new(),
            1 => vec![down("_id")],
            _ => self.fields(2),
        };
        let fields = match self.roll(4) {
            0 => doc! {"a": 1},
            1 => doc! {"a": 1, "b": 1, "d.k": 1},
            2 => doc! {"d.k": 1, "d.l": 1},
            _ => doc! {},
        };
        FindRequest { fields, ..all(self.filter(3), sort) }
    }
}

fn documents(bed: &Bed, collection: &str, request: &FindRequest) -> Vec<Document> {
    bed.find(collection, request).documents.iter().map(|stored| plain(&stored.document)).collect()
}

fn plain(document: &RawDocumentBuf) -> Document {
    Document::try_from(document).unwrap()
}

/// Documents as text: NaN is not equal to itself.
fn texts(documents: &[Document]) -> Vec<String> {
    documents.iter().map(ToString::to_string).collect()
}

async fn compare(seed: u64) {
    let mut dice = Dice(seed | 1);
    let bed = Bed::new();
    let arrays = dice.roll(3) > 0;
    let samples: Vec<Document> = (0..60).map(|number| dice.document(number, arrays)).collect();
    bed.fill("plain", &samples).await;
    let (before, after) = samples.split_at(30);
    bed.fill("indexed", before).await;
    for _ in 0..4 {
        let spec = dice.index();
        // Two of the same name are one, or refused.
        let created = bed.engine.create_index(&bed.database, &name("indexed"), spec.clone()).await;
        if created.is_ok() {
            assert_eq!(bed.index("indexed", spec).await, IndexState::Ready);
        }
    }
    bed.write(after.iter().map(|document| insert("indexed", document)).collect()).await.unwrap();
    for _ in 0..40 {
        let request = dice.request();
        let expected = texts(&documents(&bed, "plain", &request));
        let context = || format!("{request:?}\nby {:?}", bed.explain("indexed", &request).plan);
        assert_eq!(texts(&documents(&bed, "indexed", &request)), expected, "{}", context());
        let paged: Vec<Document> = bed.paged("indexed", &request, 7).iter().map(plain).collect();
        assert_eq!(texts(&paged), expected, "in pages {}", context());
        assert_eq!(bed.count("indexed", &request.filter), expected.len() as u64, "count {}", context());
        let distinct = |collection: &str| {
            let values =
                bed.engine.distinct(&bed.database, &name(collection), "a", &request.filter, &Actor::Trusted);
            values.unwrap().into_iter().map(|value| as_number(value).to_string()).collect::<Vec<_>>()
        };
        assert_eq!(distinct("indexed"), distinct("plain"), "distinct {}", context());
    }
}

/// Which of several equal numbers stands for them is not said.
fn as_number(value: Bson) -> Bson {
    match value {
        Bson::Int32(number) => Bson::Double(f64::from(number)),
        Bson::Int64(number) => Bson::Double(number as f64),
        // Minus zero is zero.
        Bson::Double(number) => Bson::Double(number + 0.0),
        Bson::Document(inner) => {
            Bson::Document(inner.into_iter().map(|(name, value)| (name, as_number(value))).collect())
        }
        Bson::Array(inner) => Bson::Array(inner.into_iter().map(as_number).collect()),
        other => other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn indexes_of_every_kind_change_no_answer(seed in any::<u64>()) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(compare(seed));
    }
}

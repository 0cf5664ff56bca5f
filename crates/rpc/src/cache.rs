//! Positive answers for a moment, so that hot requests do not cross each time. What was refused is asked
//! again. All the caches on one path together stay under the 5 seconds in which a revocation has to show.

use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};
use std::time::{Duration, Instant};

/// Answers that one cache keeps.
const ANSWERS_MAX: usize = 4096;

/// The hash of a question; tokens and keys are not kept themselves.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Question([u8; 32]);

/// Collects the parts of a question.
#[derive(Default)]
pub(crate) struct QuestionBuilder(Sha256);

impl QuestionBuilder {
    /// Adds one part; each is told from its neighbours and from an absent one.
    #[must_use]
    pub(crate) fn part(mut self, part: Option<&[u8]>) -> Self {
        self.0.update(part.map_or(u64::MAX, |part| part.len() as u64).to_le_bytes());
        self.0.update(part.unwrap_or_default());
        self
    }

    pub(crate) fn finish(self) -> Question {
        Question(self.0.finalize().into())
    }
}

/// Answers of one kind.
pub(crate) struct Answers<T> {
    kept: Cache<Question, (Instant, T)>,
    for_at_most: Duration,
}

impl<T: Clone> Answers<T> {
    pub(crate) fn new(for_at_most: Duration) -> Self {
        Self { kept: Cache::new(ANSWERS_MAX), for_at_most }
    }

    /// The answer, if it was given a moment ago.
    pub(crate) fn get(&self, question: &Question) -> Option<T> {
        let (given, answer) = self.kept.get(question)?;
        if given.elapsed() < self.for_at_most {
            return Some(answer);
        }
        self.kept.remove(question);
        None
    }

    /// Keeps an answer to a question that was asked at `asked`: time on the way counts.
    pub(crate) fn put(&self, question: Question, asked: Instant, answer: T) {
        self.kept.insert(question, (asked, answer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(parts: &[Option<&[u8]>]) -> Question {
        parts.iter().fold(QuestionBuilder::default(), |builder, part| builder.part(*part)).finish()
    }

    #[test]
    fn different_parts_are_different_questions() {
        let questions = [
            question(&[Some(b"ab"), Some(b"c")]),
            question(&[Some(b"a"), Some(b"bc")]),
            question(&[Some(b"abc"), None]),
            question(&[None, Some(b"abc")]),
            question(&[Some(b"abc"), Some(b"")]),
        ];
        let distinct: std::collections::HashSet<_> = questions.iter().collect();
        assert_eq!(distinct.len(), questions.len());
    }

    #[test]
    fn an_answer_is_given_again_until_it_is_too_old() {
        let answers = Answers::new(Duration::from_secs(2));
        let key = question(&[Some(b"k")]);
        answers.put(key, Instant::now(), 1);
        assert_eq!(answers.get(&key), Some(1));
        let old = Instant::now().checked_sub(Duration::from_secs(2)).unwrap();
        answers.put(key, old, 1);
        assert_eq!(answers.get(&key), None);
    }
}

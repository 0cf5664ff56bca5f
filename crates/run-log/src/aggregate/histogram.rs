//! Durations in buckets whose bounds grow by 2^(1/8), the exponential histogram of OpenTelemetry's data model
//! at scale 3: bucket `i` holds what is above 2^(i/8) and up to 2^((i+1)/8) microseconds.
//!
//! A quantile is answered with the geometric middle of its bucket, so that it is wrong by at most
//! 2^(1/16) - 1 = 4.4 % of its value. Sum and maximum are exact. What took less than a microsecond is in the
//! first bucket, what took more than 71 minutes in the last one.

/// Buckets of one power of two.
pub(crate) const BUCKETS_PER_OCTAVE: u32 = 8;
/// Buckets in all: 1 us to 2^32 us.
const BUCKETS: usize = 32 * BUCKETS_PER_OCTAVE as usize;

/// Durations. Buckets without any are not stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Histogram {
    /// How many, for each bucket up to the highest one that has any.
    counts: Vec<u64>,
    pub(crate) sum_us: u64,
    pub(crate) max_us: u64,
}

impl Histogram {
    pub(crate) fn record(&mut self, duration_us: u64) {
        self.add(bucket_of(duration_us), 1);
        self.sum_us = self.sum_us.saturating_add(duration_us);
        self.max_us = self.max_us.max(duration_us);
    }

    fn add(&mut self, bucket: usize, count: u64) {
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += count;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (bucket, count) in other.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            self.add(bucket, *count);
        }
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
        self.max_us = self.max_us.max(other.max_us);
    }

    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The counts of all buckets from the first on.
    pub(crate) fn buckets(&self) -> &[u64] {
        &self.counts
    }

    /// How many took at most 2^`exponent` microseconds; exact, because powers of two are bounds of buckets.
    pub(crate) fn count_up_to(&self, exponent: u32) -> u64 {
        let buckets = (exponent * BUCKETS_PER_OCTAVE) as usize;
        self.counts.iter().take(buckets).sum()
    }

    /// Microseconds that the share `quantile` (0 to 1) of all durations does not exceed; 0 where there is none.
    pub(crate) fn quantile_us(&self, quantile: f64) -> u64 {
        let rank = (self.count() as f64 * quantile).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return middle_us(bucket).min(self.max_us);
            }
        }
        0
    }

    /// Pairs of "buckets left out" and "count" as LEB128 numbers.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (mut bytes, mut next) = (Vec::new(), 0);
        for (bucket, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            write_number(&mut bytes, (bucket - next) as u64);
            write_number(&mut bytes, *count);
            next = bucket + 1;
        }
        bytes
    }

    /// Reads what `encode` wrote; stops at what it cannot read.
    pub(crate) fn decode(mut bytes: &[u8], sum_us: u64, max_us: u64) -> Self {
        let mut histogram = Self { counts: Vec::new(), sum_us, max_us };
        let mut next = 0_u64;
        while let (Some(gap), Some(count)) = (read_number(&mut bytes), read_number(&mut bytes)) {
            let bucket = next.saturating_add(gap);
            let Some(index) = usize::try_from(bucket).ok().filter(|index| *index < BUCKETS) else { break };
            histogram.add(index, count);
            next = bucket + 1;
        }
        histogram
    }
}

fn bucket_of(duration_us: u64) -> usize {
    if duration_us <= 1 {
        return 0;
    }
    // Upper bounds belong to their bucket.
    let position = (duration_us as f64).log2() * f64::from(BUCKETS_PER_OCTAVE);
    (position.ceil() as usize - 1).min(BUCKETS - 1)
}

fn middle_us(bucket: usize) -> u64 {
    ((bucket as f64 + 0.5) / f64::from(BUCKETS_PER_OCTAVE)).exp2().round() as u64
}

fn write_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number as u8) | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn read_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(durations: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        durations.iter().for_each(|duration| histogram.record(*duration));
        histogram
    }

    #[test]
    fn nothing_has_no_quantile() {
        assert_eq!((Histogram::default().quantile_us(0.5), Histogram::default().encode()), (0, Vec::new()));
    }

    #[test]
    fn bounds_that_are_powers_of_two_are_exact() {
        let histogram = of(&[0, 1, 127, 128, 129, 4_096, u64::MAX]);
        assert_eq!([7, 8, 12, 31].map(|exponent| histogram.count_up_to(exponent)), [4, 5, 6, 6]);
    }

    #[test]
    fn one_minute_of_calls_takes_few_bytes() {
        let durations: Vec<u64> = (0..10_000).map(|number| 500 + number % 1_000).collect();
        assert!(of(&durations).encode().len() < 60);
    }

    #[test]
    fn damaged_bytes_are_read_as_far_as_they_make_sense() {
        let good = of(&[5, 500]).encode();
        for end in 0..good.len() {
            assert!(Histogram::decode(&good[..end], 0, 0).count() <= 2);
        }
        assert_eq!(Histogram::decode(&[0xff; 40], 0, 0).count(), 0);
    }

    proptest! {
        #[test]
        fn quantiles_are_as_exact_as_promised(
            mut durations in prop::collection::vec(1_u64..4_000_000_000, 1..200), percent in 1_u32..=100,
        ) {
            let histogram = of(&durations);
            durations.sort_unstable();
            let quantile = f64::from(percent) / 100.0;
            let rank = (durations.len() as f64 * quantile).ceil().max(1.0) as usize;
            let exact = durations[rank - 1] as f64;
            let answered = histogram.quantile_us(quantile) as f64;
            // Rounding to whole microseconds comes on top.
            prop_assert!((answered - exact).abs() <= exact * 0.0443 + 1.0, "{answered} for {exact}");
        }

        #[test]
        fn histograms_survive_being_stored_and_add_up(
            left in prop::collection::vec(any::<u64>(), 0..50), right in prop::collection::vec(0_u64..100, 0..50),
        ) {
            let (first, second) = (of(&left), of(&right));
            let read = Histogram::decode(&first.encode(), first.sum_us, first.max_us);
            prop_assert_eq!(&read, &first);
            let mut sum = read;
            sum.merge(&second);
            prop_assert_eq!(sum, of(&left.iter().chain(&right).copied().collect::<Vec<_>>()));
        }
    }
}

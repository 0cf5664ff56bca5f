//! The inputs that fuzzers begin with (`fuzz/seeds.rs`) and variations of them, without a fuzzer.

// Public for the fuzz targets, which are a crate of their own.
#![allow(unreachable_pub)]

#[path = "../fuzz/seeds.rs"]
mod seeds;
#[path = "../fuzz/targets.rs"]
mod targets;

/// Variations of all inputs together.
const VARIATIONS: usize = 4_000;

/// A number that follows from others (SplitMix64).
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The input with a few bytes removed, doubled, flipped, or taken from another input.
fn varied(input: &str, other: &str, seed: u64) -> Vec<u8> {
    let mut bytes = input.as_bytes().to_vec();
    for round in 0..1 + mix(seed) % 3 {
        let random = mix(seed ^ (round << 32));
        if bytes.is_empty() {
            break;
        }
        let at = (random >> 8) as usize % bytes.len();
        let length = (1 + (random >> 40) as usize % 8).min(bytes.len() - at);
        match random % 4 {
            0 => drop(bytes.drain(at..at + length)),
            1 => bytes.splice(at..at, bytes[at..at + length].to_vec()).for_each(drop),
            2 => bytes[at] ^= 1 << ((random >> 56) % 8),
            _ => {
                let other = other.as_bytes();
                let from = (random >> 16) as usize % other.len();
                let part = other[from..(from + length).min(other.len())].to_vec();
                bytes.splice(at..at, part).for_each(drop);
            }
        }
    }
    bytes
}

fn run(name: &str, target: fn(&[u8])) {
    let inputs = seeds::all(name);
    assert!(inputs.len() > 5, "only {} inputs", inputs.len());
    for (number, input) in inputs.iter().enumerate() {
        target(input.as_bytes());
        let other = &inputs[mix(number as u64) as usize % inputs.len()];
        for variation in 0..VARIATIONS.div_ceil(inputs.len()) as u64 {
            target(&varied(input, other, (number as u64) << 20 | variation));
        }
    }
}

#[test]
fn filters_find_the_same_with_and_without_an_index() {
    run("query", targets::query);
}

#[test]
fn updates_apply_in_whole_or_not_at_all() {
    run("update", targets::update);
}

#[test]
fn documents_of_any_bytes_are_refused_or_stored() {
    run("document", targets::document);
}

#[test]
fn extended_json_reads_back_what_it_wrote() {
    run("json", targets::json);
}

#[test]
fn cursors_that_nobody_gave_out_do_no_harm() {
    run("cursor", targets::cursor);
}

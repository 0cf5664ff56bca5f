#![no_main]

#[path = "../seeds.rs"]
mod seeds;
#[path = "../targets.rs"]
#[allow(dead_code, reason = "each target uses one function")]
mod targets;

libfuzzer_sys::fuzz_target!(init: seeds::write("cursor"), |input: &[u8]| targets::cursor(input));

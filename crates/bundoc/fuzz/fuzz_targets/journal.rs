#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| bundoc::fuzzing::journal(input));

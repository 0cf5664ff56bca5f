//! Load generators and peer servers of the benchmarks.
fn main() {}

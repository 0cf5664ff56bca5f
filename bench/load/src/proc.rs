//! What the kernel says of a process (proc(5)).

use anyhow::Context as _;

/// `sysconf(_SC_CLK_TCK)` is 100 on every Linux that this runs on.
const TICK_US: f64 = 10_000.0;

/// Resident memory.
pub(crate) fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    let status = read(pid, "status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes * 1024)
}

/// User and system time so far.
pub(crate) fn cpu_us(pid: u32) -> anyhow::Result<f64> {
    let stat = read(pid, "stat")?;
    // The second field, the name, may hold anything.
    let (_, fields) = stat.rsplit_once(')').context("no name")?;
    let times = fields.split_ascii_whitespace().skip(11).take(2);
    let ticks: Vec<f64> = times.map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() * TICK_US)
}

fn read(pid: u32, file: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(format!("/proc/{pid}/{file}")).with_context(|| format!("process {pid} is gone"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_uses_time() {
        let pid = std::process::id();
        assert!(resident_bytes(pid).unwrap() > 0);
        let before = cpu_us(pid).unwrap();
        while cpu_us(pid).unwrap() <= before {}
    }
}

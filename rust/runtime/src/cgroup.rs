//! Whether the process's cgroup was held back: a container's CPU quota makes ticks late, and nothing else says so.

use std::path::{Path, PathBuf};

/// What `cpu.stat` says of the group that was held back most, our own or one above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttling {
    /// Periods of the quota that the group ran in.
    pub periods: u64,
    /// Those of them in which it used its quota up and was stopped.
    pub throttled_periods: u64,
    /// For how long, in microseconds.
    pub throttled_us: u64,
}

/// Reads it now; none where no group of ours has a quota, or the system has no cgroups. Reads files: not for a tick.
#[must_use]
pub fn throttling() -> Option<Throttling> {
    let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    groups(&own)
        .iter()
        .filter_map(|group| std::fs::read_to_string(group.join("cpu.stat")).ok())
        .filter_map(|stat| parse(&stat))
        .max_by_key(|stat| stat.throttled_us)
}

/// Directories of the groups that the process is in, as far as they have to do with the CPU, and of those above them.
fn groups(own: &str) -> Vec<PathBuf> {
    let mounted = Path::new("/sys/fs/cgroup");
    let mut found = Vec::new();
    for line in own.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let root = match controllers {
            "" => mounted.to_owned(),
            names if names.split(',').any(|name| name == "cpu") => mounted.join(names),
            _ => continue,
        };
        // In a container the path may be the host's: what is not there is passed over, the root of the mount is.
        let below = Path::new(path.trim_start_matches('/'));
        found.extend(below.ancestors().map(|below| root.join(below)));
    }
    found
}

/// Version 2 counts microseconds, version 1 nanoseconds under another name. A group without a quota has had no periods.
fn parse(stat: &str) -> Option<Throttling> {
    let value = |name: &str| {
        stat.lines()
            .filter_map(|line| line.split_once(' '))
            .find(|(known, _)| *known == name)?
            .1
            .parse::<u64>()
            .ok()
    };
    let found = Throttling {
        periods: value("nr_periods")?,
        throttled_periods: value("nr_throttled")?,
        throttled_us: value("throttled_usec")
            .or_else(|| value("throttled_time").map(|ns| ns / 1_000))?,
    };
    (found.periods > 0).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_understood() {
        let expected = Throttling {
            periods: 900,
            throttled_periods: 12,
            throttled_us: 345_678,
        };
        let two = "usage_usec 5\nnr_periods 900\nnr_throttled 12\nthrottled_usec 345678\n";
        let one = "nr_periods 900\nnr_throttled 12\nthrottled_time 345678901\n";
        assert_eq!(parse(two), Some(expected));
        assert_eq!(parse(one), Some(expected));
    }

    #[test]
    fn without_a_quota_there_is_nothing_to_say() {
        assert_eq!(parse("usage_usec 5\nuser_usec 4\n"), None);
        assert_eq!(
            parse("nr_periods 0\nnr_throttled 0\nthrottled_time 0\n"),
            None
        );
        assert_eq!(
            parse("nr_periods x\nnr_throttled 0\nthrottled_usec 0\n"),
            None
        );
        assert_eq!(parse(""), None);
    }

    #[test]
    fn the_quota_of_a_group_above_counts_too() {
        let found = groups("4:cpu,cpuacct:/docker/ab\n3:memory:/x\n0::/user.slice/a.scope\n");
        let expected = [
            "cpu,cpuacct/docker/ab",
            "cpu,cpuacct/docker",
            "cpu,cpuacct/",
            "user.slice/a.scope",
            "user.slice",
            "",
        ];
        let expected = expected.map(|path| Path::new("/sys/fs/cgroup").join(path));
        assert_eq!(found, expected);
        assert_eq!(groups("rubbish\n1:\n"), Vec::<PathBuf>::new());
    }

    #[test]
    fn it_may_be_asked_wherever_this_runs() {
        let _ = throttling();
    }
}

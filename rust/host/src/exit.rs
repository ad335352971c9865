//! The time that the end of the process may take: so much for all logs together, however many of them have a stuck sink.
//! The orderly exit takes of it first, then each log that goes with its last user.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What is left, in nanoseconds.
#[derive(Debug)]
struct Budget(AtomicU64);

/// No end has begun.
const ENDLESS: u64 = u64::MAX;

/// That of this process.
static LEFT: Budget = Budget::new();

impl Budget {
    const fn new() -> Budget {
        Budget(AtomicU64::new(ENDLESS))
    }

    fn begin(&self, all: Duration) {
        let nsec = u64::try_from(all.as_nanos()).unwrap_or(ENDLESS);
        self.0.store(nsec.min(ENDLESS - 1), Ordering::SeqCst);
    }

    /// The shorter of `most` and what is left; before the end, `most`.
    fn at_most(&self, most: Duration) -> Duration {
        most.min(Duration::from_nanos(self.0.load(Ordering::SeqCst)))
    }

    fn spend(&self, spent: Duration) {
        let nsec = u64::try_from(spent.as_nanos()).unwrap_or(ENDLESS);
        let left = |left: u64| (left != ENDLESS).then(|| left.saturating_sub(nsec));
        let _ = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, left);
    }

    /// Does what may take as long as it is told, and takes what it has taken off what is left.
    fn within<R>(&self, most: Duration, work: impl FnOnce(Duration) -> R) -> R {
        let start = Instant::now();
        let done = work(self.at_most(most));
        self.spend(start.elapsed());
        done
    }
}

/// The end of the process begins: whatever waits [`within`] it shares `all`.
pub fn begin(all: Duration) {
    LEFT.begin(all);
}

/// Does what may wait as long as it is told: `most`, or what is left of the process's end.
pub fn within<R>(most: Duration, work: impl FnOnce(Duration) -> R) -> R {
    LEFT.within(most, work)
}

/// In a forked child's hook: its end is its own.
pub(crate) fn forget_after_fork() {
    LEFT.0.store(ENDLESS, Ordering::SeqCst);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_waits_while_the_process_ends_waits_no_longer_than_the_end_together() {
        let (budget, most) = (Budget::new(), Duration::from_secs(60));
        assert_eq!(budget.within(most, |given| given), most, "no end has begun");
        let all = Duration::from_millis(5);
        budget.begin(all);
        let stuck = |given| {
            std::thread::sleep(given);
            given
        };
        let given = [(); 8].map(|()| budget.within(most, stuck));
        assert_eq!(given[0], all);
        assert!(given[1..].iter().all(Duration::is_zero), "{given:?}");
    }

    #[test]
    fn what_does_not_wait_leaves_the_time_to_the_others() {
        let budget = Budget::new();
        let all = Duration::from_secs(3600);
        budget.begin(all);
        let given = [(); 8].map(|()| budget.within(all, |given| given));
        assert!(given.iter().all(|given| *given > all / 2), "{given:?}");
        budget.begin(all);
        assert_eq!(budget.at_most(all), all, "a second end is one of its own");
    }
}

//! How often a call site may log.

use pr_printk::limit::{Admission, Limit, Rate};

const SECOND: u64 = 1_000_000_000;
const RATE: Rate = Rate {
    interval_ms: 5_000,
    burst: 3,
};

fn all(limit: &Limit, times: &[u64], rate: Rate) -> Vec<Admission> {
    times.iter().map(|now| limit.admit(*now, rate)).collect()
}

#[test]
fn a_window_lets_so_many_through_and_the_first_behind_it_says_how_many_were_held() {
    use Admission::{Held, Passes, PassesAfter};
    let limit = Limit::default();
    let first = [
        SECOND,
        SECOND,
        2 * SECOND,
        2 * SECOND,
        6 * SECOND - 1_000_000,
    ];
    assert_eq!(
        all(&limit, &first, RATE),
        [Passes, Passes, Passes, Held, Held]
    );
    let second = [
        6 * SECOND,
        6 * SECOND,
        10 * SECOND,
        10 * SECOND,
        3600 * SECOND,
    ];
    let after = [PassesAfter(2), Passes, Passes, Held, PassesAfter(1)];
    assert_eq!(all(&limit, &second, RATE), after);
    assert_eq!(
        all(&limit, &[7200 * SECOND], RATE),
        [Passes],
        "there was nothing to say"
    );
}

#[test]
fn no_interval_lets_all_through_and_no_burst_none() {
    let limit = Limit::default();
    let always = Rate {
        interval_ms: 0,
        burst: 0,
    };
    let never = Rate {
        interval_ms: 1,
        burst: 0,
    };
    let times: Vec<u64> = (0..100).map(|second| second * SECOND).collect();
    assert!(
        all(&limit, &times, always)
            .iter()
            .all(|one| *one == Admission::Passes)
    );
    assert!(
        all(&limit, &times, never)
            .iter()
            .all(|one| *one == Admission::Held)
    );
    assert_eq!(
        limit.admit(1000 * SECOND, RATE),
        Admission::PassesAfter(100)
    );
}

#[test]
fn a_site_that_was_not_limited_for_a_while_begins_anew() {
    let limit = Limit::default();
    let always = Rate {
        interval_ms: 0,
        burst: 3,
    };
    for _ in 0..2 {
        assert_eq!(all(&limit, &[SECOND; 3], RATE), [Admission::Passes; 3]);
        assert_eq!(limit.admit(SECOND, always), Admission::Passes);
    }
}

#[test]
fn a_window_that_never_ends_and_a_burst_without_bounds_are_what_they_say() {
    let limit = Limit::default();
    let once = Rate {
        interval_ms: u64::MAX,
        burst: 1,
    };
    let times = [0, u64::MAX / 2, u64::MAX];
    let first = [Admission::Passes, Admission::Held, Admission::Held];
    assert_eq!(all(&limit, &times, once), first);
    let limit = Limit::default();
    let any = Rate {
        interval_ms: u64::MAX,
        burst: u64::MAX,
    };
    let passed = (0..17 << 20)
        .filter(|_| limit.admit(7, any) == Admission::Passes)
        .count();
    assert!(passed > 15 << 20, "{passed}");
    let held = (17 << 20) - passed as u64;
    assert_eq!(
        limit.admit(8 * SECOND, RATE),
        Admission::PassesAfter(held),
        "the time is untouched"
    );
}

#[test]
fn threads_share_a_window_to_the_record_and_one_says_what_was_held() {
    let limit = &Limit::default();
    let rate = Rate {
        interval_ms: 1_000,
        burst: 100,
    };
    let round = |now: u64| {
        std::thread::scope(|scope| {
            let work = move || {
                (0..1000)
                    .map(|_| limit.admit(now, rate))
                    .collect::<Vec<_>>()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
            threads
                .into_iter()
                .flat_map(|one| one.join().expect("no panic"))
                .collect::<Vec<_>>()
        })
    };
    for number in 1..20_u64 {
        let made = round(number * SECOND);
        let held = made.iter().filter(|one| **one == Admission::Held).count();
        assert_eq!(held, 3900);
        let told: Vec<_> = made
            .iter()
            .filter(|one| matches!(one, Admission::PassesAfter(_)))
            .collect();
        assert_eq!(told.len(), usize::from(number > 1));
        assert!(
            told.iter().all(|one| **one == Admission::PassesAfter(3900)),
            "{told:?}"
        );
    }
}

#[test]
fn of_all_threads_one_is_the_first() {
    for _ in 0..200 {
        let limit = &Limit::default();
        let first: usize = std::thread::scope(|scope| {
            let work = move || usize::from(limit.admit_once());
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
            threads
                .into_iter()
                .map(|one| one.join().expect("no panic"))
                .sum()
        });
        assert_eq!(first, 1);
    }
}

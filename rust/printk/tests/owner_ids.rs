//! What writes into a ring goes by a name that nobody else has.

use pr_printk::thread::{enter, owner, tid, tid_of};

#[test]
fn a_log_call_inside_another_one_is_another_owner() {
    let outside = owner(tid());
    let nest = enter().expect("not deep");
    let outer = owner(tid());
    let inner = {
        let _nest = enter().expect("not deep");
        owner(tid())
    };
    assert!(outside != outer && outer != inner && outside != inner);
    assert_eq!(owner(tid()), outer, "the same again when the inner is over");
    drop(nest);
    assert_eq!(owner(tid()), outside);
    assert_eq!([outside, outer, inner].map(tid_of), [tid(); 3]);
}

#[test]
fn no_two_threads_are_the_same_owner_although_their_ids_may_be() {
    let ask = || std::thread::spawn(|| (tid(), owner(tid()))).join();
    let mut seen: Vec<_> = (0..50).map(|_| ask().expect("it ended")).collect();
    seen.push((tid(), owner(tid())));
    for (tid, owner) in &seen {
        assert!(*owner != 0 && tid_of(*owner) == *tid);
    }
    // What tells threads apart is not the kernel's number, which is given out again.
    seen.sort_by_key(|(_, owner)| *owner as u32);
    seen.dedup_by_key(|(_, owner)| *owner as u32);
    assert_eq!(seen.len(), 51);
}

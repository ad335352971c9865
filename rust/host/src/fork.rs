//! What must happen around a fork: short locks are held across it, so that a child never finds one that a vanished thread
//! holds; the child lets go of its parent's files and begins a generation of its own. A child that no hook saw does so
//! before its first record.

use crate::life::Life;
use crate::mapping::lock;
use pr_printk::thread;
use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// A lock for a few instructions at a time, which the fork hooks can hold over a fork. Nothing that waits, prints or
/// calls out happens under it. It holds the generation of who has it (0: nobody): in a child that no hook saw, that of a
/// thread that is not there.
#[derive(Debug, Default)]
pub(crate) struct ShortLock(AtomicU64);

impl ShortLock {
    pub(crate) const fn new() -> ShortLock {
        ShortLock(AtomicU64::new(0))
    }

    pub(crate) fn lock(&self) {
        let own = thread::begin_generation();
        let mut rounds = 0_u32;
        loop {
            let found = self.0.load(Ordering::Relaxed);
            if found != own
                && self
                    .0
                    .compare_exchange(found, own, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok()
            {
                return;
            }
            rounds += 1;
            if rounds < 100 {
                std::hint::spin_loop()
            } else {
                std::thread::yield_now()
            }
        }
    }

    pub(crate) fn unlock(&self) {
        self.0.store(0, Ordering::Release);
    }
}

/// The one lock of all lists of this process: changed rarely, and looked at for a copy only.
static LISTS: ShortLock = ShortLock::new();

/// A value that is looked at and changed under the lists' lock, for a few instructions at a time.
#[derive(Debug, Default)]
pub(crate) struct Listed<T>(UnsafeCell<T>);

// SAFETY: every access holds LISTS.
unsafe impl<T: Send> Sync for Listed<T> {}

/// Access to a [`Listed`] value.
#[derive(Debug)]
pub(crate) struct ListGuard<'a, T>(&'a Listed<T>);

impl<T> Listed<T> {
    pub(crate) const fn new(value: T) -> Listed<T> {
        Listed(UnsafeCell::new(value))
    }

    /// Holds the lists' lock. Never take a second guard while this one lives.
    pub(crate) fn lock(&self) -> ListGuard<'_, T> {
        LISTS.lock();
        ListGuard(self)
    }
}

impl<T> Listed<T> {
    /// The value, in a fork hook.
    ///
    /// # Safety
    /// The lists' lock is held, and no guard lives.
    #[expect(clippy::mut_from_ref, reason = "the lock is held")]
    pub(crate) unsafe fn held(&self) -> &mut T {
        // SAFETY: the caller's promise.
        unsafe { &mut *self.0.get() }
    }
}

impl<T> Deref for ListGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: LISTS is held.
        unsafe { &*self.0.0.get() }
    }
}

impl<T> DerefMut for ListGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: LISTS is held, and the guard is borrowed mutably.
        unsafe { &mut *self.0.0.get() }
    }
}

impl<T> Drop for ListGuard<'_, T> {
    fn drop(&mut self) {
        LISTS.unlock();
    }
}

/// The lives whose files a child must let go of.
static LIVES: Listed<Vec<Weak<Life>>> = Listed::new(Vec::new());

/// Notes a life for the fork hook, and forgets those that are gone.
pub(crate) fn watch(life: Weak<Life>) {
    prepare_process();
    // What is dropped is dropped outside of the lock.
    let gone: Vec<Weak<Life>>;
    {
        let mut lives = LIVES.lock();
        let (kept, dead) = std::mem::take(&mut *lives)
            .into_iter()
            .partition(|life| life.strong_count() > 0);
        *lives = kept;
        gone = dead;
        lives.push(life);
    }
    drop(gone);
}

/// The lives of this process.
pub(crate) fn own_lives() -> Vec<Arc<Life>> {
    let mut lives: Vec<Arc<Life>> = LIVES.lock().iter().filter_map(Weak::upgrade).collect();
    lives.retain(|life| life.core().generation() == thread::generation());
    lives
}

/// Installs the hooks and the page that a fork wipes. Nobody waits for anybody who is at it: a thread that vanished in a fork
/// may have been.
fn prepare_process() {
    static IS_PREPARED: AtomicBool = AtomicBool::new(false);
    static HAS_HOOKS: AtomicBool = AtomicBool::new(false);
    if IS_PREPARED.load(Ordering::SeqCst) {
        return;
    }
    pr_printk::barrier::prepare();
    if !thread::watches_forks() {
        watch_page();
    }
    let (nobody, me) = (0, thread::begin_generation());
    let _ = SEEN.compare_exchange(nobody, me, Ordering::SeqCst, Ordering::SeqCst);
    // In a child of the moment in between there are none, as in one that none saw: `catch_up` does their work.
    if !HAS_HOOKS.swap(true, Ordering::SeqCst) {
        // SAFETY: the hooks only do what a forked child may do.
        unsafe { libc::pthread_atfork(Some(before), Some(after_in_parent), Some(after_in_child)) };
    }
    IS_PREPARED.store(true, Ordering::SeqCst);
}

/// Has forks noticed by a page that they wipe. Of several threads that come here at once one's page is it.
fn watch_page() {
    let Some(page) = wiped_page() else {
        return;
    };
    // SAFETY: a fresh zeroed page, unmapped only if nobody uses it.
    if !unsafe { thread::watch_forks(page.cast()) } {
        // SAFETY: as just said.
        unsafe { libc::munmap(page.cast(), PAGE_BYTES) };
    }
}

const PAGE_BYTES: usize = 4096;

/// A page that reads as zero in a forked child.
fn wiped_page() -> Option<*mut AtomicU64> {
    let (read_write, flags) = (
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
    );
    // SAFETY: a new anonymous mapping, at an address of the kernel's choice.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), PAGE_BYTES, read_write, flags, -1, 0) };
    if page == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: the page was just mapped.
    let wiped = unsafe { libc::madvise(page, PAGE_BYTES, libc::MADV_WIPEONFORK) } == 0;
    wiped.then_some(page.cast())
}

extern "C" fn before() {
    LISTS.lock();
}

extern "C" fn after_in_parent() {
    LISTS.unlock();
}

/// Runs in the child before anything else does.
extern "C" fn after_in_child() {
    thread::renew_generation();
    thread::forget_nesting();
    thread::print_for(0); // and if it prints, that was for a console of its parent
    SEEN.store(thread::generation(), Ordering::SeqCst);
    // SAFETY: LISTS is held since `before`, and this is the only thread.
    unsafe { let_go_of_parent() };
    LISTS.unlock();
}

/// The generation whose hook has run, or that had none to run.
static SEEN: AtomicU64 = AtomicU64::new(0);

/// Before a process opens anything of its own: what the hook does, in a child that no hook saw.
pub(crate) fn catch_up() {
    prepare_process();
    static BEHIND: ShortLock = ShortLock::new();
    let generation = thread::begin_generation();
    if SEEN.load(Ordering::SeqCst) == generation {
        return;
    }
    BEHIND.lock(); // another thread of this child opens nothing meanwhile
    if ![0, generation].contains(&SEEN.load(Ordering::SeqCst)) {
        lock::let_go_of_parent();
        // What is dropped is dropped outside of the lock.
        let lives: Vec<Arc<Life>> = LIVES.lock().iter().filter_map(Weak::upgrade).collect();
        LISTS.lock();
        // SAFETY: LISTS is held, and no guard lives.
        unsafe { let_go_of_parent() };
        LISTS.unlock();
        drop(lives);
    }
    SEEN.store(generation, Ordering::SeqCst);
    BEHIND.unlock();
}

/// # Safety
/// The lists' lock is held, and no guard lives. Before this process has opened anything of its own.
unsafe fn let_go_of_parent() {
    // SAFETY: the caller's promise.
    unsafe { crate::context::forget_after_fork() };
    crate::exit::forget_after_fork();
    // SAFETY: the caller's promise.
    let lives = unsafe { LIVES.held() };
    for life in lives.iter().filter_map(Weak::upgrade) {
        life.forget_after_fork();
    }
    // SAFETY: the caller's promise.
    unsafe { crate::sinks::let_go_after_fork() };
    crate::crash::report::forget_after_fork();
}

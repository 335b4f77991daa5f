//! Mutators, scopes and safepoints: who may touch a mutator's [`Local`], and when handshakes are taken.
//!
//! One word per mutator decides:
//!
//! | state | the `Local` belongs to | who leaves the state |
//! |---|---|---|
//! | `PASSIVE` | nobody | the mutator (enter), the collector (serve) |
//! | `ACTIVE` | the mutator's thread, in a scope | the mutator (exit) |
//! | `SERVED` | the collector, for the length of one handshake | the collector |
//! | `HELD` | nobody, and the verifier is at work | the mutator (enter, when the verifier is done), the collector (serve) |
//!
//! The flag `REQUEST` is raised in the same word by the collector when it finds the mutator active; exit then fails
//! its one compare-and-swap and takes the handshake (M1). Because request and state are one word, no
//! store can overtake a load and no fence is needed. `POLL` is the mutator's note to itself: look at the cycle on the way out.
//! A mutator never waits in a scope; on entry it waits at most while it is served (M2).

use crate::{
    handshake::Handshake, heap::Core, interrupt::InterruptFlag, local::Local, plant::Bug,
    shadow_stack::FrameMark, slot_pool::SlotPool, sweeper::assert_outside_of_drop_glue, verify::HOLD_MAX,
};
use mudlark_arena::sync::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::{
    fmt,
    panic::Location,
    ptr::{NonNull, null_mut},
    sync::Arc,
    time::{Duration, Instant},
};

const PASSIVE: u32 = 0;
const ACTIVE: u32 = 1;
const SERVED: u32 = 2;
const REQUEST: u32 = 4;
const POLL: u32 = 8;
const HELD: u32 = 16;

/// How often entry looks again before it sleeps: some tens of microseconds. Models have no time.
const ENTRY_SPINS: usize = if cfg!(loom) { 0 } else { 1000 };

/// A mutator as both sides see it. On cache lines of its own (and their prefetched neighbors): its owner writes in it
/// with every allocation.
#[repr(align(128))]
pub struct Mutator {
    state: AtomicU32,
    /// Where the last scope was entered.
    entered_at: AtomicPtr<Location<'static>>,
    /// Scopes that ended while a cycle was under way. Written by the mutator's thread alone.
    armed_exits: AtomicU64,
    interrupt: Arc<InterruptFlag>,
    local: Local,
    /// Handshakes that were taken. Has models fail if two threads are at `local`.
    #[cfg(all(test, loom))]
    pub(crate) taken: loom::cell::UnsafeCell<u64>,
}

// SAFETY: M1: `local` is touched only by whoever brought the state word out of `PASSIVE`.
unsafe impl Sync for Mutator {}
// SAFETY: as above; nothing in it is bound to the thread that made it.
unsafe impl Send for Mutator {}

/// Why it is worth while to end a scope.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ExitHint {
    /// It is not.
    None,
    /// A cycle is due or can go on, the heap outgrew its goal, or it is nearly full: the safepoint does something about it.
    Due,
    /// A cycle waits for the end of this very scope.
    Awaited,
}

impl fmt::Debug for Mutator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutator").field("state", &self.state).finish_non_exhaustive()
    }
}

#[cfg(not(loom))]
thread_local! {
    static THREAD: u8 = const { 0 };
}

/// A number of the current thread that no other living thread has. Whoever has the number of a thread that is gone was started behind
/// its end, and sees all that it did.
#[cfg(not(loom))]
#[inline]
pub(crate) fn thread_token() -> usize {
    THREAD.with(|byte| std::ptr::from_ref(byte).addr())
}

/// In models addresses are used again without any order that loom knows of.
#[cfg(loom)]
pub(crate) fn thread_token() -> usize {
    static THREADS: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(1);
    loom::thread_local! {
        static THREAD: usize = THREADS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
    THREAD.with(|token| *token)
}

impl Mutator {
    pub(crate) fn new(local: Local, interrupt: Arc<InterruptFlag>) -> Mutator {
        Mutator {
            state: AtomicU32::new(PASSIVE),
            entered_at: AtomicPtr::new(null_mut()),
            armed_exits: AtomicU64::new(0),
            interrupt,
            local,
            #[cfg(all(test, loom))]
            taken: loom::cell::UnsafeCell::new(0),
        }
    }

    /// The thread whose scope is open, zero if there is none. It lies where roots look for it.
    #[inline]
    fn thread(&self) -> &AtomicUsize {
        &self.local.pool().thread
    }

    /// Takes over the pool of root slots. Nobody else knows the mutator yet.
    pub(crate) fn adopt_pool(&self, core: &Core) {
        self.local.pool().adopt(&raw const self.local, core);
    }

    /// Gives up the pool of root slots, when the mutator is in no scope and will be in none.
    pub(crate) fn leave_pool(&self, core: &Core) -> NonNull<SlotPool> {
        let pool = self.local.pool();
        pool.leave(core);
        NonNull::from(pool)
    }

    /// Begins a frame of locals ([`Local::keep`]).
    #[inline]
    pub fn begin_frame(&self) -> FrameMark {
        self.local.stack().mark()
    }

    /// Ends a frame and all that began since: what was kept in them is not any more.
    ///
    /// # Safety
    ///
    /// The frame is one of this mutator and has not ended; the thread is the one that has the mutator, and the locals that were kept since are not
    /// used any more.
    #[inline]
    pub unsafe fn end_frame(&self, mark: FrameMark) {
        self.local.stack().end(mark);
    }

    /// Calls `each` with what is kept in locals. The caller holds the mutator outside of its scopes.
    pub(crate) fn each_local(&self, each: impl FnMut(NonNull<u8>)) {
        self.local.stack().each(each);
    }

    /// Opens a scope: from here to [`Mutator::exit`] the mutator's local state is the caller's.
    ///
    /// # Safety
    ///
    /// The mutator is registered, is not in a scope, and its scopes are opened by one thread at a time.
    ///
    /// # Panics
    ///
    /// In drop glue that the collector runs.
    #[inline]
    #[track_caller]
    pub unsafe fn enter(&self) {
        assert_outside_of_drop_glue("enter a scope");
        // ORDERING: Acquire pairs with the Release of whoever served the last handshake.
        if self.state.compare_exchange(PASSIVE, ACTIVE, Ordering::Acquire, Ordering::Relaxed).is_err() {
            self.enter_slow();
        }
        self.note_entry(Location::caller());
    }

    #[cold]
    fn enter_slow(&self) {
        let core = self.local.core();
        core.assert_not_forked("enter a scope");
        let visit = core.safepoints.begin();
        // Being served takes a microsecond; to sleep and to be woken takes a hundred.
        for _ in 0..ENTRY_SPINS {
            if self.state.compare_exchange(PASSIVE, ACTIVE, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                core.safepoints.end(&visit);
                return;
            }
            std::hint::spin_loop();
        }
        while self.state.compare_exchange(PASSIVE, ACTIVE, Ordering::Acquire, Ordering::Relaxed).is_err() {
            if core.verifier.is_holding() {
                self.wait_for_verifier(core, visit.begun);
            } else if self.state.load(Ordering::Relaxed) == HELD {
                // ORDERING: Acquire: as in `enter`. If it fails, the collector serves the next handshake already.
                let _ = self.state.compare_exchange(HELD, PASSIVE, Ordering::Acquire, Ordering::Relaxed);
            } else {
                // Whoever serves holds the registry while it does.
                drop(core.registry.lock());
            }
        }
        core.safepoints.end(&visit);
    }

    /// One wait for the verifier, which waits for others to leave their scopes; and for this thread, if it has another mutator.
    fn wait_for_verifier(&self, core: &Core, since: Instant) {
        if since.elapsed() > HOLD_MAX || core.is_entered_here() {
            core.stop_holding();
            return;
        }
        core.advance();
        let waiting = core.driver.waiting.lock();
        if core.verifier.is_holding() {
            core.driver.changed.wait_at_most(waiting, Duration::from_millis(1));
        }
    }

    /// Has models know that somebody is at the local state, perhaps to take a handshake.
    #[inline(always)]
    fn bear_witness(&self, takes: bool) {
        // SAFETY: M1, which loom checks.
        #[cfg(all(test, loom))]
        self.taken.with_mut(|taken| unsafe { *taken += u64::from(takes) });
        #[cfg(not(all(test, loom)))]
        let _ = takes;
    }

    /// Has a mutator that nobody else knows yet be in a scope of the current thread.
    pub(crate) fn begin_in_scope(&self, entered_at: &'static Location<'static>) {
        self.state.store(ACTIVE, Ordering::Relaxed);
        self.note_entry(entered_at);
    }

    #[inline(always)]
    fn note_entry(&self, entered_at: &'static Location<'static>) {
        self.thread().store(thread_token(), Ordering::Relaxed);
        self.entered_at.store(std::ptr::from_ref(entered_at).cast_mut(), Ordering::Relaxed);
    }

    /// Keeps a mutator that nobody else knows yet from entering.
    pub(crate) fn hold(&self) {
        self.state.store(HELD, Ordering::Relaxed);
    }

    /// Ends the scope: a safepoint. Takes a handshake if one is requested.
    ///
    /// # Safety
    ///
    /// The scope was opened by [`Mutator::enter`] on this thread, and no pointer of it is held any more.
    #[inline]
    pub unsafe fn exit(&self) {
        if self.end_scope() {
            self.local.core().throttle();
        }
    }

    /// The safepoint. `true` if there was something to do.
    #[inline]
    pub(crate) fn end_scope(&self) -> bool {
        self.thread().store(0, Ordering::Relaxed);
        let exits = self.armed_exits.load(Ordering::Relaxed) + u64::from(self.local.is_armed());
        self.armed_exits.store(exits, Ordering::Relaxed);
        // ORDERING: Release pairs with the Acquire of whoever serves or enters next.
        let is_busy =
            self.state.compare_exchange(ACTIVE, PASSIVE, Ordering::Release, Ordering::Relaxed).is_err();
        is_busy && self.exit_slow()
    }

    /// `false` if there is nobody to do anything for.
    #[cold]
    fn exit_slow(&self) -> bool {
        let core = self.local.core();
        if core.birthplace.is_elsewhere() {
            // Nobody is there to shake hands with; the next slow path says so.
            self.state.store(PASSIVE, Ordering::Relaxed);
            return false;
        }
        let visit = core.safepoints.begin();
        core.prefetch();
        // ORDERING: Acquire pairs with the Release in `request`: the kind of handshake is seen.
        let mut state = self.state.load(Ordering::Acquire);
        loop {
            let acknowledges = state & REQUEST != 0;
            let mut after = PASSIVE;
            self.bear_witness(acknowledges);
            if acknowledges && core.take_handshake(&self.local, visit.begun) == Handshake::Hold {
                after = HELD;
            }
            // A request may be raised while this one is not acknowledged only if there was none: then try again.
            match self.state.compare_exchange(state, after, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    // After the word is passive, so that the next handshake can be served at once.
                    let last = acknowledges && core.acknowledge();
                    if state & POLL != 0 {
                        core.poll();
                    } else if last {
                        core.advance();
                    }
                    break;
                }
                Err(now) => state = now,
            }
        }
        core.safepoints.end(&visit);
        true
    }

    /// Whether it is worth while to end the scope: one load of a word of its own.
    #[inline(always)]
    pub fn exit_hint(&self) -> ExitHint {
        // ORDERING: Relaxed: a hint. Whoever follows it meets the request at the end of its scope, with the order that it needs.
        let state = self.state.load(Ordering::Relaxed);
        if state & (REQUEST | POLL) == 0 {
            ExitHint::None
        } else if state & REQUEST != 0 {
            ExitHint::Awaited
        } else {
            ExitHint::Due
        }
    }

    /// The flag by which others ask the mutator's program to stop.
    #[inline(always)]
    pub fn interrupt_flag(&self) -> &Arc<InterruptFlag> {
        &self.interrupt
    }

    /// Has [`Mutator::exit`] look at the cycle. Called in a scope of this mutator.
    pub(crate) fn poll_at_exit(&self) {
        if self.state.load(Ordering::Relaxed) & POLL == 0 {
            self.state.fetch_or(POLL, Ordering::Relaxed);
        }
    }

    /// Requests a handshake. `true` if it was served right here, because the mutator is outside of its scopes;
    /// otherwise the mutator takes it when its scope ends. The caller holds the registry.
    pub(crate) fn request(&self, handshake: Handshake, core: &Core) -> bool {
        // ORDERING: AcqRel: Release publishes the kind of handshake to `exit_slow`; Acquire takes over the `Local`.
        let before = self.state.fetch_or(REQUEST, Ordering::AcqRel);
        debug_assert!(before & REQUEST == 0, "one handshake at a time");
        if before & (ACTIVE | SERVED) != 0 && !core.plants(Bug::ServedInScope) {
            return false;
        }
        // With the flag raised `enter` fails, so the mutator cannot become active meanwhile.
        self.state.store(SERVED, Ordering::Relaxed);
        self.bear_witness(true);
        handshake.take(&self.local, core);
        let after = if handshake == Handshake::Hold { HELD } else { PASSIVE };
        // ORDERING: Release pairs with the Acquire in `enter`.
        self.state.store(after, Ordering::Release);
        true
    }

    /// Scopes that ended while a cycle was under way.
    pub(crate) fn armed_exits(&self) -> u64 {
        self.armed_exits.load(Ordering::Relaxed)
    }

    /// If a handshake waits for the end of a scope: where that was entered.
    pub(crate) fn unacknowledged_scope(&self) -> Option<&'static Location<'static>> {
        let waits = self.state.load(Ordering::Relaxed) & (REQUEST | ACTIVE) == REQUEST | ACTIVE;
        // SAFETY: M4: it is null or the address of a static location.
        let entered_at = unsafe { self.entered_at.load(Ordering::Relaxed).as_ref() };
        entered_at.filter(|_| waits)
    }

    /// Whether the mutator is in a scope that the current thread opened.
    pub(crate) fn is_entered_here(&self) -> bool {
        self.thread().load(Ordering::Relaxed) == thread_token()
    }

    /// Gives back everything the mutator holds. `true` if it acknowledged a handshake by that. The caller holds
    /// the registry, from which it has removed the mutator, and the mutator is in no scope.
    pub(crate) fn detach(&self) {
        debug_assert!(
            matches!(self.state.load(Ordering::Relaxed), PASSIVE | HELD),
            "handshakes of passive mutators are served"
        );
        self.local.detach();
    }

    /// The local state.
    ///
    /// # Safety
    ///
    /// The caller is between [`Mutator::enter`] and [`Mutator::exit`], on the thread that entered (or nobody else
    /// knows the mutator yet).
    #[inline]
    pub unsafe fn local(&self) -> &Local {
        self.bear_witness(false);
        &self.local
    }
}

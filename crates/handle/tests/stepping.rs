//! Programs that run in steps: exit hints, fuel, interrupts, blocking.

use mudlark::{ExitHint, Fuel, Gc, GcPercent, Heap, InterruptHandle, Interrupted, Root, Stopped, Trace};
use std::{
    ops::ControlFlow::{Break, Continue},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::OnceLock,
    thread,
};

#[derive(Trace)]
struct Cons<'gc>(u64, Option<Gc<'gc, Cons<'gc>>>);

/// Goal: a scope that a cycle waits for says so, and one that nobody waits for does not. Method: another thread collects; the hint is
/// looked at until it is there, and again in the next scope, with the cycle over.
#[test]
fn a_scope_that_is_waited_for_says_so() {
    for workers in [0, 1] {
        let heap = Heap::builder().workers(workers).gc_percent(GcPercent::Off).build().expect("a heap");
        let mut mutator = heap.attach();
        thread::scope(|threads| {
            mutator.enter(|cx| {
                assert_eq!(cx.exit_hint(), ExitHint::None);
                threads.spawn(|| heap.collect());
                while cx.exit_hint() != ExitHint::Awaited {
                    thread::yield_now();
                }
            });
        });
        assert_eq!(heap.stats().cycles, 1);
        mutator.enter(|cx| assert_eq!(cx.exit_hint(), ExitHint::None));
    }
}

/// Goal: a heap that has grown to its trigger says so, one that has not does not. Method: allocate; the trigger is a number.
#[test]
fn a_cycle_that_is_due_is_hinted() {
    for workers in [0, 1] {
        let heap = Heap::builder().workers(workers).build().expect("a heap");
        let mut mutator = heap.attach();
        mutator.enter(|cx| {
            let trigger = heap.stats().trigger_bytes;
            let mut made = 0;
            while cx.exit_hint() == ExitHint::None {
                cx.alloc([1_u64; 8]);
                made += 64;
                assert!(made < 2 * trigger, "no hint");
            }
            assert!(heap.stats().live_now_bytes >= trigger / 2, "a hint for nothing");
        });
    }
}

/// A list that grows by one for each step, and is cut now and then.
fn count(
    mutator: &mut mudlark::Mutator,
    list: &Root<Cons<'static>>,
    to: u64,
    fuel: &mut Fuel,
) -> Result<u64, Stopped> {
    mutator.enter_loop(fuel, |cx, _| {
        let head = list.get(cx);
        let next = cx.alloc(Cons(head.0 + 1, Some(head).filter(|head| head.0 % 100 != 0)));
        list.set(cx, next);
        if next.0 == to { Break(next.0) } else { Continue(()) }
    })
}

/// Goal: a program in steps goes on exactly where it stopped, and cycles get along with it. Method: the same program with fuel in all
/// portions; every unit is one step.
#[test]
fn a_program_goes_on_where_its_fuel_ended() {
    for workers in [0, 1] {
        let heap = Heap::builder().workers(workers).gc_percent(10).verify(true).build().expect("a heap");
        let mut mutator = heap.attach();
        let list = mutator.enter(|cx| cx.root(cx.alloc(Cons(0, None))));
        let mut done = 0;
        for portion in (1..).step_by(997) {
            let mut fuel = Fuel::new(portion);
            match count(&mut mutator, &list, 100_000, &mut fuel) {
                Err(Stopped::OutOfFuel) => {
                    done += portion;
                    assert!(fuel.is_empty());
                    assert_eq!(mutator.enter(|cx| list.get(cx).0), done);
                }
                Ok(last) => {
                    assert_eq!((last, portion - fuel.left()), (100_000, 100_000 - done));
                    break;
                }
                Err(Stopped::Interrupted) => unreachable!("nobody interrupts"),
            }
        }
        assert!(heap.stats().cycles >= 2, "{:?}", heap.stats());
        assert_eq!(heap.verify_report().violations, Vec::<String>::new());
    }
}

/// Goal: a loop leaves its scope as soon as a cycle waits, and not before the step is done. Method: another thread's collection ends
/// although the program never does, until it is told.
#[test]
fn cycles_end_while_a_loop_runs() {
    let heap = Heap::builder().workers(0).gc_percent(GcPercent::Off).build().expect("a heap");
    let mut mutator = heap.attach();
    let handle = mutator.interrupt_handle();
    thread::scope(|threads| {
        threads.spawn(|| {
            for _ in 0..5 {
                heap.collect();
            }
            handle.interrupt();
        });
        let end = mutator.enter_loop(&mut Fuel::unlimited(), |cx, _| {
            cx.alloc(1_u64);
            Continue::<()>(())
        });
        assert_eq!(end, Err(Stopped::Interrupted));
    });
    assert_eq!(heap.stats().cycles, 5);
}

/// Goal: an interrupt holds until it is cleared, and outlives everything. Method: poll before, after, in later scopes; handles of a
/// mutator that is gone.
#[test]
fn an_interrupt_holds_until_it_is_cleared() {
    let heap = Heap::builder().workers(0).build().expect("a heap");
    let mut mutator = heap.attach();
    let mut other = heap.attach();
    let handle = mutator.interrupt_handle();
    mutator.enter(|cx| {
        assert_eq!(cx.poll(), Ok(()));
        handle.interrupt();
        assert_eq!(cx.poll(), Err(Interrupted));
    });
    mutator.enter(|cx| assert_eq!(cx.poll(), Err(Interrupted)));
    other.enter(|cx| assert_eq!(cx.poll(), Ok(()), "it is the other mutator's"));
    let mut fuel = Fuel::new(10);
    let stopped = mutator.enter_loop(&mut fuel, |_, _| Break(()));
    assert_eq!((stopped, fuel.left()), (Err(Stopped::Interrupted), 10));
    assert!(handle.clear() && !handle.clear());
    assert_eq!(mutator.enter_loop(&mut fuel, |_, _| Break(7)), Ok(7));
    drop((mutator, other, heap));
    handle.interrupt();
    assert!(handle.is_interrupted());
}

/// Goal: a signal handler can interrupt. Method: it does, at a moment that the test chooses.
#[test]
fn a_signal_handler_interrupts() {
    static HANDLE: OnceLock<InterruptHandle> = OnceLock::new();
    extern "C" fn interrupt(_: libc::c_int) {
        if let Some(handle) = HANDLE.get() {
            handle.interrupt();
        }
    }
    let heap = Heap::builder().workers(0).build().expect("a heap");
    let mut mutator = heap.attach();
    HANDLE.set(mutator.interrupt_handle()).expect("this test runs once");
    let handler: extern "C" fn(libc::c_int) = interrupt;
    // SAFETY: the handler only reads an initialized cell and stores into an atomic.
    unsafe { libc::signal(libc::SIGUSR1, handler as libc::sighandler_t) };
    mutator.enter(|cx| {
        assert_eq!(cx.poll(), Ok(()));
        // SAFETY: a signal to this thread, whose handler is installed.
        unsafe { libc::raise(libc::SIGUSR1) };
        assert_eq!(cx.poll(), Err(Interrupted));
    });
}

/// Goal: a step that panics ends the scope, and the loop can be run again. Method: a panic in the third step; a collection.
#[test]
fn a_panic_in_a_step_leaves_the_scope() {
    let heap = Heap::builder().workers(0).build().expect("a heap");
    let mut mutator = heap.attach();
    let mut steps = 0;
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        mutator.enter_loop(&mut Fuel::unlimited(), |cx, _| {
            steps += *cx.alloc(1);
            assert!(steps < 3, "as planned");
            Continue::<()>(())
        })
    }));
    assert!(outcome.is_err());
    heap.collect();
    assert_eq!(mutator.enter_loop(&mut Fuel::new(1), |_, _| Break(1)), Ok(1));
}

/// Goal: cycles end while a thread blocks, and to block inside a scope is a mistake that is told. Method: collect from inside the
/// region; block in a scope of another mutator, and of another heap.
#[test]
fn blocking_holds_up_nobody() {
    let heap = Heap::builder().workers(0).build().expect("a heap");
    let (mut mutator, mut other) = (heap.attach(), heap.attach());
    assert_eq!(mutator.blocking(|| (heap.collect(), 5).1), 5);
    assert_eq!(heap.stats().cycles, 1);
    let mistake =
        catch_unwind(AssertUnwindSafe(|| other.enter(|_| mutator.blocking(|| ())))).expect_err("a mistake");
    let message = mistake.downcast_ref::<String>().expect("a message");
    assert!(message.contains("cannot block inside a scope"), "{message}");
    let elsewhere = Heap::builder().workers(0).build().expect("a heap");
    elsewhere.attach().enter(|_| mutator.blocking(|| ()));
}

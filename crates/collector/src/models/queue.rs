//! Models of the mark queue: objects are numbers, and number `n` leads to `2n` and `2n + 1`.

use super::must_deadlock;
use crate::mark::{Gray, MarkQueue, Work};
use loom::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
};
use std::{
    ptr::NonNull,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
};

/// Objects of the models' tree.
const OBJECTS: usize = 3;

struct Model {
    queue: MarkQueue,
    scanned: AtomicUsize,
}

fn object(number: usize) -> Gray {
    Gray(NonNull::new(std::ptr::without_provenance_mut(number)).expect("numbers begin with one"))
}

impl Model {
    fn idle() -> Arc<Model> {
        Arc::new(Model { queue: MarkQueue::default(), scanned: AtomicUsize::new(0) })
    }

    /// A queue in a cycle that marks, with the first object in it or without.
    fn marking(with_object: bool) -> Arc<Model> {
        let model = Model::idle();
        model.queue.open();
        if with_object {
            model.queue.push(&mut vec![object(1)]);
        }
        model.queue.start_marking(0);
        model
    }

    fn scan(&self, stack: &mut Vec<Gray>) {
        while let Some(Gray(cell)) = stack.pop() {
            self.scanned.fetch_add(1, SeqCst);
            let children = [2, 3].map(|child| cell.addr().get() * 2 + child - 2);
            stack.extend(children.into_iter().filter(|&child| child <= OBJECTS).map(object));
            if stack.len() > 1 {
                self.queue.share(stack.drain(..1));
            }
        }
    }

    /// A marker's way through the queue. `false` if there was nothing.
    fn mark(&self) -> bool {
        let mut stack = Vec::new();
        let mut work = self.queue.take(&mut stack);
        let worked = work.is_some();
        while work.is_some() {
            assert!(matches!(work, Some(Work::Objects)));
            self.scan(&mut stack);
            work = self.queue.take_more(&mut stack);
        }
        worked
    }

    fn scanned(&self) -> usize {
        self.scanned.load(SeqCst)
    }
}

fn spawn(model: &Arc<Model>, work: impl FnOnce(&Model) + 'static) -> thread::JoinHandle<()> {
    let model = Arc::clone(model);
    thread::spawn(move || work(&model))
}

/// Goal: two markers that share scan each object once, and the queue is *drained* only when none is gray. Method: a tree
/// of three, two markers, one who asks.
#[test]
fn drained_means_that_nothing_is_gray() {
    loom::model(|| {
        let model = Model::marking(true);
        let threads = [
            spawn(&model, |model| _ = model.mark()),
            spawn(&model, |model| _ = model.mark()),
            spawn(&model, |model| {
                if model.queue.drained().is_some() {
                    assert_eq!(model.scanned(), OBJECTS, "drained, and yet something was gray");
                }
            }),
        ];
        for thread in threads {
            thread.join().expect("the thread is done");
        }
        assert_eq!(model.scanned(), OBJECTS);
        let round = model.queue.drained().expect("nothing is gray");
        assert!(model.queue.finish(round));
    });
}

/// Goal: marking does not finish over a mutator that hands its buffer over in the round. Method: a push against the
/// driver, who waits for the mutator between the round's two ends.
#[test]
fn a_push_in_the_round_prevents_the_finish() {
    loom::model(|| {
        let model = Model::marking(false);
        let mutator = spawn(&model, |model| model.queue.push(&mut vec![object(OBJECTS)]));
        let driver = spawn(&model, |model| {
            let round = model.queue.drained();
            mutator.join().expect("the handshake is over");
            let finished = round.is_some_and(|round| model.queue.finish(round));
            assert!(!finished, "marking finished over a gray object");
        });
        driver.join().expect("the driver is done");
        assert!(model.mark());
        assert_eq!(model.scanned(), 1);
    });
}

/// Goal: the model above can fail. Method: the driver asks for the round behind the handshake.
#[test]
#[should_panic(expected = "over a gray object")]
fn a_round_begins_before_the_handshake() {
    loom::model(|| {
        let model = Model::marking(false);
        let mutator = spawn(&model, |model| {
            model.queue.push(&mut vec![object(OBJECTS)]);
            let _ = model.queue.take(&mut Vec::new()).map(|_| model.queue.leave(Vec::new()));
        });
        let driver = spawn(&model, |model| {
            mutator.join().expect("the handshake is over");
            let finished = model.queue.drained().is_some_and(|round| model.queue.finish(round));
            assert!(!finished, "marking finished over a gray object");
        });
        driver.join().expect("the driver is done");
    });
}

/// Goal: the gate decides: an object shaded through it is scanned in this cycle, or the cycle was over before it was
/// shaded. Method: a gated push against the finish.
#[test]
fn the_gate_is_open_or_shut() {
    loom::model(|| {
        let model = Model::marking(false);
        let shaded = std::sync::Arc::new(AtomicUsize::new(0));
        let pusher = {
            let shaded = std::sync::Arc::clone(&shaded);
            spawn(&model, move |model| {
                model.queue.push_gated(|open| {
                    shaded.fetch_add(usize::from(open), SeqCst);
                    open.then(|| object(OBJECTS))
                });
            })
        };
        let finished = std::sync::Arc::new(AtomicUsize::new(0));
        let driver = {
            let finished = std::sync::Arc::clone(&finished);
            spawn(&model, move |model| {
                let done = model.queue.drained().is_some_and(|round| model.queue.finish(round));
                finished.store(usize::from(done), SeqCst);
            })
        };
        pusher.join().expect("the pusher is done");
        driver.join().expect("the driver is done");
        assert_ne!(shaded.load(SeqCst), finished.load(SeqCst));
        assert_eq!(model.mark(), shaded.load(SeqCst) == 1);
    });
}

/// Goal: an abort empties the queue whatever markers hold, and what is pushed afterwards is dropped. Method: an abort
/// against a marker and a mutator; then another cycle.
#[test]
fn nothing_outlives_an_abort() {
    loom::model(|| {
        let model = Model::marking(true);
        let threads = [
            spawn(&model, |model| _ = model.mark()),
            spawn(&model, |model| model.queue.push(&mut vec![object(OBJECTS)])),
            spawn(&model, |model| model.queue.abort()),
        ];
        for thread in threads {
            thread.join().expect("the thread is done");
        }
        assert!(model.queue.is_inactive());
        assert!(model.queue.drained().is_some(), "work was left");
        model.queue.open();
        model.queue.start_marking(0);
        assert!(!model.mark());
    });
}

/// Goal: a background thread that waits is woken when a marker shares. Method: one that goes on until it found some, against
/// a share; loom reports who sleeps forever.
#[test]
fn sharing_wakes_who_waits() {
    loom::model(|| {
        let model = Model::marking(false);
        let worker = spawn(&model, |model| {
            loop {
                let seen = model.queue.kicks();
                if model.mark() {
                    break;
                }
                model.queue.wait_for_work(seen);
            }
        });
        let mutator = spawn(&model, |model| model.queue.share([object(1)].into_iter()));
        worker.join().expect("the worker is done");
        mutator.join().expect("the mutator is done");
        assert_eq!(model.scanned(), OBJECTS);
    });
}

/// A thread finds the phase idle and sleeps until the bell rings, while another begins a cycle with `begin`.
fn sleep_while_a_cycle_begins(begin: fn(&Model, &AtomicBool)) {
    loom::model(move || {
        let (model, is_under_way) = (Model::idle(), Arc::new(AtomicBool::new(false)));
        let driver = {
            let is_under_way = Arc::clone(&is_under_way);
            spawn(&model, move |model| {
                loop {
                    let seen = model.queue.driver.rings();
                    if is_under_way.load(Relaxed) {
                        break;
                    }
                    model.queue.driver.wait(seen, None);
                }
            })
        };
        let mutator = spawn(&model, move |model| begin(model, &is_under_way));
        driver.join().expect("the driver is done");
        mutator.join().expect("the mutator is done");
    });
}

/// Goal: the thread that drives does not sleep over the beginning of a cycle, without any further ring. Method: as it is about to sleep,
/// the phase is published and the bell rings; loom reports who sleeps forever.
#[test]
fn the_bell_is_heard_by_who_is_about_to_sleep() {
    sleep_while_a_cycle_begins(|model, is_under_way| {
        is_under_way.store(true, Relaxed);
        model.queue.driver.ring();
    });
}

/// Goal: the model above can fail. Method: the bell rings first.
#[test]
fn the_phase_is_published_before_the_bell_rings() {
    let test = concat!(module_path!(), "::the_phase_is_published_before_the_bell_rings");
    must_deadlock(test, || {
        sleep_while_a_cycle_begins(|model, is_under_way| {
            model.queue.driver.ring();
            is_under_way.store(true, Relaxed);
        });
    });
}

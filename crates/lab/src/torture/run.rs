//! One torture, from the request to the report.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mudlark::Heap;

use super::census::{self, Keeper};
use super::fault::Fault;
use super::graph::Graph;
use super::ledger::Ledger;
use super::make::MailRoot;
use super::op::Chooser;
use super::plan::{Plan, Stream, TortureRequest};
use super::plaza::make_plaza;
use super::report::TortureReport;
use super::thread::{Bounds, Post, Signals, Tally, Torturer};
use super::work::Outside;
use crate::error::LabError;
use crate::measure::resident_memory;
use crate::progress::Progress;
use crate::size::ByteSize;

/// How long threads may take to come to their end, their last comparison included.
const PATIENCE: Duration = Duration::from_secs(120);
/// The same after a fault, when nothing is sure.
const PATIENCE_AFTER_FAULT: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(50);
/// Parcels that wait for a thread.
const INBOX: usize = 4;
/// The part of the time after which memory should not grow any more: one over this.
const WARM_UP: u32 = 5;

/// Runs a torture.
///
/// # Errors
/// Fails if the heap cannot be made, and with what was found wrong. Then threads and heap may be left behind, in what
/// state they are: the process should end.
pub fn run(request: TortureRequest) -> Result<TortureReport, LabError> {
    let plan = Plan::new(request);
    let heap = plan.heap()?;
    let run = Run::begin(&plan, &heap);
    match run.watch(&plan).and_then(|watched| watched.finish(&plan, &heap)) {
        Ok(report) => Ok(report),
        Err(fault) => {
            // What is wrong with it could show up as anything when it ends.
            std::mem::forget(heap);
            Err(LabError::Torture(fault))
        }
    }
}

/// What a thread says at its end.
type Ending = (usize, Result<Tally, Fault>);

/// A torture under way.
struct Run {
    signals: Arc<Signals>,
    endings: Receiver<Ending>,
    threads: Vec<JoinHandle<()>>,
    undertaker: JoinHandle<()>,
    keeper: Keeper,
    ledger: Arc<Ledger>,
}

impl Run {
    fn begin(plan: &Plan, heap: &Heap) -> Self {
        let request = plan.request;
        let keeper = Keeper::new(heap);
        let plaza = Arc::new(heap.attach().enter(|cx| cx.root(make_plaza(cx))));
        let (ledger, signals) = (Arc::<Ledger>::default(), Arc::<Signals>::default());
        let (bury, graves) = mpsc::channel::<MailRoot>();
        let undertaker = spawn("undertaker".to_owned(), move || graves.into_iter().for_each(drop));
        let (end, endings) = mpsc::channel();
        let (letterboxes, inboxes): (Vec<_>, Vec<_>) =
            (0..request.threads).map(|_| mpsc::sync_channel(INBOX)).unzip();
        let bounds = Bounds {
            live_bytes: usize::try_from(request.live.0).unwrap_or(usize::MAX),
            ops_max: request.ops,
        };
        let plan = *plan;
        let threads = inboxes.into_iter().enumerate().map(|(number, inbox)| {
            let mut others = letterboxes.clone();
            others.remove(number);
            let (heap, ledger, signals) = (heap.clone(), Arc::clone(&ledger), Arc::clone(&signals));
            let outside = Outside { plaza: Arc::clone(&plaza), undertaker: bury.clone() };
            let end = end.clone();
            spawn(format!("torture-{number}"), move || {
                let torturer = Torturer {
                    heap,
                    graph: Graph::new(number, plan.stream(Stream::Details(number)), ledger),
                    chooser: Chooser::new(plan.stream(Stream::Ops(number))),
                    outside,
                    post: Post { inbox, others },
                    bounds,
                    signals,
                    tally: Tally::default(),
                };
                live(number, plan.request.seed, torturer, &end);
            })
        });
        let threads = threads.collect();
        Self { signals, endings, threads, undertaker, keeper, ledger }
    }

    /// Waits for the end of the time or for a fault, and then for the threads.
    fn watch(self, plan: &Plan) -> Result<Watched, Fault> {
        let time = plan.request.time;
        let progress = Progress::on_terminal("torture", time.as_millis() as u64);
        let (start, mut warm, mut end) = (Instant::now(), None, None);
        let mut tallies = Vec::new();
        let mut fault: Option<(Fault, Instant)> = None;
        while tallies.len() < self.threads.len() {
            match self.endings.recv_timeout(TICK) {
                Ok((_, Ok(tally))) => tallies.push(tally),
                Ok((_, Err(found))) => {
                    tallies.push(Tally::default());
                    // The first one counts: others may follow from it.
                    fault.get_or_insert((found, Instant::now()));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => unreachable!("each thread says how it ends"),
            }
            let elapsed = start.elapsed();
            progress.advance((elapsed.as_millis() as u64).saturating_sub(progress.done()));
            if elapsed >= time / WARM_UP {
                warm.get_or_insert_with(resident_memory);
            }
            if elapsed >= time || fault.is_some() || !tallies.is_empty() {
                end.get_or_insert_with(resident_memory);
            }
            if elapsed >= time || fault.is_some() {
                self.signals.stop.store(true, Relaxed);
            }
            if fault.as_ref().is_some_and(|(_, since)| since.elapsed() > PATIENCE_AFTER_FAULT) {
                break;
            }
            if elapsed > time + PATIENCE {
                return Err(plan.fault(format!(
                    "{} of {} threads do not end: {} s ago the time was over",
                    self.threads.len() - tallies.len(),
                    self.threads.len(),
                    PATIENCE.as_secs()
                )));
            }
        }
        if let Some((fault, _)) = fault {
            return Err(fault);
        }
        let rss_end = end.unwrap_or_else(resident_memory);
        Ok(Watched { run: self, time: start.elapsed(), tallies, rss_warm: warm.unwrap_or(rss_end), rss_end })
    }
}

/// A torture whose threads are done.
struct Watched {
    run: Run,
    time: Duration,
    tallies: Vec<Tally>,
    rss_warm: ByteSize,
    rss_end: ByteSize,
}

impl Watched {
    /// Looks at what is left.
    fn finish(self, plan: &Plan, heap: &Heap) -> Result<TortureReport, Fault> {
        let Run { threads, undertaker, keeper, ledger, .. } = self.run;
        for thread in threads.into_iter().chain([undertaker]) {
            thread.join().map_err(|_| plan.fault("a thread panicked at its end".to_owned()))?;
        }
        census::verdict(heap).map_err(|what| plan.fault(what))?;
        census::close(heap, keeper, &ledger).map_err(|what| plan.fault(what))?;
        census::verdict(heap).map_err(|what| plan.fault(what))?;
        let (stats, verify) = (heap.stats(), heap.verify_report());
        let mut tally = Tally::default();
        for one in &self.tallies {
            tally.add(one);
        }
        Ok(TortureReport {
            seed: plan.request.seed,
            threads: plan.request.threads,
            workers: plan.workers,
            gc_percent: plan.gc_percent,
            zeal: plan.zeal,
            time: self.time,
            tally,
            payloads: ledger.made(),
            stats,
            verify,
            rss_warm: self.rss_warm,
            rss_end: self.rss_end,
        })
    }
}

impl Plan {
    fn fault(&self, what: String) -> Fault {
        Fault { thread: None, op: 0, seed: self.request.seed, what }
    }
}

/// A thread from its first operation to its last word.
fn live(number: usize, seed: u64, mut torturer: Torturer, end: &Sender<Ending>) {
    let ended = catch_unwind(AssertUnwindSafe(|| torturer.run()));
    let op = torturer.tally.total();
    let fault = |what| Err(Fault { thread: Some(number), op, seed, what });
    let last_word = match ended {
        Ok(Ok(())) => {
            let tally = torturer.tally;
            drop(torturer);
            Ok(tally)
        }
        Ok(Err(what)) => {
            torturer.signals.stop.store(true, Relaxed);
            std::mem::forget(torturer);
            fault(what)
        }
        Err(panic) => {
            torturer.signals.stop.store(true, Relaxed);
            std::mem::forget(torturer);
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            fault(format!("panicked: {}", text.unwrap_or("no message")))
        }
    };
    // Whoever waits may have given up.
    let _ = end.send((number, last_word));
}

fn spawn(name: String, body: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    std::thread::Builder::new().name(name).spawn(body).expect("the system grants threads")
}

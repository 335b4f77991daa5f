//! Runs one request: plans the workload, makes the heap, runs, and gathers what was measured.

use std::thread::available_parallelism;

use mudlark::pacing::Knobs;
use mudlark::{Heap, HeapStats};

use crate::args::{HeapRequest, Request};
use crate::error::LabError;
use crate::measure::{peak_memory, process_cpu};
use crate::progress::Progress;
use crate::report::{Explanation, GcReport, Report};
use crate::size::ByteSize;
use crate::workloads::{
    Bench, Context, Failure, Workload, alloc, gcbench, graph, lists, pusher, splay, trees,
};

/// Runs a request and returns what it found.
///
/// # Errors
/// Fails if the heap cannot be made or is too small for the workload, and if the workload is not defined for
/// the heap. A wrong checksum is no failure here, see [`Report::judge`].
pub fn run(request: &Request) -> Result<Report, LabError> {
    match request.workload {
        Workload::Trees => run_bench::<trees::Trees>(request),
        Workload::Gcbench => run_bench::<gcbench::Gcbench>(request),
        Workload::Pusher => run_bench::<pusher::Pusher>(request),
        Workload::Graph => run_bench::<graph::Graph>(request),
        Workload::Alloc => run_bench::<alloc::Alloc>(request),
        Workload::Splay => run_bench::<splay::Splay>(request),
        Workload::Lists => run_bench::<lists::Lists>(request),
    }
}

fn run_bench<B: Bench>(request: &Request) -> Result<Report, LabError> {
    let bench = B::plan(request.scale);
    let progress = Progress::on_terminal(request.workload.name(), bench.units());
    let context = Context { threads: request.threads, progress: &progress };
    let (implementation, outcome, gc, explanation) = match request.heap {
        HeapRequest::Malloc => {
            let outcome = bench.run_on_malloc(&context).map_err(|failure| explain(failure, request, None))?;
            ("malloc", outcome, None, None)
        }
        HeapRequest::Mudlark { .. } => {
            let cpu_before = process_cpu();
            let heap = make_heap(request.heap)?;
            let outcome = bench
                .run_on_mudlark(&heap, &context)
                .map_err(|failure| explain(failure, request, Some(&heap.stats())))?;
            let gc = GcReport::new(&heap, process_cpu().saturating_sub(cpu_before));
            ("mudlark", outcome, Some(gc), request.explain.then(|| Explanation::of(&heap)))
        }
    };
    drop(progress);
    Ok(Report {
        implementation,
        workload: request.workload,
        threads: request.threads,
        scale: request.scale,
        timed: outcome.timed,
        checksum: outcome.checksum,
        expected: bench.checksum(),
        objects: bench.objects(),
        finding: outcome.finding,
        peak_memory: peak_memory(),
        gc,
        explanation,
    })
}

fn make_heap(request: HeapRequest) -> Result<Heap, LabError> {
    let mut builder = Heap::builder().split_safepoints(true);
    let HeapRequest::Mudlark { gc_percent, max_heap, memory_limit, policy, workers } = request else {
        unreachable!("only the collected heap is made here")
    };
    if let Some(percent) = gc_percent {
        builder = builder.gc_percent(percent);
    }
    if let Some(ByteSize(bytes)) = memory_limit {
        builder = builder.memory_limit(bytes);
    }
    if let Some(policy) = policy {
        let cores = available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX));
        let percent = gc_percent.unwrap_or_default();
        let knobs = policy.knobs(Knobs { percent, ..Knobs::default() });
        builder = builder.gc_percent(knobs.percent).pacing(policy.parts(cores));
    }
    if let Some(ByteSize(bytes)) = max_heap {
        // What no address space holds is for the heap to refuse.
        builder = builder.max_heap(usize::try_from(bytes).unwrap_or(usize::MAX));
    }
    if let Some(count) = workers {
        builder = builder.workers(count);
    }
    builder.build().map_err(|source| LabError::Heap { max_heap, source })
}

fn explain(failure: Failure, request: &Request, stats: Option<&HeapStats>) -> LabError {
    let workload = request.workload;
    match (failure, stats, request.heap) {
        (Failure::HeapFull, Some(stats), HeapRequest::Mudlark { max_heap, .. }) => {
            LabError::heap_full(workload, max_heap, stats)
        }
        (Failure::HeapFull, ..) => unreachable!("only the collected heap reports that it is full"),
        (Failure::Damaged(what), ..) => LabError::Damaged { workload, what },
        (Failure::NeedsCollector, ..) => LabError::NoCollections { workload },
    }
}

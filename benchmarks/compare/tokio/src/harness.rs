//! The frame of the C++ programs, in Rust: the same flags, the same clocks, the same JSON.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Instant;

#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

extern "C" {
    fn clock_gettime(id: i32, time: *mut Timespec) -> i32;
    fn dlsym(handle: *mut u8, name: *const u8) -> *mut u8;
}

const CLOCK_THREAD_CPUTIME_ID: i32 = 3;

/// CPU time of this thread in nanoseconds.
pub fn thread_time() -> f64 {
    let mut time = Timespec { seconds: 0, nanoseconds: 0 };
    unsafe { clock_gettime(CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.seconds as f64 * 1e9 + time.nanoseconds as f64
}

/// Bytes asked of malloc and not given back, if count_requested.so is loaded.
pub fn requested_bytes() -> Option<usize> {
    let found = unsafe { dlsym(std::ptr::null_mut(), b"requested_bytes\0".as_ptr()) };
    if found.is_null() {
        return None;
    }
    let count: extern "C" fn() -> usize = unsafe { std::mem::transmute(found) };
    Some(count())
}

/// The compiler must take the value for used and changed (std's is not stable in this version).
#[inline(always)]
pub fn black_box<T>(value: T) -> T {
    unsafe {
        std::arch::asm!("/* {0} */", in(reg) &value, options(nostack, preserves_flags));
    }
    value
}

pub struct Harness {
    names: Option<Vec<String>>,
    list: bool,
    seconds: f64,
    repetitions: usize,
    rows: Vec<String>,
}

impl Harness {
    /// Knows `--benchmark_filter=^(NAME|NAME)$`, `_list_tests`, `_min_time` and `_repetitions`.
    pub fn new() -> Self {
        let mut harness =
            Harness { names: None, list: false, seconds: 0.05, repetitions: 1, rows: Vec::new() };
        for argument in std::env::args().skip(1) {
            let (flag, value) = argument.split_once('=').unwrap_or((&argument, ""));
            match flag {
                "--benchmark_filter" => {
                    let inner = value.trim_start_matches("^(").trim_end_matches(")$");
                    harness.names = Some(inner.split('|').map(String::from).collect());
                }
                "--benchmark_list_tests" => harness.list = true,
                "--benchmark_min_time" => harness.seconds = value.parse().unwrap(),
                "--benchmark_repetitions" => harness.repetitions = value.parse().unwrap(),
                _ => {}
            }
        }
        harness
    }

    fn wants(&self, name: &str) -> bool {
        if self.list {
            println!("{name}");
            return false;
        }
        self.names.as_ref().map_or(true, |names| names.iter().any(|n| n == name))
    }

    fn report(&mut self, name: &str, label: &str, nanoseconds: f64) {
        self.rows.push(format!(
            "    {{\"name\": \"{name}\", \"run_type\": \"iteration\", \"label\": \"{label}\", \
             \"real_time\": {nanoseconds}, \"cpu_time\": {nanoseconds}, \"time_unit\": \"ns\"}}"
        ));
    }

    /// `prepare` makes and checks what `work(n)` then does n times; one time is `operations`.
    pub fn run<S>(
        &mut self,
        name: &str,
        label: &str,
        operations: usize,
        prepare: impl FnOnce() -> S,
        mut work: impl FnMut(&mut S, u64),
    ) {
        if !self.wants(name) {
            return;
        }
        let mut state = prepare();
        let wanted = self.seconds * 1e9;
        let mut n = 1u64;
        loop {
            let start = thread_time();
            work(&mut state, n);
            let spent = thread_time() - start;
            if spent >= wanted {
                break;
            }
            let factor = (wanted * 1.4 / spent.max(1.0)).min(10.0).max(2.0);
            n = (n as f64 * factor) as u64;
        }
        for _ in 0..self.repetitions {
            let start = thread_time();
            work(&mut state, n);
            let spent = thread_time() - start;
            self.report(name, label, spent / n as f64 / operations as f64);
        }
    }

    /// `work` answers how many nanoseconds of it count.
    pub fn run_timed<S>(
        &mut self,
        name: &str,
        label: &str,
        operations: usize,
        prepare: impl FnOnce() -> S,
        mut work: impl FnMut(&mut S) -> f64,
    ) {
        if !self.wants(name) {
            return;
        }
        let mut state = prepare();
        for _ in 0..self.repetitions {
            let (mut spent, mut n) = (0.0, 0);
            while spent < self.seconds * 1e9 {
                spent += work(&mut state);
                n += 1;
            }
            self.report(name, label, spent / f64::from(n) / operations as f64);
        }
    }

    /// `work(n)` on two threads at once, as two_threads() in fixtures.h.
    pub fn run_contended(&mut self, name: &str, work: impl Fn(u64) + Sync) {
        if !self.wants(name) {
            return;
        }
        for _ in 0..self.repetitions {
            let time = two_threads(&work, 20000);
            self.report(name, "", time);
        }
    }

    /// Handles made by this thread and dropped by another, as run_across_threads() in fixtures.h.
    pub fn run_across_threads<T: Send + 'static>(&mut self, name: &str, make: impl Fn() -> T) {
        if !self.wants(name) {
            return;
        }
        const BATCH: usize = 1024;
        let (to_dropper, full) = channel::<Vec<Option<T>>>();
        let (to_maker, drained) = channel::<(Vec<Option<T>>, f64)>();
        let dropper = std::thread::spawn(move || {
            while let Ok(mut batch) = full.recv() {
                let start = thread_time();
                for handle in &mut batch {
                    *handle = None;
                }
                let spent = thread_time() - start;
                to_maker.send((batch, spent)).unwrap();
            }
        });
        let mut batch: Vec<Option<T>> = (0..BATCH).map(|_| None).collect();
        let mut round = || {
            let start = thread_time();
            for handle in &mut batch {
                *handle = Some(make());
            }
            let spent = thread_time() - start;
            to_dropper.send(std::mem::take(&mut batch)).unwrap();
            let (returned, dropping) = drained.recv().unwrap();
            batch = returned;
            spent + dropping
        };
        for _ in 0..4 {
            round();
        }
        for _ in 0..self.repetitions {
            let (mut spent, mut n) = (0.0, 0);
            while spent < self.seconds * 1e9 {
                spent += round();
                n += 1;
            }
            self.report(name, "", spent / f64::from(n) / BATCH as f64);
        }
        drop(to_dropper);
        dropper.join().unwrap();
    }

    pub fn report_memory(&mut self, name: &str, sizes: (usize, usize), work: impl Fn() -> usize) {
        if !self.wants(name) {
            return;
        }
        self.rows.push(format!(
            "    {{\"name\": \"{name}\", \"run_type\": \"iteration\", \"label\": \"by hand\", \
             \"real_time\": 0, \"cpu_time\": 0, \"time_unit\": \"ns\", \"bytes\": {}, \
             \"sizeof_buffer\": {}, \"sizeof_chain\": {}}}",
            work(),
            sizes.0,
            sizes.1
        ));
    }

    pub fn finish(&self, library: &str, version: &str) {
        if self.list {
            return;
        }
        println!("{{\n  \"context\": {{\"library\": \"{library}\", \"version\": \"{version}\"}},");
        println!("  \"benchmarks\": [\n{}\n  ]\n}}", self.rows.join(",\n"));
    }
}

fn two_threads(work: &(impl Fn(u64) + Sync), n: u64) -> f64 {
    let (mut best, mut best_score) = (0.0, -1.0);
    for _ in 0..50 {
        let ready = AtomicUsize::new(0);
        let epoch = Instant::now();
        let body = || {
            ready.fetch_add(1, Ordering::SeqCst);
            while ready.load(Ordering::SeqCst) < 2 {
                std::hint::spin_loop();
            }
            let cpu = thread_time();
            let start = epoch.elapsed().as_nanos() as f64;
            work(n);
            let end = epoch.elapsed().as_nanos() as f64;
            (start, end, thread_time() - cpu)
        };
        let (a, b) = std::thread::scope(|scope| {
            let other = scope.spawn(body);
            let mine = body();
            (mine, other.join().unwrap())
        });
        let both = a.1.min(b.1) - a.0.max(b.0);
        let score = (both / (a.1.max(b.1) - a.0.min(b.0)))
            .min(a.2 / (a.1 - a.0))
            .min(b.2 / (b.1 - b.0));
        if score > best_score {
            best_score = score;
            best = (a.1 - a.0 + b.1 - b.0) / 2.0 / n as f64;
        }
        if best_score >= 0.9 {
            break;
        }
    }
    best
}

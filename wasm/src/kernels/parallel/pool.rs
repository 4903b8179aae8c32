//! The threads that share the work: the module's main thread, and workers that the host starts and that call [`Pool::join`] and
//! [`Pool::work`].
//!
//! A job is published as a state word, its number and the units nobody has claimed. A thread claims a chunk of them by counting the
//! word down with compare-and-swap: a worker that comes late compares with a number that is gone, so it never claims of one job
//! what it read of another. Chunks shrink with what is left (Polychronopoulos and Kuck 1987), so that the threads end together. The
//! main thread claims like everyone else and only waits for chunks that were claimed; a worker that sleeps, starts or is no more
//! costs nothing. The chunk of one that died is done again by the main thread.

use super::GRAIN;
use std::cell::Cell;
use std::ops::Range;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize};

/// The workers that a pool has room for.
pub const MOST_WORKERS: usize = 63;

/// What a chunk leaves to others: it is the thread's share of what is left, divided by this.
const LEEWAY: usize = 2;

/// Chunks that a thread's equal share of a job would be cut into if all were the smallest.
const SMALLEST_PER_THREAD: usize = 32;

/// Shares' worth of work below which sleepers aren't woken: waking takes as long as this.
const WAKES: usize = 16;

/// How often a worker looks for work before it sleeps: one or two milliseconds, so that it stays awake through what one thread does
/// between a run's products, and from one run of a loop to the next. Woken, it comes too late for a product of a few rows.
const SPINS: u32 = 1_000_000;

/// How often the main thread looks whether the last chunks are done before it waits.
const MAIN_SPINS: u64 = 20_000;

/// One wait of the main thread, in nanoseconds: it looks for dead workers in between.
const MAIN_WAIT: i64 = 100_000_000;

/// Waits of the main thread for one job, a minute in all, after which a worker counts as lost beyond knowing.
const MAIN_WAITS: u32 = 600;

/// Looks of a main thread that may not wait, minutes in all, after which a worker counts as lost beyond knowing.
const LOOKS: u64 = 1 << 37;

thread_local! {
    /// Whether this thread is busy with a chunk, whose own work is done by it alone.
    static IS_BUSY: Cell<bool> = const { Cell::new(false) };
}

/// The module's pool.
pub static POOL: Pool = Pool::new();

/// A worker's place.
struct Slot {
    /// The chunk it has claimed, as the number of units that were unclaimed until then; 0 is none.
    held: AtomicU32,
    lives: AtomicBool,
}

impl Slot {
    const fn vacant() -> Self {
        Self { held: AtomicU32::new(0), lives: AtomicBool::new(false) }
    }
}

pub struct Pool {
    /// The job's number in the high half, the units that are unclaimed in the low one.
    state: AtomicU64,
    /// The job: a function and its data, the units, how many equal parts of what is left a chunk is one of, and the units that it has
    /// at least. Written while no chunk can be claimed.
    call: AtomicUsize,
    data: AtomicUsize,
    units: AtomicU32,
    parts: AtomicU32,
    least: AtomicU32,
    /// Units that are done.
    finished: AtomicU32,
    /// The job's number once more, for workers to wait on.
    ticket: AtomicU32,
    sleepers: AtomicU32,
    workers: AtomicU32,
    slots: [Slot; MOST_WORKERS],
    /// Chunks that workers have done, ever.
    helped: AtomicU32,
    /// Workers that died and whose chunks nobody has looked at yet.
    unnoticed: AtomicU32,
    main_may_wait: AtomicBool,
    /// The main thread waits for `finished` to change.
    main_waits: AtomicBool,
    grain: AtomicUsize,
}

type Call = unsafe fn(usize, Range<usize>);

/// Calls the closure at `data`.
///
/// # Safety
/// `data` must be the address of a live `F`.
unsafe fn call<F: Fn(Range<usize>)>(data: usize, range: Range<usize>) {
    // SAFETY: the caller's.
    unsafe { (*(data as *const F))(range) }
}

impl Pool {
    pub const fn new() -> Self {
        Self {
            state: AtomicU64::new(0),
            call: AtomicUsize::new(0),
            data: AtomicUsize::new(0),
            units: AtomicU32::new(0),
            parts: AtomicU32::new(1),
            least: AtomicU32::new(1),
            finished: AtomicU32::new(0),
            ticket: AtomicU32::new(0),
            sleepers: AtomicU32::new(0),
            workers: AtomicU32::new(0),
            slots: [const { Slot::vacant() }; MOST_WORKERS],
            helped: AtomicU32::new(0),
            unnoticed: AtomicU32::new(0),
            main_may_wait: AtomicBool::new(false),
            main_waits: AtomicBool::new(false),
            grain: AtomicUsize::new(GRAIN),
        }
    }

    /// Says whether the main thread may wait (a browser's may not), and what a chunk has to cost at least.
    pub fn open(&self, main_may_wait: bool, grain: usize) {
        self.main_may_wait.store(main_may_wait, SeqCst);
        self.grain.store(grain.max(1), SeqCst);
    }

    /// The workers that are ready.
    pub fn workers(&self) -> usize {
        self.workers.load(SeqCst) as usize
    }

    /// The chunks that workers have done, for tests that prove that they did some.
    pub fn helped(&self) -> u32 {
        self.helped.load(SeqCst)
    }

    // --- the main thread ---

    /// See [`super::ranges`].
    pub fn run<F: Fn(Range<usize>) + Sync>(&self, units: usize, cost: usize, f: &F) {
        let worth = units.saturating_mul(cost) / self.grain.load(Relaxed);
        let threads = self.workers.load(Relaxed) as usize + 1;
        if threads > 1 && worth > 1 && units > 1 && u32::try_from(units).is_ok() && !IS_BUSY.get() {
            IS_BUSY.set(true);
            let parts = (threads * LEEWAY) as u32;
            let least = units.div_ceil(worth.min(threads * SMALLEST_PER_THREAD)) as u32;
            self.publish(units as u32, parts, least, call::<F>, f as *const F as usize, worth >= WAKES);
            self.help(None);
            self.finish(units as u32);
            IS_BUSY.set(false);
        } else if units > 0 {
            f(0..units);
        }
    }

    fn publish(&self, units: u32, parts: u32, least: u32, call: Call, data: usize, wakes: bool) {
        self.call.store(call as usize, Relaxed);
        self.data.store(data, Relaxed);
        self.units.store(units, Relaxed);
        self.parts.store(parts, Relaxed);
        self.least.store(least, Relaxed);
        self.finished.store(0, Relaxed);
        let number = self.ticket.load(Relaxed).wrapping_add(1);
        self.state.store(u64::from(number) << 32 | u64::from(units), Release);
        // Before the sleepers are counted, and they count themselves before they compare it: none sleeps through a job unseen.
        self.ticket.store(number, SeqCst);
        if wakes && self.sleepers.load(SeqCst) > 0 {
            wake_all(&self.ticket);
        }
    }

    /// Returns when every unit is done.
    fn finish(&self, units: u32) {
        let (mut looks, mut waits) = (0, 0);
        loop {
            let finished = self.finished.load(Acquire);
            if finished == units {
                return;
            }
            if self.unnoticed.load(Acquire) > 0 {
                self.do_for_the_dead();
            }
            looks += 1;
            if looks > MAIN_SPINS && self.main_may_wait.load(Relaxed) {
                self.main_waits.store(true, SeqCst);
                wait(&self.finished, finished, MAIN_WAIT);
                self.main_waits.store(false, SeqCst);
                waits += 1;
            }
            assert!(waits < MAIN_WAITS && looks < LOOKS, "a worker stopped in the middle of a computation");
            std::hint::spin_loop();
        }
    }

    /// Does the chunks that dead workers held.
    fn do_for_the_dead(&self) {
        self.unnoticed.store(0, SeqCst);
        for slot in self.slots.iter().filter(|slot| !slot.lives.load(SeqCst)) {
            let held = slot.held.swap(0, SeqCst);
            if held > 0 {
                let units = self.do_chunk(held);
                self.count_finished(units);
            }
        }
    }

    // --- every thread ---

    /// Claims chunks and does them until none is left.
    fn help(&self, slot: Option<&Slot>) {
        while let Some(left) = self.claim(slot) {
            let units = self.do_chunk(left);
            if let Some(slot) = slot {
                slot.held.store(0, Relaxed);
                self.helped.fetch_add(1, Relaxed);
            }
            self.count_finished(units);
        }
    }

    fn count_finished(&self, units: u32) {
        self.finished.fetch_add(units, SeqCst);
        // The main thread says that it waits before it compares the count: either it sees this one or is seen.
        if self.main_waits.load(SeqCst) {
            wake_all(&self.finished);
        }
    }

    /// The units of the chunk that is next when some are left.
    fn chunk_of(&self, left: u32) -> u32 {
        (left / self.parts.load(Relaxed)).max(self.least.load(Relaxed)).min(left)
    }

    /// Claims the first of the units left, and gives how many those were.
    fn claim(&self, slot: Option<&Slot>) -> Option<u32> {
        loop {
            let state = self.state.load(Acquire);
            let left = state as u32;
            if let Some(slot) = slot {
                slot.held.store(left, Relaxed);
            }
            if left == 0 {
                return None;
            }
            // Of another job where this one ended meanwhile; then the state has changed.
            let chunk = u64::from(self.chunk_of(left));
            if self.state.compare_exchange(state, state - chunk, SeqCst, Relaxed).is_ok() {
                return Some(left);
            }
        }
    }

    /// Does a chunk that was claimed when so many units were left, and gives its units.
    fn do_chunk(&self, left: u32) -> u32 {
        let (start, units) = (self.units.load(Relaxed) - left, self.chunk_of(left));
        // SAFETY: a claimed chunk keeps its job from ending, so these are the function and the data that were published with it,
        // and the data is borrowed until the job has ended.
        unsafe {
            let call = std::mem::transmute::<usize, Call>(self.call.load(Relaxed));
            call(self.data.load(Relaxed), start as usize..(start + units) as usize);
        }
        units
    }

    // --- workers ---

    /// Takes a worker in, at the place that its host has given it.
    pub fn join(&self, index: usize) {
        let slot = &self.slots[index];
        slot.held.store(0, SeqCst);
        slot.lives.store(true, SeqCst);
        self.workers.fetch_add(1, SeqCst);
    }

    /// The life of a worker that has joined. Returns when the pool closes.
    pub fn work(&self, index: usize) {
        IS_BUSY.set(true);
        let slot = &self.slots[index];
        while slot.lives.load(SeqCst) {
            let ticket = self.ticket.load(SeqCst);
            self.help(Some(slot));
            self.sleep(ticket);
        }
    }

    /// Returns when there is another job than `ticket`'s.
    fn sleep(&self, ticket: u32) {
        for _ in 0..SPINS {
            if self.ticket.load(Acquire) != ticket {
                return;
            }
            std::hint::spin_loop();
        }
        self.sleepers.fetch_add(1, SeqCst);
        wait(&self.ticket, ticket, -1);
        self.sleepers.fetch_sub(1, SeqCst);
    }

    /// Takes a worker off the pool: its own host calls this after it trapped, and whoever sees that it is gone.
    pub fn mourn(&self, index: usize) {
        if self.slots[index].lives.swap(false, SeqCst) {
            self.workers.fetch_sub(1, SeqCst);
            self.unnoticed.fetch_add(1, SeqCst);
        }
    }

    /// Lets every worker return. A place may be taken again when its worker has returned.
    pub fn close(&self) {
        (0..MOST_WORKERS).for_each(|index| self.mourn(index));
        self.ticket.fetch_add(1, SeqCst);
        wake_all(&self.ticket);
    }
}

impl Default for Pool {
    fn default() -> Self {
        Self::new()
    }
}

/// Waits until somebody wakes those who wait on `word`, unless it differs from `expected` already; a negative timeout is none.
#[cfg(target_arch = "wasm32")]
fn wait(word: &AtomicU32, expected: u32, nanoseconds: i64) {
    // SAFETY: the address is that of an aligned word in shared memory, and only threads that may wait get here.
    unsafe { core::arch::wasm32::memory_atomic_wait32(word.as_ptr().cast(), expected as i32, nanoseconds) };
}

#[cfg(target_arch = "wasm32")]
fn wake_all(word: &AtomicU32) {
    // SAFETY: the address is that of an aligned word in shared memory.
    unsafe { core::arch::wasm32::memory_atomic_notify(word.as_ptr().cast(), u32::MAX) };
}

/// Where the tests of the crate run, waiting is looking now and then.
#[cfg(not(target_arch = "wasm32"))]
fn wait(word: &AtomicU32, expected: u32, nanoseconds: i64) {
    let end =
        (nanoseconds >= 0).then(|| std::time::Instant::now() + std::time::Duration::from_nanos(nanoseconds as u64));
    while word.load(SeqCst) == expected && end.is_none_or(|end| std::time::Instant::now() < end) {
        std::thread::yield_now();
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn wake_all(_: &AtomicU32) {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread::{self, JoinHandle};

    /// A pool with workers that are ready; every job is worth sharing.
    fn pool_with(workers: usize) -> (Arc<Pool>, Vec<JoinHandle<()>>) {
        let pool = Arc::new(Pool::new());
        pool.open(true, 1);
        let threads = (0..workers)
            .map(|index| {
                let pool = pool.clone();
                thread::spawn(move || {
                    pool.join(index);
                    pool.work(index);
                })
            })
            .collect();
        while pool.workers() < workers {
            thread::yield_now();
        }
        (pool, threads)
    }

    fn close(pool: &Pool, threads: Vec<JoinHandle<()>>) {
        pool.close();
        for thread in threads {
            thread.join().expect("a worker returns when its pool closes");
        }
        assert_eq!(pool.workers(), 0);
    }

    /// How often each unit of a job was done.
    fn counts_of(pool: &Pool, units: usize) -> Vec<u32> {
        let counts: Vec<AtomicU32> = (0..units).map(|_| AtomicU32::new(0)).collect();
        pool.run(units, 1, &|range| {
            for unit in range {
                counts[unit].fetch_add(1, Relaxed);
            }
        });
        counts.into_iter().map(AtomicU32::into_inner).collect()
    }

    #[test]
    fn every_unit_is_done_once_whatever_their_number() {
        for workers in [0, 1, 3] {
            let (pool, threads) = pool_with(workers);
            for units in (0..40).chain([1000, 1001]) {
                assert_eq!(counts_of(&pool, units), vec![1; units], "{units} units, {workers} workers");
            }
            close(&pool, threads);
        }
    }

    #[test]
    fn chunks_shrink_with_what_is_left() {
        let (pool, threads) = pool_with(1);
        let chunks = std::sync::Mutex::new(vec![]);
        pool.run(320, 1, &|range| chunks.lock().expect("no chunk panics").push(range));
        let mut chunks = chunks.into_inner().expect("no chunk panics");
        chunks.sort_by_key(|range| range.start);
        let lengths: Vec<usize> = chunks.iter().map(|range| range.len()).collect();
        // A quarter of what is left for each of two threads, at least a thirty-second part of its equal share.
        assert_eq!(lengths, [80, 60, 45, 33, 25, 19, 14, 11, 8, 6, 5, 5, 5, 4]);
        close(&pool, threads);
    }

    #[test]
    fn no_worker_takes_a_chunk_of_another_job() {
        let (pool, threads) = pool_with(3);
        // Jobs this short end before every worker has looked at them.
        for job in 0..20_000 {
            assert_eq!(counts_of(&pool, 2 + job % 7), vec![1; 2 + job % 7], "job {job}");
        }
        close(&pool, threads);
    }

    #[test]
    fn sleepers_wake_for_a_job_that_is_worth_it() {
        let (pool, threads) = pool_with(2);
        while pool.sleepers.load(SeqCst) < 2 {
            thread::yield_now();
        }
        // Three threads have to be in the job at once for it to end.
        let inside = AtomicU32::new(0);
        pool.run(3, WAKES, &|_| {
            inside.fetch_add(1, SeqCst);
            while inside.load(SeqCst) < 3 {
                thread::yield_now();
            }
        });
        close(&pool, threads);
    }

    #[test]
    fn work_inside_a_chunk_stays_on_its_thread() {
        let (pool, threads) = pool_with(2);
        pool.run(8, 1, &|_| {
            let own = thread::current().id();
            pool.run(8, 1, &|range| {
                assert_eq!(range, 0..8);
                assert_eq!(thread::current().id(), own);
            });
        });
        close(&pool, threads);
    }

    #[test]
    fn the_main_thread_does_what_a_dead_worker_held() {
        let pool = Arc::new(Pool::new());
        pool.open(true, 1);
        let dying = {
            let pool = pool.clone();
            thread::spawn(move || {
                pool.join(4);
                let slot = &pool.slots[4];
                // Claims a chunk like a worker, and dies in the middle of it.
                while pool.claim(Some(slot)).is_none() {
                    thread::yield_now();
                }
                pool.mourn(4);
            })
        };
        while pool.workers() < 1 {
            thread::yield_now();
        }
        let is_claimed = || pool.slots[4].held.load(SeqCst) > 0;
        let counts: Vec<AtomicU32> = (0..8).map(|_| AtomicU32::new(0)).collect();
        pool.run(8, 1, &|range| {
            while !is_claimed() && pool.workers() > 0 {
                thread::yield_now();
            }
            range.for_each(|unit| {
                counts[unit].fetch_add(1, SeqCst);
            });
        });
        dying.join().expect("the worker only pretends");
        assert!(counts.iter().all(|count| count.load(SeqCst) == 1));
        assert_eq!((pool.workers(), counts_of(&pool, 5)), (0, vec![1; 5]));
    }

    #[test]
    fn a_place_can_be_taken_again() {
        let (pool, threads) = pool_with(1);
        close(&pool, threads);
        pool.mourn(0);
        pool.open(true, 1);
        let again = {
            let pool = pool.clone();
            thread::spawn(move || {
                pool.join(0);
                pool.work(0);
            })
        };
        while pool.workers() < 1 {
            thread::yield_now();
        }
        assert_eq!(counts_of(&pool, 9), vec![1; 9]);
        close(&pool, vec![again]);
    }
}

//! The system's allocator, counting what each thread asks of it. For tests alone.
//!
//! ```
//! use beluga_counting_alloc::{CountingAllocator, calls_of};
//!
//! #[global_allocator]
//! static ALLOCATOR: CountingAllocator = CountingAllocator;
//!
//! assert_eq!(calls_of(|| drop(vec![0_u8; 100])), 2);
//! ```
#![expect(
    unsafe_code,
    reason = "a global allocator that counts can be written in no other way"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

/// Counts by thread: tests run beside each other.
#[derive(Debug)]
pub struct CountingAllocator;

// SAFETY: each call goes to the system's allocator as it came; the counter neither allocates nor touches the memory.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are the ones that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn count() {
    CALLS.with(|calls| calls.set(calls.get() + 1));
}

/// How often `work`, on this thread, asks for memory, gives some back or changes its size.
///
/// # Panics
/// If the program's allocator is another one: then it would count nothing and show nothing.
pub fn calls_of(work: impl FnOnce()) -> usize {
    let asked = CALLS.get();
    drop(std::hint::black_box(Box::new(0_u8)));
    assert_eq!(
        CALLS.get() - asked,
        2,
        "CountingAllocator is not this program's #[global_allocator]"
    );
    let before = CALLS.get();
    work();
    CALLS.get() - before
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    #[global_allocator]
    static ALLOCATOR: CountingAllocator = CountingAllocator;

    #[test]
    fn each_kind_of_call_is_counted_once() {
        assert_eq!(calls_of(|| drop(black_box(vec![0_u8; 100]))), 2);
        let mut grown = Vec::<u8>::with_capacity(10);
        assert_eq!(calls_of(|| grown.reserve_exact(black_box(1_000))), 1);
        assert_eq!(calls_of(|| ()), 0);
    }

    #[test]
    fn what_other_threads_do_is_not_counted() {
        let (ask, asked) = std::sync::mpsc::channel();
        let busy = std::thread::spawn(move || {
            while asked.try_recv().is_err() {
                drop(black_box(vec![0_u8; 10]));
            }
        });
        let calls = (0..1_000)
            .map(|_| calls_of(std::thread::yield_now))
            .sum::<usize>();
        ask.send(()).expect("it waits for this");
        busy.join().expect("it does nothing else");
        assert_eq!(calls, 0);
    }
}

//! Shows the fuzzer which way it took through libopus.
//!
//! GCC compiles C so that each basic block calls `__sanitizer_cov_trace_pc` (`-fsanitize-coverage=trace-pc`, which
//! ci/prove/fuzz.sh asks for). libFuzzer's own function of that name only refuses to work, but it takes counters in a section of
//! its own; so build.rs has the linker put the function below in that one's place.

use std::cell::UnsafeCell;

/// Power of two of the number of counters: libopus has some 20,000 basic blocks.
const COUNTERS_LOG2: u32 = 16;

#[repr(transparent)]
struct Counters(UnsafeCell<[u8; 1 << COUNTERS_LOG2]>);

// SAFETY: only the function below and libFuzzer touch the counters, on the one thread that fuzzes.
unsafe impl Sync for Counters {}

// SAFETY: the section holds bytes and nothing else, as libFuzzer expects of it.
#[unsafe(link_section = "__libfuzzer_extra_counters")]
#[used]
static COUNTERS: Counters = Counters(UnsafeCell::new([0; 1 << COUNTERS_LOG2]));

/// Counts its caller: its return address, hashed, is a counter's place.
// SAFETY: nobody else defines the name. The body keeps to the C calling convention: it changes rax, rcx and flags, which are the
// caller's to save, and one byte of `COUNTERS`, at a place that `COUNTERS_LOG2` bits can name.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
#[unsafe(no_mangle)]
#[unsafe(naked)]
extern "C" fn __wrap___sanitizer_cov_trace_pc() {
    std::arch::naked_asm!(
        "mov eax, [rsp]",
        "imul eax, eax, 0x9e3779b1", // 2^32 divided by the golden ratio: Knuth's multiplicative hashing
        "shr eax, {shift}",
        "lea rcx, [rip + {counters}]",
        "inc byte ptr [rcx + rax]",
        "ret",
        shift = const 32 - COUNTERS_LOG2,
        counters = sym COUNTERS,
    )
}

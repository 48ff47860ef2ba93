//! Multiply and add, fused or not: what differs between the compiled variants of the forward pass.

/// How a variant computes `a * b + c`.
///
/// The compiler never fuses on its own, and a fused operation without the instruction is a slow library call: so it is asked for
/// only where the instruction is known to be there.
pub(crate) trait Arithmetic {
    /// `a * b + c`.
    fn multiply_add(a: f32, b: f32, c: f32) -> f32;
}

/// Multiplies, rounds, adds: any CPU.
pub(crate) struct Separate;

impl Arithmetic for Separate {
    #[inline(always)]
    fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
        a * b + c
    }
}

/// One instruction and one rounding.
#[cfg(target_arch = "x86_64")]
pub(crate) struct Fused;

#[cfg(target_arch = "x86_64")]
impl Arithmetic for Fused {
    #[inline(always)]
    fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }
}

//! The arithmetic core of Splicer.
//!
//! Layers, each importing only those before it: `kernels` (slices in, slices out), `ops` (shape rule, forward and
//! vector-Jacobian product of one operation), `tape` (what was recorded, and the walk back), `api` (the binding).
//! Nothing here calls JavaScript.

// Waiting in shared memory isn't stable yet; the module that needs it is built with a standard library of its own anyway.
#![cfg_attr(all(target_arch = "wasm32", target_feature = "atomics"), feature(stdarch_wasm_atomic_wait))]

pub mod error;
pub mod heap;
pub mod kernels;
pub mod memory;
pub mod ops;
pub mod real;
pub mod tape;
pub mod tensor;

// The twins' module has exports of its own names, so it leaves the binding out.
#[cfg(all(target_arch = "wasm32", not(feature = "twins")))]
mod api;
#[cfg(all(target_arch = "wasm32", feature = "twins"))]
mod twins;

//! The threads' binding, in the module over shared memory alone.

use crate::kernels::parallel::{GRAIN, pool::POOL};
use wasm_bindgen::prelude::*;

/// Opens the pool. `main_may_wait` is false in a browser's main thread; `grain` is what a share has to cost at least in
/// multiply-adds, 0 for what pays.
#[wasm_bindgen]
pub fn pool_open(main_may_wait: bool, grain: usize) {
    POOL.open(main_may_wait, if grain == 0 { GRAIN } else { grain });
}

/// The workers that have joined.
#[wasm_bindgen]
pub fn pool_workers() -> usize {
    POOL.workers()
}

/// The shares that workers have done since the module started.
#[wasm_bindgen]
pub fn pool_helped() -> u32 {
    POOL.helped()
}

/// Takes the calling worker into the pool; [`pool_work`] must follow.
#[wasm_bindgen]
pub fn pool_join(index: usize) {
    POOL.join(index);
}

/// The calling worker's life. It returns when its place is closed.
#[wasm_bindgen]
pub fn pool_work(index: usize) {
    POOL.work(index);
}

/// Takes a worker off the pool: one that trapped, or that is gone.
#[wasm_bindgen]
pub fn pool_mourn(index: usize) {
    POOL.mourn(index);
}

/// Lets every worker go.
#[wasm_bindgen]
pub fn pool_close() {
    POOL.close();
}

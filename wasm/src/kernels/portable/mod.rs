//! The portable twins: plain loops that say what each kernel computes, and in which order.

mod activation;
mod attention;
mod decode;
mod gemm;
mod norm;
mod screen;
mod softmax;

pub use activation::{activate, activate_grad};
pub use attention::{attend, attend_mix, attend_scores};
#[cfg(target_arch = "wasm32")]
pub(crate) use attention::{mix_row, score};
pub use decode::{decode, decode_sparse};
pub use gemm::{gemm, gemm_blocks, gemm_bt, gemm_bt_at, gemm_bt_sparse};
pub use norm::{fold16, norm, norm_scale};
pub use screen::{encode_at, may_be_alive, screen};
pub use softmax::{log_softmax, softmax};

#[cfg(test)]
mod tests;

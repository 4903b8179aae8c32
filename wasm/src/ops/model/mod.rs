//! The operations of a transformer and of the autoencoders spliced into it.

pub mod attention;
pub mod codes;
pub mod encode;
pub mod linear;
pub mod lookup;
pub mod norm;
pub mod rotary;
pub mod sparse;

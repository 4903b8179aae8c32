//! What can go wrong in the core. The binding turns each kind into the error class of the same meaning.

use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// Shapes or dtypes don't fit together.
    Shape(String),
    /// An index lies outside its axis.
    Index(String),
    /// The memory budget, or the address space, would be exceeded. Nothing was allocated.
    Memory { wanted: usize, live: usize, limit: usize },
    /// A handle whose run has ended, or that never was.
    StaleHandle,
    /// The gradient machinery was asked for something that it cannot give.
    Tape(String),
}

pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Shape(message) | Error::Index(message) | Error::Tape(message) => f.write_str(message),
            Error::Memory { wanted, live, limit } => {
                write!(f, "{wanted} more bytes are wanted, {live} are in use and the budget is {limit}")
            }
            Error::StaleHandle => f.write_str("the value's run has ended"),
        }
    }
}

/// `Err(Error::Shape(...))` with `format!` arguments.
#[macro_export]
macro_rules! shape_error {
    ($($arg:tt)*) => { Err($crate::error::Error::Shape(format!($($arg)*))) };
}

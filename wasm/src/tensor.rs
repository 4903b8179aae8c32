//! Tensors of the core: row-major, contiguous, shared until somebody writes.

use crate::error::{Error, Result};
use crate::memory::Buf;
use crate::real::Real;
use crate::shape_error;
use std::any::Any;
use std::cell::OnceCell;
use std::rc::Rc;

pub type Shape = Vec<usize>;

/// The number of elements of a shape.
pub fn size_of_shape(shape: &[usize]) -> usize {
    // Saturating, so that an absurd size is refused by the allocator rather than wrapped.
    shape.iter().fold(1, |product, &n| product.saturating_mul(n))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    Float,
    Int,
    Bool,
}

/// The elements, shared between tensors of different shapes and copied on the first write.
pub enum Data<T: Real> {
    Float(Rc<Buf<T>>),
    Int(Rc<Buf<i32>>),
    Bool(Rc<Buf<u8>>),
    /// Floats that are computed when somebody reads them.
    Deferred(Rc<Deferred<T>>),
}

/// How floats come about that nobody has read yet.
pub trait Source<T: Real>: Any {
    fn compute(&self) -> Result<Buf<T>>;
    /// Bytes held until then, and after.
    fn bytes(&self) -> usize;
    /// For those who know what it is, and can do with less than all of it.
    fn as_any(&self) -> &dyn Any;
}

/// Floats and where they come from.
pub struct Deferred<T: Real> {
    source: Box<dyn Source<T>>,
    floats: OnceCell<Rc<Buf<T>>>,
}

impl<T: Real> Deferred<T> {
    fn floats(&self) -> Result<&Rc<Buf<T>>> {
        if self.floats.get().is_none() {
            // Nothing else can have set it meanwhile.
            let _ = self.floats.set(Rc::new(self.source.compute()?));
        }
        self.floats.get().ok_or(Error::StaleHandle)
    }
}

impl<T: Real> Clone for Data<T> {
    fn clone(&self) -> Self {
        match self {
            Data::Float(b) => Data::Float(b.clone()),
            Data::Int(b) => Data::Int(b.clone()),
            Data::Bool(b) => Data::Bool(b.clone()),
            Data::Deferred(d) => Data::Deferred(d.clone()),
        }
    }
}

#[derive(Clone)]
pub struct Tensor<T: Real> {
    pub shape: Shape,
    pub data: Data<T>,
}

impl<T: Real> Tensor<T> {
    pub fn float(shape: Shape, buf: Buf<T>) -> Self {
        debug_assert_eq!(size_of_shape(&shape), buf.len());
        Self { shape, data: Data::Float(Rc::new(buf)) }
    }

    pub fn int(shape: Shape, buf: Buf<i32>) -> Self {
        debug_assert_eq!(size_of_shape(&shape), buf.len());
        Self { shape, data: Data::Int(Rc::new(buf)) }
    }

    pub fn bool(shape: Shape, buf: Buf<u8>) -> Self {
        debug_assert_eq!(size_of_shape(&shape), buf.len());
        Self { shape, data: Data::Bool(Rc::new(buf)) }
    }

    /// A float tensor of zeros.
    pub fn zeros(shape: &[usize]) -> Result<Self> {
        Ok(Self::float(shape.to_vec(), Buf::zeroed(size_of_shape(shape))?))
    }

    pub fn from_slice(shape: &[usize], data: &[T]) -> Result<Self> {
        Ok(Self::float(shape.to_vec(), Buf::copied(data)?))
    }

    /// A float tensor whose elements are computed when somebody reads them.
    pub fn deferred(shape: Shape, source: impl Source<T>) -> Self {
        let deferred = Deferred { source: Box::new(source), floats: OnceCell::new() };
        Self { shape, data: Data::Deferred(Rc::new(deferred)) }
    }

    /// Where the elements come from, if they are deferred and their source is of this kind.
    pub fn source<S: 'static>(&self) -> Option<&S> {
        match &self.data {
            Data::Deferred(deferred) => deferred.source.as_any().downcast_ref(),
            _ => None,
        }
    }

    /// The same tensor with its elements there.
    pub fn settled(&self) -> Result<Self> {
        let data = match &self.data {
            Data::Deferred(deferred) => Data::Float(deferred.floats()?.clone()),
            there => there.clone(),
        };
        Ok(Self { shape: self.shape.clone(), data })
    }

    pub fn dtype(&self) -> Dtype {
        match self.data {
            Data::Float(_) | Data::Deferred(_) => Dtype::Float,
            Data::Int(_) => Dtype::Int,
            Data::Bool(_) => Dtype::Bool,
        }
    }

    pub fn len(&self) -> usize {
        size_of_shape(&self.shape)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The last axis' length, 1 for a scalar.
    pub fn last_dim(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// The number of rows when all axes but the last are one.
    pub fn rows(&self) -> usize {
        self.shape[..self.rank().saturating_sub(1)].iter().product()
    }

    /// The floats, or a shape error naming what came instead.
    pub fn floats(&self) -> Result<&[T]> {
        match &self.data {
            Data::Float(b) => Ok(b),
            Data::Deferred(deferred) => Ok(deferred.floats()?),
            other => shape_error!("expected a float32 tensor, got {}", dtype_name(other)),
        }
    }

    pub fn ints(&self) -> Result<&[i32]> {
        match &self.data {
            Data::Int(b) => Ok(b),
            other => shape_error!("expected an int32 tensor, got {}", dtype_name(other)),
        }
    }

    pub fn bools(&self) -> Result<&[u8]> {
        match &self.data {
            Data::Bool(b) => Ok(b),
            other => shape_error!("expected a bool tensor, got {}", dtype_name(other)),
        }
    }

    /// Exclusive access to the floats: a shared buffer is copied first, so no other tensor sees the write.
    pub fn floats_mut(&mut self) -> Result<&mut [T]> {
        if let Data::Deferred(_) = self.data {
            *self = self.settled()?;
        }
        match &mut self.data {
            Data::Float(b) => {
                if Rc::get_mut(b).is_none() {
                    *b = Rc::new(Buf::copied(b)?);
                }
                // A buffer that was shared was just replaced by one of our own.
                Ok(Rc::get_mut(b).ok_or(Error::StaleHandle)?)
            }
            other => shape_error!("expected a float32 tensor, got {}", dtype_name(other)),
        }
    }

    /// The same elements under another shape of equal size.
    pub fn reshaped(&self, shape: &[usize]) -> Result<Self> {
        if size_of_shape(shape) != self.len() {
            return shape_error!("cannot reshape {:?} ({} elements) to {:?}", self.shape, self.len(), shape);
        }
        Ok(Self { shape: shape.to_vec(), data: self.data.clone() })
    }

    /// Where the buffer is, which tells it from others, and its bytes. Deferred elements stay so.
    pub fn buffer(&self) -> (usize, usize) {
        match &self.data {
            Data::Float(b) => (Rc::as_ptr(b).addr(), b.bytes()),
            Data::Int(b) => (Rc::as_ptr(b).addr(), b.bytes()),
            Data::Bool(b) => (Rc::as_ptr(b).addr(), b.bytes()),
            Data::Deferred(d) => {
                let there = d.floats.get().map_or(0, |b| b.bytes());
                (Rc::as_ptr(d).addr(), d.source.bytes() + there)
            }
        }
    }

    /// True when both share one buffer.
    pub fn same_buffer(&self, other: &Self) -> bool {
        match (&self.data, &other.data) {
            (Data::Float(a), Data::Float(b)) => Rc::ptr_eq(a, b),
            (Data::Int(a), Data::Int(b)) => Rc::ptr_eq(a, b),
            (Data::Bool(a), Data::Bool(b)) => Rc::ptr_eq(a, b),
            (Data::Deferred(a), Data::Deferred(b)) => Rc::ptr_eq(a, b),
            _ => false,
        }
    }
}

fn dtype_name<T: Real>(data: &Data<T>) -> &'static str {
    match data {
        Data::Float(_) | Data::Deferred(_) => "float32",
        Data::Int(_) => "int32",
        Data::Bool(_) => "bool",
    }
}

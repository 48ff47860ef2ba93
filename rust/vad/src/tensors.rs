//! Reads tensors out of a safetensors file, each checked for name, type, shape and finite values.

use crate::error::ModelError;
use safetensors::{Dtype, SafeTensors};

/// The tensors of one file.
pub(crate) struct Tensors<'bytes>(SafeTensors<'bytes>);

impl<'bytes> Tensors<'bytes> {
    /// Reads the header; the values are read by [`Tensors::get`].
    pub(crate) fn parse(bytes: &'bytes [u8]) -> Result<Self, ModelError> {
        Ok(Self(SafeTensors::deserialize(bytes)?))
    }

    /// The values of tensor `name`, row-major, which must have exactly the shape `expected`.
    pub(crate) fn get(
        &self,
        name: &'static str,
        expected: &'static [usize],
    ) -> Result<Vec<f32>, ModelError> {
        let tensor = self
            .0
            .tensor(name)
            .map_err(|_| ModelError::Missing { name })?;
        if tensor.dtype() != Dtype::F32 {
            let found = tensor.dtype();
            return Err(ModelError::Type { name, found });
        }
        if tensor.shape() != expected {
            let found = tensor.shape().to_vec();
            return Err(ModelError::Shape {
                name,
                expected,
                found,
            });
        }
        let (words, _) = tensor.data().as_chunks::<4>();
        let values: Vec<f32> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
        match values.iter().position(|value| !value.is_finite()) {
            Some(index) => Err(ModelError::NotFinite { name, index }),
            None => Ok(values),
        }
    }
}

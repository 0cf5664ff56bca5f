//! Copies of the bytes of buffers.
#![allow(unsafe_code)]

use rquickjs::TypedArray;

/// The bytes of `array`; none where its buffer was given away.
pub(crate) fn bytes_of(array: &TypedArray<'_, u8>) -> Vec<u8> {
    // SAFETY: the slice is copied before any code of the engine runs again.
    unsafe { array.as_bytes() }.unwrap_or_default().to_vec()
}

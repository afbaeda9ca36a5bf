//! Bands of pixels into others: worked out by an `expression`, or onto another number of rows and columns (`resize`).

pub mod expression;
pub mod resize;

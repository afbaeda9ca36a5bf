//! Bands of pixels into others: worked out by an `expression`, onto another number of rows and columns (`resize`), or with
//! their gaps filled (`fill`).

pub mod expression;
pub mod fill;
pub mod resize;

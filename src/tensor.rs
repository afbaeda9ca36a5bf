//! Rows of Arrow into batches of tensors, for a program in the same process: the second door beside SQL.
//!
//! A program hands over rows and says what is read of each ([`spec`]); batches come out in the order that it asks for
//! ([`batches`]), each pixel written once, by the thread that decodes it, into the memory that the program gets. What is
//! exported stands in [`interface`]; the file that DuckDB loads is the file that the program opens, so both share one block
//! cache.

pub mod batches;
pub mod buffer;
pub mod c_data;
pub mod interface;
pub mod labels;
pub mod reads;
pub mod row_tensor;
pub mod spec;

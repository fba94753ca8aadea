//! The program: placeholder.

//! What bounds the reading of a printer line.

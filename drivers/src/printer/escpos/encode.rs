//! Writes ESC/POS streams.

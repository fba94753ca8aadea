//! The machine's clock, read here and nowhere else: the core is told the time.

/// Milliseconds since 1970 UTC.
pub fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

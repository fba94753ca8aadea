//! Inputs that once broke something, each by the name of what it broke. The test runs them before all others.

/// Target, what it broke, the bytes in hex.
pub const REGRESSIONS: &[(&str, &str, &str)] = &[
    (
        "ids_and_dates",
        "a sign between the digits of an id was taken",
        "2b612b612b612b612b612b612b612b612b612b612b612b612b612b612b612b61",
    ),
    (
        "ids_and_dates",
        "a date before the year 0 was taken and did not come back",
        "323032362d31312d32342f2d382d30322d32390a2d382d30322d3239",
    ),
    ("receipt_reader", "a position far beyond the paper made a line of thousands of spaces", "061b24ffff410a1d5600"),
    (
        "spool_reader",
        "a frame whose reason is no text was read again from a wrong place",
        "01020500304000000000000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ),
];

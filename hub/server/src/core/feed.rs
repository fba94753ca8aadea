//! The feed: what head office tells its tills, a row per change, in buckets.

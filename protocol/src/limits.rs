//! Every bound of the protocol, in one place. Units are in the names.
//!
//! A peer that goes beyond one is refused with an error that names it; nothing grows because a peer asks.

/// Feed buckets that hold members, by hash of the member.
pub const MEMBER_BUCKET_COUNT: u8 = 64;
/// The bucket after them: what belongs to no member (programs, store settings, templates).
pub const SHARED_BUCKET: u8 = MEMBER_BUCKET_COUNT;
/// All buckets of a feed.
pub const BUCKET_COUNT: usize = MEMBER_BUCKET_COUNT as usize + 1;

/// Records in one segment.
pub const SEGMENT_RECORD_COUNT_MAX: usize = 1_000;
/// Bytes of all records in one segment. One record above it travels alone.
pub const SEGMENT_BYTES_MAX: usize = 1 << 20;
/// Bytes of one record.
pub const RECORD_BYTES_MAX: usize = 1 << 20;
/// Entries in one record.
pub const RECORD_ENTRY_COUNT_MAX: usize = 256;
/// Bytes of any request to a hub's sync endpoints.
pub const REQUEST_BYTES_MAX: usize = 4 << 20;
/// Items in one page of the feed.
pub const PAGE_ITEM_COUNT_MAX: usize = 1_000;
/// Units in one entry: far above any purse, far below overflow of sums.
pub const ENTRY_UNITS_MAX: i64 = 1_000_000_000_000;
/// Lines in one sale.
pub const SALE_LINE_COUNT_MAX: usize = 2_000;
/// Discounts, and tenders, in one sale, as far as a program evaluates it.
pub const SALE_PART_COUNT_MAX: usize = 500;
/// All amounts of one sale together, minor units without their signs, as far as a program evaluates it: products
/// of two of them stay far below overflow of `i128`.
pub const SALE_MINOR_MAX: i128 = 1_000_000_000_000_000_000;
/// Characters of an identifier as typed or scanned.
pub const IDENTIFIER_CHAR_COUNT_MAX: usize = 256;

/// Bytes of a program file.
pub const PROGRAM_BYTES_MAX: usize = 256 << 10;
/// Purses of a program.
pub const PROGRAM_PURSE_COUNT_MAX: usize = 64;
/// Rules of a program.
pub const PROGRAM_RULE_COUNT_MAX: usize = 200;
/// Rewards of a program.
pub const PROGRAM_REWARD_COUNT_MAX: usize = 500;
/// Characters of the name of a program, purse, rule or reward.
pub const PROGRAM_NAME_CHAR_COUNT_MAX: usize = 64;
/// Characters of any text in a program.
pub const PROGRAM_TEXT_CHAR_COUNT_MAX: usize = 1_024;
/// Years of the longest period in a program.
pub const PERIOD_YEARS_MAX: u32 = 100;
/// Bytes of one condition.
pub const CONDITION_BYTES_MAX: usize = 1_024;
/// Words and signs of one condition, before it is parsed.
pub const CONDITION_TOKEN_COUNT_MAX: usize = 300;
/// Brackets inside each other in one condition, before it is parsed.
pub const CONDITION_NESTING_MAX: usize = 16;
/// Nodes of a parsed condition.
pub const CONDITION_NODE_COUNT_MAX: usize = 300;
/// Depth of a parsed condition: what evaluating it takes of the stack.
pub const CONDITION_DEPTH_MAX: usize = 64;
/// What all conditions of a program may cost together for the largest sale there is, in nodes evaluated: below
/// two seconds on slow hardware, and far above what any program needs.
pub const PROGRAM_COST_MAX: u64 = 20_000_000;
/// Tags of a member, and groups of a store, that the cost of a condition is reckoned with.
pub const TAG_COUNT_RECKONED: u64 = 100;
/// Stack of the thread that parses a program: the parser's own recursion is bounded by nothing else.
pub const PROGRAM_STACK_BYTES: usize = 16 << 20;

/// How long a cashier waits for a hub, at the most.
pub const GRANT_DEADLINE_MS: u64 = 250;
/// How long a hub holds a long poll.
pub const LONG_POLL_MS: u64 = 25_000;
/// First retry after a failed exchange waits up to this.
pub const RETRY_DELAY_MS_MIN: u64 = 250;
/// Later ones double up to this.
pub const RETRY_DELAY_MS_MAX: u64 = 60_000;

const _: () = assert!(SEGMENT_BYTES_MAX + RECORD_BYTES_MAX < REQUEST_BYTES_MAX);
const _: () = assert!(RETRY_DELAY_MS_MIN < RETRY_DELAY_MS_MAX);

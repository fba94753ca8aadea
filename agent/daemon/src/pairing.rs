//! Opening a browser session for the cashier page, once, with a code from the command line.
//!
//! One code at a time, of eight digits, for ten minutes and five tries: guessing gains nothing. What a session
//! holds is an ordinary API token, so `token list` and `token revoke` see it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long a code can be used.
pub const CODE_LIFETIME: Duration = Duration::from_secs(10 * 60);
const CODE_DIGIT_COUNT: usize = 8;
const TRY_COUNT_MAX: u32 = 5;

#[derive(Debug)]
struct Open {
    code: String,
    until: Instant,
    tries: u32,
}

/// The one open code, if any; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Pairing(Arc<Mutex<Option<Open>>>);

impl Pairing {
    /// A new code; one printed before is void.
    pub fn open(&self, now: Instant) -> String {
        let code = crate::random::digits(CODE_DIGIT_COUNT);
        *self.lock() = Some(Open { code: code.clone(), until: now + CODE_LIFETIME, tries: 0 });
        code
    }

    /// Whether this is the code. Right or wrong too often, it is used up.
    pub fn try_code(&self, typed: &str, now: Instant) -> bool {
        let mut slot = self.lock();
        let Some(open) = slot.as_mut().filter(|open| now < open.until) else {
            return false;
        };
        open.tries += 1;
        let typed: String = typed.chars().filter(char::is_ascii_digit).collect();
        let right = typed == open.code;
        if right || open.tries >= TRY_COUNT_MAX {
            *slot = None;
        }
        right
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Open>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_opens_once_and_not_for_ever() {
        let pairing = Pairing::default();
        let now = Instant::now();
        assert!(!pairing.try_code("", now), "no code is open");
        let code = pairing.open(now);
        assert_eq!(code.len(), 8);
        assert!(!pairing.try_code(&code, now + CODE_LIFETIME), "too late");
        assert!(pairing.try_code(&format!("{} {}", &code[..4], &code[4..]), now), "as a person types it");
        assert!(!pairing.try_code(&code, now), "used up");
    }

    #[test]
    fn guessing_voids_the_code() {
        let pairing = Pairing::default();
        let now = Instant::now();
        let code = pairing.open(now);
        for _ in 0..TRY_COUNT_MAX {
            assert!(!pairing.try_code("x", now));
        }
        assert!(!pairing.try_code(&code, now));
    }
}

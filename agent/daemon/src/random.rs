//! Entropy, from the operating system through the TLS provider; nothing else in the agent makes any.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// `N` bytes nobody can guess.
///
/// # Panics
/// When the operating system gives none: no key may be made then.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rustls::crypto::ring::default_provider()
        .secure_random
        .fill(&mut bytes)
        .expect("the operating system gives entropy");
    bytes
}

/// A secret of 256 bits as text without padding.
pub fn secret() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<32>())
}

/// A seed for jitter.
pub fn seed() -> u64 {
    u64::from_le_bytes(bytes())
}

/// A code of `count` digits, to be typed by a person.
pub fn digits(count: usize) -> String {
    // 250 is a multiple of ten: bytes above it would favour small digits and are drawn again.
    let mut text = String::with_capacity(count);
    while text.len() < count {
        let [byte] = bytes::<1>();
        if byte < 250 {
            text.push(char::from(b'0' + byte % 10));
        }
    }
    text
}

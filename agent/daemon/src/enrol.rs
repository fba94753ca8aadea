//! Making this machine a till: a key made here, proved to head office with a one-time code.
//!
//! Order, so that a cut at any moment can be repeated with the same code: the key is durable before it is sent;
//! the answer is believed only when its root key has the code's fingerprint and its signature holds; the books
//! are created last and the key's file goes after them. An enrolled till is never enrolled over.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use counterfoil_protocol::record::Head;
use counterfoil_protocol::wire::http::{ENROL_PATH, RequestHeaders};
use counterfoil_protocol::wire::sign::{PublicKey, request_text, sign};
use counterfoil_protocol::wire::v1::enrol::{EnrolAnswer, EnrolRequest, EnrolmentCode};
use counterfoil_protocol::wire::v1::grant::Refusal;
use counterfoil_till::Enrolment;
use ed25519_dalek::SigningKey;
use reqwest::Method;

use crate::files;
use crate::hub_link::address::HubUrl;
use crate::hub_link::client::{HubClient, NoAnswer};
use crate::hub_link::trust;
use crate::places::Places;

/// Enrolment is one short exchange.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Why a till was not enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// Head office did not answer.
    #[error("head office could not be asked; nothing changed here, try again with the same code")]
    NoAnswer(#[source] NoAnswer),
    /// It said no.
    #[error("head office refuses: {detail}")]
    Refused {
        /// In its words.
        detail: String,
    },
    /// Somebody else answered.
    #[error("the answer does not come from the head office that issued this code: {0}; check the address and the code")]
    Impostor(&'static str),
    /// An answer this version cannot read.
    #[error("head office's answer (status {status}) cannot be read: are both of a version that fits?")]
    Unreadable {
        /// HTTP status.
        status: u16,
    },
    /// The disk.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Asks head office to take this till in; what that made of it, and the answer as proof.
///
/// # Errors
/// When it did not, with what to do.
pub async fn enrol(places: &Places, url: HubUrl, code: EnrolmentCode) -> Result<(Enrolment, EnrolAnswer), EnrolError> {
    let key_seed = key_seed(&places.enrolment_key())?;
    let key = SigningKey::from_bytes(&key_seed);
    let public_key = PublicKey::of(&key);
    let request = EnrolRequest { secret: code.secret, public_key, agent_version: env!("CARGO_PKG_VERSION").to_owned() };
    let body = minicbor::to_vec(&request).expect("encoding into memory cannot fail");
    let incarnation = public_key.incarnation();
    let head = Head::start(incarnation);
    let text = request_text("POST", ENROL_PATH, &body, 0, incarnation, &head);
    let headers = RequestHeaders { incarnation, epoch: 0, head, signature: sign(&key, &text) };
    let client =
        HubClient::new(url.clone(), trust::first_contact(code.root_fingerprint)).map_err(EnrolError::NoAnswer)?;
    let answer =
        client.exchange(Method::POST, ENROL_PATH, body, &headers, TIMEOUT).await.map_err(EnrolError::NoAnswer)?;
    if answer.status != 200 {
        return Err(match minicbor::decode::<Refusal>(&answer.body) {
            Ok(refusal) => EnrolError::Refused { detail: refusal.detail },
            Err(_) => EnrolError::Unreadable { status: answer.status },
        });
    }
    let answer: EnrolAnswer =
        minicbor::decode(&answer.body).map_err(|_| EnrolError::Unreadable { status: answer.status })?;
    check(&answer, &code, &public_key)?;
    let enrolment = Enrolment {
        terminal: answer.terminal.clone(),
        lane: answer.lane.clone(),
        store: answer.store.clone(),
        key_seed,
        epoch: answer.epoch,
        root_key: answer.root_key,
        root_certificate: answer.root_certificate.clone(),
        program_key: answer.program_key,
        hub_url: url.as_str().to_owned(),
    };
    Ok((enrolment, answer))
}

/// Whether the answer is head office's, and about this till.
fn check(answer: &EnrolAnswer, code: &EnrolmentCode, public_key: &PublicKey) -> Result<(), EnrolError> {
    if answer.root_key.fingerprint() != code.root_fingerprint {
        return Err(EnrolError::Impostor("its root key is another one than the code names"));
    }
    let signature = answer.signature.ok_or(EnrolError::Impostor("it is not signed"))?;
    answer
        .root_key
        .verify(&answer.signed_text(), &signature)
        .map_err(|_| EnrolError::Impostor("its signature does not hold"))?;
    if answer.incarnation != public_key.incarnation() {
        return Err(EnrolError::Impostor("it is about another till"));
    }
    Ok(())
}

/// The key of an enrolment begun before, or a new one, durable before anybody sees its public half.
fn key_seed(path: &Path) -> Result<[u8; 32], EnrolError> {
    if let Ok(bytes) = fs::read(path)
        && let Ok(seed) = bytes.try_into()
    {
        return Ok(seed);
    }
    let seed: [u8; 32] = crate::random::bytes();
    files::write_durably(path, 0o600, |file| file.write_all(&seed))
        .map_err(|source| EnrolError::Write { path: path.to_path_buf(), source })?;
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use counterfoil_protocol::identifier::ProgramKey;
    use counterfoil_protocol::wire::v1::enrol::StoreSettings;

    use super::*;

    fn answer(root: &SigningKey, till: &PublicKey) -> EnrolAnswer {
        let mut answer = EnrolAnswer {
            terminal: "t1".into(),
            lane: "1".into(),
            store: StoreSettings {
                store: "s1".into(),
                name: "Shop".into(),
                time_zone: "Europe/London".into(),
                currency: "GBP".into(),
                day_ends: "00:00".into(),
                groups: vec![],
            },
            incarnation: till.incarnation(),
            epoch: 1,
            root_key: PublicKey::of(root),
            root_certificate: String::new(),
            program_key: ProgramKey([1; 32]),
            signature: None,
        };
        answer.signature = Some(sign(root, &answer.signed_text()));
        answer
    }

    #[test]
    fn only_the_codes_own_head_office_is_believed() {
        let root = SigningKey::from_bytes(&[1; 32]);
        let till = PublicKey::of(&SigningKey::from_bytes(&[2; 32]));
        let code = EnrolmentCode { secret: [0; 10], root_fingerprint: PublicKey::of(&root).fingerprint() };
        assert!(check(&answer(&root, &till), &code, &till).is_ok());
        let impostor = SigningKey::from_bytes(&[3; 32]);
        assert!(check(&answer(&impostor, &till), &code, &till).is_err(), "another root");
        let mut changed = answer(&root, &till);
        changed.terminal = "t2".into();
        assert!(check(&changed, &code, &till).is_err(), "changed on the way");
        changed.signature = None;
        assert!(check(&changed, &code, &till).is_err(), "unsigned");
        assert!(check(&answer(&root, &PublicKey::of(&impostor)), &code, &till).is_err(), "another till's");
    }

    #[test]
    fn a_repeated_enrolment_uses_the_same_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("enrolment-key");
        let first = key_seed(&path).unwrap();
        assert_eq!(key_seed(&path).unwrap(), first);
    }
}

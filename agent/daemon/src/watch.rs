//! The devices as they are now, for whoever shows them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// One device's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeviceState {
    /// As configured.
    pub name: String,
    /// As configured.
    pub kind: String,
    /// As configured.
    pub port: String,
    /// Whether it is there and served.
    pub up: bool,
    /// What stands in the way, in words.
    pub detail: Option<String>,
}

/// All of them; clones share it.
#[derive(Debug, Clone, Default)]
pub struct DeviceBoard(Arc<Mutex<BTreeMap<String, DeviceState>>>);

impl DeviceBoard {
    /// Keeps a device's new state; whether it differs from the one before.
    pub fn note(&self, state: DeviceState) -> bool {
        let before = self.lock().insert(state.name.clone(), state.clone());
        before.as_ref() != Some(&state)
    }

    /// Every device, by name.
    pub fn snapshot(&self) -> Vec<DeviceState> {
        self.lock().values().cloned().collect()
    }

    /// Name and whether it is there.
    pub fn states(&self) -> Vec<(String, bool)> {
        self.lock().values().map(|device| (device.name.clone(), device.up)).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, DeviceState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! How a port is named in the configuration: by something that survives a reboot or a replug.
//!
//! `/dev/…` (a path, best one of udev's `by-id` links), `usb:VID:PID[:SERIAL]` (a USB-serial adapter),
//! `usblp:VID:PID[:SERIAL]` (a printer of the USB printer class), `tcp:HOST:PORT`. Parsing only; finding the
//! device is in `resolve`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The stable name of a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortName {
    /// A device path, or a link to one.
    Device(PathBuf),
    /// A USB-serial adapter or CDC device.
    Usb(UsbId),
    /// A printer of the USB printer class.
    UsbPrinter(UsbId),
    /// A network printer's raw port. As the POS's side of a tap: the address to listen on.
    Tcp {
        /// Host name or address.
        host: String,
        /// TCP port, usually 9100.
        port: u16,
    },
}

/// What identifies a USB device wherever it is plugged in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UsbId {
    /// Vendor id.
    pub vendor: u16,
    /// Product id.
    pub product: u16,
    /// Serial number, needed when two of a kind are plugged in.
    pub serial: Option<String>,
}

/// Text that names no port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} names no port: write a device path (/dev/…), usb:VID:PID[:SERIAL], usblp:VID:PID[:SERIAL] or tcp:HOST:PORT"
)]
pub struct PortNameError(pub String);

impl FromStr for UsbId {
    type Err = PortNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || PortNameError(text.to_owned());
        let mut parts = text.splitn(3, ':');
        let mut hex = || {
            let part = parts.next().filter(|part| part.len() == 4)?;
            u16::from_str_radix(part, 16).ok()
        };
        let (vendor, product) = (hex().ok_or_else(wrong)?, hex().ok_or_else(wrong)?);
        let serial = parts.next().map(str::to_owned);
        if serial.as_deref() == Some("") {
            return Err(wrong());
        }
        Ok(Self { vendor, product, serial })
    }
}

impl fmt::Display for UsbId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:04x}", self.vendor, self.product)?;
        self.serial.as_ref().map_or(Ok(()), |serial| write!(f, ":{serial}"))
    }
}

impl FromStr for PortName {
    type Err = PortNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || PortNameError(text.to_owned());
        if let Some(id) = text.strip_prefix("usb:") {
            return id.parse().map(Self::Usb).map_err(|_| wrong());
        }
        if let Some(id) = text.strip_prefix("usblp:") {
            return id.parse().map(Self::UsbPrinter).map_err(|_| wrong());
        }
        if let Some(address) = text.strip_prefix("tcp:") {
            let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
            let host = host.trim_start_matches('[').trim_end_matches(']');
            if host.is_empty() {
                return Err(wrong());
            }
            return Ok(Self::Tcp { host: host.to_owned(), port: port.parse().map_err(|_| wrong())? });
        }
        if text.starts_with('/') { Ok(Self::Device(PathBuf::from(text))) } else { Err(wrong()) }
    }
}

impl fmt::Display for PortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(path) => write!(f, "{}", path.display()),
            Self::Usb(id) => write!(f, "usb:{id}"),
            Self::UsbPrinter(id) => write!(f, "usblp:{id}"),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "tcp:[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "tcp:{host}:{port}"),
        }
    }
}

impl Serialize for PortName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PortName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written_alike() {
        for text in [
            "/dev/serial/by-id/usb-x",
            "usb:0403:6001",
            "usb:0403:6001:A9:B",
            "usblp:04b8:0e15",
            "tcp:10.0.0.9:9100",
            "tcp:[::1]:9100",
        ] {
            assert_eq!(text.parse::<PortName>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_names_no_port_is_refused_with_the_ways_to_name_one() {
        for text in ["", "COM1", "usb:1:2", "usb:0403:6001:", "tcp:9100", "tcp:host:99999", "ttyS0"] {
            let error = text.parse::<PortName>().unwrap_err().to_string();
            assert!(error.contains("tcp:HOST:PORT"), "{error}");
        }
    }
}

//! One `[[device]]` of `counterfoil.toml`.
//!
//! Unknown keys are errors; what comes with a later version is refused by name. Nothing is opened here.

use counterfoil_drivers::pan;
use counterfoil_drivers::port::{Flow, Parity, PortName, PortSpec};
use counterfoil_drivers::scanner::{Framing, Suffix};
use counterfoil_drivers::spool::SpoolLimits;
use serde::{Deserialize, Serialize};

const NAME_CHARS_MAX: usize = 64;
const BAUD_DEFAULT: u32 = 9_600;
const SPOOL_MIB_DEFAULT: u64 = 64;

/// A device as configured.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceConfig {
    /// Its name: in the log, in the status, of its spool. Letters, digits, `-`, `_`.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// The port it is on. Of a receipt tap: the side of the POS.
    pub port: PortName,
    /// Bits per second, of both sides.
    #[serde(default)]
    pub baud: Option<u32>,
    /// Parity, of both sides.
    #[serde(default)]
    pub parity: Parity,
    /// Flow control by the driver, of both sides. XON and XOFF always pass through.
    #[serde(default)]
    pub flow: Flow,
    /// Of a receipt tap: the port the printer is on. Absent: listen only.
    #[serde(default)]
    pub forward_to: Option<PortName>,
    /// Of a receipt tap: a shipped template by name, or a file.
    #[serde(default)]
    pub template: Option<String>,
    /// Of a receipt tap: `ignore` for a printer whose documents are nobody's sale, as in a kitchen.
    #[serde(default)]
    pub class: Option<String>,
    /// The member's own lines on the receipt: with a later version.
    #[serde(default)]
    pub print_lines: Option<toml::Value>,
    /// Of a receipt tap: most MiB of captured bytes that wait for the agent.
    #[serde(default)]
    pub spool_mib: Option<u64>,
    /// Of a scanner: what it sends before every code.
    #[serde(default)]
    pub prefix: Option<String>,
    /// Of a scanner: what it sends after every code.
    #[serde(default)]
    pub suffix: Suffix,
    /// Of a scanner: leave an AIM identifier (`]E0`) in the code.
    #[serde(default)]
    pub keep_aim: bool,
    /// The merchant's own cards: they look like payment cards and are none.
    #[serde(default)]
    pub member_cards: Vec<pan::CardRange>,
}

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceKind {
    /// Between a POS and its receipt printer.
    ReceiptTap,
    /// A serial bar code scanner.
    Scanner,
    /// A magnetic stripe reader: with a later version.
    Msr,
    /// A line display: with a later version.
    LineDisplay,
}

impl DeviceKind {
    /// As in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReceiptTap => "receipt-tap",
            Self::Scanner => "scanner",
            Self::Msr => "msr",
            Self::LineDisplay => "line-display",
        }
    }
}

/// A device that cannot work as configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("device {device:?}: {problem}")]
pub struct DeviceConfigError {
    device: String,
    problem: String,
}

impl DeviceConfig {
    /// Refuses what cannot work, and says what to write.
    ///
    /// # Errors
    /// With the first problem found.
    pub fn check(&self) -> Result<(), DeviceConfigError> {
        let refuse = |problem: &str| Err(DeviceConfigError { device: self.name.clone(), problem: problem.to_owned() });
        let plain = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
        if self.name.is_empty() || self.name.len() > NAME_CHARS_MAX || !self.name.chars().all(plain) {
            return refuse("name: 1 to 64 letters, digits, - and _, for a directory is named after it");
        }
        if self.baud == Some(0) {
            return refuse("baud: bits per second as on the device's own self-test print, such as 9600");
        }
        match self.kind {
            DeviceKind::ReceiptTap => self.check_tap().map_or(Ok(()), refuse),
            DeviceKind::Scanner => self.check_scanner().map_or(Ok(()), refuse),
            DeviceKind::Msr => refuse("kind = \"msr\" comes with a later version"),
            DeviceKind::LineDisplay => refuse("kind = \"line-display\" comes with a later version"),
        }
    }

    fn check_tap(&self) -> Option<&'static str> {
        if self.print_lines.is_some() {
            return Some("print_lines comes with a later version: leave it out");
        }
        if self.prefix.is_some() || self.suffix != Suffix::default() || self.keep_aim {
            return Some("prefix, suffix and keep_aim belong to a scanner: leave them out");
        }
        if self.forward_to.as_ref() == Some(&self.port) {
            return Some("forward_to is the same port as port: name the port the printer is on");
        }
        if self.spool_mib == Some(0) {
            return Some("spool_mib: at least 1");
        }
        match (self.class.as_deref(), &self.template) {
            (Some("ignore"), _) | (None, Some(_)) => None,
            (None, None) => Some("template: name the receipt layout (a shipped one or a file), or class = \"ignore\""),
            (Some(_), _) => Some("class: only \"ignore\" can be given"),
        }
    }

    fn check_scanner(&self) -> Option<&'static str> {
        if self.forward_to.is_some() {
            return Some("forward_to (passing scans on to the POS) comes with a later version: leave it out");
        }
        if self.template.is_some() || self.class.is_some() || self.print_lines.is_some() || self.spool_mib.is_some() {
            return Some("template, class, print_lines and spool_mib belong to a receipt tap: leave them out");
        }
        if matches!(self.port, PortName::UsbPrinter(_)) {
            return Some("port: a scanner is no USB printer; use usb:VID:PID or a device path");
        }
        None
    }

    /// Whether its documents are nobody's sale.
    pub fn ignored(&self) -> bool {
        self.class.as_deref() == Some("ignore")
    }

    /// Its port with the line's settings.
    pub fn port_spec(&self) -> PortSpec {
        self.spec(&self.port)
    }

    /// The printer's port with the line's settings.
    pub fn printer_spec(&self) -> Option<PortSpec> {
        self.forward_to.as_ref().map(|name| self.spec(name))
    }

    fn spec(&self, name: &PortName) -> PortSpec {
        let baud = self.baud.unwrap_or(BAUD_DEFAULT);
        PortSpec { baud, parity: self.parity, flow: self.flow, ..PortSpec::new(name.clone()) }
    }

    /// What is taken for a payment card.
    pub fn card_rule(&self) -> pan::Scrubber {
        pan::Scrubber::new(self.member_cards.clone())
    }

    /// How its scans are framed.
    pub fn framing(&self) -> Framing {
        Framing {
            prefix: self.prefix.clone().unwrap_or_default().into_bytes(),
            suffix: self.suffix,
            keep_aim: self.keep_aim,
            card_rule: self.card_rule(),
        }
    }

    /// Bounds of its spool.
    pub fn spool_limits(&self) -> SpoolLimits {
        SpoolLimits::of_total(self.spool_mib.unwrap_or(SPOOL_MIB_DEFAULT).saturating_mul(1 << 20))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(text: &str) -> Result<DeviceConfig, String> {
        let device: DeviceConfig = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        device.check().map_err(|error| error.to_string())?;
        Ok(device)
    }

    #[test]
    fn a_tap_and_a_scanner_are_read() {
        let tap = device(
            "name = 'receipts'\nkind = 'receipt-tap'\nport = 'usb:0403:6001:A9'\nbaud = 19200\n\
             forward_to = 'tcp:10.0.0.9:9100'\ntemplate = 'demo'\nmember_cards = [{ prefix = '603571', digits = 16 }]",
        )
        .unwrap();
        assert_eq!(tap.port_spec().baud, 19_200);
        assert_eq!(tap.printer_spec().unwrap().name.to_string(), "tcp:10.0.0.9:9100");
        assert_eq!(tap.spool_limits(), SpoolLimits::default());
        let scanner =
            device("name = 's'\nkind = 'scanner'\nport = '/dev/ttyACM0'\nprefix = 'x'\nsuffix = 'tab'").unwrap();
        assert_eq!(scanner.framing().suffix, Suffix::Tab);
        assert_eq!(scanner.framing().prefix, b"x");
        let kitchen = device("name = 'k'\nkind = 'receipt-tap'\nport = '/dev/ttyS1'\nclass = 'ignore'").unwrap();
        assert!(kitchen.ignored());
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        let tap = "name = 'r'\nkind = 'receipt-tap'\nport = '/dev/ttyS0'\n";
        let scanner = "name = 's'\nkind = 'scanner'\nport = '/dev/ttyS0'\n";
        for (text, word) in [
            (tap.to_owned(), "template"),
            (format!("{tap}template = 'demo'\nprint_lines = true"), "print_lines"),
            (format!("{tap}template = 'demo'\nforward_to = '/dev/ttyS0'"), "same port"),
            (format!("{tap}class = 'kitchen'"), "ignore"),
            (format!("{tap}template = 'demo'\nsuffix = 'tab'"), "scanner"),
            (format!("{tap}template = 'demo'\ncolour = 1"), "colour"),
            (format!("{scanner}forward_to = '/dev/ttyS1'"), "later version"),
            (format!("{scanner}template = 'demo'"), "receipt tap"),
            ("name = 'm'\nkind = 'msr'\nport = '/dev/ttyS0'".to_owned(), "later version"),
            ("name = '../x'\nkind = 'scanner'\nport = '/dev/ttyS0'".to_owned(), "name"),
            ("name = 'x'\nkind = 'scanner'\nport = 'COM1'".to_owned(), "device path"),
        ] {
            let message = device(&text).unwrap_err();
            assert!(message.contains(word), "{text:?} gave {message:?}");
        }
    }
}

//! From a stable name to the device path of this moment, and the list of what is plugged in.
//!
//! Reads sysfs: `/sys/class/<class>/<node>/device` leads into the USB tree, where the first directory upwards
//! with an `idVendor` is the device. Nothing is opened here.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::name::{PortName, UsbId};

/// A port that is plugged in now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PluggedPort {
    /// Its device path at this moment.
    pub path: PathBuf,
    /// The name that stays with it, to be put into the configuration.
    pub stable_name: PortName,
    /// Maker and product, as the device says.
    pub description: Option<String>,
}

const SERIAL_CLASS: &str = "/sys/class/tty";
const PRINTER_CLASS: &str = "/sys/class/usbmisc";

/// The device path behind a stable name now, or `None` while nothing like it is plugged in.
/// A TCP name has no path.
pub fn device_path(name: &PortName) -> Option<PathBuf> {
    match name {
        PortName::Device(path) => Some(path.clone()),
        PortName::Usb(id) => find(Path::new(SERIAL_CLASS), id),
        PortName::UsbPrinter(id) => find(Path::new(PRINTER_CLASS), id),
        PortName::Tcp { .. } => None,
    }
}

/// Serial ports and USB printers that are plugged in, by path.
pub fn plugged_ports() -> Vec<PluggedPort> {
    let mut ports = usb_nodes(Path::new(SERIAL_CLASS), PortName::Usb);
    ports.extend(usb_nodes(Path::new(PRINTER_CLASS), PortName::UsbPrinter));
    // Ports of the board: those that have a driver behind them, and no USB.
    for node in entries(Path::new(SERIAL_CLASS)) {
        let Some(name) = node.file_name() else { continue };
        let path = Path::new("/dev").join(name);
        // Type 0 is a place for a UART where none was found.
        let present = read_line(&node.join("type")).is_some_and(|kind| kind != "0");
        if present && !ports.iter().any(|port| port.path == path) {
            ports.push(PluggedPort { stable_name: PortName::Device(path.clone()), path, description: None });
        }
    }
    ports.sort_by(|a, b| a.path.cmp(&b.path));
    ports
}

fn find(class: &Path, wanted: &UsbId) -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = entries(class)
        .into_iter()
        .filter(|node| {
            usb_device(node).is_some_and(|(id, _)| {
                (id.vendor, id.product) == (wanted.vendor, wanted.product)
                    && (wanted.serial.is_none() || wanted.serial == id.serial)
            })
        })
        .filter_map(|node| dev_path(&node))
        .collect();
    // Several of a kind without a serial number: the first by name, always the same one for the same plugs.
    found.sort();
    found.into_iter().next()
}

fn usb_nodes(class: &Path, name: impl Fn(UsbId) -> PortName) -> Vec<PluggedPort> {
    let node_port = |node: PathBuf| {
        let (id, description) = usb_device(&node)?;
        Some(PluggedPort { path: dev_path(&node)?, stable_name: name(id), description })
    };
    entries(class).into_iter().filter_map(node_port).collect()
}

fn dev_path(node: &Path) -> Option<PathBuf> {
    let name = node.file_name()?.to_str()?;
    Some(if name.starts_with("lp") { Path::new("/dev/usb").join(name) } else { Path::new("/dev").join(name) })
}

/// The USB device a class node hangs on, and how it describes itself.
fn usb_device(node: &Path) -> Option<(UsbId, Option<String>)> {
    let mut dir = fs::canonicalize(node.join("device")).ok()?;
    while !dir.join("idVendor").exists() {
        dir = dir.parent()?.to_path_buf();
    }
    let hex = |file| u16::from_str_radix(&read_line(&dir.join(file))?, 16).ok();
    let id = UsbId { vendor: hex("idVendor")?, product: hex("idProduct")?, serial: read_line(&dir.join("serial")) };
    let words: Vec<String> = ["manufacturer", "product"].iter().filter_map(|file| read_line(&dir.join(file))).collect();
    Some((id, Some(words.join(" ")).filter(|text| !text.is_empty())))
}

fn read_line(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let Ok(list) = fs::read_dir(dir) else { return Vec::new() };
    list.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A class directory as sysfs lays it out, with one adapter on two interfaces.
    fn sysfs(root: &Path) -> PathBuf {
        let device = root.join("devices/usb1/1-2");
        let interface = device.join("1-2:1.0/ttyUSB3");
        fs::create_dir_all(&interface).unwrap();
        for (file, text) in
            [("idVendor", "0403\n"), ("idProduct", "6001\n"), ("serial", "A9XK\n"), ("product", "RS232\n")]
        {
            fs::write(device.join(file), text).unwrap();
        }
        let class = root.join("class/tty");
        fs::create_dir_all(class.join("ttyUSB3")).unwrap();
        symlink(&interface, class.join("ttyUSB3/device")).unwrap();
        fs::create_dir_all(class.join("console")).unwrap();
        class
    }

    #[test]
    fn an_adapter_is_found_by_what_it_is_and_not_by_where_it_sits() {
        let root = tempfile::tempdir().unwrap();
        let class = sysfs(root.path());
        let find = |text: &str| find(&class, &text.parse().unwrap());
        assert_eq!(find("0403:6001"), Some(PathBuf::from("/dev/ttyUSB3")));
        assert_eq!(find("0403:6001:A9XK"), Some(PathBuf::from("/dev/ttyUSB3")));
        assert_eq!(find("0403:6001:OTHER"), None);
        assert_eq!(find("0403:6002"), None);
        let listed = usb_nodes(&class, PortName::Usb);
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].stable_name.to_string(), "usb:0403:6001:A9XK");
        assert_eq!(listed[0].description.as_deref(), Some("RS232"));
    }
}

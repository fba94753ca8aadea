//! Writes ESC/POS streams: what virtual tills, fixtures and generators send.
//!
//! Only what they need, not a printer driver. Text is written in CP858; what CP858 lacks becomes `?`.

use oem_cp::code_table::ENCODING_TABLE_CP858;
use oem_cp::encode_string_lossy;

const CODE_PAGE_CP858: u8 = 19;
const CODE_128_BYTES_MAX: usize = 250;

/// Alignment of what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// At the left margin.
    Left,
    /// In the middle.
    Centre,
    /// At the right margin.
    Right,
}

/// Builds a stream; every call appends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    /// An empty stream.
    pub fn new() -> Encoder {
        Encoder::default()
    }

    /// `ESC @`, then CP858 by `ESC t`.
    pub fn initialize(&mut self) -> &mut Encoder {
        self.raw(b"\x1b@").raw(&[0x1b, b't', CODE_PAGE_CP858])
    }

    /// Bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Encoder {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Text without a line feed. Control characters in it are dropped.
    pub fn text(&mut self, text: &str) -> &mut Encoder {
        let printable: String = text.chars().filter(|character| !character.is_control()).collect();
        let bytes = encode_string_lossy(&printable, &ENCODING_TABLE_CP858);
        self.raw(&bytes)
    }

    /// A line of text.
    pub fn line(&mut self, text: &str) -> &mut Encoder {
        self.text(text).raw(b"\n")
    }

    /// `ESC a`.
    pub fn align(&mut self, align: Align) -> &mut Encoder {
        self.raw(&[0x1b, b'a', align as u8])
    }

    /// `ESC E`.
    pub fn bold(&mut self, on: bool) -> &mut Encoder {
        self.raw(&[0x1b, b'E', u8::from(on)])
    }

    /// `GS !`; 1 to 8 times as wide and as high.
    pub fn size(&mut self, wide: u8, high: u8) -> &mut Encoder {
        self.raw(&[0x1d, b'!', (wide.clamp(1, 8) - 1) << 4 | (high.clamp(1, 8) - 1)])
    }

    /// `ESC $`: the next character's position from the left margin, in dots.
    pub fn position(&mut self, dots: u16) -> &mut Encoder {
        self.raw(b"\x1b$").raw(&dots.to_le_bytes())
    }

    /// `GS k`: a Code 128 in set B.
    pub fn code_128(&mut self, data: &str) -> &mut Encoder {
        let data: Vec<u8> = data.bytes().filter(u8::is_ascii_graphic).take(CODE_128_BYTES_MAX).collect();
        let bytes = u8::try_from(data.len() + 2).unwrap_or(u8::MAX);
        self.raw(b"\x1dh\x32\x1dw\x02\x1dH\x02").raw(&[0x1d, b'k', 73, bytes]).raw(b"{B").raw(&data)
    }

    /// `GS ( k`: a QR code of model 2.
    pub fn qr(&mut self, data: &str) -> &mut Encoder {
        let bytes = u16::try_from(data.len() + 3).unwrap_or(u16::MAX);
        let data = &data.as_bytes()[..usize::from(bytes) - 3];
        self.raw(b"\x1d(k\x04\x001A2\x00\x1d(k\x03\x001C\x04\x1d(k");
        self.raw(&bytes.to_le_bytes()).raw(b"1P0").raw(data).raw(b"\x1d(k\x03\x001Q0")
    }

    /// `ESC d`.
    pub fn feed(&mut self, lines: u8) -> &mut Encoder {
        self.raw(&[0x1b, b'd', lines])
    }

    /// `GS V 0`: a full cut.
    pub fn cut(&mut self) -> &mut Encoder {
        self.raw(b"\x1dV\x00")
    }

    /// `ESC p`: opens the drawer.
    pub fn kick(&mut self) -> &mut Encoder {
        self.raw(b"\x1bp\x00\x32\x32")
    }

    /// `ESC =`: sends what follows to the printer, the customer display, or both.
    pub fn route(&mut self, printer: bool, display: bool) -> &mut Encoder {
        self.raw(&[0x1b, b'=', u8::from(printer) | u8::from(display) << 1])
    }

    /// The stream.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

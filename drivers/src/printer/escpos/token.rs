//! What the tokenizer answers: one token per character or command, in stream order, without a gap.

/// Which command set a printer speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// Epson, until a prefix that only Star uses is seen; back to Epson after the cut.
    #[default]
    Auto,
    /// ESC/POS only.
    Epson,
    /// Star line mode only.
    StarLine,
}

/// Kinds of printed codes, as far as a template needs to tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Symbology {
    /// UPC-A.
    UpcA,
    /// UPC-E.
    UpcE,
    /// EAN-13.
    Ean13,
    /// EAN-8.
    Ean8,
    /// Code 39.
    Code39,
    /// Interleaved 2 of 5.
    Itf,
    /// Codabar.
    Codabar,
    /// Code 93.
    Code93,
    /// Code 128.
    Code128,
    /// GS1-128.
    Gs1128,
    /// GS1 DataBar of any sort.
    DataBar,
    /// PDF417.
    Pdf417,
    /// QR code.
    Qr,
    /// Another 2D code.
    TwoD,
    /// A code whose kind the stream names in a way not known here.
    Unknown,
}

/// What a run of bytes asks the printer to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// One byte of text, in whatever code page is selected.
    Text(u8),
    /// Line feed.
    LineFeed,
    /// Carriage return: no effect on printers without automatic line feed.
    Return,
    /// Form feed: prints a page, or ends a form.
    FormFeed,
    /// Horizontal tab.
    Tab,
    /// Another control character.
    Control(u8),
    /// `ESC @`: back to the power-on settings.
    Initialize,
    /// `ESC !`: font, emphasis, double height and width, underline in one.
    PrintMode(u8),
    /// Emphasis or double strike.
    Bold(bool),
    /// Magnification, 1 to 8 each way.
    Size {
        /// Times as wide.
        wide: u8,
        /// Times as high.
        high: u8,
    },
    /// Width alone (Star).
    Wide(u8),
    /// Height alone (Star).
    High(u8),
    /// Underline.
    Underline(bool),
    /// White on black.
    Invert(bool),
    /// Character font, 0 = A.
    Font(u8),
    /// Alignment: 0 left, 1 centre, 2 right.
    Align(u8),
    /// Code page by the printer's own number.
    CodePage(u8),
    /// Code page by Star's numbers.
    StarCodePage(u8),
    /// International variants of twelve ASCII characters.
    CharacterSet(u8),
    /// Multi-byte characters on or off.
    Kanji(bool),
    /// Multi-byte code system: 0 JIS, 1 Shift-JIS, 2 Shift-JIS X 0213.
    KanjiSystem(u8),
    /// UTF-8 on or off.
    Utf8(bool),
    /// Absolute print position from the left margin, in motion units.
    Position(u16),
    /// Relative print position, in motion units.
    Move(i16),
    /// Tab stops, in columns.
    TabStops(Vec<u8>),
    /// Extra space to the right of each character, in motion units.
    Gap(u8),
    /// Feeds paper.
    Feed,
    /// A position in page mode that begins another row.
    Row,
    /// Cuts the paper: the end of a document.
    Cut,
    /// Opens the drawer, or a like pulse.
    Pulse,
    /// `ESC =`: bit 0 printer, bit 1 customer display.
    Route(u8),
    /// A bar code or 2D code that is printed at once.
    Code(Symbology, Vec<u8>),
    /// Data for a 2D code that is printed later.
    SymbolStore(Symbology, Vec<u8>),
    /// Prints the stored 2D code.
    SymbolPrint(Symbology),
    /// Pixels.
    Image,
    /// Page mode begins (true) or ends.
    PageMode(bool),
    /// Asks for status or data; prints nothing.
    Status,
    /// Known, and without effect on what is read.
    Other,
    /// Not known; skipped by the shortest sensible length.
    Unknown,
    /// The stream ended inside a command.
    Incomplete,
}

/// One token with its place in the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Offset of its first byte.
    pub from: u64,
    /// Offset after its last byte.
    pub to: u64,
    /// What it asks.
    pub op: Op,
}

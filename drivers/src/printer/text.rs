//! Bytes of text to characters: code pages by the printer's numbers, multi-byte systems, UTF-8.
//!
//! What a byte cannot be is U+FFFD, never a guess. The numbers of `ESC t` are Epson's; printers differ, so a
//! template may say otherwise.

use std::collections::BTreeMap;

use encoding_rs::{BIG5, EUC_JP, EUC_KR, Encoding, GB18030, SHIFT_JIS};
use oem_cp::code_table::DECODING_TABLE_CP_MAP;

/// A code page of single bytes, or UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodePage {
    /// A DOS code page with its number.
    Oem(u16),
    /// A Windows or ISO code page.
    Named(&'static Encoding),
    /// Epson's page 1: JIS X 0201 katakana and graphics.
    Katakana,
    /// UTF-8.
    Utf8,
}

impl CodePage {
    /// By name: `cp437`, `windows-1252` or `cp1252`, `iso-8859-15`, `katakana`, `utf-8`.
    pub fn named(name: &str) -> Option<CodePage> {
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "katakana" => return Some(CodePage::Katakana),
            "utf-8" => return Some(CodePage::Utf8),
            _ => {}
        }
        let number = name.strip_prefix("cp").and_then(|digits| digits.parse::<u16>().ok());
        match number {
            Some(number) if DECODING_TABLE_CP_MAP.contains_key(&number) => Some(CodePage::Oem(number)),
            Some(number @ 1250..=1258) => CodePage::encoding(&format!("windows-{number}")),
            Some(_) => None,
            None => CodePage::encoding(&name),
        }
    }

    fn encoding(label: &str) -> Option<CodePage> {
        Encoding::for_label(label.as_bytes()).filter(|encoding| encoding.is_single_byte()).map(CodePage::Named)
    }

    /// The page that most Epson printers select with `ESC t n`.
    pub fn epson(number: u8) -> Option<CodePage> {
        let oem = match number {
            0 => 437,
            1 => return Some(CodePage::Katakana),
            2 => 850,
            3 => 860,
            4 => 863,
            5 => 865,
            13 => 857,
            14 => 737,
            15 => return CodePage::encoding("iso-8859-7"),
            16 => return CodePage::encoding("windows-1252"),
            17 => 866,
            18 => 852,
            19 => 858,
            32 => 720,
            33 => 775,
            34 => 855,
            35 => 861,
            36 => 862,
            37 => 864,
            38 => 869,
            39 => return CodePage::encoding("iso-8859-2"),
            40 => return CodePage::encoding("iso-8859-15"),
            45 => return CodePage::encoding("windows-1250"),
            46 => return CodePage::encoding("windows-1251"),
            47 => return CodePage::encoding("windows-1253"),
            48 => return CodePage::encoding("windows-1254"),
            49 => return CodePage::encoding("windows-1255"),
            50 => return CodePage::encoding("windows-1256"),
            51 => return CodePage::encoding("windows-1257"),
            52 => return CodePage::encoding("windows-1258"),
            _ => return None,
        };
        Some(CodePage::Oem(oem))
    }

    /// The page that Star printers select with `ESC GS t n`.
    pub fn star(number: u8) -> Option<CodePage> {
        let oem = match number {
            0 | 1 | 3 => 437,
            2 => return Some(CodePage::Katakana),
            4 => 858,
            5 => 852,
            6 => 860,
            7 => 861,
            8 => 863,
            9 => 865,
            10 => 866,
            11 => 855,
            12 => 857,
            13 => 862,
            14 => 864,
            15 => 737,
            32 => return CodePage::encoding("windows-1252"),
            33 => return CodePage::encoding("windows-1250"),
            34 => return CodePage::encoding("windows-1251"),
            _ => return None,
        };
        Some(CodePage::Oem(oem))
    }

    fn decode(self, byte: u8) -> char {
        match self {
            CodePage::Oem(number) => DECODING_TABLE_CP_MAP
                .get(&number)
                .and_then(|table| table.decode_char_checked(byte))
                .unwrap_or(char::REPLACEMENT_CHARACTER),
            CodePage::Named(encoding) => {
                let (text, _) = encoding.decode_without_bom_handling(std::slice::from_ref(&byte));
                text.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            CodePage::Katakana => KATAKANA.chars().nth(usize::from(byte) - 0x80).unwrap_or(char::REPLACEMENT_CHARACTER),
            CodePage::Utf8 => char::REPLACEMENT_CHARACTER,
        }
    }
}

/// Epson's page 1, from 80h.
const KATAKANA: &str = "▁▂▃▄▅▆▇█▏▎▍▌▋▊▉┼┴┬┤├▔─│▕┌┐└┘╭╮╰╯\u{a0}｡｢｣､･ｦｧｨｩｪｫｬｭｮｯｰｱｲｳｴｵｶｷｸｹｺｻｼｽｾｿﾀﾁﾂﾃﾄﾅﾆﾇﾈﾉﾊﾋﾌﾍﾎﾏﾐﾑﾒﾓﾔﾕﾖﾗﾘﾙﾚﾛﾜﾝﾞﾟ═╞╪╡◢◣◥◤♠♥♦♣●○╱╲╳円年月日時分秒〒市区町村人▒\u{fffd}";

/// A multi-byte system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MultiByte {
    /// JIS X 0208 in seven bits.
    Jis,
    /// Shift-JIS.
    ShiftJis,
    /// Simplified Chinese.
    Gb18030,
    /// Traditional Chinese.
    Big5,
    /// Korean.
    EucKr,
}

/// What a template says about a printer's text.
#[derive(Debug, Clone)]
pub struct TextSettings {
    /// The page after power-on and `ESC @`.
    pub code_page: CodePage,
    /// Numbers of `ESC t` that differ from Epson's.
    pub code_pages: BTreeMap<u8, CodePage>,
    /// The multi-byte system that is on after power-on, if any.
    pub multi_byte: Option<MultiByte>,
}

impl Default for TextSettings {
    fn default() -> TextSettings {
        TextSettings { code_page: CodePage::Oem(437), code_pages: BTreeMap::new(), multi_byte: None }
    }
}

/// Decodes one stream's text.
#[derive(Debug, Clone)]
pub struct TextDecoder {
    settings: TextSettings,
    page: CodePage,
    character_set: u8,
    system: MultiByte,
    multi_byte: bool,
    pending: Vec<u8>,
}

impl TextDecoder {
    /// As after power-on.
    pub fn new(settings: TextSettings) -> TextDecoder {
        TextDecoder {
            page: settings.code_page,
            character_set: 0,
            system: settings.multi_byte.unwrap_or(MultiByte::Jis),
            multi_byte: settings.multi_byte.is_some(),
            pending: Vec::new(),
            settings,
        }
    }

    /// Back to power-on.
    pub fn reset(&mut self) {
        *self = TextDecoder::new(self.settings.clone());
    }

    /// Selects a page by the printer's number; a number that is not known keeps the page.
    pub fn select_page(&mut self, number: u8, star: bool) {
        let standard = if star { CodePage::star(number) } else { CodePage::epson(number) };
        if let Some(page) = self.settings.code_pages.get(&number).copied().or(standard) {
            self.page = page;
        }
    }

    /// Selects the variants of twelve ASCII characters.
    pub fn select_character_set(&mut self, number: u8) {
        self.character_set = if number.is_ascii_digit() { number - b'0' } else { number };
    }

    /// Multi-byte characters on or off.
    pub fn set_multi_byte(&mut self, on: bool) {
        self.multi_byte = on;
    }

    /// `FS C n`. Shift-JIS needs no further switch: its lead bytes are not ASCII.
    pub fn select_system(&mut self, number: u8) {
        if matches!(self.system, MultiByte::Jis | MultiByte::ShiftJis) {
            self.system = if number == 0 { MultiByte::Jis } else { MultiByte::ShiftJis };
            self.multi_byte = number != 0 || self.multi_byte;
        }
    }

    /// UTF-8 on or off.
    pub fn set_utf8(&mut self, on: bool) {
        self.page = if on { CodePage::Utf8 } else { self.settings.code_page };
    }

    /// Takes one byte of text; hands out what it completes.
    pub fn push(&mut self, byte: u8, sink: &mut impl FnMut(char)) {
        if self.page == CodePage::Utf8 {
            return self.push_utf8(byte, sink);
        }
        if let Some(lead) = self.pending.pop() {
            match self.pair(lead, byte) {
                Some(character) => return sink(character),
                None => sink(char::REPLACEMENT_CHARACTER),
            }
        }
        if self.multi_byte && self.leads(byte) {
            self.pending.push(byte);
        } else {
            sink(self.single(byte));
        }
    }

    /// Text is interrupted: half a character is none.
    pub fn flush(&mut self, sink: &mut impl FnMut(char)) {
        if !self.pending.is_empty() {
            self.pending.clear();
            sink(char::REPLACEMENT_CHARACTER);
        }
    }

    fn push_utf8(&mut self, byte: u8, sink: &mut impl FnMut(char)) {
        if byte & 0xC0 != 0x80 {
            self.flush(sink);
        }
        self.pending.push(byte);
        match std::str::from_utf8(&self.pending) {
            Ok(text) => {
                text.chars().for_each(&mut *sink);
                self.pending.clear();
            }
            Err(error) if error.error_len().is_none() && self.pending.len() < 4 => {}
            Err(_) => self.flush(sink),
        }
    }

    fn leads(&self, byte: u8) -> bool {
        match self.system {
            MultiByte::Jis => (0x21..=0x7E).contains(&byte),
            MultiByte::ShiftJis => matches!(byte, 0x81..=0x9F | 0xE0..=0xFC),
            MultiByte::Gb18030 | MultiByte::Big5 | MultiByte::EucKr => matches!(byte, 0x81..=0xFE),
        }
    }

    fn pair(&self, lead: u8, trail: u8) -> Option<char> {
        let (encoding, pair) = match self.system {
            MultiByte::Jis => (EUC_JP, [lead | 0x80, trail | 0x80]),
            MultiByte::ShiftJis => (SHIFT_JIS, [lead, trail]),
            MultiByte::Gb18030 => (GB18030, [lead, trail]),
            MultiByte::Big5 => (BIG5, [lead, trail]),
            MultiByte::EucKr => (EUC_KR, [lead, trail]),
        };
        let text = encoding.decode_without_bom_handling_and_without_replacement(&pair)?;
        let mut characters = text.chars();
        characters.next().filter(|_| characters.next().is_none())
    }

    fn single(&self, byte: u8) -> char {
        match byte {
            0x00..=0x7F => variant(self.character_set, char::from(byte)),
            0xA1..=0xDF if self.multi_byte && self.system == MultiByte::ShiftJis => {
                char::from_u32(0xFF61 + u32::from(byte) - 0xA1).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => self.page.decode(byte),
        }
    }
}

/// Epson's international character sets, `ESC R n`, in the order of [`VARIED`].
const VARIANTS: [&str; 14] = [
    "#$@[\\]^`{|}~",
    "#$à°ç§^`éùè¨",
    "#$§ÄÖÜ^`äöüß",
    "£$@[\\]^`{|}~",
    "#$@ÆØÅ^`æøå~",
    "#¤ÉÄÖÅÜéäöåü",
    "#$@°\\é^ùàòèì",
    "₧$@¡Ñ¿^`¨ñ}~",
    "#$@[¥]^`{|}~",
    "#¤ÉÆØÅÜéæøåü",
    "#$ÉÆØÅÜéæøåü",
    "#$á¡Ñ¿é`íñóú",
    "#$á¡Ñ¿éüíñóú",
    "#$@[₩]^`{|}~",
];
const VARIED: &str = VARIANTS[0];

fn variant(set: u8, character: char) -> char {
    let Some(at) = VARIED.find(character) else { return character };
    VARIANTS.get(usize::from(set)).and_then(|set| set.chars().nth(at)).unwrap_or(character)
}

/// Columns that a character takes on paper.
pub fn columns(character: char) -> u32 {
    let wide = matches!(u32::from(character),
        0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0xFE30..=0xFE4F
        | 0xFF00..=0xFF60 | 0xFFE0..=0xFFE6 | 0x20000..=0x3FFFF);
    if wide { 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(decoder: &mut TextDecoder, bytes: &[u8]) -> String {
        let mut text = String::new();
        for byte in bytes {
            decoder.push(*byte, &mut |character| text.push(character));
        }
        decoder.flush(&mut |character| text.push(character));
        text
    }

    #[test]
    fn pages_by_number() {
        for (page, bytes, expected) in [
            (0, &b"\x9c1.55"[..], "£1.55"),
            (19, b"Caf\x82 \xd5", "Café €"),
            (2, b"\x9c\xd5", "£ı"),
            (16, b"\xc9TOILE \x80", "ÉTOILE €"),
            (1, b"\xcb\xde\xb0\xd9 \x95", "\u{ff8b}\u{ff9e}\u{ff70}\u{ff99} ─"),
        ] {
            let mut decoder = TextDecoder::new(TextSettings::default());
            decoder.select_page(page, false);
            assert_eq!(decode(&mut decoder, bytes), expected, "page {page}");
        }
    }

    #[test]
    fn shift_jis_needs_no_switch_and_keeps_ascii_trail_bytes() {
        let mut decoder = TextDecoder::new(TextSettings::default());
        decoder.select_system(1);
        decoder.select_character_set(8);
        // 0x5C as a trail byte is not a yen sign.
        assert_eq!(decode(&mut decoder, b"\x95\x5c\\130"), "表¥130");
        decoder.set_multi_byte(false);
        decoder.select_page(1, false);
        assert_eq!(decode(&mut decoder, b"\x95\x95"), "──");
    }

    #[test]
    fn half_a_character_is_marked_and_swallows_nothing() {
        let mut decoder = TextDecoder::new(TextSettings::default());
        decoder.select_system(1);
        assert_eq!(decode(&mut decoder, b"\x82"), "\u{fffd}");
        decoder.set_utf8(true);
        assert_eq!(decode(&mut decoder, "Bäcker €5".as_bytes()), "Bäcker €5");
        assert_eq!(decode(&mut decoder, b"\xe2\x82A"), "\u{fffd}A");
        assert_eq!(decode(&mut decoder, b"\xff\x80A"), "\u{fffd}\u{fffd}A");
    }

    #[test]
    fn every_name_in_use_is_known() {
        for name in ["cp437", "cp850", "cp858", "cp1252", "windows-1251", "iso-8859-15", "utf-8", "katakana"] {
            assert!(CodePage::named(name).is_some(), "{name}");
        }
        assert_eq!(CodePage::named("cp9999"), None);
        assert_eq!(CodePage::named("shift_jis"), None);
    }
}

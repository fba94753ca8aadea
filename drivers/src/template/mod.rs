//! Receipt layouts as data: a TOML file says how a shop's receipts read, so that a new shop is a file and not
//! a driver.
//!
//! A template names the class of a document by patterns, and what each line says by patterns tried in order;
//! the first that applies wins. It never computes what the paper does not say. Unknown keys, names and
//! patterns that cannot be read are errors with line and column. The format is described in
//! `drivers/templates/README.md`.

mod file;
mod number;
mod pattern;
mod problem;
mod read;
mod shipped;

use std::collections::BTreeMap;

use regex::Regex;

use self::file::{File, NegativeTotal, Only, Part, Says};
use self::number::{NumberFormat, currency_digits};
use self::pattern::Patterns;
use self::problem::Problems;
pub use self::problem::{Problem, TemplateError};
pub use self::shipped::shipped_names;
use crate::captured::{Class, LineKind, TenderKind};
use crate::printer::escpos::{Dialect, Symbology};
use crate::printer::text::{CodePage, TextSettings};

/// A checked template, ready to read.
#[derive(Debug, Clone)]
pub struct Template {
    name: String,
    title: String,
    currency: String,
    dialect: Dialect,
    text: TextSettings,
    end: Option<Regex>,
    numbers: NumberFormat,
    tax_included: Option<bool>,
    items_after: Option<Regex>,
    default_quantity: Option<String>,
    negative_total: NegativeTotal,
    classes: Vec<(Class, Regex)>,
    rules: Vec<Rule>,
    kinds: Vec<(LineKind, Regex)>,
    codes: Vec<(Option<Symbology>, Regex)>,
    reports: Vec<Regex>,
}

#[derive(Debug, Clone)]
struct Rule {
    says: Says,
    pattern: Regex,
    part: Part,
    only: Option<Only>,
    sold_before: Option<bool>,
    negative: bool,
    tender: TenderKind,
}

impl Template {
    /// Reads a template file.
    ///
    /// # Errors
    /// Everything that is wrong with it, with line and column.
    pub fn from_toml(text: &str) -> Result<Template, TemplateError> {
        let mut problems = Problems::new(text);
        let file: File = match toml::from_str(text) {
            Ok(file) => file,
            Err(error) => {
                problems.add(error.span().map_or(0, |span| span.start), error.message());
                return problems.result(None);
            }
        };
        let template = check(file, &mut problems);
        problems.result(template)
    }

    /// One of the templates that come with the program.
    pub fn shipped(name: &str) -> Option<Template> {
        shipped::shipped(name)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is for, in words.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// ISO 4217.
    pub fn currency(&self) -> &str {
        &self.currency
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(crate) fn text_settings(&self) -> TextSettings {
        self.text.clone()
    }

    /// Whether this printed line is the last of a document.
    pub(crate) fn ends_document(&self, line: &str) -> bool {
        self.end.as_ref().is_some_and(|end| end.is_match(line))
    }
}

fn check(file: File, problems: &mut Problems<'_>) -> Option<Template> {
    let currency = file.currency.get_ref();
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        problems.add(file.currency.span().start, "a currency is three capital letters (ISO 4217)");
    }
    if file.name.get_ref().trim().is_empty() {
        problems.add(file.name.span().start, "a template needs a name");
    }
    let numbers = number_format(&file, problems);
    let patterns = Patterns { numbers: &numbers, dates: file.dates.order };
    let text = text_settings(&file, problems);
    let mut compile =
        |pattern: &toml::Spanned<String>| patterns.compile(pattern.get_ref(), pattern.span().start, problems);
    let end = file.document.end.as_ref().map(&mut compile);
    let items_after = file.items.after.as_ref().map(&mut compile);
    let classes: Vec<_> = file.classes.iter().map(|rule| (rule.is, compile(&rule.pattern))).collect();
    let kinds: Vec<_> = file.kinds.iter().map(|rule| (rule.is, compile(&rule.pattern))).collect();
    let codes: Vec<_> = file.codes.iter().map(|rule| (rule.symbology, compile(&rule.pattern))).collect();
    let reports: Vec<_> = file.reports.iter().map(|rule| compile(&rule.pattern)).collect();
    let compiled: Vec<_> = file.lines.iter().map(|rule| compile(&rule.pattern)).collect();
    let rules: Vec<_> =
        file.lines.iter().zip(compiled).map(|(rule, pattern)| check_rule(rule, pattern, problems)).collect();
    for class in &file.classes {
        if matches!(class.is, Class::Partial | Class::Unreadable) {
            problems.add(class.pattern.span().start, "no pattern makes a document partial or unreadable");
        }
    }
    if !file.lines.iter().any(|rule| *rule.is.get_ref() == Says::Total) {
        problems.add(0, "no line rule says which line is the total");
    }
    Some(Template {
        name: file.name.into_inner(),
        title: file.title,
        currency: file.currency.into_inner(),
        dialect: file.printer.dialect,
        text,
        end: end.flatten(),
        tax_included: file.tax.included,
        items_after: items_after.flatten(),
        default_quantity: file.items.quantity.map(toml::Spanned::into_inner),
        negative_total: file.returns.negative_total,
        classes: classes.into_iter().filter_map(|(is, pattern)| Some((is, pattern?))).collect(),
        rules: rules.into_iter().flatten().collect(),
        kinds: kinds.into_iter().filter_map(|(is, pattern)| Some((is, pattern?))).collect(),
        codes: codes.into_iter().filter_map(|(symbology, pattern)| Some((symbology, pattern?))).collect(),
        reports: reports.into_iter().flatten().collect(),
        numbers,
    })
}

fn check_rule(rule: &file::LineRule, pattern: Option<Regex>, problems: &mut Problems<'_>) -> Option<Rule> {
    let pattern = pattern?;
    let says = *rule.is.get_ref();
    let needs = match says {
        Says::Info | Says::Ignore => None,
        Says::Description => Some("description"),
        Says::Quantity => Some("quantity"),
        _ => Some("amount"),
    };
    if let Some(needs) = needs.filter(|needs| !pattern.capture_names().flatten().any(|name| name == *needs)) {
        problems.add(rule.pattern.span().start, format!("this rule needs {{{needs}}} in its pattern"));
        return None;
    }
    if let Some(tender) = rule.tender.as_ref().filter(|_| says != Says::Tender) {
        problems.add(tender.span().start, "only a tender rule has a tender kind");
    }
    let part = rule.part.unwrap_or(match says {
        Says::Item | Says::Description | Says::Quantity | Says::Discount | Says::LineDiscount => Part::Items,
        Says::Tender | Says::Change => Part::Foot,
        _ => Part::Any,
    });
    Some(Rule {
        says,
        pattern,
        part,
        only: rule.only,
        sold_before: rule.sold_before,
        negative: rule.negative,
        tender: rule.tender.as_ref().map(|tender| *tender.get_ref()).unwrap_or_default(),
    })
}

fn number_format(file: &File, problems: &mut Problems<'_>) -> NumberFormat {
    let (decimal, thousands) = (&file.numbers.decimal, &file.numbers.thousands);
    if !matches!(decimal.get_ref().as_str(), "." | "," | "·" | "'") {
        problems.add(decimal.span().start, "the decimal mark is one of . , · '");
    }
    if !matches!(thousands.get_ref().as_str(), "" | "." | "," | "'" | " " | "\u{a0}") || thousands == decimal {
        problems
            .add(thousands.span().start, "the thousands mark is empty or one of . , ' space, and not the decimal mark");
    }
    let digits = file.numbers.digits.as_ref();
    if let Some(digits) = digits.filter(|digits| *digits.get_ref() > 4) {
        problems.add(digits.span().start, "no currency has more than four decimal digits");
    }
    NumberFormat {
        decimal: decimal.get_ref().clone(),
        thousands: thousands.get_ref().clone(),
        symbols: file.numbers.symbols.iter().filter(|symbol| !symbol.is_empty()).cloned().collect(),
        digits: digits.map_or_else(|| currency_digits(file.currency.get_ref()), |digits| *digits.get_ref()),
    }
}

fn text_settings(file: &File, problems: &mut Problems<'_>) -> TextSettings {
    let mut page = |name: &toml::Spanned<String>| {
        let page = CodePage::named(name.get_ref());
        if page.is_none() {
            problems.add(name.span().start, format!("no code page is called \"{}\"", name.get_ref()));
        }
        page
    };
    let code_page = file.printer.code_page.as_ref().and_then(&mut page);
    let named: Vec<_> = file.printer.code_pages.iter().map(|(number, name)| (number, page(name))).collect();
    let mut code_pages = BTreeMap::new();
    for (number, page) in named {
        match number.get_ref().parse::<u8>() {
            Ok(number) => drop(page.map(|page| code_pages.insert(number, page))),
            Err(_) => problems.add(number.span().start, "a printer's code page is a number from 0 to 255"),
        }
    }
    TextSettings { code_page: code_page.unwrap_or(CodePage::Oem(437)), code_pages, multi_byte: file.printer.multi_byte }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"
name = "small"
currency = "GBP"

[[line]]
is = "total"
match = '^TOTAL +{amount}$'
"#;

    fn problems(text: &str) -> Vec<String> {
        match Template::from_toml(text) {
            Ok(_) => Vec::new(),
            Err(error) => error.to_string().lines().map(str::to_owned).collect(),
        }
    }

    #[test]
    fn a_small_template_is_enough() {
        assert_eq!(problems(SMALL), Vec::<String>::new());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, place, words) in [
            (SMALL.replace("currency", "curency"), "line 3, column 1", "curency"),
            (SMALL.replace("GBP", "pounds"), "line 3, column 12", "ISO 4217"),
            (SMALL.replace("{amount}", "{amuont}"), "line 7, column 9", "{amuont} is not a placeholder"),
            (SMALL.replace(" +{amount}", ""), "line 7, column 9", "needs {amount}"),
            (SMALL.replace(" +{", " (+{"), "line 7, column 9", "cannot be read"),
            (SMALL.replace("+{amount}", "+{amount}(?<colour>x)?"), "line 7, column 9", "\"colour\""),
            (SMALL.replace("\"total\"", "\"totals\""), "line 6, column 6", "totals"),
            (format!("{SMALL}tender = \"cash\"\n"), "line 8, column 10", "tender"),
            (format!("{SMALL}[printer]\ncode_page = \"cp9\"\n"), "line 9, column 13", "code page"),
            (SMALL.replace("\"total\"", "\"tax\""), "line 1, column 1", "total"),
        ] {
            let found = problems(&text);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].starts_with(place) && found[0].contains(words), "{found:?} should say {place} … {words}");
        }
    }

    #[test]
    fn every_shipped_template_is_sound_and_called_what_its_file_is() {
        for name in shipped_names() {
            assert_eq!(Template::shipped(name).expect(name).name(), name);
        }
        assert!(Template::shipped("no such layout").is_none());
    }
}

//! The templates that come with the program.

use super::Template;

const SHIPPED: [(&str, &str); 5] = [
    ("demo", include_str!("../../templates/demo.toml")),
    ("greengate", include_str!("../../templates/greengate.toml")),
    ("balance-line", include_str!("../../templates/balance-line.toml")),
    ("two-line-items", include_str!("../../templates/two-line-items.toml")),
    ("positioned-columns", include_str!("../../templates/positioned-columns.toml")),
];

/// Names of the shipped templates.
pub fn shipped_names() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, _)| *name)
}

pub(super) fn shipped(name: &str) -> Option<Template> {
    let (_, text) = SHIPPED.iter().find(|(shipped, _)| *shipped == name)?;
    Some(Template::from_toml(text).expect("a shipped template is sound: a test reads every one"))
}

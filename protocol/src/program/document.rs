//! A program file as a tree with places, whether it was TOML or JSON. No meaning here: keys and values only.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problems::{At, Problems};

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) at: At,
    pub(super) value: NodeValue,
}

/// A value of a program file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NodeValue {
    Table(Vec<Field>),
    Array(Vec<Node>),
    Text(String),
    Integer(i64),
    Flag(bool),
    /// Anything no program holds (a float, a date, null): its name in words.
    Other(&'static str),
}

/// A key, where it stands, and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) key: String,
    pub(super) key_at: At,
    pub(super) node: Node,
}

impl NodeValue {
    /// What it is, in words.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Table(_) => "a table",
            Self::Array(_) => "a list",
            Self::Text(_) => "text",
            Self::Integer(_) => "a whole number",
            Self::Flag(_) => "true or false",
            Self::Other(name) => name,
        }
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Reads TOML.
pub(super) fn from_toml(text: &str) -> Result<Node, Problems> {
    let places = Places::of(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        let at = places.at(0, String::new());
        return Ok(Node { value: toml_table(table.get_ref(), &places, ""), at });
    }
    let mut problems = Problems::default();
    for error in errors {
        let start = error.span().map_or(0, |span| span.start);
        problems.add(&places.at(start, String::new()), format!("this is not TOML: {}", one_line(error.message())));
    }
    Err(problems.sorted())
}

fn toml_table(table: &DeTable<'_>, places: &Places<'_>, path: &str) -> NodeValue {
    let mut fields: Vec<(usize, Field)> = table
        .iter()
        .map(|(key, value)| {
            let path = joined(path, key.get_ref());
            let start = key.span().start;
            let key_at = places.at(start, path.clone());
            (start, Field { key: key.get_ref().to_string(), key_at, node: toml_value(value, places, path) })
        })
        .collect();
    fields.sort_by_key(|(start, _)| *start);
    NodeValue::Table(fields.into_iter().map(|(_, field)| field).collect())
}

fn toml_value(value: &Spanned<DeValue<'_>>, places: &Places<'_>, path: String) -> Node {
    let node_value = match value.get_ref() {
        DeValue::String(text) => NodeValue::Text(text.to_string()),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            i64::from_str_radix(&digits, number.radix())
                .map_or(NodeValue::Other("a number beyond 64 bits"), NodeValue::Integer)
        }
        DeValue::Boolean(flag) => NodeValue::Flag(*flag),
        DeValue::Float(_) => NodeValue::Other("a fraction"),
        DeValue::Datetime(_) => NodeValue::Other("a date"),
        DeValue::Array(items) => NodeValue::Array(
            items
                .iter()
                .enumerate()
                .map(|(index, item)| toml_value(item, places, format!("{path}[{index}]")))
                .collect(),
        ),
        DeValue::Table(table) => toml_table(table, places, &path),
    };
    Node { at: places.at(value.span().start, path), value: node_value }
}

/// Reads JSON.
pub(super) fn from_json(text: &str) -> Result<Node, Problems> {
    match serde_json::from_str(text) {
        Ok(value) => Ok(json_value(value, String::new())),
        Err(error) => {
            let at = At { line_column: Some((error.line(), error.column())), path: String::new() };
            Err(Problems::one(&at, format!("this is not JSON: {error}")))
        }
    }
}

fn json_value(value: serde_json::Value, path: String) -> Node {
    let at = At { line_column: None, path };
    let value = match value {
        serde_json::Value::Null => NodeValue::Other("null"),
        serde_json::Value::Bool(flag) => NodeValue::Flag(flag),
        serde_json::Value::Number(number) => {
            number.as_i64().map_or(NodeValue::Other("a fraction, or a number beyond 64 bits"), NodeValue::Integer)
        }
        serde_json::Value::String(text) => NodeValue::Text(text),
        serde_json::Value::Array(items) => {
            let item = |(index, item)| json_value(item, format!("{}[{index}]", at.path));
            NodeValue::Array(items.into_iter().enumerate().map(item).collect())
        }
        serde_json::Value::Object(fields) => {
            let field = |(key, value): (String, _)| {
                let node = json_value(value, joined(&at.path, &key));
                Field { key_at: node.at.clone(), key, node }
            };
            NodeValue::Table(fields.into_iter().map(field).collect())
        }
    };
    Node { at, value }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Byte offsets of a text as line and column.
struct Places<'a> {
    text: &'a str,
    line_starts: Vec<usize>,
}

impl<'a> Places<'a> {
    fn of(text: &'a str) -> Self {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(index, _)| index + 1)).collect();
        Self { text, line_starts }
    }

    fn at(&self, offset: usize, path: String) -> At {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts[line - 1];
        let column = self.text.get(start..offset).map_or(1, |before| before.chars().count() + 1);
        At { line_column: Some((line, column)), path }
    }
}

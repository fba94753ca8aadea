//! Conditions in CEL, behind guard rails. The only module that knows the `cel` crate.
//!
//! That crate has no cost limit, and its parser and evaluator recurse, so a text is bounded before it is parsed
//! (length, words, nesting), its tree after (nodes, depth, one loop at most, only known fields and functions, every
//! type), and only a tree that passed is ever evaluated. Parsing happens on the big stack of [`super::Program`].
//! What is refused is refused at publication; at a till an expression holds, does not hold, or fails with a reason.
//! Source: the Common Expression Language definition (github.com/google/cel-spec, doc/langdef.md).

mod check;
mod values;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::common::ast::IdedExpr;
use cel::parser::Parser;
use cel::{Context, Env, Value};

use self::check::Check;
pub(super) use self::values::Facts;
use self::values::Names;
use super::evaluate::Basket;
use super::fields::Type;
use super::{LocalTime, MemberInputs};
use crate::limits::{CONDITION_BYTES_MAX, CONDITION_NESTING_MAX, CONDITION_TOKEN_COUNT_MAX};
use crate::sale::{Line, Sale, Tender};

/// Where a condition stands, which decides what it may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// `when`: once per sale.
    When,
    /// `lines`: once per line.
    Lines,
}

/// A condition that passed every check.
pub(super) struct Condition {
    source: String,
    tree: IdedExpr,
    reads_visits: bool,
    reads_only_line: bool,
    cost: u64,
}

impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Condition").field(&self.source).finish()
    }
}

static STANDARD: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

impl Condition {
    /// Parses and checks; on a thread with [`crate::limits::PROGRAM_STACK_BYTES`] only.
    pub(super) fn compile(source: &str, scope: Scope) -> Result<Self, String> {
        bound_text(source)?;
        let parsed = catch_unwind(|| Parser::default().parse(source));
        let tree = parsed.map_err(|_| "it cannot be parsed".to_owned())?.map_err(|errors| {
            let first = errors.errors.first().map_or("it cannot be parsed", |error| error.msg.as_str());
            let first: String = first.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(160).collect();
            format!("this is not CEL: {first}")
        })?;
        let mut check = Check::new(scope);
        match check.tree(&tree, 0)? {
            Type::Bool => {}
            other => return Err(format!("a condition is true or false, this is {}", other.name())),
        }
        let condition = Self {
            source: source.to_owned(),
            tree,
            reads_visits: check.reads_visits(),
            reads_only_line: check.reads_only_line(),
            cost: check.cost(),
        };
        condition.try_samples(scope)?;
        Ok(condition)
    }

    /// As written.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// Whether it reads `member.visits`.
    pub(super) fn reads_visits(&self) -> bool {
        self.reads_visits
    }

    /// Whether it reads nothing but `line`.
    pub(super) fn reads_only_line(&self) -> bool {
        self.reads_only_line
    }

    /// What it costs for the largest sale there is, in nodes evaluated.
    pub(super) fn cost(&self) -> u64 {
        self.cost
    }

    /// Whether it holds; `Err` says why it could not be told.
    pub(super) fn holds(&self, facts: &Facts<'_>, line: Option<&Line>) -> Result<bool, String> {
        let names = Names::new(facts, line);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let mut context = Context::with_env(Arc::clone(&STANDARD));
            context.set_variable_resolver(&names);
            Value::resolve(&self.tree, &context)
        }));
        match outcome {
            Ok(Ok(Value::Bool(value))) => Ok(value),
            Ok(Ok(other)) => Err(format!("it came to {} instead of true or false", other.type_of())),
            Ok(Err(error)) => Err(error.to_string().chars().take(160).collect()),
            Err(_) => Err("its evaluation broke down".to_owned()),
        }
    }

    /// A last check of the types by doing: on samples it may fail, but never come to anything but true or false.
    fn try_samples(&self, scope: Scope) -> Result<(), String> {
        let full = Line {
            sku: Some("1".into()),
            description: Some("x".into()),
            category: Some("x".into()),
            unit_price: Some(1),
            amount: 1,
            ..Line::default()
        };
        for line in [Line::default(), full] {
            let sale = Sale { lines: vec![line.clone()], tenders: vec![Tender::default()], ..Sale::default() };
            let member = MemberInputs { tags: vec!["x".into()], ..MemberInputs::default() };
            let now = LocalTime { year: 2026, month: 1, day: 1, weekday: 4, hour: 0, minute: 0 };
            let (store, lane, channel) = ("s", "1", "till");
            let groups = ["g".to_owned()];
            let basket = Basket { sale: &sale, now, member: &member, store, store_groups: &groups, lane, channel };
            let line = (scope == Scope::Lines).then_some(&line);
            if let Err(error) = self.holds(&Facts::new(&basket, 1), line)
                && error.starts_with("it ")
            {
                return Err(error);
            }
        }
        Ok(())
    }
}

/// Bounds the text before anything that recurses sees it. Counts inside of quoted text too: what cannot be misread
/// cannot be got around.
fn bound_text(source: &str) -> Result<(), String> {
    if source.trim().is_empty() {
        return Err("the condition is empty: take the key out, or say what must hold".to_owned());
    }
    if source.len() > CONDITION_BYTES_MAX {
        return Err(format!("a condition has at most {CONDITION_BYTES_MAX} bytes"));
    }
    let (mut nesting, mut token_count, mut in_word) = (0usize, 0usize, false);
    for c in source.chars() {
        let is_word = c.is_alphanumeric() || c == '_';
        token_count += usize::from(!(c.is_whitespace() || is_word && in_word));
        in_word = is_word;
        match c {
            '(' | '[' | '{' => nesting += 1,
            ')' | ']' | '}' => nesting = nesting.saturating_sub(1),
            _ => {}
        }
        if nesting > CONDITION_NESTING_MAX {
            return Err(format!("more than {CONDITION_NESTING_MAX} brackets inside each other"));
        }
    }
    if token_count > CONDITION_TOKEN_COUNT_MAX {
        return Err(format!("more than {CONDITION_TOKEN_COUNT_MAX} words and signs: split it into several rules"));
    }
    Ok(())
}

//! The check of a parsed condition: bounded, every name known, every part of one type.
//!
//! Whatever is not listed here is refused, so what the evaluator is ever given is known in full, and what it costs
//! is bounded by the nodes of the tree and the length of one list.

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue, SelectExpr, operators};

use super::Scope;
use crate::limits::{
    CONDITION_DEPTH_MAX, CONDITION_NODE_COUNT_MAX, SALE_LINE_COUNT_MAX, SALE_PART_COUNT_MAX, TAG_COUNT_RECKONED,
};
use crate::program::fields::{Item, ROOTS, Record, Type};
use crate::program::words::nearest;

/// Walks a parsed tree: bounds it, and gives every part a type.
pub(super) struct Check {
    scope: Scope,
    variables: Vec<(String, Type)>,
    node_count: usize,
    reads_visits: bool,
    reads_only_line: bool,
    in_loop: bool,
    cost: u64,
    /// How often the present part is evaluated.
    times: u64,
}

impl Check {
    pub(super) fn new(scope: Scope) -> Self {
        let times = if scope == Scope::Lines { SALE_LINE_COUNT_MAX as u64 } else { 1 };
        Self {
            scope,
            variables: Vec::new(),
            node_count: 0,
            reads_visits: false,
            reads_only_line: true,
            in_loop: false,
            cost: 0,
            times,
        }
    }

    /// Whether the tree read `member.visits`.
    pub(super) fn reads_visits(&self) -> bool {
        self.reads_visits
    }

    /// Whether the tree read nothing but `line`.
    pub(super) fn reads_only_line(&self) -> bool {
        self.reads_only_line
    }

    /// What the tree costs for the largest sale there is, in nodes evaluated.
    pub(super) fn cost(&self) -> u64 {
        self.cost
    }

    /// What the tree comes to, or why it is refused.
    pub(super) fn tree(&mut self, node: &IdedExpr, depth: usize) -> Result<Type, String> {
        self.node_count += 1;
        self.cost = self.cost.saturating_add(self.times);
        if self.node_count > CONDITION_NODE_COUNT_MAX || depth > CONDITION_DEPTH_MAX {
            return Err("it is too large: split it into several rules, or use `in [ … ]`".to_owned());
        }
        let depth = depth + 1;
        match &node.expr {
            Expr::Literal(literal) => literal_type(literal),
            Expr::Ident(name) => self.name(name),
            Expr::Select(select) => self.select(select, depth),
            Expr::Call(call) => self.call(call, depth),
            Expr::List(list) => {
                let mut item = Item::Nothing;
                for element in &list.elements {
                    let found = self.value(element, depth)?.item().ok_or("a list holds plain values only")?;
                    item = match (item, found) {
                        (Item::Nothing, found) => found,
                        (Item::Int | Item::Number, Item::Int | Item::Number) if item != found => Item::Number,
                        (item, found) if item == found || found == Item::Nothing => item,
                        _ => return Err("a list holds values of one type".to_owned()),
                    };
                }
                Ok(Type::List(item))
            }
            Expr::Comprehension(comprehension) => self.comprehension(comprehension, depth),
            Expr::Map(_) | Expr::Struct(_) => Err("maps and messages are not possible here".to_owned()),
            Expr::Unspecified => Err("it cannot be parsed".to_owned()),
        }
    }

    /// A tree that must be a value, not a thing with fields.
    fn value(&mut self, node: &IdedExpr, depth: usize) -> Result<Type, String> {
        match self.tree(node, depth)? {
            Type::Record(_) => Err(match &node.expr {
                Expr::Ident(name) => format!("`{name}` alone is no value: name one of its fields, as in `{name}.…`"),
                _ => "name one of its fields".to_owned(),
            }),
            other => Ok(other),
        }
    }

    fn expect(&mut self, node: &IdedExpr, expected: Type, depth: usize, what: &str) -> Result<(), String> {
        match self.value(node, depth)? {
            found if found == expected || found == Type::Null && expected != Type::Bool => Ok(()),
            found => Err(format!("{what} takes {}, not {}", expected.name(), found.name())),
        }
    }

    fn name(&mut self, name: &str) -> Result<Type, String> {
        if let Some((_, found)) = self.variables.iter().rev().find(|(variable, _)| variable == name) {
            return Ok(*found);
        }
        match ROOTS.iter().find(|(root, _)| *root == name) {
            Some((_, Record::Line)) if self.scope == Scope::When => {
                Err("`line` is for `lines`; here, ask `sale.lines.exists(line, …)`".to_owned())
            }
            Some((_, record)) => {
                self.reads_only_line &= *record == Record::Line;
                Ok(Type::Record(*record))
            }
            None => {
                let known = ROOTS.iter().map(|(root, _)| *root);
                let hint = nearest(name, known.clone()).map_or_else(
                    || format!("there are {}", known.collect::<Vec<_>>().join(", ")),
                    |near| format!("did you mean `{near}`?"),
                );
                Err(format!("unknown name `{name}`; {hint}"))
            }
        }
    }

    fn select(&mut self, select: &SelectExpr, depth: usize) -> Result<Type, String> {
        if select.test {
            return Err("has(…) is not possible here: missing fields are null, compare with null".to_owned());
        }
        let Type::Record(record) = self.tree(&select.operand, depth)? else {
            return Err(format!("`.{}`: only sale, eligible, line, member and now have fields", select.field));
        };
        let fields = record.fields();
        let found = fields.iter().find(|(field, _)| *field == select.field).map(|(_, found)| *found);
        self.reads_visits |= record == Record::Member && select.field == "visits";
        if self.scope == Scope::Lines && found == Some(Type::List(Item::Line)) {
            return Err("`lines` is asked for each line: `sale.lines` belongs into `when`".to_owned());
        }
        if let Some(Type::List(of)) = found {
            // A list is put together each time it is read.
            self.cost = self.cost.saturating_add(self.times.saturating_mul(longest(of, &select.operand)));
        }
        found.ok_or_else(|| {
            let known = fields.iter().map(|(field, _)| *field);
            let hint = nearest(&select.field, known.clone()).map_or_else(
                || format!("there are {}", known.collect::<Vec<_>>().join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            format!("unknown field `{}`; {hint}", select.field)
        })
    }

    fn call(&mut self, call: &CallExpr, depth: usize) -> Result<Type, String> {
        let name = call.func_name.as_str();
        if let Some(target) = &call.target {
            return self.method(name, target, &call.args, depth);
        }
        match (name, &call.args[..]) {
            (operators::LOGICAL_AND | operators::LOGICAL_OR, args) => {
                for arg in args {
                    self.expect(arg, Type::Bool, depth, "&& and ||")?;
                }
                Ok(Type::Bool)
            }
            (operators::LOGICAL_NOT | operators::NOT_STRICTLY_FALSE, [arg]) => {
                self.expect(arg, Type::Bool, depth, "!")?;
                Ok(Type::Bool)
            }
            (operators::EQUALS | operators::NOT_EQUALS, [left, right]) => {
                let (left, right) = (self.value(left, depth)?, self.value(right, depth)?);
                if left.is_comparable(right) {
                    Ok(Type::Bool)
                } else {
                    Err(format!("{} is never equal to {}", left.name(), right.name()))
                }
            }
            (
                operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS,
                [left, right],
            ) => {
                let (left, right) = (self.value(left, depth)?, self.value(right, depth)?);
                if left.is_number() && right.is_number() || left == Type::Text && right == Type::Text {
                    Ok(Type::Bool)
                } else {
                    Err(format!("{} and {} have no order", left.name(), right.name()))
                }
            }
            (operators::ADD | operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE, [left, right]) => {
                let (left, right) = (self.value(left, depth)?, self.value(right, depth)?);
                let is_text = name == operators::ADD && left == Type::Text;
                if left == right && (left.is_number() || is_text) {
                    Ok(left)
                } else {
                    Err(format!("cannot compute with {} and {}", left.name(), right.name()))
                }
            }
            (operators::MODULO, [left, right]) => {
                self.expect(left, Type::Int, depth, "%")?;
                self.expect(right, Type::Int, depth, "%")?;
                Ok(Type::Int)
            }
            (operators::NEGATE, [arg]) => match self.value(arg, depth)? {
                found if found.is_number() => Ok(found),
                other => Err(format!("- takes a number, not {}", other.name())),
            },
            (operators::CONDITIONAL, [condition, yes, no]) => {
                self.expect(condition, Type::Bool, depth, "?")?;
                let (yes, no) = (self.value(yes, depth)?, self.value(no, depth)?);
                if yes == no { Ok(yes) } else { Err("both sides of : must have one type".to_owned()) }
            }
            (operators::IN, [item, list]) => {
                let item = self.value(item, depth)?;
                match self.value(list, depth)? {
                    Type::List(of) if of == Item::Nothing || item.is_comparable(of.as_type()) => Ok(Type::Bool),
                    Type::List(of) => Err(format!("{} is never in a list of {}", item.name(), of.as_type().name())),
                    other => Err(format!("`in` takes a list, not {}", other.name())),
                }
            }
            (operators::INDEX, [list, index]) => {
                let Type::List(of) = self.value(list, depth)? else {
                    return Err("[…] takes a list".to_owned());
                };
                self.expect(index, Type::Int, depth, "[…]")?;
                Ok(of.as_type())
            }
            ("size", [arg]) => self.size(arg, depth),
            _ => Err(unknown_function(name)),
        }
    }

    fn method(&mut self, name: &str, target: &IdedExpr, args: &[IdedExpr], depth: usize) -> Result<Type, String> {
        match (name, args) {
            ("startsWith" | "endsWith" | "contains", [arg]) => {
                self.expect(target, Type::Text, depth, name)?;
                self.expect(arg, Type::Text, depth, name)?;
                Ok(Type::Bool)
            }
            ("size", []) => self.size(target, depth),
            _ => Err(unknown_function(name)),
        }
    }

    fn size(&mut self, arg: &IdedExpr, depth: usize) -> Result<Type, String> {
        match self.value(arg, depth)? {
            Type::List(_) | Type::Text => Ok(Type::Int),
            other => Err(format!("size takes a list or text, not {}", other.name())),
        }
    }

    /// `exists`, `all`, `exists_one` and `filter` over one list; `map` and loops in loops are refused.
    fn comprehension(&mut self, loops: &ComprehensionExpr, depth: usize) -> Result<Type, String> {
        if self.in_loop || matches!(loops.iter_range.expr, Expr::Comprehension(_)) {
            return Err("a loop inside a loop is not possible: what it costs has no bound".to_owned());
        }
        if ROOTS.iter().any(|(root, _)| *root == loops.iter_var && (*root != "line" || self.scope == Scope::Lines)) {
            return Err(format!("`{}` has a meaning already: call the loop's item otherwise", loops.iter_var));
        }
        let Type::List(of) = self.value(&loops.iter_range, depth)? else {
            return Err("exists, all and filter take a list".to_owned());
        };
        let times = self.times;
        self.times = times.saturating_mul(longest(of, &loops.iter_range));
        self.in_loop = true;
        self.variables.push((loops.iter_var.clone(), of.as_type()));
        let result = if let Expr::List(_) = loops.accu_init.expr {
            self.filter(loops, of, depth)
        } else {
            self.fold(loops, depth)
        };
        self.variables.pop();
        self.in_loop = false;
        self.times = times;
        result
    }

    fn fold(&mut self, loops: &ComprehensionExpr, depth: usize) -> Result<Type, String> {
        let init = self.value(&loops.accu_init, depth)?;
        self.variables.push((loops.accu_var.clone(), init));
        let result = self
            .expect(&loops.loop_cond, Type::Bool, depth, "a loop")
            .and_then(|()| self.expect(&loops.loop_step, init, depth, "a loop"))
            .and_then(|()| self.value(&loops.result, depth));
        self.variables.pop();
        result
    }

    /// `filter(x, condition)` expands to `condition ? @result + [x] : @result`; anything else is `map`.
    fn filter(&mut self, loops: &ComprehensionExpr, of: Item, depth: usize) -> Result<Type, String> {
        let no_map = || "map(…) is not possible here: use exists, all, exists_one or filter".to_owned();
        let Expr::Call(CallExpr { func_name, args, .. }) = &loops.loop_step.expr else { return Err(no_map()) };
        let (operators::CONDITIONAL, [condition, added, _]) = (func_name.as_str(), &args[..]) else {
            return Err(no_map());
        };
        let is_item = |node: &IdedExpr| matches!(&node.expr, Expr::Ident(name) if *name == loops.iter_var);
        let is_same = match &added.expr {
            Expr::Call(CallExpr { args, .. }) => match args.get(1).map(|list| &list.expr) {
                Some(Expr::List(list)) => list.elements.iter().all(is_item),
                _ => false,
            },
            _ => false,
        };
        if !is_same {
            return Err(no_map());
        }
        self.expect(condition, Type::Bool, depth, "filter")?;
        Ok(Type::List(of))
    }
}

/// How long a list of such things is reckoned with.
fn longest(of: Item, list: &IdedExpr) -> u64 {
    match (of, &list.expr) {
        (_, Expr::List(list)) => list.elements.len() as u64,
        (Item::Line, _) => SALE_LINE_COUNT_MAX as u64,
        (Item::Tender, _) => SALE_PART_COUNT_MAX as u64,
        _ => TAG_COUNT_RECKONED,
    }
}

fn literal_type(literal: &LiteralValue) -> Result<Type, String> {
    match literal {
        LiteralValue::Boolean(_) => Ok(Type::Bool),
        LiteralValue::Int(_) => Ok(Type::Int),
        LiteralValue::Double(_) => Ok(Type::Number),
        LiteralValue::String(_) => Ok(Type::Text),
        LiteralValue::Null => Ok(Type::Null),
        LiteralValue::Bytes(_) | LiteralValue::UInt(_) => {
            Err("bytes and unsigned numbers are not possible here".to_owned())
        }
    }
}

fn unknown_function(name: &str) -> String {
    match name {
        "matches" => "matches(…) is not possible here: use startsWith, endsWith or contains".to_owned(),
        _ => {
            let name: String = name.chars().take(40).collect();
            format!(
                "unknown function `{name}`; there are size, startsWith, endsWith, contains, exists, all, exists_one, filter"
            )
        }
    }
}

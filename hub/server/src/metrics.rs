//! Counters of what the hub answered, written in the Prometheus text format (version 0.0.4).
//!
//! Bounded: one counter for each route template, method and status. Gauges about the books are asked of the core
//! when somebody looks.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;

/// The media type of the text.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Counts requests.
#[derive(Debug, Default)]
pub struct Metrics {
    answered: Mutex<BTreeMap<(String, String, u16), u64>>,
}

/// A value to show beside the counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gauge {
    /// `counterfoil_hub_…`
    pub name: &'static str,
    /// In words.
    pub help: &'static str,
    /// Label name and value, where it has one.
    pub label: Option<(&'static str, String)>,
    /// The value.
    pub value: i64,
}

impl Metrics {
    /// A request was answered.
    pub fn count(&self, route: &str, method: &str, status: u16) {
        let mut answered = self.answered.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *answered.entry((route.to_owned(), method.to_owned(), status)).or_default() += 1;
    }

    /// Everything as text. Gauges of one name stand together.
    pub fn text(&self, gauges: &[Gauge]) -> String {
        let mut text = String::from(
            "# HELP counterfoil_hub_requests_total Requests answered.\n# TYPE counterfoil_hub_requests_total counter\n",
        );
        let answered = self.answered.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for ((route, method, status), count) in answered.iter() {
            let labels = format!("route=\"{}\",method=\"{}\",status=\"{status}\"", escaped(route), escaped(method));
            let _ = writeln!(text, "counterfoil_hub_requests_total{{{labels}}} {count}");
        }
        let mut last = "";
        for Gauge { name, help, label, value } in gauges {
            if *name != last {
                let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
                last = name;
            }
            let _ = match label {
                Some((key, said)) => writeln!(text, "{name}{{{key}=\"{}\"}} {value}", escaped(said)),
                None => writeln!(text, "{name} {value}"),
            };
        }
        text
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let metrics = Metrics::default();
        metrics.count("/v1/members", "POST", 201);
        metrics.count("/v1/members", "POST", 201);
        let gauges = [Gauge {
            name: "counterfoil_hub_backlog",
            help: "Records announced and not here.",
            label: Some(("terminal", "a\"b".into())),
            value: 3,
        }];
        assert_eq!(
            metrics.text(&gauges),
            "# HELP counterfoil_hub_requests_total Requests answered.\n\
             # TYPE counterfoil_hub_requests_total counter\n\
             counterfoil_hub_requests_total{route=\"/v1/members\",method=\"POST\",status=\"201\"} 2\n\
             # HELP counterfoil_hub_backlog Records announced and not here.\n\
             # TYPE counterfoil_hub_backlog gauge\n\
             counterfoil_hub_backlog{terminal=\"a\\\"b\"} 3\n"
        );
    }
}

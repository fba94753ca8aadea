//! The curve as an SVG, written by hand: what is granted, and what lacks elsewhere, over the share placed.

use std::fmt::Write as _;

use crate::policy::{Policy, Rule};
use crate::report::share;
use crate::run::Tally;
use crate::study::{Answer, SHARES, Study};

const WIDTH: f64 = 340.0;
const HEIGHT: f64 = 250.0;
const TOP: f64 = 60.0;

struct Line {
    name: &'static str,
    colour: &'static str,
    dash: &'static str,
    points: Vec<(f64, f64)>,
}

fn line(
    answer: &Answer,
    rule: Rule,
    name: &'static str,
    (colour, dash): (&'static str, &'static str),
    y: impl Fn(Tally) -> f64,
) -> Line {
    let point =
        |placed: &u32| answer.of(Policy::at(rule, *placed)).map(|tally| (f64::from(*placed) / 1000.0, y(tally)));
    Line { name, colour, dash, points: SHARES.iter().filter_map(point).collect() }
}

/// The plot.
pub fn svg(study: &Study) -> String {
    let (lane, any) = (study.redemption_lane(), study.any_lane());
    let granted = |tally: Tally| share(tally.any_moment);
    let mut left = vec![
        line(lane, Rule::PlannerFloor, "planner + floor, redemption lane", ("#1b7837", ""), granted),
        line(lane, Rule::Planner, "planner, redemption lane", ("#2166ac", ""), granted),
        line(
            any,
            Rule::PlannerShared,
            "planner, lanes share, any lane (not in the product)",
            ("#762a83", "3 9"),
            granted,
        ),
        line(any, Rule::Planner, "planner, any lane", ("#2166ac", "7 4"), granted),
    ];
    if let Some(fresh) = any.of(Policy::at(Rule::Fresh, 1000)) {
        let points = vec![(0.0, granted(fresh)), (1.0, granted(fresh))];
        left.push(Line { name: "none (only fresh points), any lane", colour: "#666666", dash: "2 3", points });
    }
    let right = [
        line(lane, Rule::Planner, "online orders, at that moment", ("#b2182b", ""), |t| {
            share((t.online.0, t.online.1))
        }),
        line(lane, Rule::Planner, "tills with a line, at that moment", ("#e08214", ""), |t| {
            share((t.with_line.0, t.with_line.1))
        }),
        line(lane, Rule::Planner, "online orders, after a recall", ("#b2182b", "2 3"), |t| {
            share((t.online.0, t.online.2))
        }),
        line(lane, Rule::Planner, "tills with a line, after a recall", ("#e08214", "7 4"), |t| {
            share((t.with_line.0, t.with_line.2))
        }),
    ];
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 860 450\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>Honest redemptions granted without a line, and requests elsewhere that lack units, over the share of rights placed at tills</title>\n\
         <rect width=\"860\" height=\"450\" fill=\"#ffffff\"/>\n",
    );
    panel(&mut svg, 60.0, "Honest requests granted with the line cut", &left);
    panel(&mut svg, 490.0, "Requests elsewhere that lack units", &right);
    svg.push_str("</svg>\n");
    svg
}

fn panel(svg: &mut String, left: f64, title: &str, lines: &[Line]) {
    let x = |share: f64| left + share * WIDTH;
    let y = |share: f64| TOP + (1.0 - share) * HEIGHT;
    let mut put = |text: String| writeln!(svg, "{text}").expect("a string takes everything");
    put(format!("<text x=\"{left}\" y=\"36\" font-size=\"14\" font-weight=\"bold\">{title}</text>"));
    for step in 0..=5 {
        let share = f64::from(step) / 5.0;
        let label = format!("{} %", step * 20);
        let (right, at) = (left + WIDTH, y(share));
        put(format!("<path d=\"M{left} {at:.1}H{right}\" stroke=\"#dddddd\"/>"));
        put(format!("<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", left - 6.0, at + 4.0));
        put(format!("<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>", x(share), TOP + HEIGHT + 18.0));
    }
    let middle = left + WIDTH / 2.0;
    put(format!(
        "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">share of rights placed at tills</text>",
        TOP + HEIGHT + 36.0
    ));
    for (index, line) in (0u8..).zip(lines) {
        let at: Vec<String> = line.points.iter().map(|(a, b)| format!("{:.1},{:.1}", x(*a), y(*b))).collect();
        let style =
            format!("fill=\"none\" stroke=\"{}\" stroke-width=\"2\" stroke-dasharray=\"{}\"", line.colour, line.dash);
        put(format!("<polyline points=\"{}\" {style}/>", at.join(" ")));
        let legend = TOP + HEIGHT + 58.0 + 16.0 * f64::from(index);
        put(format!("<path d=\"M{left} {legend}h28\" {style}/>"));
        put(format!("<text x=\"{}\" y=\"{}\">{}</text>", left + 36.0, legend + 4.0, line.name));
    }
}

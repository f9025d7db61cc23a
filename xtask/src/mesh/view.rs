//! The live view: one line per node, one per link.

use super::node::{Node, Report};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::time::Instant;

pub struct View {
    /// On a terminal the view is drawn over the one before.
    redraw: bool,
    lines_drawn: usize,
    /// When it was drawn, and the changes of each node by its port then.
    before: Option<(Instant, HashMap<u16, u64>)>,
}

/// A link from a master to the node that reports it.
struct Link {
    master: String,
    up: bool,
    lag: String,
}

impl View {
    pub fn new() -> View {
        View { redraw: io::stdout().is_terminal(), lines_drawn: 0, before: None }
    }

    pub fn refresh(&mut self, nodes: &mut [Node]) -> io::Result<()> {
        let now = Instant::now();
        let mut text = format!("{:<12}{:>12}{:>12}  links\n", "node", "keys", "writes/s");
        let mut changes_now = HashMap::new();
        for node in nodes {
            let Ok(report) = node.report() else {
                let _ = writeln!(text, "{:<12}{:>12}", node.port, "down");
                continue;
            };
            let changes = report.changes();
            changes_now.insert(node.port, changes);
            let writes_per_second = self.before.as_ref().and_then(|(then, before)| {
                let elapsed_s = now.duration_since(*then).as_secs_f64();
                Some(changes.saturating_sub(*before.get(&node.port)?) as f64 / elapsed_s)
            });
            let _ = write!(text, "{:<12}{:>12}{:>12.0} ", node.port, report.keys, writes_per_second.unwrap_or(0.0));
            for link in report.links() {
                let _ = write!(text, "  {} {}", link.master, if link.up { &link.lag } else { "DOWN" });
            }
            text.push('\n');
        }
        self.before = Some((now, changes_now));
        self.draw(&text)
    }

    fn draw(&mut self, text: &str) -> io::Result<()> {
        let mut output = io::stdout().lock();
        if self.redraw {
            if self.lines_drawn > 0 {
                write!(output, "\x1b[{}A", self.lines_drawn)?;
            }
            for line in text.lines() {
                writeln!(output, "{line}\x1b[K")?;
            }
        } else {
            writeln!(output, "{text}")?;
        }
        self.lines_drawn = text.lines().count();
        output.flush()
    }
}

impl Report {
    /// Changes of the data set since the start.
    fn changes(&self) -> u64 {
        self.number("rdb_changes_since_last_save")
    }

    fn number(&self, field: &str) -> u64 {
        self.info.get(field).and_then(|value| value.trim().parse().ok()).unwrap_or(0)
    }

    /// INFO replication names the fields of the first master `master_…`, those of the next `master_1_…`.
    fn links(&self) -> Vec<Link> {
        let mut links = Vec::new();
        loop {
            let prefix = match links.len() {
                0 => "master_".to_owned(),
                number => format!("master_{number}_"),
            };
            let field = |name: &str| self.info.get(&format!("{prefix}{name}")).map(|value| value.trim().to_owned());
            let Some(port) = field("port") else { return links };
            links.push(Link {
                master: port,
                up: field("link_status").as_deref() == Some("up"),
                lag: field("lag_ms").map_or_else(|| "up".into(), |lag| format!("up {lag} ms")),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read_from_info() {
        let fields = [
            ("master_host", "127.0.0.1"),
            ("master_port", "7001\r"),
            ("master_link_status", "up\r"),
            ("master_lag_ms", "3"),
            ("master_1_port", "7002"),
            ("master_1_link_status", "down"),
        ];
        let info = fields.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let links = Report { keys: 0, info }.links();
        let shown: Vec<_> = links.iter().map(|link| (link.master.as_str(), link.up, link.lag.as_str())).collect();
        assert_eq!(shown, [("7001", true, "up 3 ms"), ("7002", false, "up")]);
    }
}

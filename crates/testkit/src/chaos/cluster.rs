//! The nodes of a run, and the proxies between them.

use super::plan::{Link, Plan};
use crate::{Damage, Node, Proxy, Reply, free_ports};
use std::fmt::Write;
use std::path::Path;
use std::{io, thread};

pub(super) struct Cluster {
    pub nodes: Vec<Node>,
    /// Whether a node was killed ever: what it had acknowledged may be gone.
    pub killed: Vec<bool>,
    links: Vec<(Link, Option<Proxy>)>,
}

impl Cluster {
    /// Starts all nodes side by side, and returns once they know each other.
    pub(super) fn start(plan: &Plan, folder: &Path) -> io::Result<Cluster> {
        let ports = free_ports(plan.nodes)?;
        let proxy = |link: &Link| match plan.has_proxies {
            true => Proxy::slow(ports[link.master], link.delay).map(Some),
            false => Ok(None),
        };
        let links = plan.links.iter().map(|link| Ok((*link, proxy(link)?))).collect::<io::Result<Vec<_>>>()?;
        let mut cluster = Cluster { nodes: Vec::new(), killed: vec![false; plan.nodes], links };
        for (index, port) in ports.iter().enumerate() {
            let masters: Vec<u16> =
                cluster.links.iter().filter(|(link, _)| link.node == index).map(|link| at(link, &ports)).collect();
            let (log_size, threads) = (plan.log_size_bytes, plan.threads[index]);
            let mut lines = format!("server-threads {threads}\nenable-debug-command yes\nsave \"\"\n");
            let _ = write!(lines, "mesh-log-size {log_size}\nrepl-backlog-size {log_size}\n");
            let directory = folder.join(format!("node-{index}"));
            cluster.nodes.push(Node::new(&plan.settings.program, &directory, *port, &masters, &lines)?);
        }
        thread::scope(|scope| {
            let starts: Vec<_> = cluster.nodes.iter_mut().map(|node| scope.spawn(|| node.start())).collect();
            starts.into_iter().try_for_each(|start| start.join().expect("a start does not panic"))
        })?;
        for (index, node) in cluster.nodes.iter().enumerate() {
            node.wait_for_links(cluster.links.iter().filter(|(link, _)| link.node == index).count())?;
            node.wait_for_nodes(plan.nodes)?;
        }
        Ok(cluster)
    }

    pub(super) fn ports(&self) -> Vec<u16> {
        self.nodes.iter().map(|node| node.port).collect()
    }

    /// REPLICAOF for these links, `words` before the address.
    pub(super) fn replicaof(&self, words: &[&str], concerned: impl Fn(&Link) -> bool) -> io::Result<()> {
        let ports = self.ports();
        for link in self.links.iter().filter(|(link, _)| concerned(link)) {
            let port = at(link, &ports).to_string();
            let command = [&["REPLICAOF"], words, &["127.0.0.1", &port]].concat();
            if let Reply::Error(text) = self.nodes[link.0.node].client()?.call(&command)? {
                let text = format!("{}: {}", command.join(" "), String::from_utf8_lossy(&text));
                return Err(io::Error::other(text));
            }
        }
        Ok(())
    }

    /// What the proxies of these links do from now on.
    pub(super) fn damage(&self, damage: Damage, concerned: impl Fn(&Link) -> bool) {
        let proxies = self.links.iter().filter(|(link, _)| concerned(link)).filter_map(|(_, proxy)| proxy.as_ref());
        proxies.for_each(|proxy| proxy.set(damage));
    }
}

/// The port where a node finds its master.
fn at((link, proxy): &(Link, Option<Proxy>), ports: &[u16]) -> u16 {
    proxy.as_ref().map_or(ports[link.master], |proxy| proxy.port)
}

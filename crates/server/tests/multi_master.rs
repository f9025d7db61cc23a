//! Real nodes from the documented configuration: they converge, whatever happens to them and between them.

mod support;

use std::process::Command;
use std::thread;
use support::mesh::Mesh;
use support::{call, eventually, start, text};
use testkit::dump::dump;
use testkit::{Client, Connection, Damage, Proxy, Reply, free_ports};

/// Every other node.
fn all_others(count: usize) -> impl Fn(usize) -> Vec<usize> {
    move |node| (0..count).filter(|&other| other != node).collect()
}

fn is(client: &mut Client, words: &[&str], expected: &str) -> bool {
    match client.call(words).unwrap() {
        Reply::Integer(number) => number.to_string() == expected,
        reply => text(&reply) == expected,
    }
}

/// Writes of every kind at one node; `round` tells rounds apart.
fn write(client: &mut Client, node: usize, round: usize) {
    for number in 0..50 {
        call(client, &["SET", &format!("string:{round}:{node}:{number}"), "value"]);
        call(client, &["INCR", "counter"]);
        call(client, &["SADD", "members", &format!("{round}:{node}:{number}")]);
        call(client, &["HSET", "fields", &format!("{round}:{node}:{number}"), "value"]);
    }
    call(client, &["SET", "contested", &format!("{round}:{node}")]);
    call(client, &["DEL", &format!("string:{round}:{node}:0")]);
    call(client, &["EXPIRE", &format!("string:{round}:{node}:1"), "10000"]);
}

fn write_everywhere(mesh: &Mesh, round: usize) {
    for (number, node) in mesh.nodes.iter().enumerate() {
        write(&mut node.client().unwrap(), number, round);
    }
}

/// What must be there once so many calls of `write` have reached everyone.
fn converge_on(mesh: &Mesh, writes: usize) {
    mesh.converge(|client| {
        is(client, &["GET", "counter"], &(50 * writes).to_string())
            && is(client, &["SCARD", "members"], &(50 * writes).to_string())
            && is(client, &["HLEN", "fields"], &(50 * writes).to_string())
            && is(client, &["DBSIZE"], &(49 * writes + 4).to_string())
    });
}

#[test]
fn three_documented_nodes_converge() {
    let mesh = Mesh::start(3, all_others(3));
    mesh.wait_for_links(2);
    write_everywhere(&mesh, 0);
    converge_on(&mesh, 3);
    let mut client = mesh.nodes[0].client().unwrap();
    assert_eq!(text(&call(&mut client, &["SET", "last", "from node 0"])), "OK");
    mesh.converge(|client| is(client, &["GET", "last"], "from node 0"));
    let roles = mesh.nodes.iter().map(|node| node.client().unwrap().info("replication").unwrap());
    for info in roles {
        let role = info.iter().find(|(name, _)| name == "role").map(|(_, role)| role.trim());
        assert_eq!(role, Some("active-replica"));
    }
}

#[test]
fn nodes_with_several_workers_converge() {
    let mesh = Mesh::start_with("server-threads 3\nenable-debug-command yes\n", 3, all_others(3));
    mesh.wait_for_links(2);
    for node in &mesh.nodes {
        assert_eq!(text(&call(&mut node.client().unwrap(), &["DEBUG", "WORKERS", "3"])), "OK");
    }
    thread::scope(|scope| {
        for round in 0..3 {
            for (number, node) in mesh.nodes.iter().enumerate() {
                scope.spawn(move || write(&mut node.client().unwrap(), number, round));
            }
        }
    });
    converge_on(&mesh, 9);
}

/// Three nodes with the same data, of which the last was killed then.
fn mesh_with_a_killed_node() -> Mesh {
    let mut mesh = Mesh::start(3, all_others(3));
    mesh.wait_for_links(2);
    write_everywhere(&mesh, 0);
    converge_on(&mesh, 3);
    mesh.nodes[2].kill();
    mesh
}

#[test]
fn a_node_that_was_killed_comes_back_with_everything() {
    let mut mesh = mesh_with_a_killed_node();
    write(&mut mesh.nodes[0].client().unwrap(), 0, 1);
    write(&mut mesh.nodes[1].client().unwrap(), 1, 1);
    mesh.nodes[2].start().unwrap();
    converge_on(&mesh, 5);
    write_everywhere(&mesh, 2);
    converge_on(&mesh, 8);
    // It has kept its name.
    mesh.nodes.iter().for_each(|node| node.wait_for_nodes(3).unwrap());
}

#[test]
fn a_hub_that_comes_back_loses_nothing_of_what_it_is_given_at_once() {
    const PUSHES: usize = 200;
    let hub = |node: usize| if node == 0 { vec![1, 2] } else { vec![0] };
    let mut mesh = Mesh::start(3, hub);
    mesh.nodes[0].wait_for_links(2).unwrap();
    write_everywhere(&mesh, 0);
    converge_on(&mesh, 3);
    mesh.nodes[0].kill();
    mesh.nodes[0].start().unwrap();
    thread::scope(|scope| {
        for (number, node) in mesh.nodes.iter().enumerate() {
            scope.spawn(move || {
                let mut client = node.client().unwrap();
                for push in 0..PUSHES {
                    call(&mut client, &["RPUSH", "list", &format!("{number}:{push}")]);
                }
            });
        }
    });
    mesh.converge(|client| is(client, &["LLEN", "list"], &(3 * PUSHES).to_string()));
    for node in &mesh.nodes {
        let conflicts = call(&mut node.client().unwrap(), &["MESH", "CONFLICTS"]);
        let Reply::Array(fields) = &conflicts else { panic!("{conflicts:?}") };
        let late = fields.iter().position(|field| *field == Reply::Bulk(b"late-records".to_vec())).unwrap();
        assert_eq!(fields[late + 1], Reply::Integer(0));
    }
}

#[test]
fn nobody_waits_for_the_name_that_a_node_has_lost() {
    let mut mesh = mesh_with_a_killed_node();
    let name = format!("fluidB-{}.node", mesh.nodes[2].port);
    std::fs::remove_file(mesh.nodes[2].directory.join(name)).unwrap();
    mesh.nodes[2].start().unwrap();
    converge_on(&mesh, 3);
    mesh.nodes.iter().for_each(|node| node.wait_for_nodes(3).unwrap());
}

#[test]
fn links_that_are_cut_stalled_or_half_closed_lose_nothing() {
    let ports = free_ports(2).unwrap();
    let proxies = [0, 1].map(|node: usize| Proxy::to(ports[node]).unwrap());
    let mesh = Mesh::start_at("", &ports, |node| vec![proxies[1 - node].port]);
    mesh.wait_for_links(1);
    let mut writes = 0;
    for (round, damage) in [Damage::Stall, Damage::Cut, Damage::HalfClose].into_iter().enumerate() {
        write_everywhere(&mesh, 2 * round);
        proxies.iter().for_each(|proxy| proxy.set(damage));
        write_everywhere(&mesh, 2 * round + 1);
        writes += 4;
        proxies.iter().for_each(|proxy| proxy.set(Damage::None));
        converge_on(&mesh, writes);
    }
}

#[test]
fn a_ring_with_a_stopped_node_serves_and_converges_when_it_goes_on() {
    let mesh = Mesh::start(5, |node| vec![(node + 4) % 5]);
    mesh.wait_for_links(1);
    write_everywhere(&mesh, 0);
    converge_on(&mesh, 5);
    mesh.nodes[2].signal("STOP");
    for number in [0, 1, 3, 4] {
        write(&mut mesh.nodes[number].client().unwrap(), number, 1);
    }
    // What node 3 wrote reaches node 1 the long way round.
    let mut client = mesh.nodes[1].client().unwrap();
    eventually("node 1 has the writes of node 3", || is(&mut client, &["SISMEMBER", "members", "1:3:49"], "1"));
    mesh.nodes[2].signal("CONT");
    converge_on(&mesh, 9);
}

#[test]
fn nodes_that_were_apart_beyond_their_logs_lose_nothing() {
    let mesh = Mesh::start_with("mesh-log-size 100kb\nrepl-backlog-size 100kb\n", 3, all_others(3));
    mesh.wait_for_links(2);
    write_everywhere(&mesh, 0);
    converge_on(&mesh, 3);
    let links = [(2, 0), (2, 1), (0, 2), (1, 2)];
    let replicaof = |words: &[&str]| {
        for (node, master) in links {
            let port = mesh.nodes[master].port.to_string();
            let words = [&["REPLICAOF"], words, &["127.0.0.1", &port]].concat();
            assert_eq!(text(&call(&mut mesh.nodes[node].client().unwrap(), &words)), "OK");
        }
    };
    replicaof(&["REMOVE"]);
    let filler = "x".repeat(200_000);
    for round in 1..4 {
        write_everywhere(&mesh, round);
        for node in &mesh.nodes {
            let mut client = node.client().unwrap();
            (0..5).for_each(|_| assert_eq!(text(&call(&mut client, &["SET", "filler", &filler])), "OK"));
            call(&mut client, &["DEL", "filler"]);
        }
    }
    assert!(is(&mut mesh.nodes[2].client().unwrap(), &["GET", "counter"], "300"), "it was alone");
    replicaof(&[]);
    converge_on(&mesh, 12);
    for node in &mesh.nodes {
        assert!(node.log().contains("The data set is complete"));
        let conflicts = call(&mut node.client().unwrap(), &["MESH", "CONFLICTS"]);
        let late = conflicts.elements().unwrap().iter().skip_while(|name| text(name) != "late-records").nth(1);
        assert_eq!(late, Some(&Reply::Integer(0)));
    }
}

#[test]
fn a_dead_and_an_unresolvable_master_delay_nobody() {
    let ports = free_ports(3).unwrap();
    let mesh = Mesh::start_at("", &ports[..2], |node| vec![ports[2], ports[1 - node]]);
    let mut client = mesh.nodes[0].client().unwrap();
    assert_eq!(text(&call(&mut client, &["REPLICAOF", "no-such-host.invalid", "6379"])), "OK");
    write_everywhere(&mesh, 0);
    converge_on(&mesh, 2);
}

#[test]
fn an_active_replica_merges_both_ways() {
    let ports = free_ports(2).unwrap();
    let mesh = Mesh::start_at("multi-master no\n", &ports, |node| vec![ports[1 - node]]);
    mesh.wait_for_links(1);
    write_everywhere(&mesh, 0);
    converge_on(&mesh, 2);
}

#[test]
fn a_classic_replica_takes_over_the_data_set_and_refuses_writes() {
    let master = start(&[]);
    let mut client = master.client().unwrap();
    write(&mut client, 0, 0);
    let replica = start(&["--replicaof", "127.0.0.1", &master.address.port().to_string()]);
    let mut reader = replica.client().unwrap();
    eventually("the data sets are equal", || dump(&mut reader).unwrap() == dump(&mut client).unwrap());
    assert!(is(&mut reader, &["GET", "counter"], "50"));
    let refused = call(&mut reader, &["SET", "k", "v"]);
    assert_eq!(refused, Reply::Error(b"READONLY You can't write against a read only replica.".to_vec()));
    write(&mut client, 0, 1);
    eventually("the data sets are equal again", || dump(&mut reader).unwrap() == dump(&mut client).unwrap());
    assert_eq!(text(&call(&mut reader, &["REPLICAOF", "NO", "ONE"])), "OK");
    eventually("it takes writes", || is(&mut reader, &["SET", "k", "v"], "OK"));
}

#[test]
fn a_replica_that_nobody_talks_to_dials_its_master() {
    let master = start(&[]);
    let mut client = master.client().unwrap();
    let mut replica = Command::new(support::program())
        .args(["--port", "0", "--logfile", "/dev/null", "--replicaof", "127.0.0.1", &master.address.port().to_string()])
        .spawn()
        .unwrap();
    eventually("the master has a replica", || {
        client.info("replication").unwrap().contains(&("connected_slaves".to_owned(), "1".to_owned()))
    });
    replica.kill().unwrap();
    replica.wait().unwrap();
    eventually("the master has none", || {
        client.info("replication").unwrap().contains(&("connected_slaves".to_owned(), "0".to_owned()))
    });
}

#[test]
fn a_shutdown_waits_until_the_others_have_everything_and_can_be_called_off() {
    let mut mesh = Mesh::start_with("shutdown-timeout 60\n", 2, all_others(2));
    mesh.wait_for_links(1);
    let (mut client, mut ending) = (mesh.nodes[0].client().unwrap(), mesh.nodes[0].client().unwrap());
    assert_eq!(call(&mut client, &["SHUTDOWN", "ABORT"]), Reply::Error(b"ERR No shutdown in progress.".to_vec()));
    mesh.nodes[1].signal("STOP");
    call(&mut client, &["SET", "before", "1"]);
    ending.send(&testkit::request(&["SHUTDOWN"])).unwrap();
    let info = |client: &mut Client, name: &str| {
        let fields = client.info("server").unwrap();
        fields.into_iter().find_map(|(field, value)| (field == name).then_some(value))
    };
    eventually("it says how long it waits at most", || info(&mut client, "shutdown_in_milliseconds").is_some());
    assert!(mesh.nodes[0].log().contains("Waiting for replicas before shutting down."));
    let listener = format!("name=tcp,bind=127.0.0.1,port={}", mesh.nodes[0].port);
    assert_eq!(info(&mut client, "listener0"), Some(listener));
    eventually("there is a shutdown to call off", || is(&mut client, &["SHUTDOWN", "ABORT"], "OK"));
    let called_off = ending.receive().unwrap();
    assert_eq!(called_off, Reply::Error(b"ERR Errors trying to SHUTDOWN. Check logs.".to_vec()));
    eventually("it does not end", || info(&mut client, "shutdown_in_milliseconds").is_none());
    call(&mut client, &["SET", "after", "1"]);
    ending.send(&testkit::request(&["SHUTDOWN"])).unwrap();
    mesh.nodes[1].signal("CONT");
    assert!(ending.receive().is_err());
    eventually("its log says that the other has everything", || {
        mesh.nodes[0].log().contains("1 of 1 replicas are in sync when shutting down.")
    });
    let mut survivor = mesh.nodes[1].client().unwrap();
    assert!(is(&mut survivor, &["EXISTS", "before", "after"], "2"));
    mesh.nodes[0].kill();
}

#[test]
fn nodes_that_evict_stay_equal() {
    let mesh =
        Mesh::start_with("maxmemory 6mb\nmaxmemory-policy allkeys-random\nmesh-log-size 1mb\n", 2, all_others(2));
    mesh.wait_for_links(1);
    let value = "x".repeat(4096);
    thread::scope(|scope| {
        for (number, node) in mesh.nodes.iter().enumerate() {
            let value = &value;
            scope.spawn(move || {
                let mut client = node.client().unwrap();
                for key in 0..2000 {
                    call(&mut client, &["SET", &format!("{number}:{key}"), value]);
                }
            });
        }
    });
    let evicted = |client: &mut Client| {
        let info = client.info("stats").unwrap();
        let count = info.iter().find(|(name, _)| name == "evicted_keys").map(|(_, count)| count.trim().to_string());
        count.and_then(|count| count.parse::<u64>().ok()).unwrap_or(0)
    };
    assert!(evicted(&mut mesh.nodes[0].client().unwrap()) + evicted(&mut mesh.nodes[1].client().unwrap()) > 500);
    mesh.converge(|client| {
        let size = call(client, &["DBSIZE"]).integer().unwrap();
        (100..2000).contains(&size)
    });
}

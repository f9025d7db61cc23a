//! Data sets that are sent whole.

use crate::harness::{Cluster, multi_master};
use engine::Config;

#[test]
fn a_new_node_joins_and_keeps_what_it_had() {
    let mut cluster = Cluster::new(vec![multi_master(); 2]);
    for key in 0..2_000 {
        cluster.call(0, &format!("SET old:{key} value"));
    }
    cluster.call(0, "SADD set a b c");
    cluster.call(0, "HSET hash f v");
    cluster.call(0, "SET deadline v EX 1000");
    cluster.call(1, "SET mine 1");
    cluster.replicate(0, 1);
    cluster.replicate(1, 0);
    cluster.run(1);
    // From here on the others may come: increments are kept apart.
    cluster.call(0, "INCR counter");
    cluster.call(1, "INCR counter");
    cluster.run(5_000);
    assert_eq!(cluster.agree("DBSIZE"), "2005");
    assert_eq!(cluster.agree("GET counter"), "2");
    assert_eq!(cluster.agree("SCARD set"), "3");
    assert_eq!(cluster.agree("HGET hash f"), "v");
    cluster.agree("PEXPIRETIME deadline");
}

#[test]
fn a_classic_replica_follows_and_refuses_writes() {
    let mut cluster = Cluster::new(vec![Config::default(); 2]);
    cluster.call(0, "SET a 1");
    cluster.call(1, "SET own 1");
    cluster.replicate(1, 0);
    cluster.run(2_000);
    assert_eq!(cluster.text(1, "SET b 1"), "READONLY You can't write against a read only replica.");
    assert_eq!(cluster.text(1, "GET a"), "1");
    assert_eq!(cluster.text(1, "EXISTS own"), "0");
    cluster.call(0, "SET b 2");
    cluster.run(20);
    assert_eq!(cluster.text(1, "GET b"), "2");
    cluster.call(1, "REPLICAOF NO ONE");
    cluster.run(20);
    assert_eq!(cluster.text(1, "SET c 1"), "OK");
}

//! Connections that go from one worker to another, in every state that they can be in.

mod support;

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use support::{call, eventually, raw, start_workers, text};
use testkit::{Client, Connection, Reply, ServerProcess, request};

const WORKERS: i64 = 3;

fn client_id(client: &mut Client) -> i64 {
    call(client, &["CLIENT", "ID"]).integer().unwrap()
}

/// Moves connections of others.
struct Operator {
    client: Client,
}

impl Operator {
    fn of(server: &ServerProcess) -> Operator {
        Operator { client: server.client().unwrap() }
    }

    fn call(&mut self, words: &[&str]) -> Reply {
        call(&mut self.client, words)
    }

    fn worker_of(&mut self, id: i64) -> i64 {
        self.call(&["DEBUG", "CLIENT-WORKER", &id.to_string()]).integer().unwrap()
    }

    /// Has the next worker serve a client, and waits until it does.
    fn move_on(&mut self, id: i64) {
        let to = (self.worker_of(id) + 1) % WORKERS;
        eventually("the client has moved", || {
            self.call(&["DEBUG", "CLIENT-WORKER", &id.to_string(), &to.to_string()]);
            self.worker_of(id) == to
        });
    }

    /// Waits until so many clients are in a state that CLIENT LIST shows.
    fn see(&mut self, state: &str, count: usize) {
        eventually(state, || text(&self.call(&["CLIENT", "LIST"])).matches(state).count() == count);
    }
}

fn setting() -> (ServerProcess, Operator, Client, i64) {
    let server = start_workers(WORKERS as usize, &[]);
    let mut client = server.client().unwrap();
    let (operator, id) = (Operator::of(&server), client_id(&mut client));
    (server, operator, client, id)
}

#[test]
fn its_settings_go_with_it() {
    let (_server, mut operator, mut client, id) = setting();
    call(&mut client, &["SELECT", "5"]);
    call(&mut client, &["CLIENT", "SETNAME", "traveller"]);
    call(&mut client, &["HELLO", "3"]);
    for round in 0..WORKERS {
        operator.move_on(id);
        assert_eq!(text(&call(&mut client, &["SET", &format!("key:{round}"), "v"])), "OK");
        let line = text(&call(&mut client, &["CLIENT", "INFO"]));
        assert!(line.contains(" name=traveller ") && line.contains(" db=5 ") && line.contains(" resp=3 "), "{line}");
    }
    assert_eq!(call(&mut client, &["DBSIZE"]), Reply::Integer(WORKERS));
    assert_eq!(operator.call(&["DBSIZE"]), Reply::Integer(0));
}

#[test]
fn its_transaction_goes_with_it() {
    let (_server, mut operator, mut client, id) = setting();
    call(&mut client, &["WATCH", "watched"]);
    operator.move_on(id);
    call(&mut client, &["MULTI"]);
    operator.move_on(id);
    assert_eq!(text(&call(&mut client, &["INCR", "counter"])), "QUEUED");
    operator.move_on(id);
    assert_eq!(call(&mut client, &["EXEC"]), Reply::Array(vec![Reply::Integer(1)]));
    call(&mut client, &["WATCH", "watched"]);
    operator.move_on(id);
    operator.call(&["SET", "watched", "changed"]);
    call(&mut client, &["MULTI"]);
    call(&mut client, &["INCR", "counter"]);
    operator.move_on(id);
    assert_eq!(call(&mut client, &["EXEC"]), Reply::NullArray);
}

#[test]
fn a_part_of_a_request_goes_with_it() {
    let (_server, mut operator, mut client, id) = setting();
    let sent = request(&["ECHO", "whole"]);
    for byte in &sent {
        client.send(&[*byte]).unwrap();
        operator.move_on(id);
    }
    assert_eq!(text(&client.receive().unwrap()), "whole");
}

#[test]
fn its_wish_for_replies_goes_with_it() {
    let (_server, mut operator, mut client, id) = setting();
    client.send(&request(&["CLIENT", "REPLY", "SKIP"])).unwrap();
    operator.move_on(id);
    client.send(&request(&["SET", "skipped", "v"])).unwrap();
    operator.move_on(id);
    assert_eq!(text(&call(&mut client, &["PING"])), "PONG");
    client.send(&request(&["CLIENT", "REPLY", "OFF"])).unwrap();
    operator.move_on(id);
    client.send(&request(&["SET", "silent", "v"])).unwrap();
    operator.move_on(id);
    assert_eq!(text(&call(&mut client, &["CLIENT", "REPLY", "ON"])), "OK");
    assert_eq!(call(&mut client, &["DBSIZE"]), Reply::Integer(2));
}

#[test]
fn messages_find_it() {
    let (server, mut operator, mut subscriber, id) = setting();
    call(&mut subscriber, &["SUBSCRIBE", "news"]);
    let mut monitor = server.client().unwrap();
    let monitor_id = client_id(&mut monitor);
    call(&mut monitor, &["MONITOR"]);
    for round in 0..WORKERS {
        operator.move_on(id);
        assert_eq!(operator.call(&["PUBLISH", "news", &round.to_string()]), Reply::Integer(1));
        assert_eq!(subscriber.receive().unwrap().to_string(), format!("[\"message\", \"news\", \"{round}\"]"));
        operator.move_on(monitor_id);
        operator.call(&["ECHO", &format!("round {round}")]);
        eventually("the monitor sees it", || text(&monitor.receive().unwrap()).contains(&format!("round {round}")));
    }
}

#[test]
fn invalidations_find_it() {
    let (_server, mut operator, mut client, id) = setting();
    call(&mut client, &["HELLO", "3"]);
    call(&mut client, &["CLIENT", "TRACKING", "ON"]);
    for round in 0..WORKERS {
        call(&mut client, &["GET", "cached"]);
        operator.move_on(id);
        operator.call(&["SET", "cached", &round.to_string()]);
        assert!(client.receive().unwrap().to_string().contains("invalidate"));
    }
}

#[test]
fn what_it_waits_for_finds_it() {
    let (_server, mut operator, mut client, id) = setting();
    for _ in 0..WORKERS {
        client.send(&request(&["BLPOP", "queue", "0"])).unwrap();
        operator.see(" flags=b ", 1);
        operator.move_on(id);
        operator.call(&["RPUSH", "queue", "element"]);
        assert_eq!(client.receive().unwrap().to_string(), "[\"queue\", \"element\"]");
    }
    client.send(&request(&["BLPOP", "queue", "0"])).unwrap();
    operator.see(" flags=b ", 1);
    operator.move_on(id);
    operator.call(&["CLIENT", "UNBLOCK", &id.to_string(), "ERROR"]);
    assert!(client.receive().unwrap().is_error());
    // Its deadline goes with it.
    client.send(&request(&["BLPOP", "queue", "0.3"])).unwrap();
    operator.move_on(id);
    assert_eq!(client.receive().unwrap(), Reply::NullArray);
    // What came while it waited is executed afterwards.
    client.send(&[request(&["BLPOP", "queue", "0"]), request(&["ECHO", "next"])].concat()).unwrap();
    operator.see(" flags=b ", 1);
    operator.move_on(id);
    operator.call(&["RPUSH", "queue", "element"]);
    assert_eq!(client.receive().unwrap().to_string(), "[\"queue\", \"element\"]");
    assert_eq!(text(&client.receive().unwrap()), "next");
}

#[test]
fn a_pause_finds_it() {
    let (_server, mut operator, mut client, id) = setting();
    operator.call(&["CLIENT", "PAUSE", "100000", "WRITE"]);
    client.send(&request(&["SET", "key", "v"])).unwrap();
    operator.see(" flags=b ", 1);
    operator.move_on(id);
    assert_eq!(operator.call(&["DBSIZE"]), Reply::Integer(0));
    operator.call(&["CLIENT", "UNPAUSE"]);
    assert_eq!(text(&client.receive().unwrap()), "OK");
}

#[test]
fn whoever_closes_it_finds_it() {
    let (server, mut operator, mut client, id) = setting();
    operator.move_on(id);
    assert_eq!(operator.call(&["CLIENT", "KILL", "ID", &id.to_string()]), Reply::Integer(1));
    assert!(client.is_closed());
    let mut stream = raw(&server);
    stream.write_all(&request(&["CLIENT", "SETNAME", "leaver"])).unwrap();
    operator.see(" name=leaver ", 1);
    let list = text(&operator.call(&["CLIENT", "LIST"]));
    let line = list.lines().find(|line| line.contains(" name=leaver ")).unwrap();
    let id = line.trim_start_matches("id=").split(' ').next().unwrap().parse().unwrap();
    operator.move_on(id);
    drop(stream);
    operator.see(" name=leaver ", 0);
}

#[test]
fn connections_gather_at_the_workers_that_take_part() {
    let server = start_workers(WORKERS as usize, &[]);
    let mut operator = Operator::of(&server);
    let mut clients: Vec<Client> = (0..8).map(|_| server.client().unwrap()).collect();
    let ids: Vec<i64> = clients.iter_mut().map(client_id).collect();
    let count_of = |operator: &mut Operator, worker| ids.iter().filter(|id| operator.worker_of(**id) == worker).count();
    assert!((0..WORKERS).all(|worker| count_of(&mut operator, worker) > 0), "they are spread");
    operator.call(&["DEBUG", "WORKERS", "1"]);
    for client in &mut clients {
        call(client, &["PING"]);
        assert_eq!(text(&call(client, &["PING"])), "PONG");
    }
    eventually("the first worker has them", || count_of(&mut operator, 0) == ids.len());
    assert_eq!(operator.call(&["DEBUG", "WORKERS", "4"]).to_string(), "-ERR there is no such worker");
}

#[test]
fn one_worker_takes_everybody_in_while_it_has_time() {
    let server = support::start(&["--server-threads", "3"]);
    let mut clients: Vec<Client> = (0..8).map(|_| server.client().unwrap()).collect();
    let info = clients[0].info("server").unwrap();
    assert!(info.contains(&("server_threads_active".into(), "1".into())), "{info:?}");
}

/// Clients count, wait for each other and listen, while they go from worker to worker all the time.
#[test]
fn nothing_is_lost_or_done_twice_while_connections_move() {
    const PAIRS: usize = 4;
    const ROUNDS: usize = 300;
    let server = start_workers(WORKERS as usize, &[]);
    let mut operator = Operator::of(&server);
    let mut clients: Vec<Client> = (0..2 * PAIRS).map(|_| server.client().unwrap()).collect();
    let ids: Vec<i64> = clients.iter_mut().map(client_id).collect();
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let pairs: Vec<_> = (0..PAIRS)
            .map(|pair| {
                let (mut asking, mut answering) = (clients.pop().unwrap(), clients.pop().unwrap());
                let (questions, answers) = (format!("questions:{pair}"), format!("answers:{pair}"));
                let (asked, answered) = (questions.clone(), answers.clone());
                let asker = scope.spawn(move || {
                    for round in 0..ROUNDS {
                        let requests = [
                            request(&["INCR", "counter"]),
                            request(&["RPUSH", &asked, &round.to_string()]),
                            request(&["BLPOP", &answered, "0"]),
                        ];
                        asking.send(&requests.concat()).unwrap();
                        assert!(asking.receive().unwrap().integer().unwrap() > 0);
                        assert!(!asking.receive().unwrap().is_error());
                        assert!(asking.receive().unwrap().to_string().ends_with(&format!("\"{round}\"]")));
                    }
                });
                let answerer = scope.spawn(move || {
                    for round in 0..ROUNDS {
                        let question = call(&mut answering, &["BLPOP", &questions, "0"]);
                        assert!(question.to_string().ends_with(&format!("\"{round}\"]")), "{question}");
                        call(&mut answering, &["RPUSH", &answers, &round.to_string()]);
                    }
                });
                [asker, answerer]
            })
            .collect();
        let ended = &ended;
        let ids = &ids;
        let moving = scope.spawn(move || {
            let mut turn = 0;
            while !ended.load(Ordering::Relaxed) {
                let (id, to) = (ids[turn % ids.len()], turn / ids.len() % WORKERS as usize);
                // The last ones may have ended.
                operator.call(&["DEBUG", "CLIENT-WORKER", &id.to_string(), &to.to_string()]);
                turn += 1;
            }
        });
        let outcomes: Vec<_> = pairs.into_iter().flatten().map(|thread| thread.join()).collect();
        ended.store(true, Ordering::Relaxed);
        moving.join().unwrap();
        assert!(outcomes.iter().all(Result::is_ok));
    });
    let mut client = server.client().unwrap();
    assert_eq!(text(&call(&mut client, &["GET", "counter"])), (PAIRS * ROUNDS).to_string());
}

/// While one worker takes part it takes no locks; others that come, or that still have a client, end that.
#[test]
fn increments_are_exact_while_workers_come_and_go() {
    const CLIENTS: usize = 4;
    /// Each has a connection of its own, which goes to the worker with the fewest.
    const ROUNDS: usize = 100;
    const BATCHES: usize = 20;
    const BATCH: usize = 100;
    let server = start_workers(WORKERS as usize, &[]);
    let mut operator = Operator::of(&server);
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let incrementing: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let server = &server;
                scope.spawn(move || {
                    let batch = request(&["INCR", "counter"]).repeat(BATCH);
                    for _ in 0..ROUNDS {
                        let mut client = server.client().unwrap();
                        for _ in 0..BATCHES {
                            client.send(&batch).unwrap();
                            (0..BATCH).for_each(|_| assert!(client.receive().unwrap().integer().unwrap() > 0));
                        }
                    }
                })
            })
            .collect();
        let ended = &ended;
        let changing = scope.spawn(move || {
            let mut turns = 0;
            // At least once for each number, and in between one alone.
            while turns < 2 * WORKERS || !ended.load(Ordering::Relaxed) {
                let workers = if turns % 2 == 0 { 1 } else { 1 + turns / 2 % WORKERS };
                assert!(!operator.call(&["DEBUG", "WORKERS", &workers.to_string()]).is_error());
                turns += 1;
                // For so long the main worker does not ask again to go without locks.
                thread::sleep(Duration::from_millis(12));
            }
        });
        let outcomes: Vec<_> = incrementing.into_iter().map(|thread| thread.join()).collect();
        ended.store(true, Ordering::Relaxed);
        changing.join().unwrap();
        assert!(outcomes.iter().all(Result::is_ok));
    });
    let mut client = server.client().unwrap();
    assert_eq!(text(&call(&mut client, &["GET", "counter"])), (CLIENTS * ROUNDS * BATCHES * BATCH).to_string());
}

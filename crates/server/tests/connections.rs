//! Sockets against the real binary: every way in which clients send, stop sending, and stop reading.

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use support::{PATIENCE, call, eventually, exchange, is_closed, raw, start, start_workers, text};
use testkit::{Client, Connection, Reply, request};

/// How many requests a deep pipeline holds: far more than any buffer.
const PIPELINE: usize = 100_000;

fn repeated(request: &[u8], count: usize) -> Vec<u8> {
    request.repeat(count)
}

#[test]
fn a_pipeline_of_any_depth_is_answered_in_order() {
    let server = start(&[]);
    let requests: Vec<u8> = (0..PIPELINE).flat_map(|number| request(&["ECHO", &number.to_string()])).collect();
    let expected: String = (0..PIPELINE).map(|n| format!("${}\r\n{n}\r\n", n.to_string().len())).collect();
    assert!(exchange(raw(&server), &requests) == expected.as_bytes());
}

#[test]
fn a_pipeline_that_comes_in_pieces_is_answered_in_order() {
    let server = start(&[]);
    let mut stream = raw(&server);
    stream.set_nodelay(true).unwrap();
    let requests = request(&["ECHO", "one\r\ntwo"]);
    for byte in repeated(&requests, 20) {
        stream.write_all(&[byte]).unwrap();
    }
    stream.shutdown(Shutdown::Write).unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    assert_eq!(received, repeated(b"$8\r\none\r\ntwo\r\n", 20));
}

#[test]
fn inline_requests_and_multibulk_requests_mix() {
    let server = start(&[]);
    let sent = b"PING\r\n\r\n*1\r\n$4\r\nPING\r\nECHO \"a b\"\n";
    assert_eq!(exchange(raw(&server), sent), b"+PONG\r\n+PONG\r\n$3\r\na b\r\n");
}

#[test]
fn a_client_that_sends_everything_before_it_reads_is_not_stuck() {
    let server = start(&[]);
    let mut stream = raw(&server);
    let payload = "x".repeat(1000);
    let requests = repeated(&request(&["ECHO", &payload]), 20_000);
    // Both directions exceed what sockets hold, so this ends only if the server goes on reading while its replies wait.
    stream.write_all(&requests).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    assert_eq!(received.len(), 20_000 * (payload.len() + "$1000\r\n\r\n".len()));
}

#[test]
fn a_slow_reader_delays_nobody_and_loses_nothing() {
    let server = start(&[]);
    let mut slow = raw(&server);
    let payload = "y".repeat(100_000);
    slow.write_all(&repeated(&request(&["ECHO", &payload]), 200)).unwrap();
    let mut other = server.client().unwrap();
    for _ in 0..100 {
        assert_eq!(text(&call(&mut other, &["PING"])), "PONG");
    }
    slow.shutdown(Shutdown::Write).unwrap();
    let (mut total, mut chunk) = (0, [0; 10_000]);
    loop {
        match slow.read(&mut chunk).unwrap() {
            0 => break,
            count => total += count,
        }
    }
    assert_eq!(total, 200 * (payload.len() + "$100000\r\n\r\n".len()));
}

/// Replies of many connections are sent together, of those that read and those that do not.
#[test]
fn many_clients_at_a_time_get_their_own_replies() {
    const ROUNDS: usize = 60;
    // The last one is more than sockets hold, and more than is ever copied.
    const PADDINGS: [usize; 5] = [0, 40, 3_000, 30_000, 400_000];
    let server = start(&[]);
    let payload = |name: usize, round: usize| {
        let padding = PADDINGS[if name < 5 { round % 5 } else { round % 3 }];
        format!("{name}:{round}:{}", "p".repeat(padding))
    };
    let mut clients: Vec<(usize, TcpStream, usize)> = (0..40).map(|name| (name, raw(&server), 0)).collect();
    for round in 0..ROUNDS {
        for (name, stream, _) in &mut clients {
            stream.write_all(&request(&["ECHO", &payload(*name, round)])).unwrap();
        }
        if round % 10 == 9 {
            // One goes without its replies, and somebody else may get its place.
            let place = round / 10 * 6 + 1;
            clients[place] = (100 + round, raw(&server), round + 1);
        }
    }
    for (name, mut stream, first) in clients {
        stream.shutdown(Shutdown::Write).unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        let expected: Vec<String> = (first..ROUNDS).map(|round| payload(name, round)).collect();
        let expected: String = expected.iter().map(|text| format!("${}\r\n{text}\r\n", text.len())).collect();
        assert!(received == expected.as_bytes(), "client {name}: {} of {} bytes", received.len(), expected.len());
    }
}

#[test]
fn a_client_whose_replies_exceed_the_hard_limit_is_closed() {
    let server = start(&["--client-output-buffer-limit", "normal 1mb 0 0"]);
    let mut greedy = raw(&server);
    greedy.set_nonblocking(true).unwrap();
    let requests = request(&["ECHO", &"z".repeat(100_000)]);
    let mut watcher = server.client().unwrap();
    let mut offset = 0;
    eventually("the server closes it", || {
        while let Ok(count @ 1..) = greedy.write(&requests[offset..]) {
            offset = (offset + count) % requests.len();
        }
        text(&call(&mut watcher, &["CLIENT", "LIST"])).lines().count() == 1
    });
    assert!(server.log().contains("overcoming of output buffer limits"), "{}", server.log());
}

#[test]
fn large_arguments_arrive_whole() {
    let server = start(&[]);
    let mut client = server.client().unwrap();
    let value: String = ('a'..='z').cycle().take(64 << 20).collect();
    assert_eq!(text(&call(&mut client, &["SET", "large", &value])), "OK");
    assert_eq!(call(&mut client, &["STRLEN", "large"]), Reply::Integer(64 << 20));
    assert!(text(&call(&mut client, &["GET", "large"])) == value);
    let many: Vec<String> = (0..200_000).map(|number| number.to_string()).collect();
    let words: Vec<&str> = ["SADD", "members"].into_iter().chain(many.iter().map(String::as_str)).collect();
    assert_eq!(call(&mut client, &words), Reply::Integer(200_000));
}

#[test]
fn input_beyond_the_query_buffer_limit_closes_the_connection() {
    let server = start(&["--client-query-buffer-limit", "1mb"]);
    let mut stream = raw(&server);
    let announced = format!("*2\r\n$4\r\nECHO\r\n${}\r\n", 100 << 20);
    stream.write_all(announced.as_bytes()).unwrap();
    let chunk = [b'q'; 64 * 1024];
    while stream.write_all(&chunk).is_ok() {}
    assert!(is_closed(&mut stream));
    assert_eq!(text(&call(&mut server.client().unwrap(), &["PING"])), "PONG");
}

#[test]
fn garbage_is_answered_with_a_protocol_error_and_a_close() {
    let server = start(&[]);
    for (sent, expected) in [
        (&b"*1\r\n!4\r\nPING\r\n"[..], "-ERR Protocol error: expected '$', got '!'\r\n"),
        (b"*abc\r\n", "-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*1\r\n$-5\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        (b"PING \"unbalanced\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"),
    ] {
        // What follows an error is not executed.
        let mut stream = raw(&server);
        stream.write_all(&[b"PING\r\n", sent].concat()).unwrap();
        let mut received = String::new();
        stream.read_to_string(&mut received).unwrap();
        assert_eq!(received, format!("+PONG\r\n{expected}"));
    }
    let noise: Vec<u8> = (0..200_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8 | 0x80).collect();
    exchange(raw(&server), &noise);
    assert_eq!(text(&call(&mut server.client().unwrap(), &["PING"])), "PONG");
}

#[test]
fn an_unauthenticated_client_may_not_send_much() {
    let server = testkit::ServerProcess::start(support::program(), &["--requirepass", "secret"]).unwrap();
    let received = exchange(raw(&server), b"*100\r\n");
    assert_eq!(received, b"-ERR Protocol error: unauthenticated multibulk length\r\n");
    let mut client = server.client().unwrap();
    assert_eq!(call(&mut client, &["GET", "k"]), Reply::Error(b"NOAUTH Authentication required.".to_vec()));
    assert!(call(&mut client, &["AUTH", "wrong"]).is_error());
    // What stands behind AUTH in one pipeline is judged by its outcome.
    let mut stream = raw(&server);
    stream
        .write_all(&[request(&["AUTH", "secret"]), request(&["SET", "k", "v"]), request(&["GET", "k"])].concat())
        .unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut received = String::new();
    stream.read_to_string(&mut received).unwrap();
    assert_eq!(received, "+OK\r\n+OK\r\n$1\r\nv\r\n");
}

#[test]
fn quit_answers_and_closes() {
    let server = start(&[]);
    let mut stream = raw(&server);
    stream.write_all(b"PING\r\nQUIT\r\nPING\r\n").unwrap();
    let mut received = String::new();
    stream.read_to_string(&mut received).unwrap();
    assert_eq!(received, "+PONG\r\n+OK\r\n");
}

#[test]
fn more_clients_than_maxclients_are_turned_away_until_one_leaves() {
    let server = start(&["--maxclients", "3"]);
    let mut served: Vec<Client> = Vec::new();
    eventually("three are served", || {
        served.push(server.client().unwrap());
        if served.last_mut().unwrap().call(&["PING"]).is_err() {
            served.pop();
        }
        served.len() == 3
    });
    let mut refused = String::new();
    raw(&server).read_to_string(&mut refused).unwrap();
    assert_eq!(refused, "-ERR max number of clients reached\r\n");
    served.pop();
    eventually("the place is free again", || server.client().is_ok_and(|mut client| client.call(&["PING"]).is_ok()));
}

#[test]
fn idle_clients_are_closed_after_the_timeout() {
    let server = start(&["--timeout", "1"]);
    let mut idle = raw(&server);
    assert!(is_closed(&mut idle));
}

#[test]
fn a_unix_socket_serves_too() {
    let directory = std::env::temp_dir().join(format!("fluidB-unix-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("socket");
    {
        let _server = start(&["--unixsocket", path.to_str().unwrap(), "--unixsocketperm", "700"]);
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"PING\r\nQUIT\r\n").unwrap();
        let mut received = String::new();
        stream.read_to_string(&mut received).unwrap();
        assert_eq!(received, "+PONG\r\n+OK\r\n");
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn one_flooding_client_does_not_starve_the_others() {
    let server = start(&[]);
    let flood = raw(&server);
    let mut writer = flood.try_clone().unwrap();
    let writing = std::thread::spawn(move || {
        let requests = repeated(b"PING\r\n", 10_000);
        while writer.write_all(&requests).is_ok() {}
    });
    let mut reader = flood.try_clone().unwrap();
    let reading = std::thread::spawn(move || while reader.read(&mut [0; 65536]).is_ok_and(|count| count > 0) {});
    let mut other = server.client().unwrap();
    for _ in 0..200 {
        assert_eq!(text(&call(&mut other, &["PING"])), "PONG");
    }
    flood.shutdown(Shutdown::Both).unwrap();
    writing.join().unwrap();
    reading.join().unwrap();
}

#[test]
fn clients_of_several_workers_reach_each_other() {
    let server = start_workers(3, &[]);
    let mut clients: Vec<Client> = (0..9).map(|_| server.client().unwrap()).collect();
    let ids: Vec<i64> = clients.iter_mut().map(|client| call(client, &["CLIENT", "ID"]).integer().unwrap()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(text(&call(client, &["SET", &format!("key:{number}"), "v"])), "OK");
    }
    assert_eq!(call(&mut clients[0], &["DBSIZE"]), Reply::Integer(9));
    let victims = &ids[1..5];
    for id in victims {
        assert_eq!(call(&mut clients[0], &["CLIENT", "KILL", "ID", &id.to_string()]), Reply::Integer(1));
    }
    for client in &mut clients[1..5] {
        assert!(client.is_closed());
    }
    for client in &mut clients[5..] {
        assert_eq!(text(&call(client, &["PING"])), "PONG");
    }
}

#[test]
fn a_pause_holds_writes_back_on_every_worker() {
    let server = start_workers(2, &[]);
    let mut operator = server.client().unwrap();
    let mut writers: Vec<Client> = (0..4).map(|_| server.client().unwrap()).collect();
    assert_eq!(text(&call(&mut operator, &["CLIENT", "PAUSE", "100000", "WRITE"])), "OK");
    for (number, writer) in writers.iter_mut().enumerate() {
        writer.send(&request(&["SET", &format!("paused:{number}"), "v"])).unwrap();
    }
    eventually("all four are held back", || {
        text(&call(&mut operator, &["CLIENT", "LIST"])).matches(" flags=b ").count() == 4
    });
    assert_eq!(call(&mut operator, &["DBSIZE"]), Reply::Integer(0));
    assert_eq!(text(&call(&mut operator, &["CLIENT", "UNPAUSE"])), "OK");
    for writer in &mut writers {
        assert_eq!(text(&writer.receive().unwrap()), "OK");
    }
    assert_eq!(call(&mut operator, &["DBSIZE"]), Reply::Integer(4));
}

#[test]
fn connections_that_come_and_go_leave_nothing_behind() {
    let server = start(&[]);
    for _ in 0..500 {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.write_all(b"PING\r\n").unwrap();
    }
    let mut client = server.client().unwrap();
    eventually("only this client is left", || text(&call(&mut client, &["CLIENT", "LIST"])).lines().count() == 1);
}

#[test]
fn a_reply_beyond_the_limit_is_not_sent() {
    let server = start(&["--client-output-buffer-limit", "normal", "100000", "0", "0"]);
    let (mut client, mut other) = (server.client().unwrap(), server.client().unwrap());
    let value = "x".repeat(200_000);
    call(&mut client, &["SET", "big", &value]);
    client.send(&request(&["GET", "big"])).unwrap();
    assert!(client.receive().is_err());
    let mut info = || other.info("stats").unwrap();
    let disconnections = ("client_output_buffer_limit_disconnections".to_owned(), "1".to_owned());
    assert!(info().contains(&disconnections));
}

/// Whoever sets it too low can still mend that, as in Redis.
#[test]
fn a_limit_of_memory_for_clients_leaves_room_for_a_few() {
    let server = start(&[]);
    let mut client = server.client().unwrap();
    assert_eq!(text(&call(&mut client, &["CONFIG", "SET", "maxmemory-clients", "1"])), "OK");
    let mut another = server.client().unwrap();
    assert_eq!(text(&call(&mut another, &["PING"])), "PONG");
    assert_eq!(text(&call(&mut client, &["CONFIG", "SET", "maxmemory-clients", "0"])), "OK");
}

#[test]
fn the_most_expensive_client_goes_when_all_take_too_much() {
    let server = start(&["--maxmemory-clients", "3mb"]);
    let mut other = server.client().unwrap();
    let (mut small, mut large) = (raw(&server), raw(&server));
    small.write_all(b"*2\r\n$1000000\r\n").unwrap();
    small.write_all(&vec![b'x'; 900_000]).unwrap();
    large.write_all(b"*2\r\n$5000000\r\n").unwrap();
    // The server may hang up before it has everything.
    let _ = large.write_all(&vec![b'x'; 4_000_000]);
    eventually("a client was evicted", || {
        other.info("stats").unwrap().contains(&("evicted_clients".to_owned(), "1".to_owned()))
    });
    assert!(is_closed(&mut large));
    small.write_all(&vec![b'x'; 100_000]).unwrap();
    small.write_all(b"\r\n$1\r\nx\r\n").unwrap();
    let mut reply = [0; 4];
    small.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"-ERR");
}

#[test]
fn commands_may_have_other_names_or_none() {
    let renamed = ["--rename-command", "CONFIG", "b840fc02d524045429941cc15f59e41cb7be6c52"];
    let server = start(&[&renamed[..], &["--rename-command", "FLUSHALL", ""]].concat());
    let mut client = server.client().unwrap();
    assert!(call(&mut client, &["CONFIG", "GET", "port"]).is_error());
    assert!(call(&mut client, &["FLUSHALL"]).is_error());
    assert!(!call(&mut client, &["B840fc02d524045429941cc15f59e41cb7be6c52", "GET", "port"]).is_error());
}

/// Publishers and subscribers on either worker: everybody hears everything, in one order, and each publisher's in its own.
#[test]
fn messages_reach_the_subscribers_of_every_worker_in_one_order() {
    const MESSAGES: usize = 500;
    let server = start_workers(2, &[]);
    let mut subscribers: Vec<Client> = (0..6).map(|_| server.client().unwrap()).collect();
    for subscriber in &mut subscribers {
        call(subscriber, &["SUBSCRIBE", "news"]);
    }
    let publishers: Vec<Client> = (0..4).map(|_| server.client().unwrap()).collect();
    std::thread::scope(|scope| {
        for (publisher, mut client) in publishers.into_iter().enumerate() {
            let message = move |number| request(&["PUBLISH", "news", &format!("{publisher} {number:03}")]);
            scope.spawn(move || {
                client.send(&(0..MESSAGES).flat_map(message).collect::<Vec<u8>>()).unwrap();
                assert!((0..MESSAGES).all(|_| client.receive().unwrap() == Reply::Integer(6)));
            });
        }
    });
    let mut hear = |subscriber: &mut Client| -> Vec<String> {
        (0..4 * MESSAGES).map(|_| subscriber.receive().unwrap().to_string()).collect()
    };
    let heard: Vec<Vec<String>> = subscribers.iter_mut().map(&mut hear).collect();
    assert!(heard.iter().all(|one| *one == heard[0]), "all in one order");
    for publisher in 0..4 {
        let start = format!("[\"message\", \"news\", \"{publisher} ");
        let of_one: Vec<&String> = heard[0].iter().filter(|message| message.starts_with(&start)).collect();
        assert!(of_one.len() == MESSAGES && of_one.is_sorted(), "{publisher}: {of_one:?}");
    }
}

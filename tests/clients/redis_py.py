"""What applications do with redis-py. Usage: redis_py.py PORT PASSWORD. Exits with 0 where all of it holds."""

import sys
import threading
import time

import redis
from redis.backoff import NoBackoff
from redis.cache import CacheConfig
from redis.retry import Retry

PORT, PASSWORD = int(sys.argv[1]), sys.argv[2]
PATIENCE_S = 30


def connect(protocol=2, **options):
    return redis.Redis(
        host="127.0.0.1", port=PORT, password=PASSWORD, protocol=protocol, decode_responses=True, **options
    )


def equal(left, right):
    assert left == right, f"{left!r} is not {right!r}"


def eventually(what, holds):
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.01)


def connection_and_wrong_password(protocol):
    client = connect(protocol)
    equal(client.ping(), True)
    equal(client.info("server")["redis_mode"], "standalone")
    equal(client.client_setname("tester"), True)
    try:
        redis.Redis(host="127.0.0.1", port=PORT, password="wrong", protocol=protocol).ping()
        assert False, "a wrong password was accepted"
    except redis.AuthenticationError:
        pass


def strings_and_expiry(protocol):
    client = connect(protocol)
    equal(client.set("py:s", "value", ex=100), True)
    assert 98 <= client.ttl("py:s") <= 100
    equal(client.set("py:s", "other", nx=True), None)
    equal(client.set("py:s", "new", get=True), "value")
    equal(client.incrby("py:n", 5), 5)
    equal(client.incrbyfloat("py:f", 1.5), 1.5)
    equal(client.mset({"py:a": "1", "py:b": "2"}), True)
    equal(client.mget("py:a", "py:b", "py:none"), ["1", "2", None])
    large = "x" * 5_000_000
    client.set("py:large", large)
    equal(client.get("py:large"), large)


def pipelines_and_transactions(protocol):
    client = connect(protocol)
    with client.pipeline(transaction=False) as pipe:
        for number in range(1000):
            pipe.set(f"py:pipe:{number}", number)
            pipe.get(f"py:pipe:{number}")
        replies = pipe.execute()
    equal(replies[1::2], [str(number) for number in range(1000)])
    client.set("py:watched", 1)
    with client.pipeline() as pipe:
        pipe.watch("py:watched")
        client.set("py:watched", 2)
        pipe.multi()
        pipe.set("py:watched", 3)
        try:
            pipe.execute()
            assert False, "a watched key had changed"
        except redis.WatchError:
            pass
    equal(client.transaction(lambda pipe: pipe.incr("py:watched")), [3])
    equal(sorted(client.scan_iter("py:pipe:*", count=50)), sorted(f"py:pipe:{number}" for number in range(1000)))


def collections(protocol):
    client = connect(protocol)
    equal(client.hset("py:h", mapping={"a": "1", "b": "2"}), 2)
    equal(client.hgetall("py:h"), {"a": "1", "b": "2"})
    equal(client.hincrby("py:h", "a", 4), 5)
    equal(client.sadd("py:set", "x", "y", "z"), 3)
    equal(client.smembers("py:set"), {"x", "y", "z"})
    equal(client.rpush("py:l", "one", "two", "three"), 3)
    equal(client.lrange("py:l", 0, -1), ["one", "two", "three"])
    equal(client.lmove("py:l", "py:l", "LEFT", "RIGHT"), "one")
    equal(client.zadd("py:z", {"a": 1, "b": 2.5}), 2)
    equal(client.zincrby("py:z", 2, "a"), 3.0)
    equal([tuple(pair) for pair in client.zrange("py:z", 0, -1, withscores=True)], [("b", 2.5), ("a", 3.0)])
    equal(client.geoadd("py:geo", [13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania"]), 2)
    equal(client.geodist("py:geo", "Palermo", "Catania", "km"), 166.2742)
    equal(client.pfadd("py:hll", "a", "b", "c"), 1)
    equal(client.pfcount("py:hll"), 3)
    equal(client.setbit("py:bits", 7, 1), 0)
    equal(client.bitcount("py:bits"), 1)


def streams_with_a_group(protocol):
    client = connect(protocol)
    first = client.xadd("py:stream", {"n": "1"})
    client.xadd("py:stream", {"n": "2"})
    equal(client.xgroup_create("py:stream", "group", "0"), True)
    [(stream, entries)] = as_pairs(client.xreadgroup("group", "worker", {"py:stream": ">"}, count=1))
    equal((stream, flat(entries)), ("py:stream", [(first, {"n": "1"})]))
    equal(client.xpending("py:stream", "group")["pending"], 1)
    equal(client.xack("py:stream", "group", first), 1)
    equal(client.xlen("py:stream"), 2)
    equal(client.xread({"py:stream": "$"}, block=20) or [], [])


def as_pairs(reply):
    return list(reply.items()) if isinstance(reply, dict) else [tuple(pair) for pair in reply]


def flat(entries):
    """RESP3 nests the entries of a stream once more in some versions."""
    if entries and isinstance(entries[0], list):
        entries = entries[0]
    return [tuple(entry) for entry in entries]


def publish_and_subscribe(protocol):
    client, got = connect(protocol), []
    subscriber = client.pubsub()
    subscriber.subscribe("py:channel")
    subscriber.psubscribe("py:chan*")

    def receive(kinds):
        message = subscriber.get_message(timeout=PATIENCE_S)
        assert message["type"] in kinds, message
        got.append((message["type"], message["data"]))

    receive({"subscribe"})
    receive({"psubscribe"})
    equal(client.publish("py:channel", "hello"), 2)
    receive({"message"})
    receive({"pmessage"})
    equal(got[2:], [("message", "hello"), ("pmessage", "hello")])
    equal(client.pubsub_numsub("py:channel"), [("py:channel", 1)])
    subscriber.close()


def blocking(protocol):
    client, popped = connect(protocol), []
    thread = threading.Thread(target=lambda: popped.append(connect(protocol).blpop(["py:q1", "py:q2"], PATIENCE_S)))
    thread.start()
    eventually("somebody waits", lambda: client.info("clients")["blocked_clients"] >= 1)
    client.rpush("py:q2", "job")
    thread.join(PATIENCE_S)
    equal([tuple(pair) for pair in popped], [("py:q2", "job")])
    equal(client.llen("py:q2"), 0)
    equal(client.blpop(["py:q1"], 0.05), None)
    equal(client.bzpopmin("py:zq", 0.05), None)


def locks(protocol):
    client = connect(protocol)
    equal(client.set("py:lock", "mine", nx=True, px=30_000), True)
    equal(client.set("py:lock", "yours", nx=True, px=30_000), None)
    equal(client.delete("py:lock"), 1)


def reconnect(protocol):
    client = connect(protocol, retry=Retry(NoBackoff(), 3))
    client.set("py:reconnect", "kept")
    victim = client.client_id()
    connect(protocol).client_kill_filter(_id=victim)
    equal(client.get("py:reconnect"), "kept")
    assert client.client_id() != victim


def client_side_caching():
    client, other = connect(3, cache_config=CacheConfig()), connect(3)
    other.set("py:cached", "old")
    equal(client.get("py:cached"), "old")
    equal(client.get("py:cached"), "old")
    other.set("py:cached", "new")
    eventually("the cached value is invalidated", lambda: client.get("py:cached") == "new")


for protocol in (2, 3):
    connect().flushall()
    for check in (
        connection_and_wrong_password,
        strings_and_expiry,
        pipelines_and_transactions,
        collections,
        streams_with_a_group,
        publish_and_subscribe,
        blocking,
        locks,
        reconnect,
    ):
        print(f"RESP{protocol}: {check.__name__}", flush=True)
        check(protocol)
print("client_side_caching", flush=True)
client_side_caching()

// What applications (BullMQ and its like) do with ioredis. Usage: ioredis.mjs PORT PASSWORD. Exits with 0 where all of it holds.
import assert from 'node:assert/strict';
import { Redis } from 'ioredis';

const [port, password] = process.argv.slice(2);
const connect = (options = {}) => new Redis({ port: Number(port), host: '127.0.0.1', password, ...options });
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

const client = connect();
const other = connect();
await client.flushall();

assert.equal(await client.set('io:s', 'value', 'PX', 100000), 'OK');
assert.equal(await client.get('io:s'), 'value');
assert.deepEqual(await client.getBuffer('io:s'), Buffer.from('value'));
const results = await client.pipeline().set('io:p', '1').incr('io:p').lpush('io:p', 'x').exec();
assert.deepEqual(results.slice(0, 2), [[null, 'OK'], [null, 2]]);
assert.match(results[2][0].message, /^WRONGTYPE/);
assert.deepEqual(await client.multi().incr('io:p').get('io:p').exec(), [[null, 3], [null, '3']]);

await client.hset('io:h', { a: 1, b: 2 });
assert.deepEqual(await client.hgetall('io:h'), { a: '1', b: '2' });
await client.zadd('io:z', 2, 'two', 1, 'one');
assert.deepEqual(await client.zrange('io:z', 0, -1, 'WITHSCORES'), ['one', '1', 'two', '2']);
await client.lpush('io:l', 'a', 'b');
assert.equal(await client.rpoplpush('io:l', 'io:moved'), 'a');
const id = await client.xadd('io:stream', '*', 'field', 'value');
assert.deepEqual(await client.xread('COUNT', 1, 'STREAMS', 'io:stream', '0'), [['io:stream', [[id, ['field', 'value']]]]]);

const waiting = other.brpoplpush('io:jobs', 'io:active', 30);
while (!/blocked_clients:[1-9]/.test(await client.info('clients'))) await sleep(5);
await client.lpush('io:jobs', 'job');
assert.equal(await waiting, 'job');
assert.deepEqual(await client.lrange('io:active', 0, -1), ['job']);

const subscriber = connect();
await subscriber.psubscribe('io:*');
const message = new Promise((done) => subscriber.on('pmessage', (pattern, channel, text) => done([pattern, channel, text])));
assert.equal(await client.publish('io:channel', 'hello'), 1);
assert.deepEqual(await message, ['io:*', 'io:channel', 'hello']);

const keys = [];
for await (const batch of client.scanStream({ match: 'io:*', count: 3 })) keys.push(...batch);
assert.ok(new Set(keys).has('io:z'));

const victim = await other.client('ID');
await client.client('KILL', 'ID', victim);
assert.equal(await other.get('io:s'), 'value');
assert.notEqual(await other.client('ID'), victim);

for (const each of [client, other, subscriber]) each.disconnect();

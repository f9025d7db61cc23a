// What applications do with node-redis. Usage: node_redis.mjs PORT PASSWORD. Exits with 0 where all of it holds.
import assert from 'node:assert/strict';
import { createClient, WatchError } from 'redis';

const [port, password] = process.argv.slice(2);

async function connect(RESP) {
  const client = createClient({ url: `redis://127.0.0.1:${port}`, password, RESP });
  client.on('error', () => {}); // a connection that is killed on purpose tells
  await client.connect();
  return client;
}

async function run(RESP) {
  const client = await connect(RESP);
  await client.flushAll();
  assert.equal(await client.ping(), 'PONG');

  await client.set('node:s', 'value', { EX: 100 });
  assert.equal(await client.get('node:s'), 'value');
  assert.equal(await client.incrBy('node:n', 7), 7);
  const replies = await Promise.all(Array.from({ length: 1000 }, (_, n) => client.incr('node:auto-pipelined')));
  assert.equal(replies.at(-1), 1000);
  assert.deepEqual(await client.multi().set('node:m', '1').incr('node:m').exec(), ['OK', 2]);

  const other = await connect(RESP);
  await client.watch('node:m');
  await other.set('node:m', '9');
  await assert.rejects(client.multi().set('node:m', '3').exec(), WatchError);

  await client.hSet('node:h', { a: '1', b: '2' });
  assert.deepEqual({ ...(await client.hGetAll('node:h')) }, { a: '1', b: '2' });
  await client.sAdd('node:set', ['x', 'y']);
  assert.deepEqual([...(await client.sMembers('node:set'))].sort(), ['x', 'y']);
  await client.zAdd('node:z', [{ score: 1.5, value: 'a' }, { score: 1, value: 'b' }]);
  assert.deepEqual(await client.zRangeWithScores('node:z', 0, -1), [{ value: 'b', score: 1 }, { value: 'a', score: 1.5 }]);
  await client.rPush('node:l', ['1', '2', '3']);
  assert.deepEqual(await client.lRange('node:l', 0, -1), ['1', '2', '3']);
  const id = await client.xAdd('node:stream', '*', { field: 'value' });
  assert.deepEqual((await client.xRange('node:stream', '-', '+'))[0].id, id);

  const keys = [];
  for await (const batch of client.scanIterator({ MATCH: 'node:*' })) keys.push(...batch);
  assert.ok(keys.includes('node:stream'));

  const waiting = other.blPop('node:queue', 30);
  while (!/blocked_clients:[1-9]/.test(await client.info('clients'))) await new Promise((done) => setTimeout(done, 5));
  await client.rPush('node:queue', 'job');
  assert.deepEqual({ ...(await waiting) }, { key: 'node:queue', element: 'job' });

  const subscriber = await connect(RESP);
  const message = new Promise((done) => subscriber.subscribe('node:channel', (text) => done(text)).then(() => client.publish('node:channel', 'hello')));
  assert.equal(await message, 'hello');

  const victim = await other.clientId();
  const reconnecting = new Promise((done) => other.once('reconnecting', done));
  await client.sendCommand(['CLIENT', 'KILL', 'ID', String(victim)]);
  await reconnecting;
  while (!other.isReady) await new Promise((done) => setTimeout(done, 5));
  assert.equal(await other.get('node:s'), 'value');

  for (const each of [client, other, subscriber]) each.destroy();
}

async function caching() {
  const client = createClient({ url: `redis://127.0.0.1:${port}`, password, RESP: 3, clientSideCache: { ttl: 0, maxEntries: 0 } });
  client.on('error', () => {});
  await client.connect();
  const other = await connect(3);
  await other.set('node:cached', 'old');
  assert.equal(await client.get('node:cached'), 'old');
  await other.set('node:cached', 'new');
  while ((await client.get('node:cached')) !== 'new') await new Promise((done) => setTimeout(done, 5));
  for (const each of [client, other]) each.destroy();
}

for (const RESP of [2, 3]) {
  console.log(`RESP${RESP}`);
  await run(RESP);
}
await caching();

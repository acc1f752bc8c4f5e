// A thousand streams that wait for their place: what they cost, what /health takes meanwhile, and
// that they are answered, or leave nothing behind.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { Connection } from "../recorded/wire.mjs";
import { ask, askAlone, atOnce, contentOf, needSame, wireBytes } from "./client.mjs";
import { quantile } from "./cases.mjs";
import { cut } from "./requests.mjs";
import { metricsOf, needAllFreed, openFilesAtMost, residentMib, start } from "./watch.mjs";

const kStreams = 1000, kProbes = 1000;
const kMostMib = 64;  // that the streams may take
const kMostFiles = 20;  // that a server has open which answers nobody
const kMostHealthMs = 100;  // 99 of 100; a machine that others use, too

const kWaiting = { path: "/v1/completions",
  body: { prompt: cut(40, 60), max_tokens: 6, seed: 5, temperature: 0.8, ignore_eos: true } };
// Texts enough to keep the four places for minutes.
const kBlocking = { prompt: Array(128).fill("Once upon a time"), n: 8, max_tokens: 1000,
  ignore_eos: true, temperature: 1, seed: 1 };

async function healthTimes(server) {
  const connection = await Connection.open(server.port);
  const times = [];
  for (let i = 0; i < kProbes; ++i) {
    const begin = performance.now();
    connection.send("GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert.equal((await connection.readAnswer("GET")).status, 200);
    times.push(performance.now() - begin);
  }
  connection.close();
  return times;
}

const told = (times) => `p50 ${quantile(times, 0.5).toFixed(2)} ms, ` +
  `p99 ${quantile(times, 0.99).toFixed(2)} ms, most ${Math.max(...times).toFixed(2)} ms`;

export async function waitingCases(cases) {
  const server = await start("-t", "1", "--parallel", "4", "--max-queue", "4000");
  const expected = contentOf(await askAlone(server, kWaiting));
  const waiting = async () => (await metricsOf(server))["vllm:num_requests_waiting"];

  const blocker = await Connection.open(server.port);
  blocker.send(wireBytes("/v1/completions", kBlocking));
  for (const end = Date.now() + 60000; await waiting() < 500 && Date.now() < end;) await sleep(20);
  await sleep(1000);
  const before = { waiting: await waiting(), mib: await residentMib(server) };
  const streams = [];

  await cases.check(`waiting: ${kStreams} streams`, async () => {
    await atOnce(50, Array(kStreams).fill(0), async () => {
      const connection = await Connection.open(server.port);
      const stream = { connection, answer: null };
      stream.ended = ask(connection, wireBytes(kWaiting.path, { ...kWaiting.body, stream: true }),
        stream.habits = {}).then((answer) => { stream.answer = answer; },
        (error) => { stream.answer = { status: 0, body: String(error) }; });
      streams.push(stream);
    });
    // Of the texts before them some have had their place meanwhile.
    const arrived = async () => await waiting() > before.waiting + kStreams - 100;
    for (const end = Date.now() + 30000; !await arrived() && Date.now() < end;) await sleep(20);
    assert.ok(await arrived(), `${await waiting() - before.waiting} wait`);
    assert.equal(streams.filter(({ answer }) => answer).length, 0, "some are answered");
    const mib = await residentMib(server);
    assert.ok(mib - before.mib <= kMostMib, `${before.mib} MiB before, ${mib} MiB`);
    return `${before.mib.toFixed(1)} MiB before, ${mib.toFixed(1)} MiB with them`;
  });

  await cases.check(`waiting: ${kProbes} times /health beside them`, async () => {
    const times = await healthTimes(server);
    assert.ok(quantile(times, 0.99) <= kMostHealthMs, told(times));
    return told(times);
  });

  await cases.check("waiting: half of them go, the others are answered as one alone", async () => {
    const stay = streams.filter((_, i) => i % 2 === 0);
    streams.forEach(({ connection }, i) => { if (i % 2 === 1) connection.close(); });
    blocker.close();
    await Promise.all(stay.map(({ ended }) => ended));
    for (const { answer } of stay) needSame(answer, { name: "a stream that waited", expected });
    await Promise.all(streams.map(({ ended }) => ended));
    for (const { connection } of stay) connection.close();
    return `${stay.length} answers`;
  });

  await cases.check("waiting: nothing is left of them", async () => {
    await needAllFreed(server);
    const files = await openFilesAtMost(server, kMostFiles);
    const mib = (await residentMib(server)).toFixed(1);
    assert.equal(await server.stop(), 0);
    return `${mib} MiB, ${files} open files`;
  });
}

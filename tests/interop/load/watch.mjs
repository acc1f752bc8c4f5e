// Servers of this part, and what they hold, as their metrics tell.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Server, textModel } from "../serve/server.mjs";
import { get } from "./client.mjs";

// A server whose model is loaded, on a port or a Unix socket. Options as of Server.start().
export async function start(...options) {
  const server = await Server.listening(textModel, ...options);
  for (const end = Date.now() + 60000; Date.now() < end; await sleep(20))
    if ((await get(server, "/health")).status === 200) return server;
  throw new Error(`not ready: ${server.said}`);
}

// Every gauge and counter at one moment, by its name with its labels.
export async function metricsOf(server) {
  const { body } = await get(server, "/metrics");
  return Object.fromEntries([...body.matchAll(/^([^#\s]+) (\S+)$/gm)]
    .map(([, name, value]) => [name, Number(value)]));
}

export const residentMib = async (server) =>
  (await metricsOf(server)).process_resident_memory_bytes / (1 << 20);

const openFiles = (server) => readdirSync(`/proc/${server.process.pid}/fd`).length;

// Waits until the server has at most so many files and connections open, for a connection lingers
// for a second. Returns how many it has.
export async function openFilesAtMost(server, most) {
  for (const end = Date.now() + 30000; openFiles(server) > most && Date.now() < end;)
    await sleep(50);
  const files = openFiles(server);
  assert.ok(files <= most, `${files} open files, not ${most}`);
  return files;
}

// Throws unless nobody runs or waits soon, and every page is one of the tree of prefixes.
export async function needAllFreed(server, seconds = 60) {
  for (const end = Date.now() + seconds * 1000; ; await sleep(20)) {
    const metrics = await metricsOf(server);
    const running = metrics["vllm:num_requests_running"];
    const waiting = metrics["vllm:num_requests_waiting"];
    const { bitnetc_kv_pages: pages, bitnetc_prefix_cache_pages: kept } = metrics;
    if (running === 0 && waiting === 0 && pages === kept && pages > 0) return `${pages} pages`;
    assert.ok(Date.now() < end,
      `${running} run, ${waiting} wait, ${pages} pages in use, ${kept} of prefixes`);
  }
}

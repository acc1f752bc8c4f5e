// What a server holds, as its metrics tell.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";

export const residentMib = async (server) =>
  await server.metric("process_resident_memory_bytes") / (1 << 20);

// Throws unless nobody runs or waits soon, and every page is one of the tree of prefixes.
export async function needAllFreed(server, seconds = 10) {
  const names = ["vllm:num_requests_running", "vllm:num_requests_waiting", "bitnetc_kv_pages",
    "bitnetc_prefix_cache_pages"];
  let values;
  for (const end = Date.now() + seconds * 1000; ; await sleep(20)) {
    values = await Promise.all(names.map((name) => server.metric(name)));
    const [running, waiting, pages, kept] = values;
    if (running === 0 && waiting === 0 && pages === kept) return `${pages} pages`;
    if (Date.now() > end) break;
  }
  assert.fail(names.map((name, i) => `${name} ${values[i]}`).join(", "));
}

// A client of the server that decides when it reads and when it goes, and what an answer says
// whichever way it came.
import { setTimeout as sleep } from "node:timers/promises";
import { Connection } from "../recorded/wire.mjs";
import { need } from "../recorded/shape.mjs";

const kLineEnd = Buffer.from("\r\n");

export function wireBytes(path, body) {
  const json = Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
  return Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\nhost: localhost\r\n` +
    `content-type: application/json\r\ncontent-length: ${json.length}\r\n\r\n`), json]);
}

// Asks and reads to the end, or to where the client goes. Habits:
//   go_after     chunks of the answer behind which the client closes the connection
//   go_ms        milliseconds after which it closes, whatever has come
//   pause_after, pause_ms   chunks behind which it reads nothing for so long
//   on_chunk     told of every chunk of a stream
// Returns { status, keeps, body, isWhole }; `status` 0: gone before a head came. The connection is
// open behind it where `keeps` is true.
export async function ask(connection, bytes, habits = {}) {
  const answer = { status: 0, keeps: false, body: "", isWhole: false };
  let isGone = false;
  const go = () => {
    isGone = true;
    if (habits.resets) connection.abort(); else connection.close();
  };
  const timer = habits.go_ms === undefined ? null : setTimeout(go, habits.go_ms);
  try {
    connection.send(bytes);
    const head = await connection.readHead();
    answer.status = head.status;
    const parts = [];
    await readBody(connection, head, async (part) => {
      parts.push(part);
      habits.on_chunk?.();
      if (parts.length === habits.go_after) go();
      if (parts.length === habits.pause_after) await pause(connection, habits.pause_ms);
    }).finally(() => { answer.body = Buffer.concat(parts).toString("utf8"); });
    answer.isWhole = true;
    answer.keeps = !isGone && head.headers.connection !== "close";
  } catch (error) {
    if (!isGone) throw error;
  } finally {
    clearTimeout(timer);
    if (!answer.keeps) connection.close();
  }
  return answer;
}

async function readBody(connection, { headers }, take) {
  if (headers["transfer-encoding"] !== "chunked") {
    await take(await connection.read(Number(headers["content-length"]), "a body"));
    return;
  }
  for (let size = -1; size !== 0;) {
    size = parseInt((await connection.readTo(kLineEnd, "a chunk's size")).toString("latin1"), 16);
    const chunk = await connection.read(size + 2, "a chunk");
    if (size > 0) await take(chunk.subarray(0, size));
  }
}

async function pause(connection, ms) {
  connection.socket.pause();
  await sleep(ms);
  connection.socket.resume();
}

// What an answer says: for each text the text itself, why it ended, and its probabilities. Of a
// stream that was cut: what came of it.
export function contentOf({ body }) {
  const events = body.startsWith("data: ")
    ? body.split("\n\n").slice(0, -1).filter((event) => event.startsWith("data: {"))
      .map((event) => JSON.parse(event.slice(6)))
    : body === "" ? [] : [JSON.parse(body)];
  const texts = [];
  for (const event of events)
    for (const piece of event.choices ?? [event]) add(texts[piece.index ?? 0] ??= empty(), piece);
  return texts;
}

const empty = () => ({ text: "", finish: null, logprobs: [], top: [] });

function add(its, piece) {
  its.text += piece.text ?? piece.content;
  its.finish = piece.finish_reason ?? piece.stop_type ?? its.finish;
  its.logprobs.push(...piece.logprobs?.token_logprobs ?? []);
  its.top.push(...piece.logprobs?.top_logprobs ?? []);
}

// Throws where `answer` is not what the request got alone (`expected`), or, of a client that went,
// no beginning of it.
export function needSame(answer, { name, expected }) {
  if (!answer.isWhole) return needBeginning(contentOf(answer), expected, name);
  need(answer.status === 200, `${name}: ${answer.status}: ${answer.body.slice(0, 200)}`);
  const isStream = answer.body.startsWith("data: ");
  need(!isStream || answer.body.includes("[DONE]") || answer.body.includes('"stop":true'),
    `${name}: the stream ended without its last event`);
  const [here, alone] = [contentOf(answer), expected].map((texts) => JSON.stringify(texts));
  const at = [...here].findIndex((letter, i) => letter !== alone[i]);
  need(here === alone, `${name}: ${shown(here, at)}, alone ${shown(alone, at)}`);
}

const shown = (text, at) => `'...${text.slice(Math.max(at - 30, 0), at + 30)}...'`;

function needBeginning(texts, expected, name) {
  texts.forEach((its, i) => {
    if (!its) return;
    const whole = expected[i];
    need(whole.text.startsWith(its.text), `${name}: '${its.text}' does not begin '${whole.text}'`);
    need(its.logprobs.every((value, at) => value === whole.logprobs[at]), `${name}: logprobs`);
  });
}

// Runs `body(item, index, worker)` for all items by `count` workers at once. A worker that fails
// ends; the first exception is thrown when all have ended.
export async function atOnce(count, items, body) {
  let next = 0;
  const ends = await Promise.allSettled(Array.from({ length: count }, async (_, worker) => {
    while (next < items.length) {
      const index = next++;
      await body(items[index], index, worker);
    }
  }));
  const failed = ends.find(({ status }) => status === "rejected");
  if (failed) throw failed.reason;
}

// GET on a connection of its own.
export async function get(server, path) {
  const connection = await Connection.open(server.port);
  return ask(connection,
    Buffer.from(`GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`));
}

// One request on a connection of its own.
export async function askAlone(server, request, habits = {}, stream = false) {
  const connection = await Connection.open(server.port);
  const bytes = wireBytes(request.path, { ...request.body, stream });
  const answer = await ask(connection, bytes, habits);
  connection.close();
  return answer;
}

// Requests of clients as they were recorded, byte for byte, and what each client needs to read in
// the answer (README.md). `clients/NAME.jsonl`: the first line says what is particular about the
// client; every other line is a request:
//
//   name, request, headers   as they came; PORT stands for the server's port
//   body                     the rest of the line is the body, as it came
//   body_base64              a body that is not JSON
//   chunk_bytes              the body came in chunks of these sizes
//   grow_bytes               every text of the list `input` is repeated up to a body of this size
//   send                     "body after 100", "three at once", "half close" or "abort", or whole
//   connection               "kept": the one that the request before came on
//   answer, status           what is expected (kConditions); the status is 200 if it is not said
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { source } from "../harness.mjs";
import { awaited } from "../serve/awaited.mjs";
import { Cases } from "../serve/cases.mjs";
import { Server, chatTemplate, textEncoder, textModel } from "../serve/server.mjs";
import * as messages from "./messages.mjs";
import * as openai from "./openai.mjs";
import * as plain from "./plain.mjs";
import * as responses from "./responses.mjs";
import { need } from "./shape.mjs";
import { Connection } from "./wire.mjs";

const kConditions = {
  "chat": openai.chat, "chat stream": openai.chatStream,
  "completion": openai.completion, "completion stream": openai.completionStream,
  "response": responses.response, "response stream": responses.responseStream,
  "message": messages.message, "message stream": messages.messageStream,
  "vectors": plain.vectors, "models": plain.models, "model": plain.model,
  "token count": plain.tokenCount, "tokenizer": plain.tokenizer, "ids": plain.ids,
  "text": plain.text, "health": plain.health, "metrics": plain.metrics,
  "ollama models": plain.ollamaModels, "head": plain.head, "foreign page": plain.foreignPage,
  "error": plain.error, "anything": plain.anything,
};
const kNoticeSeconds = 1;  // curl waits as long for 100 Continue

function readRecording(line) {
  const recording = JSON.parse(line);
  [recording.method, recording.target, recording.version] = recording.request.split(" ");
  recording.status ??= [200];
  if (recording.body_base64) recording.bytes = Buffer.from(recording.body_base64, "base64");
  else if (recording.body)
    recording.bytes = Buffer.from(line.slice(line.indexOf(', "body": ') + 10, -1));
  else recording.bytes = Buffer.alloc(0);
  if (recording.grow_bytes) {
    const { input } = recording.body;
    const words = Math.floor(recording.grow_bytes / input.length / (input[0].length + 1));
    recording.body.input = input.map((text) => Array(words).fill(text).join(" "));
    recording.bytes = Buffer.from(JSON.stringify(recording.body));
  }
  return recording;
}

function wireBytes(recording, port) {
  const { request, headers, bytes, chunk_bytes: sizes } = recording;
  const lines = headers.map((line) => line.replace(/:PORT$/, `:${port}`)
    .replace(/^(content-length): .*/i, `$1: ${bytes.length}`));
  const head = Buffer.from([request, ...lines, "", ""].join("\r\n"), "latin1");
  if (!sizes) return { head, body: bytes };
  const parts = [];
  let at = 0;
  for (const size of [...sizes, 0]) {
    parts.push(Buffer.from(`${size.toString(16)}\r\n`), bytes.subarray(at, at + size), "\r\n");
    at += size;
  }
  return { head, body: Buffer.concat(parts.map((part) => Buffer.from(part))) };
}

// Ways to send a request; each returns the answers that came.
const kWays = {
  async whole(connection, { head, body }, { method }) {
    connection.send(Buffer.concat([head, body]));
    return [await connection.readAnswer(method)];
  },
  async "body after 100"(connection, { head, body }, { method }) {
    connection.send(head);
    need(await connection.until(() => connection.there.length > 0, kNoticeSeconds),
      `no 100 Continue within ${kNoticeSeconds} s`);
    const first = connection.there.toString("latin1", 0, 12);
    if (first === "HTTP/1.1 100") {
      await connection.readHead();
      connection.send(body);
    }
    return [await connection.readAnswer(method)];
  },
  async "three at once"(connection, { head, body }, { method }) {
    connection.send(Buffer.concat(Array(3).fill([head, body]).flat()));
    const answers = [];
    while (answers.length < 3) answers.push(await connection.readAnswer(method));
    return answers;
  },
  async "half close"(connection, { head, body }, { method }) {
    connection.send(Buffer.concat([head, body]));
    connection.endSending();
    return [await connection.readAnswer(method)];
  },
};

function checkAnswer(recording, answer) {
  const { method, version, answer: name, status, headers, send } = recording;
  need(status.includes(answer.status),
    `status ${answer.status}, not ${status.join(" or ")}: ${answer.body.subarray(0, 160)}`);
  const refused = answer.status >= 400 && !["vectors", "foreign page", "anything"].includes(name);
  (refused ? plain.error : kConditions[name])(recording.body ?? {}, answer);
  const asks = (header) => headers.some((line) => line.toLowerCase() === `connection: ${header}`);
  if (version === "HTTP/1.0") {
    need(answer.end !== "chunks", "chunks for HTTP/1.0");
    if (asks("keep-alive")) need(answer.keeps, "HTTP/1.0 with keep-alive, and it is closed");
  } else if (send !== "half close" && !asks("close") && answer.status < 400) {
    need(answer.keeps, "the connection is closed, which nobody asked for");
  }
}

// Goes in the middle of a stream; the server must take it calmly.
async function abort(connection, { head, body }, server) {
  connection.send(Buffer.concat([head, body]));
  need(await connection.until(() => connection.there.length > 0), "no stream");
  connection.abort();
  need((await fetch(`${server.url}/health`)).ok, "/health behind a client that went");
}

// Plays a request. `kept`: a connection that may be used, or null. Returns one for the next.
async function play(recording, server, kept) {
  const wire = wireBytes(recording, server.port);
  if (kept && recording.connection !== "kept") kept.close();
  const connection = kept && recording.connection === "kept" ? kept
    : await Connection.open(server.port);
  if (recording.send === "abort") {
    await abort(connection, wire, server);
    return null;
  }
  const answers = await kWays[recording.send ?? "whole"](connection, wire, recording);
  for (const answer of answers) checkAnswer(recording, answer);
  need(connection.there.length === 0, `bytes behind the answer: ${connection.there}`);
  if (answers.at(-1).keeps) return connection;
  connection.close();
  return null;
}

const folder = path.join(source, "tests/interop/recorded/clients");
const clients = readdirSync(folder).filter((file) => file.endsWith(".jsonl"));
const cases = new Cases(awaited.recorded);
// As the recorded clients called their model, which they were told.
const name = ["--name", "fairytale-6m"];
const writer = await Server.start(textModel, ...name, "--chat-template", chatTemplate);
const encoder = await Server.start(textEncoder, ...name);

await Promise.all(clients.map(async (file) => {
  const lines = readFileSync(path.join(folder, file), "utf8").trimEnd().split("\n");
  let kept = null;
  for (const line of lines.slice(1)) {
    const recording = readRecording(line);
    const server = recording.target === "/v1/embeddings" ? encoder : writer;
    const connection = kept;
    kept = null;
    await cases.check(`${path.basename(file, ".jsonl")}/${recording.name}`, async () => {
      kept = await play(recording, server, connection);
    });
  }
  kept?.close();
}));

for (const server of [writer, encoder])
  await cases.check(`${server === writer ? "text model" : "text encoder"}: stopped`, async () => {
    need(await server.becomesIdle(), "requests are left");
    const code = await server.stop();
    need(code === 0, `the server ended with ${code}: ${server.said}`);
  });
cases.finish();

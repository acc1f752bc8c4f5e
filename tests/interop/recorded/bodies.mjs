// Bodies of answers: documents of JSON and streams of events, read as strictly as the strictest of
// the clients reads them.
import { TextDecoder } from "node:util";
import { json, need } from "./shape.mjs";

function text(answer, type) {
  const { headers, body } = answer;
  const found = (headers["content-type"] ?? "none").split(";")[0].trim().toLowerCase();
  need(found === type, `content-type is ${found}, not ${type}`);
  need(!("content-encoding" in headers), `content-encoding ${headers["content-encoding"]}`);
  try {
    const decoded = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body);
    need(!decoded.startsWith("\ufeff"), "a byte order mark");
    return decoded;
  } catch (error) {
    need(!(error instanceof TypeError), "the body is not UTF-8");
    throw error;
  }
}

export const documentOf = (answer) => json(text(answer, "application/json"), "the body");

// [{ name, data }] of a stream of server-sent events; name is null where there is no event: line.
// huggingface_hub and litellm do not join data lines, huggingface_hub wants the blank. A comment
// may stand between events: a server that has been silent for long says that it is there.
function eventsOf(answer) {
  const stream = text(answer, "text/event-stream");
  need(stream.endsWith("\n\n"), "the stream does not end with an empty line");
  need(!stream.includes("\r"), "a carriage return in the stream");
  const blocks = stream.slice(0, -2).split("\n\n").filter((block) => !/^: ?\w+$/.test(block));
  return blocks.map((event) => {
    const parts = /^(?:event: ([^\n]+)\n)?data: ([^\n]+)$/.exec(event);
    need(parts, `an event is ${JSON.stringify(event.slice(0, 80))}`);
    return { name: parts[1] ?? null, data: parts[2] };
  });
}

// The chunks of a stream as OpenAI's older surfaces have it: no names, [DONE] last.
export function chunksOf(answer) {
  const events = eventsOf(answer);
  need(events.at(-1)?.data === "[DONE]", `the last event is ${events.at(-1)?.data}, not [DONE]`);
  return events.slice(0, -1).map(({ name, data }, i) => {
    need(name === null, `chunk ${i} has an event: line`);
    const chunk = json(data, `chunk ${i}`);
    need(!("error" in chunk), `chunk ${i} is an error: ${data}`);
    return chunk;
  });
}

// The events of a stream as Responses and Messages have it: the event: line says the type.
export function typedEventsOf(answer) {
  return eventsOf(answer).map(({ name, data }, i) => {
    const event = json(data, `event ${i}`);
    need(name === event.type, `event ${i} has the name ${name} and the type ${event.type}`);
    need(name !== "error", `event ${i} is an error: ${data}`);
    return event;
  });
}

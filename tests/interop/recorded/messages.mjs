// What readers of /v1/messages need: the anthropic library and LangChain.
import { documentOf, typedEventsOf } from "./bodies.mjs";
import { fits, fitsSchema, is, json, need } from "./shape.mjs";

const kStop = is("end_turn", "max_tokens", "stop_sequence", "tool_use");
const kUsage = { input_tokens: "count", output_tokens: "count" };
const kMessage = { id: "words", type: is("message"), role: is("assistant"), model: "words",
  content: "list", stop_reason: "text?", stop_sequence: "text?", usage: kUsage };

function checkContent(request, content, stop) {
  need(content.length > 0, "the content is empty");
  const calls = content.filter(({ type }) => type === "tool_use");
  for (const block of content) {
    fits(block, { type: is("text", "tool_use") }, "a block");
    if (block.type === "text") {
      fits(block, { text: "text" }, "a block of text");
      for (const end of request.stop_sequences ?? [])
        need(!block.text.includes(end), `the text has the stop sequence ${end}`);
    } else if (stop !== "max_tokens") {
      fits(block, { id: "words", name: "words", input: "object" }, "a call");
      const tool = request.tools?.find(({ name }) => name === block.name);
      need(tool, `the tool ${block.name} was not offered`);
      fitsSchema(block.input, tool.input_schema, "input");
    }
  }
  if (stop === "max_tokens") return;  // cut anywhere
  need((stop === "tool_use") === calls.length > 0, `stop_reason ${stop}, ${calls.length} calls`);
  const { type, name } = request.tool_choice ?? {};
  if (type === "any") need(calls.length > 0, "no tool was called");
  if (type === "tool") need(calls.some((call) => call.name === name), `${name} was not called`);
  const { schema } = request.output_config?.format ?? {};
  if (schema && stop === "end_turn") {
    const text = content.map((block) => block.text ?? "").join("");
    fitsSchema(json(text, "the text"), schema, "the text");
  }
}

export function message(request, answer) {
  const document = fits(documentOf(answer), { ...kMessage, stop_reason: kStop });
  checkContent(request, document.content, document.stop_reason);
}

const kStarts = {
  text: { text: is("") },
  tool_use: { id: "words", name: "words", input: {} },
};

// The blocks of a stream: one after the other, counted from 0, each with its start and its stop.
function readBlocks(events) {
  const blocks = [];
  let isOpen = false;
  for (const { type, index, content_block: start, delta } of events) {
    if (type === "ping") continue;
    if (type === "content_block_start") {
      need(!isOpen && index === blocks.length, `block ${blocks.length} starts as ${index}`);
      need(start?.type in kStarts, `a block is of the type ${start?.type}`);
      fits(start, kStarts[start.type], "the start of a block");
      blocks.push({ ...start, parts: "" });
      isOpen = true;
    } else {
      need(isOpen && index === blocks.length - 1, `${type} of block ${index} out of turn`);
      if (type === "content_block_stop") {
        isOpen = false;
      } else {
        need(type === "content_block_delta", `an event of the type ${type}`);
        const isText = blocks.at(-1).type === "text";
        fits(delta, isText ? { type: is("text_delta"), text: "text" }
          : { type: is("input_json_delta"), partial_json: "text" }, "a delta");
        blocks.at(-1).parts += isText ? delta.text : delta.partial_json;
      }
    }
  }
  need(!isOpen, "a block has no stop");
  return blocks;
}

export function messageStream(request, answer) {
  const events = typedEventsOf(answer);
  const [first, delta, last] = [events[0], events.at(-2), events.at(-1)];
  need(first.type === "message_start", `the first event is ${first.type}`);
  fits(first.message, kMessage, "message_start");
  need(first.message.content.length === 0, "message_start has content already");
  need(last.type === "message_stop" && delta.type === "message_delta",
    `the last events are ${delta.type}, ${last.type}`);
  // LangChain reads input_tokens here, not in message_start.
  fits(delta, { delta: { stop_reason: kStop, stop_sequence: "text?" }, usage: kUsage },
    "message_delta");
  const stop = delta.delta.stop_reason;
  const blocks = readBlocks(events.slice(1, -2));
  checkContent(request, blocks.map(({ parts, ...block }) => block.type === "text"
    ? { ...block, text: parts }
    : { ...block, input: stop === "max_tokens" ? {} : json(parts || "{}", "input") }), stop);
}

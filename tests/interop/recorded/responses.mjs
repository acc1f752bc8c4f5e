// What readers of /v1/responses need: the openai library's helper, litellm and openai-agents.
import { documentOf, typedEventsOf } from "./bodies.mjs";
import { fits, fitsSchema, is, json, need } from "./shape.mjs";

const kText = { type: is("output_text"), text: "text", annotations: "list" };
const kItems = {
  message: { id: "words", status: is("completed", "incomplete"), role: is("assistant"),
    content: [kText] },
  function_call: { id: "words", status: is("completed", "incomplete"), call_id: "words",
    name: "words", arguments: "text" },
};
const kResponse = { id: "words", object: is("response"), created_at: "number", model: "words",
  parallel_tool_calls: "boolean", tools: "list", tool_choice: "anything", error: "object?",
  incomplete_details: "object?", instructions: "text?", metadata: "object?",
  temperature: "number?", top_p: "number?", output: "list" };
const kUsage = { input_tokens: "count", output_tokens: "count", total_tokens: "count",
  input_tokens_details: { cached_tokens: "count" },
  output_tokens_details: { reasoning_tokens: "count" } };

function checkItem(request, item, isWhole) {
  need(item.type in kItems, `an item is of the type ${item.type}`);
  fits(item, kItems[item.type], `an item (${item.type})`);
  if (!isWhole) return;
  const { format } = request.text ?? {};
  if (item.type === "message" && format?.type === "json_schema")
    fitsSchema(json(item.content[0].text, "the text"), format.schema, "the text");
  if (item.type === "function_call") {
    const tool = request.tools?.find(({ name }) => name === item.name);
    need(tool, `the tool ${item.name} was not offered`);
    fitsSchema(json(item.arguments, "arguments"), tool.parameters, "arguments");
  }
}

// A response that has ended, with its output.
function checkEnded(request, response) {
  fits(response, { ...kResponse, status: is("completed", "incomplete"), usage: kUsage },
    "response");
  const isWhole = response.status === "completed";
  if (!isWhole) need(response.incomplete_details?.reason === "max_output_tokens",
    `incomplete_details is ${JSON.stringify(response.incomplete_details)}`);
  need(response.output.length > 0, "the output is empty");
  for (const item of response.output) checkItem(request, item, isWhole);
  if (isWhole && (request.tool_choice === "required" || request.tool_choice?.name))
    need(response.output.some(({ type, name }) => type === "function_call" &&
      (request.tool_choice.name ?? name) === name), "the tool was not called");
}

export const response = (request, answer) => checkEnded(request, documentOf(answer));

// What the events tell: items that are announced, filled and closed, in this order.
class Items {
  items = [];

  of(event) {
    const item = this.items[event.output_index];
    need(item && item.id === event.item_id, `${event.type} belongs to no item`);
    need(!item.isClosed, `${event.type} behind its item's end`);
    return item;
  }
  partOf(event) {
    const part = this.of(event).parts[event.content_index];
    need(part, `${event.type} belongs to no part`);
    return part;
  }
  add({ output_index: index, item }) {
    need(index === this.items.length, `output_index ${index} of item ${this.items.length}`);
    fits(item, { id: "words", type: is("message", "function_call") }, "an item");
    this.items.push({ id: item.id, parts: [], arguments: "" });
  }
  take(event) {
    switch (event.type) {
      case "response.output_item.added": return this.add(event);
      case "response.content_part.added":
        need(event.content_index === this.of(event).parts.length, "content_index has a gap");
        return fits(event.part, kText, "a part") && this.of(event).parts.push({ text: "" });
      case "response.output_text.delta":
        this.partOf(event).text += fits(event.delta, "text", "a delta");
        return;
      case "response.output_text.done":
        return need(event.text === this.partOf(event).text, "the deltas are not the text");
      case "response.content_part.done":
        need(event.part.text === this.partOf(event).text, "the deltas are not the part's text");
        this.partOf(event).isClosed = true;
        return;
      case "response.function_call_arguments.delta":
        this.of(event).arguments += fits(event.delta, "text", "a delta");
        return;
      case "response.function_call_arguments.done":
        return need(event.arguments === this.of(event).arguments,
          "the deltas are not the arguments");
      case "response.output_item.done": {
        const item = this.of({ ...event, item_id: event.item?.id });
        need(item.parts.every((part) => part.isClosed), "an item ends before its parts");
        item.isClosed = true;
        return;
      }
      default: need(false, `an event of the type ${event.type}`);
    }
  }
}

export function responseStream(request, answer) {
  const events = typedEventsOf(answer);
  events.forEach((event, i) =>
    need(event.sequence_number === i, `event ${i} has the number ${event.sequence_number}`));
  need(events.length > 3, `${events.length} events`);
  for (const [i, type] of ["response.created", "response.in_progress"].entries()) {
    need(events[i].type === type, `event ${i} is ${events[i].type}`);
    fits(events[i].response, { ...kResponse, status: is("in_progress") }, type);
    need(events[i].response.output.length === 0, `${type} has an output already`);
  }
  const last = events.at(-1), items = new Items();
  for (const event of events.slice(2, -1)) items.take(event);
  need(items.items.every((item) => item.isClosed), "an item has no end");
  checkEnded(request, last.response);
  need(last.type === `response.${last.response.status}`, `the last event is ${last.type}`);
  need(last.response.output.map(({ id }) => id).join() === items.items.map(({ id }) => id).join(),
    "the output is not the items that were told");
}

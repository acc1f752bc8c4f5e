// What readers of /v1/chat/completions and /v1/completions need.
import { chunksOf, documentOf } from "./bodies.mjs";
import { fits, fitsSchema, is, json, maybe, need } from "./shape.mjs";

const kUsage = { prompt_tokens: "count", completion_tokens: "count", total_tokens: "count" };
const kCall = { id: "words", type: is("function"),
  function: { name: "words", arguments: "text" } };

function checkUsage(usage) {
  fits(usage, kUsage, "usage");
  need(usage.prompt_tokens + usage.completion_tokens === usage.total_tokens,
    `usage does not add up: ${JSON.stringify(usage)}`);
}

const stopsOf = (request) => [request.stop ?? []].flat();
const mostTokens = (request) =>
  request.max_completion_tokens ?? request.max_tokens ?? Infinity;
const countOf = (request) => request.n ?? 1;

function checkStops(request, text) {
  for (const stop of stopsOf(request))
    need(!text.includes(stop), `the text has the stop string ${JSON.stringify(stop)}`);
}

// The form that the text of a finished answer must have: a schema, JSON, a regular expression.
function checkForm(request, text) {
  const { type, json_schema: named } = request.response_format ?? {};
  const { json: schema, regex } = request.structured_outputs ?? {};
  if (type === "json_object") fits(json(text, "the text"), "object", "the text");
  const wanted = type === "json_schema" ? named.schema : schema;
  if (wanted) fitsSchema(json(text, "the text"), wanted, "the text");
  const pattern = regex ?? request.regex;
  if (pattern)
    need(new RegExp(`^(?:${pattern})$`).test(text), `the text is not ${pattern}: ${text}`);
}

function checkCalls(request, calls) {
  const offered = new Map((request.tools ?? []).map((tool) =>
    [tool.function.name, tool.function.parameters]));
  need(new Set(calls.map((call) => call.id)).size === calls.length, "two calls have one id");
  for (const call of calls) {
    const { name, arguments: text } = fits(call, kCall, "a tool call").function;
    need(offered.has(name), `the tool ${name} was not offered`);
    fitsSchema(json(text, "arguments"), offered.get(name), "arguments");
  }
  if (request.parallel_tool_calls === false)
    need(calls.length <= 1, `${calls.length} calls, where one was asked for`);
}

function checkChoiceOfTool(request, calls) {
  const { tool_choice: choice } = request;
  if (choice === "required") need(calls.length > 0, "no tool was called");
  if (choice?.function)
    need(calls.length > 0 && calls.every((call) => call.function.name === choice.function.name),
      `${choice.function.name} was not called`);
}

function checkLogprobs(request, logprobs, text) {
  const entry = { token: "text", logprob: "number", bytes: ["integer"] };
  const entries = fits(logprobs?.content, [{ ...entry, top_logprobs: [entry] }],
    "logprobs.content");
  for (const { logprob, top_logprobs: top } of entries) {
    need(logprob <= 0, `a logprob is ${logprob}`);
    need(top.length === (request.top_logprobs ?? 0), `${top.length} top_logprobs`);
  }
  need(Buffer.from(entries.flatMap(({ bytes }) => bytes)).equals(Buffer.from(text)),
    "the bytes of the entries are not those of the text");
}

// One choice, streamed or not: its text (null: none), its tool calls, how it ended.
function checkChoice(request, { text, calls, logprobs, finish }) {
  if (finish === "length") return;  // cut anywhere
  checkChoiceOfTool(request, calls);
  need((finish === "tool_calls") === calls.length > 0,
    `finish_reason ${finish} with ${calls.length} tool calls`);
  if (calls.length > 0) return checkCalls(request, calls);
  need(typeof text === "string" && text !== "", "neither a text nor a tool call");
  checkForm(request, text);
}

function checkText(request, { text, logprobs }) {
  checkStops(request, text ?? "");
  if (request.logprobs) checkLogprobs(request, logprobs, text ?? "");
}

const kFinish = is("stop", "length", "tool_calls");

export function chat(request, answer) {
  const document = fits(documentOf(answer), { id: "words", object: is("chat.completion"),
    created: "integer", model: "words", usage: kUsage, choices: [{ index: "count",
      finish_reason: kFinish, message: { role: is("assistant"), content: "text?",
        tool_calls: maybe([kCall]) } }] });
  checkUsage(document.usage);
  const n = countOf(request);
  need(document.usage.completion_tokens <= mostTokens(request) * n, "more tokens than asked for");
  need(document.choices.length === n, `${document.choices.length} choices, not ${n}`);
  document.choices.forEach(({ index, finish_reason: finish, message, logprobs }, i) => {
    need(index === i, `choice ${i} has the index ${index}`);
    const choice = { text: message.content, calls: message.tool_calls ?? [], logprobs, finish };
    checkText(request, choice);
    checkChoice(request, choice);
  });
}

// Adds what a chunk tells of a tool call. The first delta has all but the arguments; a name that
// comes twice is joined by clients.
function addCall(calls, delta) {
  fits(delta, { index: "count" }, "a delta of a tool call");
  if (delta.index === calls.length) {
    calls.push(structuredClone(fits(delta, kCall, "the first delta of a tool call")));
  } else {
    need(delta.index === calls.length - 1, `a delta of tool call ${delta.index} out of turn`);
    fits(delta, { function: { arguments: "text" } }, "a delta of a tool call");
    need(!("name" in delta.function), "a tool's name comes again");
    calls.at(-1).function.arguments += delta.function.arguments;
  }
}

function addDelta(choices, { index, delta, logprobs, finish_reason: finish }, request) {
  if (!choices.has(index)) {
    need(delta.role === "assistant", `the first delta of choice ${index} has no role`);
    choices.set(index, { text: null, calls: [], logprobs: { content: [] }, finish: null });
  }
  const choice = choices.get(index);
  need(choice.finish === null, `choice ${index} goes on behind its finish_reason`);
  if (typeof delta.content === "string") choice.text = (choice.text ?? "") + delta.content;
  for (const call of delta.tool_calls ?? []) addCall(choice.calls, call);
  choice.logprobs.content.push(...(logprobs?.content ?? []));
  choice.finish = finish;
}

const asksUsage = (request) => request.stream_options?.include_usage === true;

// Usage stands in the last chunk, without choices, and there alone, if it was asked for at all.
function checkUsageChunk(request, chunks) {
  const everywhere = request.stream_options?.continuous_usage_stats;
  const last = asksUsage(request) ? chunks.at(-1) : null;
  for (const chunk of chunks) {
    if (chunk === last) {
      need(chunk.choices.length === 0, "the chunk with usage has choices");
      checkUsage(chunk.usage);
    } else {
      need(chunk.choices.length > 0, "a chunk without choices");
      if (!everywhere) need((chunk.usage ?? null) === null, "usage in a chunk with choices");
    }
  }
}

function streamOf(answer, object, shape) {
  const chunks = fits(chunksOf(answer), [{ id: "words", object: is(object), created: "integer",
    model: "words", choices: [{ index: "count", ...shape }] }], "a chunk");
  need(chunks.length > 0, "no chunks");
  for (const name of ["id", "created", "model"])
    need(chunks.every((chunk) => chunk[name] === chunks[0][name]), `${name} changes in the stream`);
  return chunks;
}

export function chatStream(request, answer) {
  const chunks = streamOf(answer, "chat.completion.chunk",
    { delta: { role: maybe(is("assistant")), content: maybe("text?"), tool_calls: maybe("list") },
      finish_reason: is(null, "stop", "length", "tool_calls") });
  checkUsageChunk(request, chunks);
  const choices = new Map();
  for (const chunk of chunks)
    for (const choice of chunk.choices) addDelta(choices, choice, request);
  need(choices.size === countOf(request), `${choices.size} choices, not ${countOf(request)}`);
  for (const [index, choice] of choices) {
    need(choice.finish !== null, `choice ${index} ends without a finish_reason`);
    checkText(request, choice);
    checkChoice(request, choice);
  }
}

// A prompt is a text, ids, or a list of either.
const promptsOf = ({ prompt }) =>
  typeof prompt === "string" || typeof prompt[0] === "number" ? [prompt] : prompt;

// The four lists of the older form. lm-eval takes [context : -1] of them and calls a token the
// likeliest if its number equals the greatest of its map.
function checkLists(request, prompt, logprobs) {
  const { token_logprobs: own, top_logprobs: top, text_offset: offsets, tokens } =
    fits(logprobs, { tokens: ["text"], token_logprobs: ["number?"], top_logprobs: "list",
      text_offset: ["count"] }, "logprobs");
  for (const list of [own, top, offsets])
    need(list.length === tokens.length, "the lists of logprobs are not of one length");
  need(offsets.every((offset, i) => i === 0 || offset >= offsets[i - 1]), "text_offset falls");
  if (request.echo) {
    need(own[0] === null && top[0] === null, "the first entry of echo is not null");
    if (Array.isArray(prompt) && request.max_tokens === 1)
      need(own.length === prompt.length + 1, `${own.length} entries for ${prompt.length} ids`);
  }
  for (let i = request.echo ? 1 : 0; i < own.length; ++i) {
    fits(own[i], "number", `token_logprobs[${i}]`);
    const best = Math.max(...Object.values(fits(top[i], "object", `top_logprobs[${i}]`)));
    need(Number.isFinite(best), `top_logprobs[${i}] is empty`);
    need(own[i] <= best && best <= 0, `token ${i}: ${own[i]}, the likeliest ${best}`);
  }
}

export function completion(request, answer) {
  const document = fits(documentOf(answer), { id: "words", object: is("text_completion"),
    created: "integer", model: "words", usage: kUsage,
    choices: [{ index: "count", text: "text", finish_reason: is("stop", "length") }] });
  checkUsage(document.usage);
  const prompts = promptsOf(request), n = countOf(request);
  need(document.choices.length === prompts.length * n, `${document.choices.length} choices`);
  document.choices.forEach(({ index, text, logprobs }, i) => {
    need(index === i, `choice ${i} has the index ${index}`);
    const prompt = prompts[Math.floor(i / n)];
    if (!request.echo) checkStops(request, text);
    else if (typeof prompt === "string") need(text.startsWith(prompt), "no echo of the prompt");
    if (typeof request.logprobs === "number") checkLists(request, prompt, logprobs);
  });
}

export function completionStream(request, answer) {
  const chunks = streamOf(answer, "text_completion",
    { text: "text", finish_reason: is(null, "stop", "length") });
  checkUsageChunk(request, chunks);
  const finished = chunks.flatMap((chunk) => chunk.choices)
    .filter((choice) => choice.finish_reason !== null).map((choice) => choice.index).sort();
  need(finished.join() === promptsOf(request).map((_, i) => i).join(),
    `choices that end: ${finished}`);
}

// What readers of the smaller routes need.
import { documentOf } from "./bodies.mjs";
import { fits, is, need } from "./shape.mjs";

const kModel = { id: "words", object: is("model"), created: "integer", owned_by: "words" };

export function models(request, answer) {
  const { data } = fits(documentOf(answer), { object: is("list"), data: [kModel] });
  need(data.length > 0, "no models");
}

export const model = (request, answer) => fits(documentOf(answer), kModel);

// Vectors in the order of the input, which clients do not look at the index for; numbers, or
// base64 of f32 numbers. Another length than the model's is honoured or refused.
export function vectors(request, answer) {
  if (answer.status !== 200) {
    error(request, answer);
    const { param } = documentOf(answer).error;
    if (request.dimensions) need(param === "dimensions", `the field at fault is ${param}`);
    return;
  }
  const isText = request.encoding_format === "base64";
  const { data } = fits(documentOf(answer), { object: is("list"), model: "words",
    usage: { prompt_tokens: "count", total_tokens: "count" },
    data: [{ object: is("embedding"), index: "count",
      embedding: isText ? "words" : ["number"] }] });
  const { input } = request;
  const count = typeof input === "string" || typeof input[0] === "number" ? 1 : input.length;
  need(data.length === count, `${data.length} vectors for ${count} texts`);
  const lengths = data.map(({ index, embedding }, i) => {
    need(index === i, `vector ${i} has the index ${index}`);
    if (!isText) return embedding.length;
    const bytes = Buffer.from(embedding, "base64");
    need(bytes.toString("base64") === embedding, "a vector is not base64");
    need(bytes.length % 4 === 0, `a vector of ${bytes.length} bytes`);
    for (let at = 0; at < bytes.length; at += 4)
      need(Number.isFinite(bytes.readFloatLE(at)), "a number is not finite");
    return bytes.length / 4;
  });
  need(lengths.every((length) => length > 0 && length === (request.dimensions ?? lengths[0])),
    `lengths of vectors: ${lengths}`);
}

export function tokenCount(request, answer) {
  const { input_tokens: count } = fits(documentOf(answer), { input_tokens: "count" });
  need(count > 0, "input_tokens is 0");
}

export const tokenizer = (request, answer) => fits(documentOf(answer),
  { eos_token: "words", bos_token: "text?", pad_token: "text?", chat_template: "text?" });

// lm-eval takes the first id of a special token's text for that token.
export function ids(request, answer) {
  const { tokens } = fits(documentOf(answer), { tokens: ["count"] });
  if (/^<\|[a-z_]+\|>$/.test(request.prompt))
    need(tokens.length === 1, `${request.prompt} is ${tokens.length} ids`);
}

export const text = (request, answer) => fits(documentOf(answer), { prompt: "text" });

export const health = (request, answer) => fits(documentOf(answer), { status: is("ok") });

const kLabel = String.raw`\w+="(?:[^"\\\n]|\\.)*"`;
const kSample = new RegExp(`^([a-zA-Z_:][\\w:]*)(?:\\{${kLabel}(?:,${kLabel})*\\})? (\\S+)$`);

// Prometheus' text format: a metric's TYPE once, and then its lines.
export function metrics(request, answer) {
  need(answer.headers["content-type"]?.startsWith("text/plain"), "content-type is not text/plain");
  const body = answer.body.toString();
  need(body.endsWith("\n"), "the last line has no end");
  const types = new Set();
  for (const line of body.slice(0, -1).split("\n")) {
    const type = /^# TYPE (\S+) (gauge|counter|histogram|summary|untyped)$/.exec(line);
    if (type) {
      need(!types.has(type[1]), `${type[1]} has two types`);
      types.add(type[1]);
    } else if (!line.startsWith("# HELP ")) {
      const sample = kSample.exec(line);
      need(sample, `a line is ${JSON.stringify(line)}`);
      need(["NaN", "+Inf", "-Inf"].includes(sample[2]) || Number.isFinite(Number(sample[2])),
        `a value is ${sample[2]}`);
      const owner = sample[1].replace(/_(bucket|sum|count)$/, "");
      need(types.has(sample[1]) || types.has(owner), `${sample[1]} has no type`);
    }
  }
  for (const name of ["vllm:num_requests_running", "vllm:num_requests_waiting",
    "vllm:kv_cache_usage_perc"]) need(types.has(name), `${name} is missing`);
}

export const ollamaModels = (request, answer) =>
  fits(documentOf(answer), { models: [{ name: "words", model: "words" }] });

export function head(request, answer) {
  const { headers } = answer;
  need(headers["content-length"] > 0 || headers["transfer-encoding"], "no length of what GET has");
}

// A page of another origin must not be let in.
export function foreignPage(request, answer) {
  need(!("access-control-allow-origin" in answer.headers),
    `access-control-allow-origin: ${answer.headers["access-control-allow-origin"]}`);
}

export const anything = () => {};

// OpenAI's form of errors, or Anthropic's.
export function error(request, answer) {
  fits(documentOf(answer), { error: { message: "words", type: "words" } }, "the error");
}

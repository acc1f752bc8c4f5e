// What the cases of clients share: the servers, the libraries set up for them, schemas and tools.
import OpenAI from "openai";
import { z } from "zod";
import { Server, chatTemplate, textEncoder, textModel } from "./server.mjs";

export const model = "fairytale-6m";
export const user = (content) => [{ role: "user", content }];
export const ask = user("Tell me of a fox.");

// The openai library towards a server; without retries, which would hide what is answered first.
export const openaiOf = (server, options = {}) => new OpenAI({ baseURL: `${server.url}/v1`,
  apiKey: "none", maxRetries: 0, timeout: 60_000, ...options });

export async function openStage() {
  const writer = await Server.start(textModel, "--chat-template", chatTemplate);
  const encoder = await Server.start(textEncoder, "--name", "some/encoder:1");
  return { writer, encoder, openai: openaiOf(writer), vectors: openaiOf(encoder) };
}

export async function collect(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}

// Runs `body` over all items, `count` at once.
export async function atOnce(count, items, body) {
  const left = [...items.entries()];
  const results = [];
  await Promise.all(Array.from({ length: count }, async () => {
    for (let next; (next = left.shift());) results[next[0]] = await body(next[1], next[0]);
  }));
  return results;
}

// The exception with which `promise` is refused.
export async function refusal(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it was not refused");
}

// Small enough that a model which has never seen JSON fills them in a few tokens.
export const Animal = z.object({ name: z.enum(["fox", "bear"]),
  age: z.number().int().min(0).max(99) });
export const animalSchema = { type: "object", additionalProperties: false,
  properties: { name: { type: "string", enum: ["fox", "bear"] },
    age: { type: "integer", minimum: 0, maximum: 99 } },
  required: ["name", "age"] };
const weatherSchema = { type: "object", additionalProperties: false,
  properties: { place: { type: "string", enum: ["wood", "field", "sea"] } }, required: ["place"] };
export const tools = [["add_animal", animalSchema], ["get_weather", weatherSchema]]
  .map(([name, parameters]) => ({ type: "function",
    function: { name, description: `Calls ${name}`, parameters, strict: true } }));
export const named = (name) => ({ type: "function", function: { name } });

// JSON schemas by their names: what the words of the language can say, in few characters.
import { animalSchema } from "./stage.mjs";

const kMonths = ["May", "June", "July"];
const object = (properties, more = {}) => ({ type: "object", properties,
  required: Object.keys(properties), additionalProperties: false, ...more });
const letters = { type: "string", pattern: "^[a-z]{1,5}$" };
const digit = { type: "integer", minimum: 0, maximum: 9 };

export const schemas = {
  boolean: { type: "boolean" }, null: { type: "null" }, digit,
  negative: { type: "integer", minimum: -20, maximum: -3 },
  enum: { enum: kMonths }, constant: { const: "fox" }, mixed: { enum: ["a", 1, null, true] },
  text: { type: "string", maxLength: 6 }, texts: { type: "string", minLength: 3, maxLength: 3 },
  pattern: { type: "string", pattern: "^(fox|bear)-[0-9]{2}$" },
  list: { type: "array", items: digit, maxItems: 3 },
  pair: { type: "array", prefixItems: [digit, { type: "boolean" }], minItems: 2, maxItems: 2,
    items: false },
  nullable: { type: ["string", "null"], maxLength: 4 },
  either: { anyOf: [digit, { type: "boolean" }] },
  one: { oneOf: [{ type: "boolean" }, { type: "null" }] },
  animal: animalSchema,
  optional: { type: "object", properties: { a: digit, b: letters }, required: ["b"],
    additionalProperties: false },
  nested: object({ a: object({ b: object({ c: digit }) }) }),
  objects: object({ list: { type: "array", minItems: 1, maxItems: 2,
    items: object({ a: letters }) } }),
  reference: { ...object({ a: { $ref: "#/$defs/d" }, b: { $ref: "#/$defs/d" } }),
    $defs: { d: digit } },
  recursive: { $ref: "#/$defs/n", $defs: { n: object({ v: digit,
    next: { anyOf: [{ type: "null" }, { $ref: "#/$defs/n" }] } }) } },
  all: { allOf: [object({ a: digit }, { additionalProperties: true }), {
    properties: { a: { maximum: 5 } } }] },
  quoted: object({ "a \"b\" \\ é": { enum: ["ü\n", "\"", "🦊"] } }),
  date: { type: "string", pattern: "^20[0-9]{2}-(0[1-9]|1[0-2])-[0-2][1-8]$" },
  unsure: object({ sure: { type: "boolean" }, why: { type: "string", maxLength: 8 } }),
};

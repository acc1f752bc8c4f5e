// What a JSON value has to look like, said by an example of types.
//
//   "text", "words" (a text that is not empty), "integer", "count" (from 0), "number", "boolean",
//   "object", "list", "anything"; with a "?" behind it: or null
//   [shape]        a list of such
//   { name: shape }  an object with at least these members, which must be there
//   is(value, ...)   one of these values
//   maybe(shape)     a member that may be absent
class Unmet extends Error {}

// Throws where a condition does not hold.
export function need(holds, what) {
  if (!holds) throw new Unmet(what);
}

const kTypes = {
  text: (value) => typeof value === "string",
  words: (value) => typeof value === "string" && value !== "",
  integer: (value) => Number.isInteger(value),
  count: (value) => Number.isInteger(value) && value >= 0,
  number: (value) => typeof value === "number" && Number.isFinite(value),
  boolean: (value) => typeof value === "boolean",
  object: (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  list: (value) => Array.isArray(value),
  anything: () => true,
};

class OneOf {
  constructor(values) { this.values = values; }
}
class Maybe {
  constructor(shape) { this.shape = shape; }
}
export const is = (...values) => new OneOf(values);
export const maybe = (shape) => new Maybe(shape);

const shown = (value) => (JSON.stringify(value) ?? "nothing").slice(0, 60);

// Throws where `value` is not of the shape; `where` names it.
export function fits(value, shape, where = "the answer") {
  if (typeof shape === "string") {
    const orNull = shape.endsWith("?");
    const type = orNull ? shape.slice(0, -1) : shape;
    need((orNull && value === null) || kTypes[type](value),
      `${where} is ${shown(value)}, not ${type}${orNull ? " or null" : ""}`);
  } else if (shape instanceof OneOf) {
    need(shape.values.includes(value),
      `${where} is ${shown(value)}, not ${shape.values.map(shown).join(" or ")}`);
  } else if (Array.isArray(shape)) {
    need(kTypes.list(value), `${where} is ${shown(value)}, not a list`);
    value.forEach((item, i) => fits(item, shape[0], `${where}[${i}]`));
  } else {
    need(kTypes.object(value), `${where} is ${shown(value)}, not an object`);
    for (const [name, inner] of Object.entries(shape)) {
      if (inner instanceof Maybe) {
        if (Object.hasOwn(value, name)) fits(value[name], inner.shape, `${where}.${name}`);
      } else {
        need(Object.hasOwn(value, name), `${where}.${name} is missing`);
        fits(value[name], inner, `${where}.${name}`);
      }
    }
  }
  return value;
}

// The value that a JSON text holds.
export function json(text, where) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Unmet(`${where} is not JSON (${error.message}): ${text.slice(0, 80)}`);
  }
}

const kSchemaTypes = { ...kTypes, string: kTypes.text, array: kTypes.list,
  null: (value) => value === null };

// Throws where `value` is not what a JSON Schema allows; the words of it that the recorded requests
// use, and an exception for any other.
export function fitsSchema(value, schema, where, root = schema) {
  for (const [word, rule] of Object.entries(schema)) {
    switch (word) {
      case "title": case "description": case "$defs": break;
      case "type":
        need(kSchemaTypes[rule](value), `${where} is ${shown(value)}, not ${rule}`);
        break;
      case "$ref": fitsSchema(value, root.$defs[rule.replace("#/$defs/", "")], where, root); break;
      case "minimum": need(value >= rule, `${where} is ${value}, below ${rule}`); break;
      case "maximum": need(value <= rule, `${where} is ${value}, above ${rule}`); break;
      case "items":
        value.forEach((item, i) => fitsSchema(item, rule, `${where}[${i}]`, root));
        break;
      case "required":
        for (const name of rule) need(Object.hasOwn(value, name), `${where}.${name} is missing`);
        break;
      case "properties":
        for (const [name, inner] of Object.entries(rule))
          if (Object.hasOwn(value, name)) fitsSchema(value[name], inner, `${where}.${name}`, root);
        break;
      case "additionalProperties":
        need(rule === false, `additionalProperties ${shown(rule)} is not checked here`);
        for (const name of Object.keys(value))
          need(Object.hasOwn(schema.properties, name), `${where}.${name} is not in the schema`);
        break;
      default: throw new Unmet(`the word '${word}' of schemas is not checked here`);
    }
  }
}

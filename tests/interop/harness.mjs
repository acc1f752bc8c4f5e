// What the parts share: where things are, a source of random numbers, programs and their answers.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

export const source = process.env.INTEROP_SOURCE;
export const bin = path.join(process.env.INTEROP_BUILD, "bin");
export const work = path.join(process.env.INTEROP_BUILD, "interop", "files");
export const modules = path.join(process.env.INTEROP_BUILD, "interop", "node_modules");
mkdirSync(work, { recursive: true });

export const readJson = (file) => JSON.parse(readFileSync(file, "utf8"));

// Writes a file of this run and returns its path.
export function writeWork(name, text) {
  const file = path.join(work, name);
  writeFileSync(file, text);
  return file;
}

// stdout of a program of this build or of the system; an exception with its stderr if it fails.
export function output(program, args, options = {}) {
  return execFileSync(program, args, {
    maxBuffer: 1 << 30, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], ...options,
  });
}

// The same numbers on every machine (a xorshift of 32 bits).
export class Random {
  constructor(seed) { this.state = seed >>> 0 || 1; }
  next() {
    let x = this.state;
    x ^= x << 13; x ^= x >>> 17; x ^= x << 5;
    return (this.state = x >>> 0);
  }
  below(count) { return this.next() % count; }
  of(items) { return items[this.below(items.length)]; }
}

// A text on one line of at most some 100 characters, or `most`.
export function brief(value, most = 100) {
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length <= most ? text : `${text.slice(0, most - 40)} ... (${text.length} characters)`;
}

// Counts what was compared, keeps what differs, and ends the process accordingly.
export class Report {
  compared = 0;
  failures = [];
  fail(line) { this.failures.push(line); }
  finish(summary) {
    for (const line of this.failures.slice(0, 40)) console.log(`DIFFERS ${line}`);
    if (this.failures.length > 40) console.log(`and ${this.failures.length - 40} more`);
    console.log(summary);
    process.exit(this.failures.length === 0 ? 0 : 1);
  }
}

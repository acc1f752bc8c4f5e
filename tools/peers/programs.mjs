// bitnetc as a program, and how this script speaks.
import { spawn } from "node:child_process";

export const say = (text) => process.stderr.write(`bench-peers: ${text}\n`);

export class WrongUse extends Error {}

export function fail(text, exitCode) {
  say(text);
  process.exit(exitCode);
}

// Runs bitnetc, one command at a time.
export class Programs {
  machine = "";
  version = "";
  stopped = false;

  // Its stdout. Error: its last line of stderr.
  async run(...args) {
    if (this.stopped) await new Promise(() => {});
    const child = spawn(process.env.PEERS_BITNETC, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.child = child;
    let out = "", err = "";
    child.stdout.setEncoding("utf8").on("data", (text) => { out += text; });
    child.stderr.setEncoding("utf8").on("data", (text) => { err += text; });
    const code = await new Promise((resolve, reject) => {
      child.on("error", reject).on("close", resolve);
    });
    this.child = undefined;
    // Who has asked for the end waits for this to be over; nothing comes after it.
    if (this.stopped) await new Promise(() => {});
    const last = err.trim().split("\n").at(-1);
    if (code !== 0) throw new Error(`bitnetc ${args[0]}: ${last || `exit code ${code}`}`);
    return out;
  }

  // Ends the command that runs, whose temporary files go with it.
  async stop() {
    this.stopped = true;
    const child = this.child;
    if (!child) return;
    const closed = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGTERM");
    await closed;
  }

  async inspect(file) {
    return JSON.parse(await this.run("inspect", file, "--json")).description;
  }

  // Tokens per second of a prompt and of generation, where they are asked for, of one repeat.
  async bench(file, { prompt, generated }, threads, ...more) {
    const document = JSON.parse(await this.run("bench", file, "--prompt", String(prompt), "--gen",
      String(generated), "-t", String(threads), "-r", "1", "--json", "-q", ...more));
    this.machine = document.machine;
    this.version = document.bitnetc_version;
    const rate = (ofPrompt) =>
      document.rows.find((row) => (row.prompt > 0) === ofPrompt)?.tokens_per_second;
    return { prompt: rate(true), generated: rate(false) };
  }
}

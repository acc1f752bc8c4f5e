// The files that are compared: one random model, once as bitnetc compiles it and in each type of
// llama.cpp. What is there already is taken as it is.
import { existsSync, rmSync, statfsSync } from "node:fs";
import path from "node:path";
import { WrongUse, say } from "./programs.mjs";

// The family that llama.cpp has a graph for: sub-norms as in BitNet-b1.58-2B-4T, SiLU for its
// squared ReLU.
const kFamily = "1bitllm";
// bitnetc keeps a quantised head as fp32, so its own is made from this one.
const kOwnHead = "f16";
// A row of a ternary type is made of such blocks; others would not be ternary there.
const kBlock = 256;
// Per weight of the model, at most: float masters and a GGUF file of them, later all files at once.
const kRoomPerWeight = 4, kSpareRoom = 1e9;

// Error: no such shape, one that llama.cpp has no ternary rows for, no room.
async function expectShape(programs, folder, shape) {
  const lines = (await programs.run("synth", "--list")).split("\n");
  const line = lines.find((each) => each.split(/ +/)[0] === shape);
  if (!line) throw new WrongUse(`--shape '${shape}': expected a name of bitnetc synth --list`);
  const [, hidden, ffn, weights] = /hidden +(\d+) +ffn +(\d+) .* ([0-9.]+) G weights/.exec(line);
  if (hidden % kBlock !== 0 || ffn % kBlock !== 0)
    throw new WrongUse(`--shape '${shape}': hidden ${hidden}, ffn ${ffn}: expected multiples of ${
      kBlock}, or llama.cpp has no ternary type for the rows`);
  const { bavail, bsize } = statfsSync(folder);
  const room = weights * 1e9 * kRoomPerWeight + kSpareRoom;
  if (bavail * bsize < room)
    throw new Error(`${folder}: ${(bavail * bsize / 1e9).toFixed(1)} GB are free, ${
      (room / 1e9).toFixed(1)} GB are needed: free some, or set TMPDIR or --files to another disk`);
}

// {ours: path, theirs: [{name, type, head, path}]}
export async function makeFiles(programs, folder, { shape, types, heads }) {
  const fileOf = (name) => path.join(folder, `${shape}-${name}`);
  const base = fileOf("i2_s.gguf"), ours = fileOf("bitnetc.bnc");
  const theirs = types.flatMap((type) => heads.map((head) =>
    ({ name: `${type} ${head}`, type, head, path: fileOf(`${type}-${head}.gguf`) })));
  if ([ours, ...theirs.map((peer) => peer.path)].every((file) => existsSync(file)))
    return { ours, theirs };
  await expectShape(programs, folder, shape);
  const make = async (file, ...args) => {
    if (existsSync(file)) return;
    say(`writing ${path.basename(file)} ...`);
    await programs.run(...args, "-o", file, "-q");
  };
  await make(base, "synth", shape, "--family", kFamily);
  for (const peer of theirs)
    await make(peer.path, "convert", base, "--type", peer.type, "--head", peer.head);
  if (!existsSync(ours)) {
    const source = fileOf(`${kOwnHead}.gguf`);
    await make(source, "convert", base, "--head", kOwnHead);
    await make(ours, "convert", source);
    rmSync(source);
  }
  rmSync(base);
  return { ours, theirs };
}

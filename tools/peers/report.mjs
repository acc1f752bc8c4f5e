// What was measured, as a table of 80 columns and as a document.
const kTests = ["generated", "prompt"];

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const last = sorted.length - 1;
  return (sorted[last >> 1] + sorted[(last + 1) >> 1]) / 2;
}

const tokensOf = ({ options }, test) => options[test];
const titleOf = (measured, test) => test === "prompt"
  ? `prompt of ${tokensOf(measured, test)} tokens`
  : `generation of ${tokensOf(measured, test)} tokens`;

const headName = (head) => `head ${head.toUpperCase()}`;

// Who was measured in a test, bitnetc as it runs first.
function runners({ theirs }, test) {
  const ours = [{ key: "screened", name: "bitnetc i2_s, head F16" + (test === "prompt" ? "" :
    ", screened"), program: "bitnetc", type: "i2_s", head: "f16", screened: true }];
  if (test === "generated")
    ours.push({ key: "full", name: "bitnetc i2_s, head F16, every logit", program: "bitnetc",
      type: "i2_s", head: "f16", screened: false });
  return [...ours, ...theirs.map(({ name, type, head }) => ({
    key: name, name: `llama.cpp ${type.toUpperCase()}, ${headName(head)}`, program: "llama.cpp",
    type, head }))];
}

// Every test, number of threads and runner; `ratio`: how much faster bitnetc is than it.
function rowsOf(measured) {
  const rows = [];
  for (const test of kTests)
    for (const threads of measured.options.threads) {
      if (tokensOf(measured, test) === 0) continue;
      const ratesOf = (key) => measured.rates[`${key} ${test} ${threads}`];
      const own = median(ratesOf("screened"));
      for (const { key, ...runner } of runners(measured, test))
        rows.push({ test, threads, ...runner, tokens_per_second: median(ratesOf(key)),
          ratio: own / median(ratesOf(key)), rates: ratesOf(key) });
    }
  return rows;
}

// bitnetc over the fastest type of llama.cpp, for every head of it.
function bestOf(measured, rows) {
  const best = [];
  for (const test of kTests) for (const head of measured.options.heads)
    for (const threads of measured.options.threads) {
      const peers = rows.filter((row) => row.program === "llama.cpp" && row.test === test &&
        row.head === head && row.threads === threads);
      if (peers.length === 0) continue;
      const fastest = peers.reduce((a, b) => b.tokens_per_second > a.tokens_per_second ? b : a);
      best.push({ test, head, threads, type: fastest.type, ratio: fastest.ratio });
    }
  return best;
}

// Broken at blanks where a line would be longer than the table.
const wrapped = (text) => text.replace(/(.{1,79})(?: |$)/g, "$1\n").trimEnd();

const number = (value) => value.toFixed(value < 100 ? 2 : 1).padStart(9);

function section(measured, rows, test) {
  return `\n${titleOf(measured, test).padEnd(37)}threads tokens/s    least     most  bitnetc\n` +
    rows.filter((row) => row.test === test).map((row) => {
      const ratio = row.program === "bitnetc" ? "" : `${row.ratio.toFixed(2)} x`;
      return `${row.name.padEnd(37)}${String(row.threads).padStart(6)} ${
        number(row.tokens_per_second)}${number(Math.min(...row.rates))}${
        number(Math.max(...row.rates))} ${ratio.padStart(7)}`.trimEnd() + "\n";
    }).join("");
}

export function tableOf(measured) {
  const { model: { config }, llama, options } = measured;
  const rows = rowsOf(measured);
  let text = `bitnetc ${measured.bitnetc} beside llama.cpp ${llama.release} (node-llama-cpp ${
    llama.package}, node ${llama.node},
kernels for ${llama.backend}), ${measured.date}
${wrapped(measured.machine)}

A random model of the shape ${options.shape}: ${config.layers} layers, hidden ${
  config.hidden_size}, ffn ${config.intermediate_size},
${config.q_heads} heads of ${config.head_dim}, ${config.kv_heads} of keys and values, ${
  config.vocab_size} tokens. llama.cpp has no graph
of the architecture of BitNet-b1.58-2B-4T; both run the nearest that it has,
"bitnet": the same sub-norms, and SiLU in place of the squared ReLU. Trits and
scales are the same in all files. Both choose the greatest logit; bitnetc finds
it without computing every one of them (screened), or computes them all.
Medians of ${options.rounds} round${options.rounds === 1 ? "" : "s"
  } in turns. Last column: bitnetc, screened, is so many
times as fast.
`;
  for (const test of kTests)
    if (tokensOf(measured, test) > 0) text += section(measured, rows, test);
  text += "\nbitnetc over llama.cpp's fastest ternary type\n";
  for (const { test, head, threads, type, ratio } of bestOf(measured, rows))
    text += `${titleOf(measured, test)}, ${headName(head)}, ${threads} thread${
      threads === 1 ? "" : "s"}: ${ratio.toFixed(2)} x (${type.toUpperCase()})\n`;
  return text;
}

export function documentOf(measured) {
  const rows = rowsOf(measured);
  return {
    schema: "bitnetc.bench-peers", version: 1, date: measured.date, machine: measured.machine,
    bitnetc_version: measured.bitnetc, llama_cpp: measured.llama, model: measured.model.config,
    rounds: measured.options.rounds, rows, best: bestOf(measured, rows),
  };
}

// The texts that tokenizers are compared over: every script, emoji, white space, numbers, code,
// combining characters, spelled special tokens, mixtures of all of them, and long ones.
import { Random } from "./harness.mjs";

// Blocks of Unicode, first and last code point; all characters in them are drawn, unassigned ones
// left out. Scripts of one region stand together.
const kBlocks = {
  latin: [0x41, 0x24f], ipa: [0x250, 0x2af], greek: [0x370, 0x3ff], cyrillic: [0x400, 0x52f],
  armenian: [0x530, 0x58f], hebrew: [0x590, 0x5ff], arabic: [0x600, 0x6ff], syriac: [0x700, 0x74f],
  thaana: [0x780, 0x7bf], nko: [0x7c0, 0x7ff], samaritan: [0x800, 0x83f],
  devanagari: [0x900, 0x97f], bengali: [0x980, 0x9ff], gurmukhi: [0xa00, 0xa7f],
  gujarati: [0xa80, 0xaff], oriya: [0xb00, 0xb7f], tamil: [0xb80, 0xbff], telugu: [0xc00, 0xc7f],
  kannada: [0xc80, 0xcff], malayalam: [0xd00, 0xd7f], sinhala: [0xd80, 0xdff], thai: [0xe00, 0xe7f],
  lao: [0xe80, 0xeff], tibetan: [0xf00, 0xfff], myanmar: [0x1000, 0x109f],
  georgian: [0x10a0, 0x10ff], jamo: [0x1100, 0x11ff], ethiopic: [0x1200, 0x137f],
  cherokee: [0x13a0, 0x13ff], canadian: [0x1400, 0x167f], ogham: [0x1680, 0x169f],
  runic: [0x16a0, 0x16ff], tagalog: [0x1700, 0x171f], khmer: [0x1780, 0x17ff],
  mongolian: [0x1800, 0x18af], limbu: [0x1900, 0x194f], taile: [0x1950, 0x197f],
  buginese: [0x1a00, 0x1a1f], taitham: [0x1a20, 0x1aaf], balinese: [0x1b00, 0x1b7f],
  sundanese: [0x1b80, 0x1bbf], lepcha: [0x1c00, 0x1c4f], olchiki: [0x1c50, 0x1c7f],
  vedic: [0x1cd0, 0x1cff], phonetic: [0x1d00, 0x1dbf], latinMore: [0x1e00, 0x1eff],
  greekMore: [0x1f00, 0x1fff], punctuation: [0x2010, 0x206f], superscripts: [0x2070, 0x209f],
  currency: [0x20a0, 0x20bf], letterlike: [0x2100, 0x214f], numbers: [0x2150, 0x218f],
  arrows: [0x2190, 0x21ff], maths: [0x2200, 0x22ff], technical: [0x2300, 0x23ff],
  enclosed: [0x2460, 0x24ff], boxes: [0x2500, 0x259f], shapes: [0x25a0, 0x25ff],
  dingbats: [0x2700, 0x27bf], braille: [0x2800, 0x28ff], glagolitic: [0x2c00, 0x2c5f],
  coptic: [0x2c80, 0x2cff], tifinagh: [0x2d30, 0x2d7f], radicals: [0x2e80, 0x2eff],
  cjkPunctuation: [0x3000, 0x303f], hiragana: [0x3041, 0x309f], katakana: [0x30a0, 0x30ff],
  bopomofo: [0x3105, 0x312f], hangulOld: [0x3131, 0x318e], cjkEnclosed: [0x3200, 0x33ff],
  cjkA: [0x3400, 0x4dbf], cjk: [0x4e00, 0x9fef], yi: [0xa000, 0xa48f], lisu: [0xa4d0, 0xa4ff],
  vai: [0xa500, 0xa63f], bamum: [0xa6a0, 0xa6ff], saurashtra: [0xa880, 0xa8df],
  javanese: [0xa980, 0xa9df], cham: [0xaa00, 0xaa5f], meetei: [0xabc0, 0xabff],
  hangul: [0xac00, 0xd7a3], cjkCompatible: [0xf900, 0xfaff], ligatures: [0xfb00, 0xfb4f],
  arabicForms: [0xfe70, 0xfefc], fullwidth: [0xff01, 0xffee], linearB: [0x10000, 0x1007f],
  gothic: [0x10330, 0x1034f], deseret: [0x10400, 0x1044f], cypriot: [0x10800, 0x1083f],
  phoenician: [0x10900, 0x1091f], brahmi: [0x11000, 0x1107f], kaithi: [0x11080, 0x110c1],
  chakma: [0x11100, 0x1114f], cuneiform: [0x12000, 0x123ff], hieroglyphs: [0x13000, 0x1342e],
  musical: [0x1d100, 0x1d1ff], mathLetters: [0x1d400, 0x1d7ff], adlam: [0x1e900, 0x1e943],
  dominoes: [0x1f030, 0x1f09f], emoticons: [0x1f600, 0x1f64f], pictographs: [0x1f300, 0x1f5ff],
  transport: [0x1f680, 0x1f6c5], symbolsMore: [0x1f900, 0x1f9ff], cjkB: [0x20000, 0x2a6d6],
};

const kSpaces = [
  " ", "\t", "\n", "\r", "\r\n", "\v", "\f", "\u00a0", "\u1680", "\u2002", "\u2003", "\u2009",
  "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\u0085", "\u200b", "\ufeff",
];

const kEmoji = [
  "😀", "👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🇩🇪🇫🇷", "1️⃣", "#️⃣", "❤️", "❤️‍🔥", "👨🏿‍💻", "🧑‍🤝‍🧑",
  "🙋🏻‍♀️", "☠️", "⚕️", "🤷🏽‍♂️", "👁️‍🗨️", "🐻‍❄️", "🫱🏻‍🫲🏿", "🦰", "©️", "™", "🀄", "🏻", "‍", "️", "🇦",
  "👨‍",
];

const kNumbers = ["0", "1", "12", "123", "1234", "12345", "1234567890", "3.14159", "-1e-5", "0x1F",
  "1,000,000.00", "1_000", "٣٤٥", "१२३", "１２３", "Ⅷ", "½", "²³", "①②", "1st", "2nd", "v1.2.3",
  "2026-11-29T18:19:26Z", "192.168.0.1", "50%", "$9.99", "€1.000,50", "+49 30 1234567", "1/2", "∞",
  "9".repeat(50), "0".repeat(7), "1 2 3 4", "1\n2", "a1b2c3", "3D", "x²+y²=z²"];

const kCode = [
  "def f(x):\n    return x**2  # square\n", "for (int i = 0; i < n; ++i) {\n\ta[i] += b[i];\n}\n",
  "const f = async ({a, ...b}) => `${a}`;", "<div class=\"x\">&nbsp;</div>\n<!-- -->",
  "{\"a\": [1, 2.5e3, null, \"\\u00e9\"]}", "#!/bin/sh\nset -e; echo \"$HOME\" | sed 's/a/b/g'",
  "SELECT * FROM t WHERE a = 'it''s';", "\\frac{a}{b} \\sum_{i=0}^{n} x_i",
  "| a | b |\n|---|---|\n| 1 | 2 |", "fn main() { println!(\"{}\", 1_u8); }",
  "    \t  indented\n        more\n\n\n", "a->b.c::d[e](f)!=g", "// comment /* nested */",
  "x = y if z else w", "import os, sys\r\nprint(os.path)\r\n", "@a.b(c)\n@d",
  "^(?:[a-z]+\\d{2,3}|\\s*)$", "http://a.b/c?d=e&f=%20#g", "me@example.org", "C:\\dir\\file.txt",
  "git commit -m 'x' && make -j2 || exit 1", "λx.x → x", "if(a){b}else{c}", ";;;;", "((((()))))",
  "====", "----------", "__init__", "camelCaseWord", "snake_case_word", "SCREAMING", "a.b.c.d",
  "...", "!!!???",
];

const kWords = [
  "Hello, world!", "it's I'm you're we've they'll he'd IT'S I'M WE'VE", "don't", "'tis",
  "'S 'T 'rE 'Ll", "naïve café", "cafe\u0301", "Straße STRASSE", "ﬁne ﬂoor", "İstanbul ısı",
  "O'Neill–Smith", "“quoted” ‘text’", "e.g. i.e. etc.", "A", "a", "The quick brown fox", "ſ 'ſ",
  "antidisestablishmentarianism", "Donaudampfschifffahrtsgesellschaft", "", "a b", "a  b", "a   b",
  "a\nb", "a\n\nb", "a \n b", " a", "  a", "a ", "a  ", "▁", "▁a▁b", "a▁ b", "Ġ", "<0x0A>",
  "\u0000", "\u0001\u001f", "\u007f", "\ufffd", "\ufffe", "\u{10ffff}", "\u{e0001}", "\ue000",
  "\u00ad", "a\u0000b",
];

const kSpecials = [
  "<s>", "</s>", "<unk>", "<pad>", "<bos>", "<eos>", "<|begin_of_text|>", "<|end_of_text|>",
  "<|eot_id|>", "<|start_header_id|>user<|end_header_id|>\n\n", "<|im_start|>user\n", "<|im_end|>",
  "<|endoftext|>", "<start_of_turn>model\n", "<end_of_turn>", "<think>", "</think>", "<tool_call>",
  "<|reserved_special_token_0|>", "<unused0>", "<s", "s>", "<|im_start", "<<s>>", "<s><s>", "a<s>b",
  "a <s> b", "<s> a", "<|im_end|><|im_end|>", "<mask>", "[INST]", "<0xFF>", "<h1>",
];

// Each of these makes several orders and forms: base, then marks of different classes.
const kMarked = [
  "e\u0301", "é", "a\u0323\u0302", "a\u0302\u0323", "ậ", "o\u0308\u0304", "ȫ", "\u1100\u1161\u11a8",
  "각", "\u03b9\u0308\u0301", "\u05e9\u05bc\u05c1", "שּׁ", "\u0915\u093c", "क़", "\u212b", "\u2126",
  "Å", "Ω", "\u0344", "\u0340", "\u0958", "\u09dc", "\u0b47\u0b57", "\u1025\u102e", "\u3046\u3099",
  "ゔ", "ｶﾞ", "\uf900", "\ufa10", "豈", "q\u0307\u0323", "q\u0323\u0307", "\u{11935}\u{11930}",
  "\u{11938}", "\u0f71\u0f72", "\u1e9b\u0323", "ﬃ", "²", "№", "㎏", "\u0e33", "\u0301a", "\u0300",
];

function drawn(random, [first, last], count) {
  let text = "";
  while (count > 0) {
    const point = String.fromCodePoint(first + random.below(last - first + 1));
    // Cn, Cs: what no version of Unicode that is compared knows, and halves of characters.
    if (/\p{Cn}|\p{Cs}/u.test(point)) continue;
    text += point;
    --count;
    if (random.below(7) === 0) text += " ";
  }
  return text;
}

function mixed(random, pools, parts) {
  let text = "";
  for (let i = 0; i < parts; ++i)
    text += random.of(random.of(pools)) + random.of(["", " ", "", "\n"]);
  return text;
}

// Name and text of each, the same at every call. The longest is one word of so many letters.
export function texts(longestWord = 1000) {
  const random = new Random(20261129);
  const found = [];
  const add = (name, text) => found.push({ name, text });
  for (const [script, block] of Object.entries(kBlocks)) {
    add(`script ${script}`, drawn(random, block, 40));
    add(`words of ${script}`, `In ${drawn(random, block, 6)}: "${drawn(random, block, 12)}", 7${
      drawn(random, block, 3)}x.`);
  }
  const lists = { emoji: kEmoji, number: kNumbers, code: kCode, words: kWords, special: kSpecials,
    marked: kMarked };
  for (const [name, list] of Object.entries(lists))
    list.forEach((text, i) => add(`${name} ${i}`, text));
  for (const space of kSpaces) {
    const point = `U+${space.codePointAt(0).toString(16)} (${space.length})`;
    add(`space ${point}`, `a${space}b${space}${space}c${space.repeat(3)}${space}`);
    add(`spaces ${point}`, space.repeat(1 + random.below(70)));
  }
  const pools = [kEmoji, kNumbers, kCode, kWords, kSpecials, kMarked, kSpaces];
  for (let i = 0; i < 120; ++i) add(`mixture ${i}`, mixed(random, pools, 2 + random.below(14)));
  const blocks = Object.values(kBlocks);
  for (let i = 0; i < 20; ++i) {
    let text = "";
    for (let part = 0; part < 60; ++part)
      text += drawn(random, random.of(blocks), 1 + random.below(5));
    add(`scripts mixed ${i}`, text);
  }
  add("long mixture", mixed(random, pools, 4000));
  add("long line of spaces", " ".repeat(20000));
  add("long run of newlines", "\n".repeat(5000));
  let letters = "";
  while (letters.length < longestWord) letters += String.fromCharCode(97 + random.below(26));
  add("one long word", letters);
  // Texts are UTF-8 everywhere: what JavaScript holds as half a character becomes U+FFFD.
  for (const each of found) each.text = each.text.toWellFormed();
  return found;
}

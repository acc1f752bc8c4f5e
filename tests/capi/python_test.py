"""The Python package: against the command, and what it refuses. Run by tests/capi/python."""

import array
import json
import math
import os
import pathlib
import queue
import shutil
import subprocess
import tempfile
import threading
import time
import unittest
import unittest.mock

import bitnetc

SOURCE = pathlib.Path(os.environ["BITNETC_SOURCE_DIR"])
STORY = "Once upon a time"


def command(*arguments):
    done = subprocess.run([os.environ["BITNETC_COMMAND"], *arguments, "--json"], check=True,
                          capture_output=True)
    return json.loads(done.stdout)


class SlowQueue(queue.SimpleQueue):
    """Holds a generation up, so that it is met before its end."""

    def put(self, piece):
        super().put(piece)
        time.sleep(0.005)


slowly = unittest.mock.patch("bitnetc._sequence.queue.SimpleQueue", SlowQueue)


class ModelTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = bitnetc.Model(threads=2)

    @classmethod
    def tearDownClass(cls):
        cls.model.close()


class Facts(ModelTest):
    def test_info(self):
        info = self.model.info
        self.assertEqual((info.name, info.family), ("fairytale-6m", "bitnet"))
        self.assertEqual((info.vocab_size, info.context_tokens, info.threads), (4096, 1024, 2))
        self.assertIs(info.is_encoder, False)
        self.assertTrue(os.path.isfile(info.path))
        project = (SOURCE / "tools/bindings/python/pyproject.toml").read_text()
        self.assertIn(f'version = "{bitnetc.library_version()}"', project)

    def test_text(self):
        for text in ("", STORY, "\u00e4\u00f6 \U0001f600\0 and a NUL"):
            ids = self.model.tokenize(text, add_special=False)
            self.assertEqual(self.model.detokenize(ids), text)
        self.assertEqual(self.model.tokenize(STORY),
                         command("tokenize", "-p", STORY)["ids"])
        self.assertIn(4095, self.model.tokenize("<|eot_id|>"))
        self.assertNotIn(4095, self.model.tokenize("<|eot_id|>", typed=True))
        self.assertEqual(self.model.detokenize([4095]), "")
        self.assertEqual(self.model.detokenize([4095], show_special=True), "<|eot_id|>")

    def test_sampling(self):
        own = self.model.sampling()
        self.assertEqual((own.temperature, own.top_p, own.seed), (0.7, 0.9, 0))
        self.assertEqual(self.model.sampling(seed=2**64 - 1).seed, 2**64 - 1)
        with self.assertRaisesRegex(ValueError, "expected 0 to 2"):
            bitnetc.Sampler(self.model, self.model.sampling(seed=2**64))

    def test_notes(self):
        notes, steps = [], []
        with bitnetc.Model(cache_dir="", on_note=lambda level, text: notes.append((level, text)),
                           on_progress=lambda *progress: steps.append(progress)):
            pass
        self.assertTrue(any(text.startswith("compiled ") for level, text in notes if level == 0))
        self.assertEqual(steps[-1][0], "compiling")
        self.assertEqual(steps[-1][1], steps[-1][2])


    def test_memory(self):
        expected = command("run", "-p", STORY, "-n", "8")["text"]
        with bitnetc.Model(lock_memory=True, skip_memory_check=True) as model:
            self.assertEqual("".join(model.generate(STORY, max_tokens=8)), expected)

    def test_kv_type(self):
        for kv_type in ("f32", "i8"):
            expected = command("run", "-p", STORY, "-n", "24", "--kv", kv_type)["text"]
            with bitnetc.Model(kv_type=kv_type) as model:
                self.assertEqual("".join(model.generate(STORY, max_tokens=24)), expected)
        with self.assertRaisesRegex(bitnetc.Error, "kv_type 'q4': expected one of f16, f32, i8"):
            bitnetc.Model(kv_type="q4")


class Generating(ModelTest):
    def test_is_what_the_command_prints(self):
        for seed in (0, 7):
            expected = command("run", "-p", STORY, "-n", "32", "--seed", str(seed))
            generation = self.model.generate(STORY, max_tokens=32,
                                             sampling=self.model.sampling(seed=seed))
            pieces = list(generation)
            self.assertGreater(len(pieces), 5)
            self.assertEqual("".join(pieces), expected["text"])
            self.assertEqual(generation.text, expected["text"])
            self.assertEqual(generation.tokens, expected["ids"])
            self.assertEqual(generation.stop_reason, bitnetc.StopReason.MAX_TOKENS)
            self.assertGreater(generation.decode_seconds, 0)

    def test_own_loop(self):
        expected = command("run", "-p", STORY, "-n", "12")["ids"]
        history, sampler = self.model.tokenize(STORY), bitnetc.Sampler(self.model)
        with self.model.sequence() as sequence:
            sequence.eval(history)
            for id_ in expected:
                self.assertEqual(sampler.sample(sequence.logits, history), id_)
                history.append(id_)
                sequence.eval([id_])
            self.assertEqual(sequence.tokens, history)
            self.assertEqual(sampler.sample([0.0, 1e9], []), 1)

    @slowly
    def test_stops(self):
        whole = self.model.generate(STORY)
        text = "".join(whole)
        stopped = self.model.generate(STORY, stop=["nowhere", text[20:26]])
        self.assertEqual("".join(stopped), text[: text.index(text[20:26])])
        self.assertEqual(stopped.stop_reason, bitnetc.StopReason.STOP_STRING)
        sequence = self.model.sequence()
        ids = self.model.tokenize(STORY)
        with sequence.generate(ids, max_tokens=900, ignore_end=True) as generation:
            self.assertEqual(next(generation), text[: len(next(self.model.generate(STORY)))])
        self.assertEqual(generation.stop_reason, bitnetc.StopReason.CALLBACK)
        self.assertEqual(list(generation), [])
        again = sequence.generate(ids)
        self.assertEqual("".join(again), text)
        self.assertEqual(again.kept_tokens, len(ids) - 1)

    @slowly
    def test_busy_and_abandoned(self):
        sequence = self.model.sequence()
        generation = sequence.generate([1, 2], max_tokens=1000, ignore_end=True)
        next(generation)
        with self.assertRaises(AttributeError):
            generation.text
        with self.assertRaises(bitnetc.Error) as refused:
            sequence.fork()
        self.assertEqual(refused.exception.status, bitnetc.Status.BUSY)
        sequence.close()  # stops what runs
        self.assertRaises(ValueError, sequence.eval, [1])

    @slowly
    def test_cancelled_from_another_thread(self):
        cancel = bitnetc.Cancel()
        generation = self.model.generate(STORY, max_tokens=1000, ignore_end=True, cancel=cancel)
        next(generation)
        thread = threading.Thread(target=cancel.request)
        thread.start()
        thread.join()
        for _ in generation:
            pass
        self.assertEqual(generation.stop_reason, bitnetc.StopReason.CANCELLED)
        with self.assertRaises(bitnetc.Error) as stopped:
            self.model.sequence().eval([1, 2], cancel)
        self.assertEqual(stopped.exception.status, bitnetc.Status.CANCELLED)


class Sequences(ModelTest):
    def test_forks_and_truncation(self):
        def fresh(ids):
            sequence = self.model.sequence()
            sequence.eval(ids)
            return sequence.logits

        sequence = self.model.sequence()
        sequence.eval(range(70))
        fork = sequence.fork()
        self.assertEqual(fork.logits.tobytes(), sequence.logits.tobytes())
        fork.truncate(65)
        fork.eval([7, 8])
        self.assertEqual(fork.logits.tobytes(), fresh([*range(65), 7, 8]).tobytes())
        sequence.eval([9])
        self.assertEqual(sequence.logits.tobytes(), fresh([*range(70), 9]).tobytes())
        self.assertEqual((fork.position, sequence.position), (67, 71))
        self.assertIsInstance(fork.logits, array.array)

    def test_errors(self):
        sequence = self.model.sequence(context_tokens=4)
        cases = [
            (lambda: bitnetc.Model("/nowhere"), "NOT_FOUND", "/nowhere: no such file"),
            (lambda: sequence.eval([4096]), "INVALID_ARGUMENT", "expected 0..4095"),
            (lambda: sequence.eval([1] * 5), "CONTEXT_FULL", "5 tokens do not fit"),
            (lambda: list(sequence.generate([1] * 5)), "CONTEXT_FULL", "5 tokens do not fit"),
            (lambda: sequence.logits, "INVALID_ARGUMENT", "has no logits"),
            (lambda: self.model.chat_tokenize([("user", "x")]), "NOT_FOUND", "no chat template"),
            (lambda: self.model.embed(["x"]), "UNSUPPORTED", "not a text encoder"),
            (lambda: bitnetc.Model(layout="none"), "INVALID_ARGUMENT", "layout 'none'"),
        ]
        for call, status, message in cases:
            with self.assertRaisesRegex(bitnetc.Error, message) as raised:
                call()
            self.assertEqual(raised.exception.status, bitnetc.Status[status])
        for call in (lambda: sequence.eval([2**31]), lambda: bitnetc.Model("a\0b"),
                     lambda: sequence.generate([1], max_tokens=0)):
            self.assertRaises(ValueError, call)


class Folders(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def test_chat(self):
        folder = self.folder / "chat"
        shutil.copytree(SOURCE / "tools/models/fairytale-6m", folder)
        config = json.loads((folder / "tokenizer_config.json").read_text())
        config["chat_template"] = ("{% for m in messages %}{{ m.role }}: {{ m.content }}<|eot_id|>"
                                   "{% endfor %}assistant:")
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
        with bitnetc.Model(folder) as model:
            self.assertTrue(model.info.has_chat_template)
            ids = model.chat_tokenize([("system", "Be brief."), ("user", "A king?")])
            expected = command("run", str(folder), "--system", "Be brief.", "--chat-prompt",
                               "A king?", "-n", "24")
            self.assertEqual(ids, expected["prompt_ids"])
            generation = model.generate(ids, max_tokens=24, is_chat=True)
            self.assertEqual("".join(generation), expected["text"])

    def test_embed(self):
        folder = SOURCE / "tests/golden/data/families/embedding-qwen3"
        with bitnetc.Model(folder) as model:
            vectors = model.embed(["one", "a second one"])
            expected = command("embed", str(folder), "-p", "one", "-p", "a second one")
            self.assertEqual(vectors, [row["embedding"] for row in expected["embeddings"]])
            self.assertAlmostEqual(math.fsum(x * x for x in vectors[0]), 1, 5)
            self.assertEqual(model.embed([]), [])
            self.assertNotEqual(model.embed(["one"], pooling="mean"), vectors[:1])
            with self.assertRaisesRegex(bitnetc.Error, r"texts\[0\]: has "):
                model.embed(["word " * 5000])
            self.assertEqual(len(model.embed(["word " * 5000], truncate=True)), 1)


if __name__ == "__main__":
    unittest.main()

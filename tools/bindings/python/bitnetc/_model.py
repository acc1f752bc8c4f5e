"""Models: their facts, their text, their vectors, and how their tokens are chosen."""

import array
import ctypes
from dataclasses import dataclass, replace

from . import _library as c
from ._library import library
from ._sequence import Sequence


class Cancel(c.Handle):
    """Asks the calls that have it, now or later, to stop; from any thread."""

    def __init__(self):
        super().__init__(c.created(library.cancel_create), library.cancel_free)

    def request(self):
        library.cancel_request(self.pointer)

    def reset(self):
        library.cancel_reset(self.pointer)


@dataclass(frozen=True)
class ModelInfo:
    name: str  # as it was asked for
    path: str  # of the compiled file that runs
    family: str
    context_tokens: int  # most positions of a sequence
    vocab_size: int
    hidden_size: int  # of an encoder: the length of its vectors
    layers: int
    threads: int  # that a sequence runs with
    begin_token: int  # -1: the model names none
    is_encoder: bool  # embed(), else sequences and generation
    has_chat_template: bool


@dataclass(frozen=True)
class Sampling:
    """How a token is chosen from logits; Model.sampling() makes one."""

    temperature: float  # 0: greedy
    top_p: float  # 1: off
    min_p: float  # 0: off
    repeat_penalty: float  # 1: off
    top_k: int  # 0: off
    repeat_last_n: int
    seed: int  # the same seed gives the same tokens, on every machine

    def _raw(self):
        if not 0 <= self.seed < 2**64:
            raise ValueError(f"seed {self.seed}: expected 0 to 2^64 - 1")
        return c.RawSampling(**vars(self))


class Model(c.Handle):
    """An open model. `name`: a .bnc or .gguf file, a Hugging Face folder, the name of a bundled
    model; None for the default one. `on_note(level, text)` hears what happens on the way (level 0:
    worth knowing, 1: details), `on_progress(task, done, total)` how far it is. `lock_memory` keeps
    weights, keys and values from being paged out, as far as the limit of the process allows;
    `skip_memory_check` opens a model that does not fit in memory. `kv_type` is how keys and values
    are stored: "f16", which is the default, "f32" or "i8"."""

    def __init__(self, name=None, *, threads=0, cache_dir=None, layout=None, on_note=None,
                 on_progress=None, cancel=None, lock_memory=False, skip_memory_check=False,
                 kv_type=None):
        options = c.ModelOptions(threads=threads, cache_dir=c.to_path(cache_dir),
                                 layout=c.to_text(layout), cancel=c.pointer_of(cancel),
                                 lock_memory=bool(lock_memory),
                                 skip_memory_check=bool(skip_memory_check),
                                 kv_type=c.to_text(kv_type))
        if on_note is not None:
            options.on_note = c.NOTE_CALLBACK(
                lambda _, level, text: on_note(level, text.decode("utf-8", "replace")))
        if on_progress is not None:
            options.on_progress = c.PROGRESS_CALLBACK(
                lambda _, task, done, total: on_progress(task.decode("utf-8"), done, total))
        pointer = c.created(library.model_open, c.to_path(name), ctypes.byref(options))
        super().__init__(pointer, library.model_free)

    @property
    def info(self):
        raw = c.RawModelInfo()
        library.model_get_info(self.pointer, ctypes.byref(raw))
        facts = {field: getattr(raw, field) for field in ModelInfo.__dataclass_fields__}
        for field in ("name", "path", "family"):
            facts[field] = facts[field].decode("utf-8", "surrogateescape")
        for field in ("is_encoder", "has_chat_template"):
            facts[field] = bool(facts[field])
        return ModelInfo(**facts)

    def tokenize(self, text, *, add_special=True, typed=False):
        """The ids of a text. `add_special`: with what the tokenizer adds, such as begin-of-text;
        `typed`: special tokens that are spelled in it are ordinary letters."""
        encoded = text.encode("utf-8")
        flags = (c.ADD_SPECIAL if add_special else 0) | (c.TYPED if typed else 0)
        return _read_ids(lambda *room: library.tokenize(self.pointer, encoded, len(encoded), flags,
                                                        *room))

    def detokenize(self, tokens, *, show_special=False):
        ids = c.to_ids(tokens)
        flags = c.SHOW_SPECIAL if show_special else 0
        length = ctypes.c_size_t()
        library.detokenize(self.pointer, ids, len(ids), flags, None, 0, ctypes.byref(length))
        text = ctypes.create_string_buffer(length.value + 1)
        library.detokenize(self.pointer, ids, len(ids), flags, text, len(text),
                           ctypes.byref(length))
        return text.raw[: length.value].decode("utf-8", "replace")

    def chat_tokenize(self, messages):
        """The ids of a conversation, [("user", "Who are you?"), ...], up to where the model's
        answer begins."""
        raw = (c.ChatMessage * len(messages))(
            *[c.ChatMessage(c.to_text(role), c.to_text(content)) for role, content in messages])
        return _read_ids(lambda *room: library.chat_tokenize(self.pointer, raw, len(raw), *room))

    def sampling(self, **changes):
        """The model's own Sampling, with some of it changed: model.sampling(temperature=0)."""
        raw = c.RawSampling()
        library.model_get_sampling(self.pointer, ctypes.byref(raw))
        own = Sampling(**{field: getattr(raw, field) for field in Sampling.__dataclass_fields__})
        return replace(own, **changes)

    def sequence(self, context_tokens=0):
        """An empty Sequence of at most so many tokens; 0: the model's most."""
        return Sequence(c.created(library.sequence_create, self.pointer, context_tokens))

    def generate(self, prompt, **options):
        """Generates behind a text or a list of ids, in a sequence of its own; a Generation, which
        iterates over pieces of text. Options as of Sequence.generate()."""
        tokens = self.tokenize(prompt) if isinstance(prompt, str) else prompt
        return self.sequence().generate(tokens, **options)

    def embed(self, texts, *, prompt_name=None, pooling=None, truncate=False, cancel=None):
        """A list of floats for each text, by an encoder."""
        encoded = [c.to_text(text) for text in texts]
        columns = self.info.hidden_size
        vectors = (ctypes.c_float * (columns * len(encoded)))()
        options = c.EmbedOptions(prompt_name=c.to_text(prompt_name), pooling=c.to_text(pooling),
                                 truncate=bool(truncate), cancel=c.pointer_of(cancel))
        library.embed(self.pointer, (ctypes.c_char_p * len(encoded))(*encoded), len(encoded),
                      ctypes.byref(options), vectors, len(vectors))
        return [vectors[i * columns : (i + 1) * columns] for i in range(len(encoded))]


def _read_ids(call):
    count = ctypes.c_size_t()
    call(None, 0, ctypes.byref(count))
    ids = (ctypes.c_int32 * count.value)()
    call(ids, len(ids), ctypes.byref(count))
    return list(ids)


class Sampler(c.Handle):
    """Chooses tokens; holds the state of their random numbers."""

    def __init__(self, model, sampling=None):
        raw = (sampling or model.sampling())._raw()
        super().__init__(c.created(library.sampler_create, model.pointer, ctypes.byref(raw)),
                         library.sampler_free)

    def sample(self, logits, history):
        """A token by its logits; `history` is every token so far, which the penalty needs."""
        room = ctypes.c_float * len(logits)
        is_array = isinstance(logits, array.array) and logits.typecode == "f"
        numbers = room.from_buffer(logits) if is_array else room(*logits)
        ids = c.to_ids(history)
        token = ctypes.c_int32()
        library.sampler_sample(self.pointer, numbers, len(numbers), ids, len(ids),
                               ctypes.byref(token))
        return token.value

"""Sequences and generation."""

import array
import ctypes
import enum
import queue
import threading

from . import _library as c
from ._library import library


class StopReason(enum.IntEnum):
    """bitnetc_stop_reason"""

    MAX_TOKENS = 0
    END_OF_TEXT = 1
    STOP_STRING = 2
    CONTEXT_FULL = 3
    CANCELLED = 4
    CALLBACK = 5  # the Generation was closed


class Sequence(c.Handle):
    """Tokens that a model has seen; Model.sequence() makes one. Logits depend on them alone."""

    def __init__(self, pointer):
        super().__init__(pointer, library.sequence_free)
        self._work = None  # of the last generation

    def close(self):
        if self._work is not None:
            self._work.close()
        super().close()

    def eval(self, tokens, cancel=None):
        """Appends tokens and computes the logits of the last one."""
        ids = c.to_ids(tokens)
        library.sequence_eval(self.pointer, ids, len(ids), c.pointer_of(cancel))

    @property
    def logits(self):
        """Of the last token, an array('f') of one number for each id."""
        numbers, count = ctypes.POINTER(ctypes.c_float)(), ctypes.c_size_t()
        library.sequence_get_logits(self.pointer, ctypes.byref(numbers), ctypes.byref(count))
        return array.array("f", ctypes.string_at(numbers, count.value * 4))

    @property
    def tokens(self):
        ids, count = ctypes.POINTER(ctypes.c_int32)(), ctypes.c_size_t()
        library.sequence_get_tokens(self.pointer, ctypes.byref(ids), ctypes.byref(count))
        return ids[: count.value]

    @property
    def position(self):
        """The number of its tokens; -1 while a generation runs."""
        return library.sequence_position(self.pointer)

    def truncate(self, length):
        """Forgets the tokens from `length` on."""
        library.sequence_truncate(self.pointer, length)

    def fork(self):
        return Sequence(c.created(library.sequence_fork, self.pointer))

    def generate(self, prompt, *, max_tokens=128, sampling=None, stop=(), ignore_end=False,
                 is_chat=False, cancel=None):
        """Generates behind a list of ids; a Generation. What the sequence has of the prompt
        already is kept, the rest of it forgotten. `is_chat`: stop where the chat template ends an
        answer, too. Until the Generation ends, or is closed, the sequence is busy."""
        if max_tokens < 1:
            raise ValueError(f"max_tokens is {max_tokens}, expected at least 1")
        options = dict(
            max_tokens=max_tokens, ignore_end=bool(ignore_end), is_chat=bool(is_chat),
            sampling=ctypes.pointer(sampling._raw()) if sampling else None,
            stop_strings=(ctypes.c_char_p * len(stop))(*[c.to_text(text) for text in stop]),
            stop_string_count=len(stop), cancel=c.pointer_of(cancel))
        self._work = _Work(self, c.to_ids(prompt), options, cancel)
        return Generation(self._work)


class _Work:
    """A call of bitnetc_generate() on a thread of its own."""

    def __init__(self, sequence, prompt, options, cancel):
        self.pieces = queue.SimpleQueue()  # texts, then None
        self.error = None
        self.result = {}
        self.is_closed = False
        # The thread keeps the sequence and `cancel` until it ends.
        self._thread = threading.Thread(target=self._run,
                                        args=(sequence, prompt, options, cancel))
        self._thread.start()

    def close(self):
        self.is_closed = True
        self._thread.join()

    def _run(self, sequence, prompt, options, _cancel):
        def on_text(_, text, length):
            self.pieces.put(ctypes.string_at(text, length).decode("utf-8", "replace"))
            return self.is_closed

        raw = c.RawGeneration()
        try:
            filled = c.GenerateOptions(on_text=c.TEXT_CALLBACK(on_text), **options)
            library.generate(sequence.pointer, prompt, len(prompt), ctypes.byref(filled),
                             ctypes.byref(raw))
            self.result = {
                "text": ctypes.string_at(raw.text, raw.text_length).decode("utf-8", "replace"),
                "tokens": raw.tokens[: raw.token_count],
                "kept_tokens": raw.kept_tokens,
                "stop_reason": StopReason(raw.stop_reason),
                "prompt_seconds": raw.prompt_seconds,
                "first_token_seconds": raw.first_token_seconds,
                "decode_seconds": raw.decode_seconds,
            }
        except Exception as error:  # raised again where the pieces are read
            self.error = error
        finally:
            self.pieces.put(None)


class Generation:
    """Iterates over pieces of text while they are generated. After the last one: text, tokens,
    kept_tokens, stop_reason, prompt_seconds, first_token_seconds and decode_seconds."""

    def __init__(self, work):
        self._work = work

    def __iter__(self):
        return self

    def __next__(self):
        piece = None if self._work.is_closed else self._work.pieces.get()
        if piece is not None:
            return piece
        self.close()
        if self._work.error is not None:
            error, self._work.error = self._work.error, None
            raise error
        raise StopIteration

    def close(self):
        """Stops, and waits until the sequence can be used again."""
        self._work.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def __del__(self):
        self._work.is_closed = True

    def __getattr__(self, name):
        if name not in _RESULTS:
            raise AttributeError(name)
        if name not in self._work.result:
            raise AttributeError(f"{name}: the generation has not ended")
        return self._work.result[name]


_RESULTS = ("text", "tokens", "kept_tokens", "stop_reason", "prompt_seconds",
            "first_token_seconds", "decode_seconds")

"""libbitnetc and the types of bitnetc.h, in the order of the header."""

import ctypes
import enum
import os
import weakref
from ctypes import (
    CFUNCTYPE,
    POINTER,
    c_char_p,
    c_double,
    c_float,
    c_int,
    c_int32,
    c_int64,
    c_size_t,
    c_uint32,
    c_uint64,
    c_void_p,
)

ABI_VERSION = 0
ADD_SPECIAL = 1
TYPED = 2
SHOW_SPECIAL = 1


class Status(enum.IntEnum):
    """bitnetc_status"""

    OK = 0
    INVALID_ARGUMENT = 1
    NOT_FOUND = 2
    DATA_CORRUPT = 3
    UNSUPPORTED = 4
    IO_ERROR = 5
    OUT_OF_MEMORY = 6
    DISQUALIFIED = 7
    CANCELLED = 8
    CONTEXT_FULL = 9
    BUFFER_TOO_SMALL = 10
    BUSY = 11
    INTERNAL = 12


class Error(Exception):
    """What the library refused: str() is its line, `status` a Status (or a number of a later
    version)."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


NOTE_CALLBACK = CFUNCTYPE(None, c_void_p, c_int, c_char_p)
PROGRESS_CALLBACK = CFUNCTYPE(None, c_void_p, c_char_p, c_int32, c_int32)
TEXT_CALLBACK = CFUNCTYPE(c_int, c_void_p, POINTER(ctypes.c_char), c_size_t)


class Sized(ctypes.Structure):
    """A struct whose first field is its size."""

    def __init__(self, **fields):
        super().__init__(size=ctypes.sizeof(self), **fields)


class ModelOptions(Sized):
    _fields_ = [
        ("size", c_size_t),
        ("threads", c_int32),
        ("reserved", c_int32),
        ("cache_dir", c_char_p),
        ("layout", c_char_p),
        ("on_note", NOTE_CALLBACK),
        ("on_progress", PROGRESS_CALLBACK),
        ("user_data", c_void_p),
        ("cancel", c_void_p),
        ("lock_memory", c_int32),
        ("skip_memory_check", c_int32),
        ("kv_type", c_char_p),
    ]


class RawModelInfo(Sized):
    _fields_ = [
        ("size", c_size_t),
        ("name", c_char_p),
        ("path", c_char_p),
        ("family", c_char_p),
        ("context_tokens", c_int64),
        ("vocab_size", c_int32),
        ("hidden_size", c_int32),
        ("layers", c_int32),
        ("threads", c_int32),
        ("begin_token", c_int32),
        ("is_encoder", c_int32),
        ("has_chat_template", c_int32),
        ("reserved", c_int32),
    ]


class ChatMessage(ctypes.Structure):
    _fields_ = [("role", c_char_p), ("content", c_char_p)]


class RawSampling(Sized):
    _fields_ = [
        ("size", c_size_t),
        ("temperature", c_double),
        ("top_p", c_double),
        ("min_p", c_double),
        ("repeat_penalty", c_double),
        ("top_k", c_int32),
        ("repeat_last_n", c_int32),
        ("seed", c_uint64),
    ]


class GenerateOptions(Sized):
    _fields_ = [
        ("size", c_size_t),
        ("max_tokens", c_int32),
        ("ignore_end", c_int32),
        ("is_chat", c_int32),
        ("reserved", c_int32),
        ("sampling", POINTER(RawSampling)),
        ("stop_strings", POINTER(c_char_p)),
        ("stop_string_count", c_size_t),
        ("on_text", TEXT_CALLBACK),
        ("user_data", c_void_p),
        ("cancel", c_void_p),
    ]


class RawGeneration(Sized):
    _fields_ = [
        ("size", c_size_t),
        ("text", c_void_p),
        ("text_length", c_size_t),
        ("tokens", POINTER(c_int32)),
        ("token_count", c_size_t),
        ("kept_tokens", c_size_t),
        ("stop_reason", c_int),
        ("reserved", c_int32),
        ("prompt_seconds", c_double),
        ("first_token_seconds", c_double),
        ("decode_seconds", c_double),
    ]


class EmbedOptions(Sized):
    _fields_ = [
        ("size", c_size_t),
        ("prompt_name", c_char_p),
        ("pooling", c_char_p),
        ("truncate", c_int32),
        ("reserved", c_int32),
        ("cancel", c_void_p),
    ]


# Arguments of the functions that return a status; handles are void pointers.
_FALLIBLE = {
    "cancel_create": [POINTER(c_void_p)],
    "model_open": [c_char_p, POINTER(ModelOptions), POINTER(c_void_p)],
    "model_get_info": [c_void_p, POINTER(RawModelInfo)],
    "tokenize": [c_void_p, c_char_p, c_size_t, c_uint32, POINTER(c_int32), c_size_t,
                 POINTER(c_size_t)],
    "detokenize": [c_void_p, POINTER(c_int32), c_size_t, c_uint32, c_char_p, c_size_t,
                   POINTER(c_size_t)],
    "chat_tokenize": [c_void_p, POINTER(ChatMessage), c_size_t, POINTER(c_int32), c_size_t,
                      POINTER(c_size_t)],
    "model_get_sampling": [c_void_p, POINTER(RawSampling)],
    "sampler_create": [c_void_p, POINTER(RawSampling), POINTER(c_void_p)],
    "sampler_sample": [c_void_p, POINTER(c_float), c_size_t, POINTER(c_int32), c_size_t,
                       POINTER(c_int32)],
    "sequence_create": [c_void_p, c_int64, POINTER(c_void_p)],
    "sequence_fork": [c_void_p, POINTER(c_void_p)],
    "sequence_eval": [c_void_p, POINTER(c_int32), c_size_t, c_void_p],
    "sequence_get_logits": [c_void_p, POINTER(POINTER(c_float)), POINTER(c_size_t)],
    "sequence_get_tokens": [c_void_p, POINTER(POINTER(c_int32)), POINTER(c_size_t)],
    "sequence_truncate": [c_void_p, c_int64],
    "generate": [c_void_p, POINTER(c_int32), c_size_t, POINTER(GenerateOptions),
                 POINTER(RawGeneration)],
    "embed": [c_void_p, POINTER(c_char_p), c_size_t, POINTER(EmbedOptions), POINTER(c_float),
              c_size_t],
}
# The others: what they return, and their arguments.
_INFALLIBLE = {
    "version": (c_char_p, []),
    "abi_version": (c_int32, []),
    "last_error": (c_char_p, []),
    "cancel_request": (None, [c_void_p]),
    "cancel_reset": (None, [c_void_p]),
    "cancel_free": (None, [c_void_p]),
    "model_free": (None, [c_void_p]),
    "sampler_free": (None, [c_void_p]),
    "sequence_free": (None, [c_void_p]),
    "sequence_position": (c_int64, [c_void_p]),
}


class Library:
    """The functions of the header without their prefix; a status that is not OK is raised."""

    def __init__(self, path):
        loaded = ctypes.CDLL(path)
        for name, (result, arguments) in _INFALLIBLE.items():
            function = getattr(loaded, "bitnetc_" + name)
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)
        if self.abi_version() != ABI_VERSION:
            raise ImportError(f"{path}: has ABI {self.abi_version()}, expected {ABI_VERSION}")
        for name, arguments in _FALLIBLE.items():
            function = getattr(loaded, "bitnetc_" + name)
            function.restype, function.argtypes = c_int, arguments
            function.errcheck = self._check
            setattr(self, name, function)

    # On the thread of the call, so that the message is its own.
    def _check(self, status, function, arguments):
        if status != Status.OK:
            known = Status(status) if status in set(Status) else status
            raise Error(known, self.last_error().decode("utf-8"))


library = Library(os.environ.get("BITNETC_LIBRARY") or f"libbitnetc.so.{ABI_VERSION}")


def library_version():
    """The version of the library that is loaded: "0.3.0"."""
    return library.version().decode("utf-8")


class Handle:
    """An object of the library, freed with this one or by close()."""

    def __init__(self, pointer, free):
        self._finalizer = weakref.finalize(self, free, pointer)
        self._pointer = pointer

    @property
    def pointer(self):
        if self._pointer is None:
            raise ValueError(f"{type(self).__name__} is closed")
        return self._pointer

    def close(self):
        self._pointer = None
        self._finalizer()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def created(function, *arguments):
    """What a function puts into its last argument, a pointer to a handle."""
    pointer = c_void_p()
    function(*arguments, ctypes.byref(pointer))
    return pointer.value


def pointer_of(handle):
    return None if handle is None else handle.pointer


def to_text(value):
    """A str as UTF-8 for the library, which ends it at a NUL; None stays None."""
    return None if value is None else _without_nul(value.encode("utf-8"))


def to_path(value):
    """The same for what names a file."""
    return None if value is None else _without_nul(os.fsencode(value))


def _without_nul(encoded):
    if b"\0" in encoded:
        raise ValueError("a text with a NUL character in it")
    return encoded


def to_ids(tokens):
    """A list of ids as an array of the library; ids that do not fit are refused, not wrapped."""
    tokens = list(tokens)
    for token in tokens:
        if not -(2**31) <= token < 2**31:
            raise ValueError(f"token {token} has more than 32 bits")
    return (c_int32 * len(tokens))(*tokens)

"""BitNet b1.58 language models, run by libbitnetc.

    import bitnetc

    with bitnetc.Model() as model:
        for piece in model.generate("Once upon a time", max_tokens=32):
            print(piece, end="", flush=True)

Errors of the library are bitnetc.Error, with its message and a Status. Objects free themselves;
`with` and close() do so at once, in any order. Threads: a Model may be used by several at once; a
Sequence with its forks, or a Sampler, by one at a time.
"""

from ._library import Error, Status, library_version
from ._model import Cancel, Model, ModelInfo, Sampler, Sampling
from ._sequence import Generation, Sequence, StopReason

__all__ = [
    "Cancel",
    "Error",
    "Generation",
    "Model",
    "ModelInfo",
    "Sampler",
    "Sampling",
    "Sequence",
    "Status",
    "StopReason",
    "library_version",
]

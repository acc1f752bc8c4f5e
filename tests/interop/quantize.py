"""Rewrites a GGUF file in another type, by the llama.cpp library that node-llama-cpp brings (its
own interface does not offer this):  quantize.py FOLDER-OF-LIBRARY IN.gguf OUT.gguf FTYPE
FTYPE is llama.cpp's number of a file type: 1 F16, 7 Q8_0, 36 TQ1_0, 37 TQ2_0.
"""
import ctypes
import glob
import sys


class Parameters(ctypes.Structure):
    """llama_model_quantize_params: only its beginning is written to; the room behind it is more
    than any version needs."""

    _fields_ = [
        ("threads", ctypes.c_int32),
        ("ftype", ctypes.c_int32),
        ("rest", ctypes.c_byte * 504),
    ]


folder, source, target, ftype = sys.argv[1:]
(path,) = glob.glob(folder + "/libllama.v*.so")
library = ctypes.CDLL(path)
library.llama_model_quantize_default_params.restype = Parameters
library.llama_model_quantize.argtypes = [
    ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(Parameters)]
library.llama_model_quantize.restype = ctypes.c_uint32
parameters = library.llama_model_quantize_default_params()
parameters.threads = 1
parameters.ftype = int(ftype)
library.llama_backend_init()
sys.exit(library.llama_model_quantize(source.encode(), target.encode(), parameters))

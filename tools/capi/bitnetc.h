/* bitnetc as a library: open a model, tokenise, run sequences, sample, generate, embed.
 *
 * C99, and C++ from C++11 on. docs/library.md shows it in use and says how to link it.
 *
 * Errors     A function that can fail returns a bitnetc_status; bitnetc_last_error() then has one
 *            line for a person. A call that fails has changed nothing, unless it says otherwise,
 *            and has written nothing to where its results go.
 * Ownership  Who makes an object frees it, in any order: a sequence keeps of its model what it
 *            needs. All free functions take NULL. What the library hands out as `const` belongs to
 *            it; the comment says until when it is valid. The library keeps no pointer of the
 *            caller's after a call, but for callbacks during that call.
 * Threads    A model, once open, may be used by any number of threads at once; so may a
 *            bitnetc_cancel. A sequence and all its forks share threads and buffers: one call at a
 *            time uses them, another one meanwhile fails with BITNETC_BUSY. A sampler belongs to
 *            one thread at a time. Sequences that were created apart run side by side. Callbacks
 *            come on the thread of the call they belong to, but for notes and progress, which may
 *            come from any thread, one at a time; they must neither throw nor longjmp.
 * Text       UTF-8. Arguments called `..._length` count bytes; strings without one end with NUL.
 * Structs    Those that may grow begin with `size`, which the caller sets to sizeof the struct; all
 *            else may stay zero, which means the default (but for bitnetc_sampling, which a
 *            function fills). A library that knows more takes the default for the rest, one that
 *            knows less refuses what is not zero there.
 * ABI        Within one BITNETC_ABI_VERSION functions and fields are only added, numbers keep their
 *            meaning, and programs need not be compiled again.
 */
#ifndef BITNETC_H
#define BITNETC_H

#include <stddef.h>
#include <stdint.h>

/* The version of the ABI, also the number behind libbitnetc.so. */
#define BITNETC_ABI_VERSION 0

#if defined(__GNUC__)
#define BITNETC_API __attribute__((visibility("default")))
#else
#define BITNETC_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* NOLINTBEGIN: C names. */

/* ---- Versions and errors ---- */

typedef enum bitnetc_status {
  BITNETC_OK = 0,
  BITNETC_INVALID_ARGUMENT = 1,  /* the caller asked for something that cannot be */
  BITNETC_NOT_FOUND = 2,         /* a file or a model that should be there is not */
  BITNETC_DATA_CORRUPT = 3,      /* a file is damaged, or not what its format says */
  BITNETC_UNSUPPORTED = 4,       /* this build, model or machine cannot do it */
  BITNETC_IO_ERROR = 5,          /* the operating system refused to read or write */
  BITNETC_OUT_OF_MEMORY = 6,     /* memory was refused */
  BITNETC_DISQUALIFIED = 7,      /* a kernel failed its start-up proof */
  BITNETC_CANCELLED = 8,         /* a bitnetc_cancel asked to stop */
  BITNETC_CONTEXT_FULL = 9,      /* the tokens do not fit into what is left of the context */
  BITNETC_BUFFER_TOO_SMALL = 10, /* the caller's array; the count says what is needed */
  BITNETC_BUSY = 11,             /* another call uses the sequence or one of its forks */
  BITNETC_INTERNAL = 12          /* a bug of the library */
} bitnetc_status;

/* The version of the library that runs, "0.3.0". Never freed. */
BITNETC_API const char* bitnetc_version(void);

/* The BITNETC_ABI_VERSION of the library that runs. */
BITNETC_API int32_t bitnetc_abi_version(void);

/* "invalid argument"; "unknown" for a number that is none. Never freed. */
BITNETC_API const char* bitnetc_status_name(bitnetc_status status);

/* What the last call that failed on this thread had to say: one printable line without a newline,
 * or "" where none has failed. Valid until the next call that fails on this thread. Calls that
 * succeed leave it. (Signatures stay short this way and there is nothing to free; a runtime that
 * moves its tasks between threads must keep both calls on one.) */
BITNETC_API const char* bitnetc_last_error(void);

/* ---- Stopping ---- */

/* A request to stop, for as many calls as it is given to. */
typedef struct bitnetc_cancel bitnetc_cancel;

/* Error: BITNETC_INVALID_ARGUMENT (NULL), BITNETC_OUT_OF_MEMORY. */
BITNETC_API bitnetc_status bitnetc_cancel_create(bitnetc_cancel** cancel);

/* Asks the calls that have `cancel`, now or later, to stop; generation does between two tokens or
 * inside a pass, opening between two matrices. From any thread or a signal handler. NULL: nothing
 * happens. */
BITNETC_API void bitnetc_cancel_request(bitnetc_cancel* cancel);

/* Takes the request back, so that `cancel` can be used again. */
BITNETC_API void bitnetc_cancel_reset(bitnetc_cancel* cancel);

/* Not while a call has it. */
BITNETC_API void bitnetc_cancel_free(bitnetc_cancel* cancel);

/* ---- Models ---- */

/* An open model with its kernels. Immutable. */
typedef struct bitnetc_model bitnetc_model;

typedef enum bitnetc_note_level {
  BITNETC_NOTE_INFO = 0, /* what was compiled, repacked, ignored; what runs slower than it should */
  BITNETC_NOTE_DETAIL = 1 /* every kernel, every reason */
} bitnetc_note_level;

/* `text`: one or more lines, valid during the call. */
typedef void (*bitnetc_note_callback)(void* user_data, bitnetc_note_level level, const char* text);
/* `task`: "compiling". `done` of `total` items. */
typedef void (*bitnetc_progress_callback)(void* user_data, const char* task, int32_t done,
                                          int32_t total);

typedef struct bitnetc_model_options {
  size_t size;
  int32_t threads;  /* that a sequence runs with; 0: every CPU this process may use */
  int32_t reserved; /* 0, here and in all structs */
  /* For compiled models, kernels, profiles. NULL: that of the command, $XDG_CACHE_HOME/bitnetc or
   * ~/.cache/bitnetc; "": nothing is kept. */
  const char* cache_dir;
  const char* layout;                    /* of weights: "auto", "i2s", ...; NULL: as compiled */
  bitnetc_note_callback on_note;         /* NULL: notes are dropped */
  bitnetc_progress_callback on_progress; /* NULL: none */
  void* user_data;                       /* of both */
  bitnetc_cancel* cancel;                /* NULL: nobody can stop it */
  /* 1: the model's file, and the keys and values of its sequences, are locked in memory, as far as
   * the limit of the process (RLIMIT_MEMLOCK) allows. A note says where the file is not. */
  int32_t lock_memory;
  int32_t skip_memory_check; /* 1: opens also what does not fit in memory */
  /* Of the keys and values of sequences: "f16", "f32" or "i8", which takes half the memory of f16
   * and rounds more; NULL: "f16". */
  const char* kv_type;
} bitnetc_model_options;

/* Opens a model: a .bnc or .gguf file, a Hugging Face folder, the name of a bundled model, or NULL
 * for "fairytale-6m". A source model is compiled into the cache directory first, or found there.
 * `options` may be NULL. Nothing but the place of the cache directory is read from the environment.
 * A file that is cut short while its model is in use raises SIGBUS.
 * Error: BITNETC_NOT_FOUND, BITNETC_DATA_CORRUPT, BITNETC_UNSUPPORTED, BITNETC_IO_ERROR,
 * BITNETC_INVALID_ARGUMENT (options), BITNETC_CANCELLED, BITNETC_OUT_OF_MEMORY (also where the
 * model is larger than the memory that is available). */
BITNETC_API bitnetc_status bitnetc_model_open(const char* name,
                                              const bitnetc_model_options* options,
                                              bitnetc_model** model);

BITNETC_API void bitnetc_model_free(bitnetc_model* model);

typedef struct bitnetc_model_info {
  size_t size;
  /* Texts: valid as long as the model. */
  const char* name;          /* as it was asked for */
  const char* path;          /* of the compiled file that runs */
  const char* family;        /* "bitnet" */
  int64_t context_tokens;    /* most positions of a sequence */
  int32_t vocab_size;        /* ids are 0 to vocab_size - 1 */
  int32_t hidden_size;       /* of an encoder: the length of its vectors */
  int32_t layers;            /* how many */
  int32_t threads;           /* that a sequence runs with */
  int32_t begin_token;       /* begin-of-text; -1: the model names none */
  int32_t is_encoder;        /* 1: bitnetc_embed(); 0: sequences and generation */
  int32_t has_chat_template; /* 1: it has one that bitnetc_chat_tokenize() can use */
  int32_t reserved;
} bitnetc_model_info;

/* Error: BITNETC_INVALID_ARGUMENT (NULL, size). */
BITNETC_API bitnetc_status bitnetc_model_get_info(const bitnetc_model* model,
                                                  bitnetc_model_info* info);

/* ---- Text and tokens ---- */

/* Flags of bitnetc_tokenize(). */
#define BITNETC_ADD_SPECIAL 1u /* with what the tokenizer adds to a text: begin-of-text, ... */
#define BITNETC_TYPED 2u /* special tokens that are spelled in the text are ordinary letters */

/* Writes the ids of a text to `tokens`, which has room for `capacity`, and their number to `count`.
 * A capacity of 0 asks for the number alone.
 * Error: BITNETC_INVALID_ARGUMENT (NULL, a text that is not UTF-8, unknown flags);
 * BITNETC_BUFFER_TOO_SMALL, with the number that is needed in `count`. */
BITNETC_API bitnetc_status bitnetc_tokenize(const bitnetc_model* model, const char* text,
                                            size_t text_length, uint32_t flags, int32_t* tokens,
                                            size_t capacity, size_t* count);

/* Flag of bitnetc_detokenize(). */
#define BITNETC_SHOW_SPECIAL 1u /* special tokens are written as the vocabulary spells them */

/* Writes the text of ids to `text`, which has room for `capacity` bytes, and its length to
 * `text_length`. A NUL follows where there is room for one. A capacity of 0 asks for the length
 * alone. Bytes that are not UTF-8 become U+FFFD.
 * Error: BITNETC_INVALID_ARGUMENT (NULL, an id outside the vocabulary, unknown flags);
 * BITNETC_BUFFER_TOO_SMALL, with the length that is needed in `text_length`. */
BITNETC_API bitnetc_status bitnetc_detokenize(const bitnetc_model* model, const int32_t* tokens,
                                              size_t token_count, uint32_t flags, char* text,
                                              size_t capacity, size_t* text_length);

typedef struct bitnetc_chat_message {
  const char* role;    /* "system", "user", "assistant" */
  const char* content; /* special tokens that are spelled in it are ordinary letters */
} bitnetc_chat_message;

/* The tokens of a conversation in the model's chat template, up to where its answer begins;
 * capacity and count as of bitnetc_tokenize(). (Tokens, not text: so a message cannot end its
 * turn.)
 * Error: BITNETC_NOT_FOUND where the model has no template, BITNETC_UNSUPPORTED or
 * BITNETC_DATA_CORRUPT where it cannot be read; BITNETC_INVALID_ARGUMENT where the template refuses
 * the messages, too; else as bitnetc_tokenize(). */
BITNETC_API bitnetc_status bitnetc_chat_tokenize(const bitnetc_model* model,
                                                 const bitnetc_chat_message* messages,
                                                 size_t message_count, int32_t* tokens,
                                                 size_t capacity, size_t* count);

/* ---- Sampling ---- */

/* How a token is chosen from logits. bitnetc_model_get_sampling() fills it. Whatever stands here,
 * tokens that the model's own files suppress or ban are never chosen. */
typedef struct bitnetc_sampling {
  size_t size;
  double temperature;    /* 0: greedy, the lowest id of equals */
  double top_p;          /* above 0 and at most 1; 1: off */
  double min_p;          /* 0: off */
  double repeat_penalty; /* 1: off */
  int32_t top_k;         /* 0: off */
  int32_t repeat_last_n; /* tokens that the penalty looks back at */
  uint64_t seed;         /* the same seed gives the same tokens, on every machine */
} bitnetc_sampling;

/* The model's own defaults and seed 0: what the command `bitnetc run` samples with.
 * Error: BITNETC_INVALID_ARGUMENT (NULL, size). */
BITNETC_API bitnetc_status bitnetc_model_get_sampling(const bitnetc_model* model,
                                                      bitnetc_sampling* sampling);

/* A random number generator and the parameters; changes with every token. */
typedef struct bitnetc_sampler bitnetc_sampler;

/* `sampling`: NULL for the model's defaults. Error: BITNETC_INVALID_ARGUMENT (NULL, a value out of
 * its range). */
BITNETC_API bitnetc_status bitnetc_sampler_create(const bitnetc_model* model,
                                                  const bitnetc_sampling* sampling,
                                                  bitnetc_sampler** sampler);

/* Chooses a token by its logits; `history` is every token so far, which the penalty needs.
 * Error: BITNETC_INVALID_ARGUMENT (NULL, no logits). */
BITNETC_API bitnetc_status bitnetc_sampler_sample(bitnetc_sampler* sampler, const float* logits,
                                                  size_t logit_count, const int32_t* history,
                                                  size_t history_count, int32_t* token);

BITNETC_API void bitnetc_sampler_free(bitnetc_sampler* sampler);

/* ---- Sequences ---- */

/* Tokens that a model has seen one after the other, with their keys and values, and (shared with
 * its forks) the threads and buffers that run them. Logits depend on the tokens of the sequence
 * alone, bit by bit: not on the threads, nor on how tokens were cut into calls, nor on forks. */
typedef struct bitnetc_sequence bitnetc_sequence;

/* `context_tokens`: most positions; 0: the model's most. Memory grows with use.
 * Error: BITNETC_UNSUPPORTED for an encoder; BITNETC_INVALID_ARGUMENT; BITNETC_OUT_OF_MEMORY. */
BITNETC_API bitnetc_status bitnetc_sequence_create(const bitnetc_model* model,
                                                   int64_t context_tokens,
                                                   bitnetc_sequence** sequence);

/* A sequence with the same tokens and logits. Shares memory with the first until one of them goes
 * on. Error: BITNETC_INVALID_ARGUMENT (NULL), BITNETC_BUSY, BITNETC_OUT_OF_MEMORY. */
BITNETC_API bitnetc_status bitnetc_sequence_fork(const bitnetc_sequence* sequence,
                                                 bitnetc_sequence** fork);

/* Appends at least one token and computes the logits of the last one. `cancel` may be NULL.
 * Error: BITNETC_INVALID_ARGUMENT (NULL, an id outside the vocabulary), BITNETC_CONTEXT_FULL,
 * BITNETC_BUSY: nothing is appended. BITNETC_CANCELLED, BITNETC_OUT_OF_MEMORY,
 * BITNETC_DATA_CORRUPT (logits that are not finite): bitnetc_sequence_position() says how far it
 * came, and there are no logits. */
BITNETC_API bitnetc_status bitnetc_sequence_eval(bitnetc_sequence* sequence, const int32_t* tokens,
                                                 size_t token_count, bitnetc_cancel* cancel);

/* The logits of the last token, one for each id of the vocabulary. Valid until the next call that
 * changes or frees the sequence. Error: BITNETC_INVALID_ARGUMENT (NULL, or the last call that
 * changed the sequence was not a successful bitnetc_sequence_eval()), BITNETC_BUSY. */
BITNETC_API bitnetc_status bitnetc_sequence_get_logits(const bitnetc_sequence* sequence,
                                                       const float** logits, size_t* logit_count);

/* The tokens of the sequence, in order. Valid until the next call that changes or frees it.
 * Error: BITNETC_INVALID_ARGUMENT (NULL), BITNETC_BUSY. */
BITNETC_API bitnetc_status bitnetc_sequence_get_tokens(const bitnetc_sequence* sequence,
                                                       const int32_t** tokens, size_t* token_count);

/* The number of its tokens, which is the position of the next one. NULL: 0; where another call uses
 * the sequence or one of its forks: -1. */
BITNETC_API int64_t bitnetc_sequence_position(const bitnetc_sequence* sequence);

/* Forgets the tokens from `length` on. Error: BITNETC_INVALID_ARGUMENT (NULL, a length below 0 or
 * above the position), BITNETC_BUSY. */
BITNETC_API bitnetc_status bitnetc_sequence_truncate(bitnetc_sequence* sequence, int64_t length);

/* Not while a call uses it. */
BITNETC_API void bitnetc_sequence_free(bitnetc_sequence* sequence);

/* ---- Generation ---- */

/* Given whole characters of the text as soon as no stop string can begin with them; a NUL follows.
 * Returns 0 to go on, anything else to stop. */
typedef int (*bitnetc_text_callback)(void* user_data, const char* text, size_t text_length);

typedef struct bitnetc_generate_options {
  size_t size;
  int32_t max_tokens; /* most tokens to generate; 0: 128 */
  int32_t ignore_end; /* 1: go on past end-of-text */
  int32_t is_chat;    /* 1: stop where the chat template ends an answer, too */
  int32_t reserved;
  const bitnetc_sampling* sampling; /* NULL: the model's defaults */
  const char* const* stop_strings;  /* stop before any of these texts */
  size_t stop_string_count;
  bitnetc_text_callback on_text; /* NULL: the text is only in the result */
  void* user_data;               /* of on_text */
  bitnetc_cancel* cancel;        /* NULL: nobody can stop it */
} bitnetc_generate_options;

typedef enum bitnetc_stop_reason {
  BITNETC_STOP_MAX_TOKENS = 0,
  BITNETC_STOP_END_OF_TEXT = 1,
  BITNETC_STOP_STRING = 2,
  BITNETC_STOP_CONTEXT_FULL = 3,
  BITNETC_STOP_CANCELLED = 4,
  BITNETC_STOP_CALLBACK = 5 /* on_text did not return 0 */
} bitnetc_stop_reason;

typedef struct bitnetc_generation {
  size_t size;
  /* Without the prompt and the stop string; a NUL follows. Valid, as the tokens are, until the next
   * call that changes or frees the sequence. */
  const char* text;
  size_t text_length;
  const int32_t* tokens; /* that were generated, an end-of-text token included */
  size_t token_count;
  size_t kept_tokens; /* of the prompt, that the sequence had already */
  bitnetc_stop_reason stop_reason;
  int32_t reserved;
  double prompt_seconds;      /* running the prompt */
  double first_token_seconds; /* from the start of the call to the first token */
  double decode_seconds;      /* from there to the last one */
} bitnetc_generation;

/* Generates text behind a prompt of at least one token. What the sequence has of the prompt
 * already, counted from the front, is kept, the rest of it forgotten: a conversation goes on by
 * giving all of it again, and the text depends on the prompt and the options alone. Afterwards the
 * sequence holds the prompt and what was generated, but for the last token, and has no logits.
 * `options` and `generation` may be NULL. Being cancelled, or stopped by the callback, is no error:
 * the result has what there is.
 * Error: BITNETC_INVALID_ARGUMENT (NULL, an id outside the vocabulary, options),
 * BITNETC_CONTEXT_FULL (the prompt), BITNETC_BUSY, BITNETC_OUT_OF_MEMORY, BITNETC_DATA_CORRUPT.
 * After an error the sequence holds a beginning of the prompt, or what it did before. */
BITNETC_API bitnetc_status bitnetc_generate(bitnetc_sequence* sequence, const int32_t* prompt,
                                            size_t prompt_count,
                                            const bitnetc_generate_options* options,
                                            bitnetc_generation* generation);

/* ---- Vectors of texts ---- */

typedef struct bitnetc_embed_options {
  size_t size;
  const char* prompt_name; /* of the model's prompts, in front of each text; NULL: its default;
                            * "": none */
  const char* pooling;     /* "last", "mean", "first"; NULL: as the model says, else "last" */
  int32_t truncate;        /* 1: cut texts that are longer than the context */
  int32_t reserved;
  bitnetc_cancel* cancel; /* NULL: nobody can stop it */
} bitnetc_embed_options;

/* Writes a vector for each text, one behind the other: text_count * hidden_size numbers, for which
 * `vectors` has room for `capacity`. A vector has length 1 (Euclidean), but is all zero where the
 * model's rows are; its bits depend on its own text alone. `options` may be NULL. Calls on one
 * model wait for each other.
 * Error: BITNETC_UNSUPPORTED for a model that is no encoder; BITNETC_INVALID_ARGUMENT (NULL, not
 * UTF-8, too long, an unknown name); BITNETC_BUFFER_TOO_SMALL; BITNETC_CANCELLED;
 * BITNETC_OUT_OF_MEMORY; BITNETC_DATA_CORRUPT. `vectors` may be written in part. */
BITNETC_API bitnetc_status bitnetc_embed(const bitnetc_model* model, const char* const* texts,
                                         size_t text_count, const bitnetc_embed_options* options,
                                         float* vectors, size_t capacity);

/* NOLINTEND */

#ifdef __cplusplus
}
#endif

#endif

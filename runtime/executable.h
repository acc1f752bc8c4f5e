// A compiled model linked with kernels for this machine: everything an Executor needs, nothing it
// must search for. Immutable and shared; made by compiler/link.h.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/buffer.h"
#include "runtime/compiled_model.h"
#include "runtime/gpu_device.h"
#include "runtime/kernel.h"
#include "runtime/kv_cache.h"
#include "runtime/thread_pool.h"

namespace bitnetc {

class Pass;             // runtime/exec/pass.h
struct ScreenOperands;  // runtime/steps/screen_steps.h
struct ScreenStats;     // runtime/executor.h

// Where a step finds an operand: a column of a program buffer.
struct BoundSlice {
  int buffer = -1;
  int64_t column = 0, columns = 0;

  bool bound() const { return buffer >= 0; }
};

// What every linked step is made from.
struct StepBase {
  std::string name;
  bool scored = false;
  StepRows rows = StepRows::kAny;
  bool done_by_each = false;
};

// A step with its kernels and weights bound: one class per operation, in runtime/steps/. Its work
// falls into units that may run on any worker in any order. Stateless but for counters: passes of
// several executors may run it at once.
class LinkedStep {
 public:
  // A slice the step writes, by the name of the operand.
  struct Output {
    std::string_view operand;
    BoundSlice slice;
  };

  virtual ~LinkedStep() = default;

  const std::string& name() const { return name_; }
  bool scored() const { return scored_; }  // runs only for rows whose logits are wanted
  StepRows rows() const { return rows_; }
  // In passes of one row every worker does all of it, into copies of its own, so that nobody waits
  // for it (compiler/passes/done_by_each.h).
  bool done_by_each() const { return done_by_each_; }

  virtual std::string_view operation() const = 0;  // "matmul", as in kernel names
  // The kernel that serves a pass of `rows` rows.
  virtual const Kernel& kernel(int64_t rows = 1) const = 0;
  // Bytes of weights, scales and tables that a pass of one row reads.
  virtual int64_t weight_bytes() const { return 0; }
  virtual std::vector<Output> outputs() const = 0;

  // Units of work; all workers see the same number.
  virtual int64_t units(const Pass& pass) const = 0;
  // Whether a unit needs scratch that no other unit has at the same time: a worker's copy on a CPU.
  virtual bool has_unit_scratch() const { return false; }
  // The fewest units worth taking at once.
  virtual int64_t least_units() const { return 1; }
  // Called once by every worker before its first unit, also by those that get none.
  virtual void begin(const Pass&, int /*worker*/) const {}
  virtual void run(const Pass& pass, Range units, int worker) const = 0;

 protected:
  explicit LinkedStep(StepBase base)
      : name_(std::move(base.name)),
        scored_(base.scored),
        rows_(base.rows),
        done_by_each_(base.done_by_each) {}

 private:
  std::string name_;
  bool scored_;
  StepRows rows_;
  bool done_by_each_;
};

struct Executable {
  // One that steps use, with the same angles in every head.
  struct Rotation {
    std::span<const double> frequencies;  // f64[head_dim / 2], radians per position
    double amplitude = 1;                 // of every cosine and sine
  };

  std::shared_ptr<const CompiledModel> model;
  std::vector<BufferInfo> buffers;    // the program's, with what this machine's kernels add
  std::vector<bool> written_by_each;  // by buffer: by steps that are done_by_each()
  std::vector<std::unique_ptr<const LinkedStep>> steps;
  // Matrices that run in another layout than the file has them in.
  std::vector<Buffer<uint8_t>> repacked;
  // Where the kernels run, and what they read of the model there; null and none: on the CPU.
  std::shared_ptr<GpuDevice> gpu;
  std::vector<DeviceMemory> uploaded;
  KvLayout kv;
  std::vector<Rotation> rotations;
  BoundSlice output;  // what the model puts out for a scored row: logits, or its hidden row
  std::shared_ptr<const ScreenOperands> screen;  // null: the head is always read in full

  bool skips_neurons = false;  // whether there are steps of StepRows::kOne

  // Bytes of weights, scales and tables that one generated token reads, where the head was read as
  // `screened` says and neurons were skipped or not.
  double bytes_per_token(const ScreenStats& screened, bool skipping) const;
  // The share of the neurons that steps of `operation` have read so far, 0..1; empty: none has run.
  std::optional<double> neurons_read(std::string_view operation) const;
};

}  // namespace bitnetc

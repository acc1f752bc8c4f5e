// What `bitnetc doctor` found out, and its two printed forms.
#pragma once

#include <string>
#include <vector>

#include "autotune/limits.h"
#include "autotune/machine.h"
#include "autotune/machine_notes.h"
#include "compiler/link.h"
#include "runtime/gpu_device.h"
#include "runtime/options.h"
#include "runtime/target.h"

namespace bitnetc {

struct Diagnosis {
  const Machine& machine = this_machine();
  Options options;
  Target host;                        // after the cap of the options
  std::vector<MachineLimits> limits;  // with 1, 2, 4, ... threads and with all
  Disturbance disturbance;            // while they were measured
  ClockState clock;
  PageObservation pages;
  std::string jit_refusal;            // why no generated code can run; else empty
  std::string llvm;                   // version and file of the back-end, or why there is none
  std::vector<GpuProperties> gpus;    // that the driver shows
  std::string gpu_refusal;            // why it shows none, with the remedy; else empty
  std::vector<LinkedKernel> kernels;  // of the bundled model
  std::vector<std::string> problems;  // each with its remedy
};

void print_diagnosis(const Diagnosis& diagnosis);
// {"schema": "bitnetc.doctor", ...} on stdout.
void write_diagnosis_json(const Diagnosis& diagnosis);

}  // namespace bitnetc

// The linked steps of all operations: what link() makes and an Executor runs. Each is in a file of
// its own in runtime/steps/.
#pragma once

#include "runtime/steps/attention_steps.h"
#include "runtime/steps/embed_step.h"
#include "runtime/steps/head_step.h"
#include "runtime/steps/matmul_step.h"
#include "runtime/steps/norm_steps.h"
#include "runtime/steps/screen_steps.h"
#include "runtime/steps/sparse_steps.h"

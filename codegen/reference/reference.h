// The numerics specification (docs/numerics.md) in executable form: plain scalar C++ with run-time
// shapes, one function per operation, reference::matmul(spec, args) and so on. Each is declared
// beside its spec in codegen/operations/ and defined in this folder. Every kernel of every back-end
// is compared with these functions bit by bit. They are also what runs when nothing better can.
#pragma once

#include "codegen/kernel_spec.h"

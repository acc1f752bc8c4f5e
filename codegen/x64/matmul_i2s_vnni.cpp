#include "codegen/x64/matmul_i2s_vnni.h"

namespace bitnetc::x64 {

using Xbyak::Xmm;

namespace {

// vpdpbusd takes four or five cycles and two start in a cycle: fewer sums than this wait for each
// other.
constexpr int kBusyChains = 8;

}  // namespace

VnniRegisters choose_vnni_registers(VectorFile vectors, const MatmulSpec& spec,
                                    const KernelPlan& plan) {
  const DirectPlan direct = DirectPlan::from(plan);
  const int parts_per_tile = kTileOutputBytes / vectors.bytes;
  VnniRegisters registers{
      .tiles = direct.tiles_per_step, .tokens = spec.m, .parts = 0, .scales = 0};
  for (registers.parts = parts_per_tile; registers.parts >= 1; registers.parts /= 2) {
    for (registers.scales = I2sPlanes::kCount; registers.scales >= 1; registers.scales /= 2) {
      if (registers.count() > vectors.count) continue;
      VnniRegisters doubled = registers;
      doubled.chains = 2;
      const bool waits = registers.accumulators() < kBusyChains && direct.k_unroll % 2 == 0;
      return waits && doubled.count() <= vectors.count ? doubled : registers;
    }
  }
  registers.scales = 0;
  return registers;
}

Status check_vnni_registers(VectorFile vectors, const MatmulSpec& spec, const KernelPlan& plan) {
  if (choose_vnni_registers(vectors, spec, plan).scales > 0) return {};
  const int tiles = DirectPlan::from(plan).tiles_per_step;
  const VnniRegisters least{.tiles = tiles, .tokens = spec.m, .parts = 1, .scales = 1};
  return make_error(StatusCode::kUnsupported,
                    "tiles_per_step = {} with m = {} takes {} vector registers, there are {}",
                    tiles, spec.m, least.count(), vectors.count);
}

MatmulWork vnni_work(VectorFile vectors, const MatmulSpec& spec, const KernelPlan& plan,
                     int64_t tokens) {
  const VnniRegisters registers = choose_vnni_registers(vectors, spec, plan);
  return direct_work(spec, plan, tokens,
                     i2s_operations_per_weight(vectors, I2sPlanes(registers.scales)),
                     registers.accumulators());
}

MatmulI2sVnni::MatmulI2sVnni(VectorFile vectors, const MatmulSpec& spec, const KernelPlan& plan)
    : MatmulDirect(vectors, spec, plan, choose_vnni_registers(vectors, spec, plan).parts, 0),
      registers_(choose_vnni_registers(vectors, spec, plan)),
      planes_(registers_.scales) {}

// ---- register map

Xmm MatmulI2sVnni::acc(int tile, int part, int token, int scale, int chain) const {
  const int sum = (tile * registers_.parts + part) * registers_.tokens + token;
  return vec((sum * registers_.scales + scale) * registers_.chains + chain);
}

Xmm MatmulI2sVnni::bytes(int tile, int part) const {
  return vec(registers_.kept() + tile * registers_.parts + part);
}

Xmm MatmulI2sVnni::plane(int tile, int part) const {
  const int first = registers_.kept() + registers_.codes();
  return vec(first + (registers_.planes() == 1 ? 0 : tile * registers_.parts + part));
}

// ---- microkernel

void MatmulI2sVnni::load_constants() {
  for (int scale = 0; scale < planes_.scales(); ++scale)
    broadcast(mask(scale), I2sPlanes::mask(scale));
}

void MatmulI2sVnni::begin(const Pass& pass) {
  for_each_vector(pass, [&](int tile, int part) {
    for (int token = 0; token < spec_.m; ++token) {
      for (int scale = 0; scale < planes_.scales(); ++scale) {
        for (int chain = 0; chain < registers_.chains; ++chain)
          zero(acc(tile, part, token, scale, chain));
      }
    }
  });
}

void MatmulI2sVnni::cells(const Pass& pass, int count) {
  for (int i = 0; i < count; ++i) cell(pass, i);
}

void MatmulI2sVnni::cell(const Pass& pass, int cell) {
  prefetch(pass, cell);
  for_each_vector(pass, [&](int tile, int part) {
    vmovups(bytes(tile, part), ptr[codes(pass, tile, part, cell)]);
  });
  for (int p = 0; p < I2sPlanes::kCount; ++p) {
    if (const int bits = planes_.shift_before(p); bits > 0) {
      for_each_vector(pass, [&](int tile, int part) {
        vpsrlw(bytes(tile, part), bytes(tile, part), static_cast<uint8_t>(bits));
      });
    }
    if (spec_.m == 1) {
      decode_and_dot(pass, cell, p);
    } else {
      decode_then_dot(pass, cell, p);
    }
  }
}

// One token: each plane is used at once and its register is free again.
void MatmulI2sVnni::decode_and_dot(const Pass& pass, int cell, int p) {
  if (!dots_from_memory(pass)) vpbroadcastd(x(), ptr[activations(0, cell, p)]);
  for_each_vector(pass, [&](int tile, int part) {
    decode(tile, part, p);
    dot_token(pass, tile, part, 0, cell, p);
  });
}

// Several tokens: the planes of all vectors stay while the tokens go by.
void MatmulI2sVnni::decode_then_dot(const Pass& pass, int cell, int p) {
  for_each_vector(pass, [&](int tile, int part) { decode(tile, part, p); });
  for (int token = 0; token < spec_.m; ++token) {
    if (!dots_from_memory(pass)) vpbroadcastd(x(), ptr[activations(token, cell, p)]);
    for_each_vector(pass, [&](int tile, int part) { dot_token(pass, tile, part, token, cell, p); });
  }
}

void MatmulI2sVnni::decode(int tile, int part, int p) {
  mask_plane(plane(tile, part), bytes(tile, part), mask(planes_.scale_of(p)));
}

void MatmulI2sVnni::dot_token(const Pass& pass, int tile, int part, int token, int cell, int p) {
  const Xmm sum = acc(tile, part, token, planes_.scale_of(p), chain_of(cell));
  if (dots_from_memory(pass)) {
    dot(sum, plane(tile, part), ptr_b[activations(token, cell, p)]);
  } else {
    dot(sum, plane(tile, part), x());
  }
}

void MatmulI2sVnni::end(const Pass& pass) {
  for_each_vector(pass, [&](int tile, int part) {
    for (int token = 0; token < spec_.m; ++token) {
      reduce(tile, part, token);
      vmovups(sums(pass, tile, token, part), acc(tile, part, token, 0, 0));
    }
  });
}

// Sums of scale s are multiples of s; shifted down they add up in the first accumulator.
void MatmulI2sVnni::reduce(int tile, int part, int token) {
  const Xmm sum = acc(tile, part, token, 0, 0);
  for (int scale = 0; scale < planes_.scales(); ++scale) {
    const Xmm scaled = acc(tile, part, token, scale, 0);
    for (int chain = 1; chain < registers_.chains; ++chain)
      vpaddd(scaled, scaled, acc(tile, part, token, scale, chain));
    if (scale == 0) continue;
    vpsrad(scaled, scaled, static_cast<uint8_t>(I2sPlanes::log2_of_scale(scale)));
    vpaddd(sum, sum, scaled);
  }
}

}  // namespace bitnetc::x64

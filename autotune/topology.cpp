// The one place that knows hwloc.
#include "autotune/topology.h"

#include <hwloc.h>

#include <algorithm>
#include <memory>

namespace bitnetc {
namespace {

struct Destroy {
  void operator()(hwloc_topology* topology) const { hwloc_topology_destroy(topology); }
};
using Handle = std::unique_ptr<hwloc_topology, Destroy>;

struct FreeBitmap {
  void operator()(hwloc_bitmap_s* bitmap) const { hwloc_bitmap_free(bitmap); }
};
using Bitmap = std::unique_ptr<hwloc_bitmap_s, FreeBitmap>;

// hwloc's x86 component visits every CPU to ask it; the system's own tables say the same sooner,
// where it has them.
Handle load(const std::string& synthetic, bool visit_cpus) {
  hwloc_topology* raw = nullptr;
  if (hwloc_topology_init(&raw) != 0) return nullptr;
  Handle topology(raw);
  if (!visit_cpus)
    hwloc_topology_set_components(raw, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "x86");
  const bool ready =
      hwloc_topology_set_flags(raw, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED) == 0 &&
      (synthetic.empty() || hwloc_topology_set_synthetic(raw, synthetic.c_str()) == 0) &&
      hwloc_topology_load(raw) == 0;
  if (!ready) return nullptr;
  return topology;
}

// Objects of a type that have a CPU of the set.
int count(hwloc_topology* topology, hwloc_obj_type_t type, const hwloc_bitmap_s* cpus) {
  int found = 0;
  for (hwloc_obj* each = hwloc_get_next_obj_by_type(topology, type, nullptr); each != nullptr;
       each = hwloc_get_next_obj_by_type(topology, type, each))
    found += hwloc_bitmap_intersects(each->cpuset, cpus) != 0;
  return found;
}

CpuGroup group(hwloc_topology* topology, const hwloc_bitmap_s* cpus) {
  CpuGroup found;
  found.cpus = std::max(1, count(topology, HWLOC_OBJ_PU, cpus));
  // A system that does not tell of cores or sockets: one core a CPU, one socket.
  const int cores = count(topology, HWLOC_OBJ_CORE, cpus);
  found.cores = cores > 0 ? cores : found.cpus;
  found.sockets = std::max(1, count(topology, HWLOC_OBJ_PACKAGE, cpus));
  found.numa_nodes = std::max(1, count(topology, HWLOC_OBJ_NUMANODE, cpus));
  return found;
}

int64_t cache_bytes(hwloc_topology* topology, hwloc_obj* cpu, hwloc_obj_type_t level) {
  const hwloc_obj* cache = hwloc_get_ancestor_obj_by_type(topology, level, cpu);
  return cache == nullptr ? 0 : static_cast<int64_t>(cache->attr->cache.size);
}

CacheSizes caches_of(hwloc_topology* topology, hwloc_obj* cpu) {
  CacheSizes sizes{.l1d_bytes = cache_bytes(topology, cpu, HWLOC_OBJ_L1CACHE),
                   .l2_bytes = cache_bytes(topology, cpu, HWLOC_OBJ_L2CACHE),
                   .l3_bytes = cache_bytes(topology, cpu, HWLOC_OBJ_L3CACHE)};
  if (const hwloc_obj* l3 = hwloc_get_ancestor_obj_by_type(topology, HWLOC_OBJ_L3CACHE, cpu))
    sizes.l3_cores = group(topology, l3->cpuset).cores;
  return sizes;
}

}  // namespace

Topology read_topology(const std::vector<int>& allowed, const std::string& synthetic) {
  const int allowed_count = std::max(1, static_cast<int>(allowed.size()));
  Topology found;
  found.usable.cores = found.usable.cpus = allowed_count;
  found.machine = found.usable;

  Handle handle = load(synthetic, false);
  if (synthetic.empty() &&
      (!handle || hwloc_get_nbobjs_by_type(handle.get(), HWLOC_OBJ_L1CACHE) == 0))
    handle = load(synthetic, true);
  if (!handle) return found;
  hwloc_topology* const topology = handle.get();

  const Bitmap usable(hwloc_bitmap_alloc());
  for (const int cpu : allowed) hwloc_bitmap_set(usable.get(), static_cast<unsigned>(cpu));
  // Tables that miss CPUs we run on (some sandboxes have such) say nothing about the rest either.
  if (count(topology, HWLOC_OBJ_PU, usable.get()) < allowed_count) return found;
  found.machine = group(topology, hwloc_topology_get_topology_cpuset(topology));
  found.usable = group(topology, usable.get());
  found.usable_l3s = count(topology, HWLOC_OBJ_L3CACHE, usable.get());
  if (allowed.empty()) return found;
  if (hwloc_obj* cpu =
          hwloc_get_pu_obj_by_os_index(topology, static_cast<unsigned>(allowed.front())))
    found.caches = caches_of(topology, cpu);
  return found;
}

}  // namespace bitnetc
